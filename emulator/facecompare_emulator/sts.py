"""``AssumeRoleWithOIDC`` of the provider's STS: issues a temporary key for a token of an identity provider.

The codes that begin with ``AuthenticationFail`` are from the provider's page of STS error codes.
"""

import base64
import binascii
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from .answers import Refusal
from .keys import Credentials, Key, write_time

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

VERSION: Final = "2015-04-01"
ASSUME_ROLE: Final = "AssumeRoleWithOIDC"
DEFAULT_AUDIENCE: Final = "sts.aliyuncs.com"
SHORTEST_SESSION_S: Final = 900

_INVALID: Final = "AuthenticationFail.OIDCToken.Invalid"
_LATEST_S: Final = int(datetime.max.replace(tzinfo=UTC).timestamp())
_TOKEN_LENGTHS: Final = range(4, 20_001)
_PROVIDER_ARN: Final = re.compile(r"acs:ram::\d+:oidc-provider/[^/]+")
_ROLE_ARN: Final = re.compile(r"acs:ram::(?P<account>\d+):role/(?P<name>[^/]+)")
_SESSION_NAME: Final = re.compile(r"[A-Za-z0-9.@_-]{2,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcTrust:
    """Which tokens are accepted. A field that is None is not checked.

    `public_key` is the key of the issuer. Without it, signatures are not checked.
    """

    audiences: tuple[str, ...] = (DEFAULT_AUDIENCE,)
    issuer: str | None = None
    subjects: frozenset[str] | None = None
    public_key: "RSAPublicKey | None" = None
    longest_session_s: int = 3600


def assume_role(
    parameters: Mapping[str, str], trust: OidcTrust, now: datetime
) -> tuple[Key, dict[str, object]]:
    """Return a new temporary key and the answer with it, or raise the provider's `Refusal`."""
    if parameters.get("Version") != VERSION:
        raise Refusal("InvalidVersion" if parameters.get("Version") else "MissingVersion")
    if not _PROVIDER_ARN.fullmatch(parameters.get("OIDCProviderArn", "")):
        raise Refusal("AuthenticationFail.NoPermission", "There is no such OIDC provider.")
    role = _ROLE_ARN.fullmatch(parameters.get("RoleArn", ""))
    if role is None:
        raise Refusal("InvalidParameter.RoleArn")
    session_name = parameters.get("RoleSessionName", "")
    if not _SESSION_NAME.fullmatch(session_name):
        raise Refusal("InvalidParameter.RoleSessionName")
    session = timedelta(seconds=_read_session_s(parameters, trust))
    claims = _read_claims(parameters.get("OIDCToken", ""), trust, now)
    key = Key(
        Credentials(f"STS.{secrets.token_hex(12)}", secrets.token_urlsafe(32), secrets.token_urlsafe(96)),
        ends_at=now + session,
    )
    return key, {
        "OIDCTokenInfo": {
            "Subject": claims["sub"],
            "Issuer": claims["iss"],
            "ClientIds": ",".join(_list_audiences(claims)),
            "ExpirationTime": write_time(datetime.fromtimestamp(claims["exp"], UTC)),
            "VerificationInfo": "Success" if trust.public_key else "Signature not checked",
        },
        "AssumedRoleUser": {
            "AssumedRoleId": f"30000000000000000:{session_name}",
            "Arn": f"acs:ram::{role['account']}:role/{role['name']}/{session_name}",
        },
        "Credentials": {
            "AccessKeyId": key.credentials.access_key_id,
            "AccessKeySecret": key.credentials.access_key_secret,
            "SecurityToken": key.credentials.security_token,
            "Expiration": write_time(now + session),
        },
    }


def _read_session_s(parameters: Mapping[str, str], trust: OidcTrust) -> int:
    text = parameters.get("DurationSeconds", "3600")
    if not text.isdecimal() or not SHORTEST_SESSION_S <= int(text) <= trust.longest_session_s:
        raise Refusal("InvalidParameter.DurationSeconds")
    return int(text)


def _read_claims(token: str, trust: OidcTrust, now: datetime) -> dict[str, Any]:
    parts = token.split(".")
    if len(token) not in _TOKEN_LENGTHS or len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        raise Refusal(_INVALID)
    header, claims, signature = _read_json(parts[0]), _read_json(parts[1]), _decode(parts[2])
    if trust.public_key is not None:
        _check_signature(header, ".".join(parts[:2]), signature, trust.public_key)
    expires_at_s = claims.get("exp")
    if not isinstance(expires_at_s, int) or not 0 <= expires_at_s <= _LATEST_S:
        raise Refusal(_INVALID)
    if not all(isinstance(claims.get(name), str) for name in ("iss", "sub")):
        raise Refusal(_INVALID)
    if trust.issuer not in {None, claims["iss"]}:
        raise Refusal("AuthenticationFail.OIDCToken.IssuerNotMatch")
    if not set(_list_audiences(claims)) & set(trust.audiences):
        raise Refusal("AuthenticationFail.OIDCToken.AudienceNotMatch")
    if now.timestamp() >= expires_at_s:
        raise Refusal("AuthenticationFail.OIDCToken.Expired")
    if trust.subjects is not None and claims["sub"] not in trust.subjects:
        raise Refusal("AuthenticationFail.NoPermission")
    return claims


def _list_audiences(claims: Mapping[str, Any]) -> list[str]:
    audience = claims.get("aud")
    return [str(value) for value in (audience if isinstance(audience, list) else [audience])]


def _read_json(part: str) -> dict[str, Any]:
    try:
        document = json.loads(_decode(part))
    except (ValueError, RecursionError):
        raise Refusal(_INVALID) from None
    if not isinstance(document, dict):
        raise Refusal(_INVALID)
    return document


def _decode(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Refusal(_INVALID) from None


def read_public_key(pem: bytes) -> "RSAPublicKey":
    """Return the RSA key in a PEM file.

    Raises
    ------
    ValueError
        The file contains no RSA key.
    """
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415 - see below
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - see below

    key = load_pem_public_key(pem)
    if not isinstance(key, RSAPublicKey):
        raise ValueError("It is not an RSA key.")  # noqa: TRY004 - the file is wrong, not a type
    return key


def _check_signature(
    header: Mapping[str, Any], signed: str, signature: bytes, public_key: "RSAPublicKey"
) -> None:
    # Imported here: without a public key, the library is not needed.
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    if header.get("alg") != "RS256":
        raise Refusal(_INVALID, f"The algorithm {str(header.get('alg'))[:20]} is unknown.")
    try:
        public_key.verify(signature, signed.encode(), PKCS1v15(), SHA256())
    except InvalidSignature:
        raise Refusal("AuthenticationFail.OIDCToken.InvalidSignature") from None
