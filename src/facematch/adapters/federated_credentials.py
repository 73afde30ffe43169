"""Temporary keys of a RAM role, exchanged for a token of this function's identity. No key is stored.

Source: the API page of Alibaba Cloud STS, `AssumeRoleWithOIDC`, version 2015-04-01. It needs no signature.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final

import requests

from facematch.domain.clock import Clock
from facematch.domain.errors import OperatorError
from facematch.domain.provider import Credentials

# The answers contain keys, and urllib3 may log parts of them at DEBUG.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

SESSION_S: Final = 3600
"""The default maximum of a RAM role."""
RENEWAL_LEAD_S: Final = 300
RENEWAL_PAUSE_S: Final = 30
"""The pause after a failed renewal, while the current key is still valid."""

CONNECT_TIMEOUT_S: Final = 2.0
READ_TIMEOUT_S: Final = 3.0
_OK: Final = 200
_TIME_FORM: Final = "%Y-%m-%dT%H:%M:%SZ"
_CODE_FORM: Final = re.compile(r"[A-Za-z0-9._-]{1,80}")


@dataclass(frozen=True, slots=True)
class _Session:
    credentials: Credentials
    ends_at_ms: float


@dataclass(slots=True, kw_only=True)
class FederatedCredentials:
    """Keys of the role `role_arn`. Each is used until five minutes before its expiry.

    `issue_token` returns a token that the OpenID Connect provider `oidc_provider_arn` accepts. `sts_url` is
    the endpoint that exchanges it for a key.
    """

    issue_token: Callable[[], str]
    sts_url: str
    oidc_provider_arn: str
    role_arn: str
    clock: Clock
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    read_timeout_s: float = READ_TIMEOUT_S
    _session: _Session | None = field(default=None, init=False)
    _renew_at_ms: float = field(default=0, init=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def read(self) -> Credentials:
        """Return a valid key.

        Raises
        ------
        OperatorError
            `web_identity.…`: AWS STS issued no token. `assume_role.…`: Alibaba Cloud STS issued no key. The
            code ends with the code of STS, or the reason why no answer came.
        """
        with self._lock:
            now_ms = self.clock.now_ms()
            if self._session is None or now_ms >= self._renew_at_ms:
                self._session = self._renew(self._session, now_ms)
            return self._session.credentials

    def invalidate(self) -> None:
        """Drop the current key, because the provider refused it."""
        with self._lock:
            self._session = None

    def _renew(self, current: _Session | None, now_ms: int) -> _Session:
        try:
            session = self._assume_role(now_ms)
        except OperatorError:
            if current is None or now_ms >= current.ends_at_ms:
                raise
            self._renew_at_ms = now_ms + RENEWAL_PAUSE_S * 1000
            return current
        self._renew_at_ms = session.ends_at_ms - RENEWAL_LEAD_S * 1000
        return session

    def _assume_role(self, now_ms: int) -> _Session:
        query = {
            "Action": "AssumeRoleWithOIDC",
            "Version": "2015-04-01",
            "Format": "JSON",
            "Timestamp": datetime.fromtimestamp(now_ms / 1000, UTC).strftime(_TIME_FORM),
        }
        form = {
            "OIDCProviderArn": self.oidc_provider_arn,
            "RoleArn": self.role_arn,
            "RoleSessionName": "facematch",
            "DurationSeconds": str(SESSION_S),
            # In the body, because queries are often logged.
            "OIDCToken": self.issue_token(),
        }
        outcome = self._post(query, form)
        if isinstance(outcome, OperatorError):
            # Raised here, without the original error as its context: that contains the token.
            raise outcome
        return outcome

    def _post(self, query: dict[str, str], form: dict[str, str]) -> _Session | OperatorError:
        try:
            # A redirect could send the token anywhere.
            response = requests.post(
                self.sts_url,
                params=query,
                data=form,
                timeout=(self.connect_timeout_s, self.read_timeout_s),
                allow_redirects=False,
            )
            document = response.json()
        except requests.Timeout:
            return _make_error("timeout")
        except requests.ConnectionError:
            return _make_error("no_connection")
        except (requests.RequestException, ValueError, RecursionError):
            return _make_error("unreadable_answer")
        if not isinstance(document, dict):
            return _make_error("unreadable_answer")
        if response.status_code != _OK:
            return _make_error(document.get("Code"), document.get("RequestId"))
        return _read_session(document) or _make_error("unreadable_answer", document.get("RequestId"))


def _read_session(document: dict[str, Any]) -> _Session | None:
    try:
        given = document["Credentials"]
        key = (given["AccessKeyId"], given["AccessKeySecret"], given["SecurityToken"])
        ends_at = datetime.strptime(given["Expiration"], _TIME_FORM).replace(tzinfo=UTC)
    except (KeyError, TypeError, ValueError):
        return None
    if not all(isinstance(part, str) and part for part in key):
        return None
    return _Session(Credentials(*key), ends_at.timestamp() * 1000)


def _make_error(reason: object, request_id: object = None) -> OperatorError:
    """Return the error. Values without the form of a code are dropped: they could contain anything."""
    return OperatorError(
        f"assume_role.{_read_word(reason) or 'unreadable_answer'}",
        "Alibaba Cloud STS issued no key for the role.",
        request_id=_read_word(request_id),
    )


def _read_word(value: object) -> str | None:
    return value if isinstance(value, str) and _CODE_FORM.fullmatch(value) else None
