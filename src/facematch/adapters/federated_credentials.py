"""Temporary keys of a RAM role, for a token of this function's own identity: no key is stored anywhere.

Source: the API page of Alibaba Cloud STS, `AssumeRoleWithOIDC`, version 2015-04-01, which takes no signature.
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
from facematch.domain.errors import OperatorFaultError
from facematch.domain.provider import Credentials

# The answers pass through urllib3, whatever it may come to log of them at DEBUG.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

SESSION_S: Final = 3600
"""What a RAM role allows unless it says otherwise."""

RENEWAL_LEAD_S: Final = 300
RENEWAL_PAUSE_S: Final = 30
"""How long a renewal that failed is left alone while the key at hand is still good."""

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
    """Keys of the role `role_arn`, each used until five minutes before it ends.

    `issue_token` gets a token as the OpenID Connect provider `oidc_provider_arn` accepts it; `sts_url` is
    where it is traded.
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
        """Return a key that is good for a while.

        Raises
        ------
        OperatorFaultError
            `web_identity.…`: AWS STS issued no token. `assume_role.…`: Alibaba Cloud STS gave no key for it;
            the code goes on with its own, or says why no answer came.
        """
        with self._lock:
            now_ms = self.clock.now_ms()
            if self._session is None or now_ms >= self._renew_at_ms:
                self._session = self._renew(self._session, now_ms)
            return self._session.credentials

    def distrust(self) -> None:
        """Get another key next time: the provider refused this one."""
        with self._lock:
            self._session = None

    def _renew(self, held: _Session | None, now_ms: int) -> _Session:
        try:
            session = self._assume_role(now_ms)
        except OperatorFaultError:
            if held is None or now_ms >= held.ends_at_ms:
                raise
            self._renew_at_ms = now_ms + RENEWAL_PAUSE_S * 1000
            return held
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
            # In the body: a query gets logged on its way.
            "OIDCToken": self.issue_token(),
        }
        outcome = self._post(query, form)
        if isinstance(outcome, OperatorFaultError):
            # Here and not where it arose: the errors there carry the request, and with it the token.
            raise outcome
        return outcome

    def _post(self, query: dict[str, str], form: dict[str, str]) -> _Session | OperatorFaultError:
        try:
            # A redirect would carry the token to wherever it leads.
            response = requests.post(
                self.sts_url,
                params=query,
                data=form,
                timeout=(self.connect_timeout_s, self.read_timeout_s),
                allow_redirects=False,
            )
            document = response.json()
        except requests.Timeout:
            return _fault("timeout")
        except requests.ConnectionError:
            return _fault("no_connection")
        except (requests.RequestException, ValueError, RecursionError):
            return _fault("unreadable_answer")
        if not isinstance(document, dict):
            return _fault("unreadable_answer")
        if response.status_code != _OK:
            return _fault(document.get("Code"), document.get("RequestId"))
        return _read_session(document) or _fault("unreadable_answer", document.get("RequestId"))


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


def _fault(reason: object, request_id: object = None) -> OperatorFaultError:
    """Return the fault of that reason; one that is not in the form of a code may hold anything."""
    told = reason if isinstance(reason, str) and _CODE_FORM.fullmatch(reason) else "unreadable_answer"
    return OperatorFaultError(
        f"assume_role.{told}",
        "Alibaba Cloud STS gave no key for the role.",
        request_id=request_id if isinstance(request_id, str) and _CODE_FORM.fullmatch(request_id) else None,
    )
