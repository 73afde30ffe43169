"""FaceCompare by the official SDK.

The SDK's exceptions carry the whole request, photos included. None of them leaves this module, not even as
the cause of another, and none of their texts do.
"""

import base64
import contextlib
import logging
import math
import re
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from alibabacloud_cloudauth_intl20220809.client import Client
from alibabacloud_cloudauth_intl20220809.models import FaceCompareRequest, FaceCompareResponse
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.core import DaraCore
from darabonba.exceptions import DaraException
from darabonba.runtime import RuntimeOptions
from requests import sessions
from requests.exceptions import ConnectionError as RequestsConnectionError
from requests.exceptions import ConnectTimeout, Timeout
from Tea.exceptions import TeaException
from urllib3.exceptions import MaxRetryError, NewConnectionError

from facematch.domain.errors import (
    FacematchError,
    OperatorFaultError,
    ProviderError,
    ProviderFaultError,
    ProviderThrottledError,
    UnreachableError,
)
from facematch.domain.provider import (
    Answer,
    Call,
    Credentials,
    CredentialSource,
    Depart,
    InlinePicture,
    Picture,
    depart_at_once,
)
from facematch.domain.regions import Region
from facematch.domain.verdict import HIGHEST_SCORE

# The SDK logs headers and query under DEBUG=sdk, by a handler of its own.
logging.getLogger("darabonba-core").disabled = True
# urllib3 logs each request's query at DEBUG, and with it the signatures of photo URLs.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

# The SDK would follow a redirect and post both photos to wherever it leads, another jurisdiction included.
sessions.DEFAULT_REDIRECT_LIMIT = 0  # type: ignore[attr-defined]

_DEPART: Final[ContextVar[Depart]] = ContextVar("depart", default=depart_at_once)
_send_now: Final = DaraCore.do_action


