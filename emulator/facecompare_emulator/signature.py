"""Verification of ``ACS3-HMAC-SHA256``, the provider's signature version 3.

It follows the provider's description of the method, not its SDK. So the SDK and this module check each other.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, quote

from .answers import Refusal
from .keys import Credentials, KeyRing
from .recent import Recent

ALGORITHM: Final = "ACS3-HMAC-SHA256"
MAX_SKEW: Final = timedelta(minutes=15)
# A nonce is kept as long as a date that was sent with it can be accepted: the skew on both sides.
NONCE_AGE_S: Final = 2 * MAX_SKEW.total_seconds()
MAX_NONCES: Final = 100_000
_NONCE_HEADER: Final = "x-acs-signature-nonce"

_SHOWN: Final = 40
_FORM: Final = "application/x-www-form-urlencoded"
# Parameters of the older signature versions 1.0 and 2.0.
_OLD_PARAMETERS: Final = ("SignatureVersion", "SignatureMethod", "Signature", "AccessKeyId")

_AUTHORIZATION: Final = re.compile(
    rf"{ALGORITHM}\s+Credential=(?P<key>[^,\s]+),\s*SignedHeaders=(?P<signed>[^,\s]+),\s*"
    r"Signature=(?P<signature>[0-9a-f]{64})",
)


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request as it arrived. Header names are in lower case, and can be in `headers` more than once."""

    method: str
    path: str
    query_string: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the query and of the form body."""
        parameters = dict(self.query)
        if (self.header("content-type") or "").partition(";")[0].strip().lower() == _FORM:
            parameters.update(parse_qsl(self.body.decode("ascii", "replace"), keep_blank_values=True))
        return parameters

    def header(self, name: str) -> str | None:
        """Return the first header with this name."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def query(self) -> list[tuple[str, str]]:
        """The decoded query."""
        return parse_qsl(self.query_string, keep_blank_values=True)


class SignatureVerifier:
    """Checks the key, the date, the signature and the nonce of a request."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys
        self._nonces = Recent(max_count=MAX_NONCES, max_age_s=NONCE_AGE_S)

    def verify(self, request: ReceivedRequest, now: datetime) -> None:
        """Raise the provider's `Refusal` unless the request is signed correctly. The nonce is not used up."""
        _check_method(request)
        authorization = _require(request, "authorization", "MissingAccessKeyId")
        _require(request, _NONCE_HEADER, "MissingSignatureNonce")
        _check_date(_require(request, "x-acs-date", "MissingTimestamp"), now)
        match = _AUTHORIZATION.fullmatch(authorization.strip())
        if match is None:
            raise Refusal("IncompleteSignature")
        key = self._keys.find(match["key"])
        if key is None:
            raise Refusal("InvalidAccessKeyId.NotFound")
        if not key.active:
            raise Refusal("InvalidAccessKeyId.Inactive")
        _check_security_token(request, key.credentials)
        if key.ends_at is not None and now >= key.ends_at:
            raise Refusal("InvalidSecurityToken.Expired")
        _check_signature(request, match["signed"].split(";"), match["signature"], key.credentials)

    def use_nonce(self, request: ReceivedRequest, now: datetime) -> None:
        """Raise the provider's `Refusal` if an earlier verified request had the same nonce."""
        if not self._nonces.remember(request.header(_NONCE_HEADER) or "", now.timestamp()):
            raise Refusal("SignatureNonceUsed")


def canonicalise(request: ReceivedRequest, signed_headers: Sequence[str]) -> str:
    """Return the canonical request, with the hash of the received body."""
    query = "&".join(
        sorted(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in request.query),
    )
    headers = "".join(f"{name}:{_header_value(request, name)}\n" for name in sorted(signed_headers))
    body_sha256 = hashlib.sha256(request.body).hexdigest()
    return "\n".join(
        [request.method, request.path, query, headers, ";".join(sorted(signed_headers)), body_sha256],
    )


def _header_value(request: ReceivedRequest, name: str) -> str:
    return ",".join(sorted(value.strip() for key, value in request.headers if key == name))


def _require(request: ReceivedRequest, header: str, code: str) -> str:
    value = request.header(header)
    if not value:
        raise Refusal(code)
    return value


def _check_method(request: ReceivedRequest) -> None:
    """Raise a `Refusal` if the provider has this signature method, but the emulator does not."""
    authorization = (request.header("authorization") or "").strip()
    if authorization.startswith(ALGORITHM):
        return
    parameters = {} if authorization else request.parameters
    if any(name in parameters for name in _OLD_PARAMETERS):
        version = parameters.get("SignatureVersion", "1.0")
        raise _not_emulated(f"signature version {version[:_SHOWN]}, which sends the signature as a parameter")
    if signature_type := request.header("x-acs-signature-type"):
        raise _not_emulated(f"the signature type {signature_type[:_SHOWN]}")
    if authorization:
        raise _not_emulated(f"the signature method {authorization.split()[0][:_SHOWN]}")


def _not_emulated(what: str) -> Refusal:
    return Refusal(
        "NotEmulated.Signature",
        f"The emulator does not support {what}. It verifies {ALGORITHM} only, which current SDKs send.",
    )


def _check_date(text: str, now: datetime) -> None:
    try:
        sent_at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise Refusal("InvalidTimeStamp.Format") from None
    if abs(now - sent_at) > MAX_SKEW:
        raise Refusal("InvalidTimeStamp.Expired")


def _check_security_token(request: ReceivedRequest, credentials: Credentials) -> None:
    sent = request.header("x-acs-security-token")
    if credentials.security_token is not None and not sent:
        raise Refusal("MissingSecurityToken")
    expected = credentials.security_token or ""
    if not hmac.compare_digest((sent or "").encode(), expected.encode()):
        raise Refusal("InvalidSecurityToken.MismatchWithAccessKey")


def _check_signature(
    request: ReceivedRequest, signed_headers: Sequence[str], signature: str, credentials: Credentials
) -> None:
    must_sign = {name for name, _ in request.headers if name == "host" or name.startswith("x-acs-")}
    must_sign.add("x-acs-content-sha256")
    if not must_sign <= set(signed_headers) or request.header("x-acs-content-sha256") is None:
        raise Refusal("IncompleteSignature")
    canonical_sha256 = hashlib.sha256(canonicalise(request, signed_headers).encode()).hexdigest()
    string_to_sign = f"{ALGORITHM}\n{canonical_sha256}"
    secret = credentials.access_key_secret.encode()
    expected = hmac.new(secret, string_to_sign.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        message = (
            f"Specified signature does not match our calculation. server StringToSign is [{string_to_sign}]"
        )
        raise Refusal("SignatureDoesNotMatch", message)