def _send_when_due(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - the SDK's own
    _DEPART.get()()
    return _send_now(*arguments, **options)


# The SDK encodes, signs and sends in one go. Between signing and sending is where a call waits for its slot:
# encoding two large photos takes as long as a slot may be late.
DaraCore.do_action = staticmethod(_send_when_due)

CONNECT_TIMEOUT_S: Final = 3.0
READ_TIMEOUT_S: Final = 10.0
_READY_TIMEOUT_S: Final = 1.0
_LONGEST_RETRY_AFTER_MS: Final = 900_000
"""What is believed of a throttled call's pause: a longer one would stop a region until someone notices."""
_WORD: Final = re.compile(r"[\w.:-]{1,128}", re.ASCII)
"""The form of the provider's codes and ids, which go into the ledger, the event and the logs."""
_IDLE_LIMIT_S: Final = 5.0
"""How long a connection may rest. Source: the provider's page on keeping connections alive."""


@dataclass(frozen=True, slots=True)
class FaceCompareEndpoint:
    """Where a region's calls go: `address` is the host, with a port where it is not the protocol's own."""

    address: str
    protocol: str = "HTTPS"


@dataclass(frozen=True, slots=True)
class FaceCompareProvider:
    """Calls FaceCompare, whatever came of earlier calls.

    There is one SDK client a region and key, with its connections kept alive.
    """

    endpoints: Mapping[Region, FaceCompareEndpoint]
    credentials: CredentialSource
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    read_timeout_s: float = READ_TIMEOUT_S
    _clients: dict[tuple[Region, Credentials], Client] = field(default_factory=dict)
    _used_at_s: dict[Region, float] = field(default_factory=dict)

    def check(self, region: Region) -> None:
        """Return: any call may be made."""

    def make_ready(self, region: Region) -> None:
        """Connect, by the provider's own operation for that, unless a connection was used just now.

        What the operation answers does not matter, nor whether the region knows it: the connection stands.
        """
        if time.monotonic() - self._used_at_s.get(region, -math.inf) < _IDLE_LIMIT_S:
            return
        timeout_ms = round(_READY_TIMEOUT_S * 1000)
        options = RuntimeOptions(connect_timeout=timeout_ms, read_timeout=timeout_ms)
        with contextlib.suppress(
            DaraException, TeaException, OperatorFaultError, ValueError, KeyError, TypeError, AttributeError
        ):
            self._client(region, self.credentials.read()).keepalive_intl_with_options(options)
        self._used_at_s[region] = time.monotonic()

    def compare(self, call: Call, depart: Depart = depart_at_once) -> Answer:
        """Make one call, without retries but for one: where its key was refused, and there is another by now.

        A key is refused before the operation: nothing is billed, and the `MerchantBizId` is still unused.

        Raises
        ------
        ProviderFaultError, ProviderThrottledError, OperatorFaultError
            See the port.
        """
        refused = self.credentials.read()
        answer = self._call(call, refused, depart)
        if not answer.refuses_key:
            return answer
        self.credentials.distrust()
        replacement = self.credentials.read()
        if replacement == refused:
            return answer
        answer = self._call(call, replacement, depart)
        if answer.refuses_key:
            self.credentials.distrust()
        return answer

    def _call(self, call: Call, credentials: Credentials, depart: Depart) -> Answer:
        client = self._client(call.region, credentials)
        self._used_at_s[call.region] = time.monotonic()
        failure: Answer | FacematchError
        try:
            with _departing(depart):
                response = client.face_compare_with_options(_request(call), RuntimeOptions())
        except DaraException as error:
            failure = _read_refusal(error)
        except TeaException as error:
            failure = _read_silence(error)
        except (ValueError, KeyError, TypeError, AttributeError):
            # What the SDK trips over when an answer is not of the form that it was made for.
            failure = _unreadable()
        else:
            failure = _read_answer(response)
        if isinstance(failure, FacematchError):
            raise failure.with_traceback(None)
        return failure

    def _client(self, region: Region, credentials: Credentials) -> Client:
        client = self._clients.get((region, credentials))
        if client is None:
            endpoint = self.endpoints[region]
            config = Config(
                access_key_id=credentials.access_key_id,
                access_key_secret=credentials.access_key_secret,
                security_token=credentials.security_token,
                endpoint=endpoint.address,
                protocol=endpoint.protocol,
                connect_timeout=round(self.connect_timeout_s * 1000),
                read_timeout=round(self.read_timeout_s * 1000),
            )
            client = Client(config)
            self._forget_old_keys(region)
            self._clients[region, credentials] = client
        return client

    def _forget_old_keys(self, region: Region) -> None:
        for key in [key for key in self._clients if key[0] is region]:
            self._clients.pop(key, None)


@contextlib.contextmanager
def _departing(depart: Depart) -> Iterator[None]:
    """Have what the SDK sends within the block ask `depart` before it leaves."""
    token = _DEPART.set(depart)
    try:
        yield
    finally:
        _DEPART.reset(token)


def _request(call: Call) -> FaceCompareRequest:
    request = FaceCompareRequest(merchant_biz_id=call.merchant_biz_id)
    request.source_face_picture, request.source_face_picture_url = _picture(call.source)
    request.target_face_picture, request.target_face_picture_url = _picture(call.target)
    if call.face_quality_check:
        request.face_quality_check = "Y"
    return request


def _picture(picture: Picture) -> tuple[str | None, str | None]:
    """Return a photo's Base64 text or its URL: always exactly one of the two."""
    if isinstance(picture, InlinePicture):
        return base64.b64encode(picture.jpeg).decode(), None
    return None, picture.url


def _read_answer(response: FaceCompareResponse) -> Answer | ProviderError:
    body = response.body
    code = _read_word(body.code) if body else None
    if code is None:
        return _unreadable()
    if body.result is None:
        return Answer(
            code=code,
            message=body.message or "",
            http_status=response.status_code or 200,
            request_id=_read_word(body.request_id),
        )
    result = body.result
    quality = result.ext_face_info.to_map() if result.ext_face_info else None
    return Answer(
        code=code,
        message=body.message or "",
        http_status=response.status_code or 200,
        request_id=_read_word(body.request_id),
        transaction_id=_read_word(result.transaction_id),
        passed={"Y": True, "N": False}.get(str(result.passed)),
        score=_read_score(result.face_comparison_score),
        face_quality=_read_quality(quality) if quality else None,
    )


def _read_word(value: Any) -> str | None:  # noqa: ANN401 - whatever the provider sends
    """Return a code or an id; None for what has not the form of one: it may hold anything, at any length."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _read_quality(scores: Mapping[str, Any]) -> dict[str, float]:
    """Return the scores that are numbers, by the provider's names for them."""
    read = {name: _read_score(score) for name, score in scores.items()}
    return {name: score for name, score in read.items() if score is not None}


def _read_score(value: Any) -> float | None:  # noqa: ANN401 - whatever the provider sends
    """Return a score (0 to 100) that came as a number or its text; None for anything else, NaN included."""
    try:
        score = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return score if 0 <= score <= HIGHEST_SCORE else None


def _read_refusal(error: DaraException) -> Answer | ProviderError:
    """Return what an answer with an error code says; where there is no code, it is no answer."""
    data: Mapping[str, Any] = error.data if isinstance(error.data, dict) else {}
    status = data.get("statusCode") or data.get("httpCode") or 0
    code, request_id = _read_word(error.code), _read_word(data.get("RequestId"))
    # The SDK writes a code that was not there as "None".
    if code is None or code == "None":
        return _unreadable()
    retry_after_ms = getattr(error, "retry_after", None)
    if retry_after_ms is not None and code.startswith("Throttling"):
        return ProviderThrottledError(
            code,
            "The provider throttled the call.",
            request_id=request_id,
            retry_after_s=min(retry_after_ms, _LONGEST_RETRY_AFTER_MS) / 1000,
        )
    return Answer(code=code, message="", http_status=int(status), request_id=request_id)


def _read_silence(error: TeaException) -> FacematchError:
    """Return why no answer came: what kept the call from leaving, or what befell it on its way."""
    inner = getattr(error, "inner_exception", None)
    if isinstance(inner, FacematchError):
        return inner
    cause = inner.__context__ if inner is not None else None
    if isinstance(cause, ConnectTimeout) or _never_connected(cause):
        return UnreachableError()
    if isinstance(cause, Timeout):
        return ProviderFaultError("timeout", "The provider did not answer in time.", answered=False)
    if isinstance(cause, RequestsConnectionError):
        return ProviderFaultError("connection_lost", "The connection to the provider broke.", answered=False)
    return _unreadable()


def _never_connected(cause: BaseException | None) -> bool:
    reasons = getattr(cause, "args", ())
    return any(
        isinstance(reason, MaxRetryError) and isinstance(reason.reason, NewConnectionError)
        for reason in reasons
    )


def _unreadable() -> ProviderFaultError:
    return ProviderFaultError("unreadable_answer", "The provider's answer can't be read.", answered=False)
