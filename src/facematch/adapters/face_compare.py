"""Calls FaceCompare with the official SDK, but over this module's own transport.

The SDK has no hook before sending, hides why a call failed, and reuses connections of any age. So this module
replaces the SDK's HTTP adapter by `_Transport`, which records the progress of each request in an `_Exchange`.

The SDK's exceptions contain the whole request with its photos. Neither they nor their texts leave this
module, not even as cause or context of another exception.
"""

import base64
import contextlib
import json
import logging
import math
import re
import ssl
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from threading import Lock
from typing import Any, Final

from alibabacloud_cloudauth_intl20220809.client import Client
from alibabacloud_cloudauth_intl20220809.models import (
    DeleteVerifyResultRequest,
    FaceCompareRequest,
    FaceCompareV2Request,
)
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.core import DaraCore
from darabonba.runtime import RuntimeOptions
from requests import PreparedRequest, Response
from requests.adapters import DEFAULT_POOLSIZE, HTTPAdapter
from requests.exceptions import RequestException, Timeout
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from facematch import __version__
from facematch.domain.errors import (
    ProviderError,
    ProviderFaultError,
    UnreachableError,
)
from facematch.domain.provider import (
    Answer,
    BeforeSend,
    Call,
    CallPhoto,
    Credentials,
    CredentialSource,
    Deletion,
    EncodedPhoto,
    Examination,
    Operation,
    is_success,
    raise_for_answer,
    send_at_once,
)
from facematch.domain.regions import Region
from facematch.domain.verdict import HIGHEST_SCORE

# With DEBUG=sdk, the SDK logs headers and query to its own handler.
logging.getLogger("darabonba-core").disabled = True
# At DEBUG, urllib3 logs each request's query, which contains photo URLs with their signatures.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

CONNECT_TIMEOUT_S: Final = 3.0
READ_TIMEOUT_S: Final = 10.0
_READY_TIMEOUT_S: Final = 1.0
_PROBE_TIMEOUT_S: Final = 3.0
IDLE_LIMIT_S: Final = 4.0
"""How long a connection may be idle before a call. The provider's page on connection keep-alive suggests to
use a connection every 5 s. Sending a call takes a part of that."""
_LONGEST_PAUSE_MS: Final = 900_000
"""The longest pause that is accepted from the provider. A longer one would stop a region unnoticed."""
_WORD: Final = re.compile(r"[\w.:-]{1,128}", re.ASCII)
"""The form of the provider's codes and ids. They are copied to the ledger, the event and the logs."""
_UNPROCESSED_STATUSES: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
"""With these HTTP statuses, the call was not processed, even if the answer has no code."""
_NOT_IN_THIS_REGION: Final = ("InvalidAction.NotFound", "InvalidApi.NotFound")
_REFUSES_KEEPALIVE_ONLY: Final = (
    *_NOT_IN_THIS_REGION,
    "Forbidden.RAMUserAccessDenied",
    "NoPermission",
    "ActionUnauthorized",
    "Forbedden.NotSupportRAM",
)
"""Codes that refuse `KeepaliveIntl`, although comparisons may be allowed."""
_QUALITY_SCORES: Final = {
    f"{photo}{aspect}Score"
    for photo in ("", "Target")
    for aspect in ("FaceQuality", "Illumination", "KaOcclusion", "Occlusion", "Sharpness")
}


@dataclass(slots=True)
class _Exchange:
    """One request and its progress. Nothing is sent before `before_send` returns.

    A dry run ends in the transport, before it connects.
    """

    before_send: BeforeSend
    clock_s: Callable[[], float]
    is_billable: bool = False
    is_dry_run: bool = False
    is_hooked: bool = False
    has_run_hook: bool = False
    is_sent: bool = False
    blocked_by: BaseException | None = None
    failure: RequestException | None = None
    response: Response | None = None

    def run_before_send(self) -> None:
        """Call `before_send` once, however many connections are tried."""
        if self.has_run_hook:
            return
        try:
            self.before_send()
        except BaseException as error:  # noqa: BLE001 - raised again by `conclude`
            self.blocked_by = error
            # Not the error itself, because urllib3 and the SDK catch some errors.
            raise _BlockedError from None
        self.has_run_hook = True

    def conclude(self) -> Response:
        """Return the response.

        Raises
        ------
        UnreachableError
            Nothing was sent.
        ProviderFaultError
            `timeout` or `connection_lost`: the request was sent, and no whole response came.
        RuntimeError
            The SDK did not use this module's transport.
        """
        if self.blocked_by is not None:
            raise self.blocked_by.with_traceback(None)
        if not self.is_hooked or (self.response is not None and not self.has_run_hook):
            raise RuntimeError("The provider's SDK did not send a request through this module's transport.")
        if self.response is not None:
            return self.response
        if not self.is_sent:
            raise UnreachableError
        if isinstance(self.failure, Timeout):
            raise self.fail("timeout", "The provider did not answer in time.")
        raise self.fail("connection_lost", "The connection to the provider was lost.")

    def fail(self, code: str, message: str) -> ProviderFaultError:
        """Return the error for a request that was sent and got no readable answer."""
        return ProviderFaultError(code, message, possibly_billed=self.is_billable)


_EXCHANGE: Final[ContextVar[_Exchange | None]] = ContextVar("exchange", default=None)


def _read_clock_s() -> float:
    exchange = _EXCHANGE.get()
    return time.time() if exchange is None else exchange.clock_s()


class _BlockedError(Exception):
    """The request must not be sent."""


class _StaleConnectionError(Exception):
    """The connection was idle for too long. Another one must be used."""


class _Connection(HTTPConnection):
    """Connects, runs the hook, and sends if the connection is still fresh."""

    used_at_s = -math.inf

    def connect(self) -> None:
        super().connect()
        self.used_at_s = _read_clock_s()

    def request(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - urllib3's own
        exchange = _EXCHANGE.get()
        if exchange is not None:
            if self.is_closed:
                self.connect()
            self._check_fresh()
            exchange.run_before_send()
            self._check_fresh()
            exchange.is_sent = True
        super().request(*arguments, **options)

    def getresponse(self) -> Any:  # noqa: ANN401 - urllib3's own
        response = super().getresponse()
        self.used_at_s = _read_clock_s()
        return response

    def _check_fresh(self) -> None:
        if not 0 <= _read_clock_s() - self.used_at_s < IDLE_LIMIT_S:
            raise _StaleConnectionError


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Transport(HTTPAdapter):
    """Sends the SDK's requests, and records their progress in the exchange."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - requests' own
        self.tls = ssl.create_default_context()
        self.tls.load_verify_locations(DEFAULT_CA_BUNDLE_PATH)
        super().init_poolmanager(*arguments, ssl_context=self.tls, **options)
        self._use_own_connections(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:  # noqa: ANN401 - requests' own
        manager = super().proxy_manager_for(proxy, ssl_context=self.tls, **options)
        self._use_own_connections(manager)
        return manager

    def cert_verify(self, conn: Any, *arguments: Any) -> None:  # noqa: ANN401 - requests' own
        super().cert_verify(conn, *arguments)
        # `tls` has loaded them. To load them for each connection takes longer than a call may be late.
        conn.ca_certs = conn.ca_cert_dir = None

    def _use_own_connections(self, manager: Any) -> None:  # noqa: ANN401 - urllib3's own
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def send(self, request: PreparedRequest, **options: Any) -> Response:  # type: ignore[override] # noqa: ANN401
        # The SDK reads HTTP_PROXY and HTTPS_PROXY, but not NO_PROXY.
        options["proxies"] = get_environ_proxies(request.url or "")
        exchange = _EXCHANGE.get()
        if exchange is None:
            return super().send(request, **options)
        exchange.is_hooked = True
        if exchange.is_dry_run:
            raise _BlockedError
        try:
            exchange.response = self._send_on_fresh_connection(request, options)
        except RequestException as error:
            exchange.failure = error
            raise
        return exchange.response

    def _send_on_fresh_connection(self, request: PreparedRequest, options: dict[str, Any]) -> Response:
        # Each stale connection is closed, so the loop ends.
        while True:
            with contextlib.suppress(_StaleConnectionError):
                response = super().send(request, **options)
                # Read the body here, where a failure is recorded.
                _ = response.content
                # A redirect could send both photos anywhere, even to another jurisdiction.
                response.headers.pop("location", None)
                return response


def _make_transport(*_: Any, pool_size: int | None = None) -> _Transport:  # noqa: ANN401 - the SDK's own
    return _Transport(pool_maxsize=pool_size or DEFAULT_POOLSIZE)


DaraCore.get_adapter = staticmethod(_make_transport)


@dataclass(frozen=True, slots=True)
class FaceCompareEndpoint:
    """The endpoint of a region. `address` is the host, with a port if it is not the protocol's default."""

    address: str
    protocol: str = "HTTPS"


type _Operation = Callable[[Client, RuntimeOptions], object]


@dataclass(frozen=True, slots=True)
class FaceCompareProvider:
    """Calls FaceCompare. It is thread-safe; all threads share the connections to a region.

    `clock_s` measures how long connections were idle, in seconds. It is the wall clock: a monotonic clock may
    stop while the function is frozen or stored in a snapshot.
    """

    endpoints: Mapping[Region, FaceCompareEndpoint]
    credentials: CredentialSource
    operation: Operation = Operation.FACE_COMPARE
    connect_timeout_s: float = CONNECT_TIMEOUT_S
    read_timeout_s: float = READ_TIMEOUT_S
    clock_s: Callable[[], float] = time.time
    _clients: dict[tuple[Region, Credentials], Client] = field(default_factory=dict)
    _connected_at_s: dict[Region, float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def warm_up(self, region: Region) -> None:
        """Make a free call, `KeepaliveIntl`, unless a connection was used just now.

        Its answer does not matter: any answer leaves an open connection.
        """
        if not 0 <= self.clock_s() - self._connected_at_s.get(region, -math.inf) < IDLE_LIMIT_S:
            with contextlib.suppress(ProviderError):
                self._keep_alive(region, self.credentials.read(), _READY_TIMEOUT_S)

    def probe(self, region: Region) -> None:
        """Make one free call, `KeepaliveIntl`; return if a comparison may be tried.

        It also returns if the region does not support the operation (no endpoint in Malaysia is documented),
        or if the key may not call it: a policy may allow only comparisons.

        Raises
        ------
        OperatorError, ProviderThrottledError, ProviderFaultError, UnreachableError
            See the port.
        """
        answer = self._use_good_key(lambda key: self._keep_alive(region, key, _PROBE_TIMEOUT_S))
        if not answer.code.startswith(_REFUSES_KEEPALIVE_ONLY):
            raise_for_answer(answer)

    def examine(self, region: Region) -> Examination:
        """Make one free call, `KeepaliveIntl`; return its answer, latency and clock difference.

        Raises
        ------
        OperatorError
            There is no usable key.
        UnreachableError
            The call was not sent.
        ProviderFaultError
            No readable answer came.
        """
        started_s = self.clock_s()
        exchange = self._exchange(
            region, self.credentials.read(), Client.keepalive_intl_with_options, timeout_s=_PROBE_TIMEOUT_S
        )
        ended_s = self.clock_s()
        answer = _read_answer(exchange, "Passed")
        sent_at_s = _read_date_s(exchange.conclude().headers.get("date"))
        return Examination(
            answer=answer,
            latency_s=ended_s - started_s,
            # The header has no fraction of a second.
            clock_ahead_s=None if sent_at_s is None else sent_at_s + 0.5 - ended_s,
            refuses_operation_only=answer.code.startswith(_REFUSES_KEEPALIVE_ONLY),
        )

    def compare(self, call: Call, before_send: BeforeSend = send_at_once) -> Answer:
        """Make one call; retry once if its key was refused and a new key is available.

        A key is refused before the operation. So nothing is billed, and the `MerchantBizId` is still unused.

        Raises
        ------
        OperatorError, ProviderFaultError, UnreachableError
            See the port.
        """

        def call_operation(client: Client, options: RuntimeOptions) -> None:
            if self.operation is Operation.FACE_COMPARE_V2:
                client.face_compare_v2with_options(FaceCompareV2Request(**_list_fields(call)), options)
            else:
                client.face_compare_with_options(FaceCompareRequest(**_list_fields(call)), options)

        def call_with(key: Credentials) -> Answer:
            return self._call(call.region, key, call_operation, before_send=before_send, is_billable=True)

        return self._use_good_key(call_with)

    def delete_result(self, region: Region, transaction_id: str) -> Deletion:
        """Ask the provider to delete its data about a comparison, with `DeleteVerifyResult`.

        Whether the operation supports FaceCompare is unknown. The provider's page lists the supported
        solutions, and has no endpoint in Malaysia.

        Raises
        ------
        OperatorError, ProviderThrottledError, ProviderFaultError, UnreachableError
            The provider did not decide. Retry later.
        """
        # According to the page: N for results that are not queried, All for photos and text.
        request = DeleteVerifyResultRequest(
            transaction_id=transaction_id, delete_after_query="N", delete_type="All"
        )

        def call_operation(client: Client, options: RuntimeOptions) -> None:
            client.delete_verify_result_with_options(request, options)

        answer = self._use_good_key(
            lambda key: self._call(region, key, call_operation, yes_or_no="DeleteResult")
        )
        if answer.code not in _NOT_IN_THIS_REGION:
            raise_for_answer(answer)
        return Deletion(is_deleted=is_success(answer.code) and answer.passed is True, code=answer.code)

    def _use_good_key(self, call: Callable[[Credentials], Answer]) -> Answer:
        refused = self.credentials.read()
        answer = call(refused)
        if not answer.refuses_key:
            return answer
        self.credentials.invalidate()
        replacement = self.credentials.read()
        if replacement == refused:
            return answer
        answer = call(replacement)
        if answer.refuses_key:
            self.credentials.invalidate()
        return answer

    def _keep_alive(self, region: Region, credentials: Credentials, timeout_s: float) -> Answer:
        return self._call(region, credentials, Client.keepalive_intl_with_options, timeout_s=timeout_s)

    def _call(
        self,
        region: Region,
        credentials: Credentials,
        operation: _Operation,
        *,
        before_send: BeforeSend = send_at_once,
        timeout_s: float | None = None,
        is_billable: bool = False,
        yes_or_no: str = "Passed",
    ) -> Answer:
        exchange = self._exchange(
            region,
            credentials,
            operation,
            before_send=before_send,
            timeout_s=timeout_s,
            is_billable=is_billable,
        )
        return _read_answer(exchange, yes_or_no)

    def _exchange(
        self,
        region: Region,
        credentials: Credentials,
        operation: _Operation,
        *,
        before_send: BeforeSend = send_at_once,
        timeout_s: float | None = None,
        is_billable: bool = False,
    ) -> _Exchange:
        """Make a call with the SDK; return the exchange with its response or its failure."""
        client = self._find_client(region, credentials)
        exchange = _Exchange(before_send, self.clock_s, is_billable=is_billable)
        timeout_ms = round(timeout_s * 1000) if timeout_s else None
        _run(operation, client, RuntimeOptions(connect_timeout=timeout_ms, read_timeout=timeout_ms), exchange)
        if exchange.response is not None:
            self._connected_at_s[region] = self.clock_s()
        return exchange

    def _find_client(self, region: Region, credentials: Credentials) -> Client:
        with self._lock:
            client = self._clients.get((region, credentials))
            if client is None:
                client = self._make_client(self.endpoints[region], credentials)
                for key in [key for key in self._clients if key[0] is region]:
                    del self._clients[key]
                self._clients[region, credentials] = client
            return client

    def _make_client(self, endpoint: FaceCompareEndpoint, credentials: Credentials) -> Client:
        """Return a client, after a dry run that checks that it uses this module's transport.

        Raises
        ------
        RuntimeError
            It does not.
        """
        client = Client(
            Config(
                access_key_id=credentials.access_key_id,
                access_key_secret=credentials.access_key_secret,
                security_token=credentials.security_token,
                endpoint=endpoint.address,
                protocol=endpoint.protocol,
                connect_timeout=round(self.connect_timeout_s * 1000),
                read_timeout=round(self.read_timeout_s * 1000),
                user_agent=f"facematch/{__version__}",
            )
        )
        dry_run = _Exchange(send_at_once, self.clock_s, is_dry_run=True)
        _run(Client.keepalive_intl_with_options, client, RuntimeOptions(), dry_run)
        if not dry_run.is_hooked:
            raise RuntimeError("The provider's SDK does not use this module's transport.")
        return client


def _run(operation: _Operation, client: Client, options: RuntimeOptions, exchange: _Exchange) -> None:
    """Make a request with the SDK. The exchange, not the SDK's errors, has the outcome."""
    token = _EXCHANGE.set(exchange)
    try:
        with contextlib.suppress(Exception):
            operation(client, options)
    finally:
        _EXCHANGE.reset(token)


def _list_fields(call: Call) -> dict[str, str | None]:
    source, source_url = _split_photo(call.source)
    target, target_url = _split_photo(call.target)
    return {
        "merchant_biz_id": call.merchant_biz_id,
        "source_face_picture": source,
        "source_face_picture_url": source_url,
        "target_face_picture": target,
        "target_face_picture_url": target_url,
        "face_quality_check": "Y" if call.face_quality_check else None,
    }


def _split_photo(photo: CallPhoto) -> tuple[str | None, str | None]:
    """Return a photo's Base64 text and URL. Exactly one of them is not None."""
    if isinstance(photo, EncodedPhoto):
        return base64.b64encode(photo.jpeg).decode(), None
    return None, photo.url


def _read_answer(exchange: _Exchange, yes_or_no: str) -> Answer:
    """Return the provider's answer.

    `yes_or_no` names the field of the result that becomes `passed`. A code is optional in an answer with a
    result, and in an answer to a free call.

    Raises
    ------
    UnreachableError, ProviderFaultError
        There is no response, or it is not a readable answer of the provider.
    """
    response = exchange.conclude()
    http_status = response.status_code
    document = _read_object(response.content)
    result = document.get("Result")
    is_ok = http_status == HTTPStatus.OK
    has_result = is_ok and bool(result)
    code = _read_code(document.get("Code") or document.get("code"))
    if code is None and http_status in _UNPROCESSED_STATUSES:
        code = f"HTTP.{http_status}"
    elif code is None and (has_result or (is_ok and document and not exchange.is_billable)):
        code = ""
    if code is None or HTTPStatus.MULTIPLE_CHOICES <= http_status < HTTPStatus.BAD_REQUEST:
        raise exchange.fail("unreadable_answer", "The provider's answer can't be read.")
    fields = result if isinstance(result, dict) else {}
    return Answer(
        code=code,
        http_status=http_status,
        has_result=has_result,
        request_id=_read_word(document.get("RequestId")),
        retry_after_s=_read_pause_s(response.headers.get("x-acs-retry-after")),
        transaction_id=_read_word(fields.get("TransactionId")),
        passed=_read_yes_or_no(fields.get(yes_or_no)),
        score=_read_score(fields.get("FaceComparisonScore")),
        face_quality=_read_quality(fields.get("ExtFaceInfo")),
    )


def _read_object(content: bytes) -> dict[str, Any]:
    """Return a JSON object, or an empty one for anything else."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _read_code(value: Any) -> str | None:  # noqa: ANN401 - whatever the provider sends
    """Return a code, which may be a number."""
    return _read_word(str(value) if isinstance(value, int) and not isinstance(value, bool) else value)


def _read_word(value: Any) -> str | None:  # noqa: ANN401 - whatever the provider sends
    """Return a code or an id, or None if it has another form: it could contain anything."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _read_yes_or_no(value: Any) -> bool | None:  # noqa: ANN401 - whatever the provider sends
    """Return the value of `Y` or `N`. The provider's other operations use `T`, `F`, `true` and `false`."""
    if isinstance(value, str):
        return {"y": True, "t": True, "true": True, "n": False, "f": False, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _read_quality(scores: Any) -> dict[str, float] | None:  # noqa: ANN401 - whatever the provider sends
    """Return the scores that are numbers, by the provider's names."""
    read = (
        {name: _read_score(scores[name]) for name in _QUALITY_SCORES & scores.keys()}
        if isinstance(scores, dict)
        else {}
    )
    return {name: score for name, score in read.items() if score is not None} or None


def _read_score(value: Any) -> float | None:  # noqa: ANN401 - whatever the provider sends
    """Return a score (0 to 100), given as a number or as text, or None for anything else, such as NaN."""
    try:
        score = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return score if 0 <= score <= HIGHEST_SCORE else None


def _read_pause_s(milliseconds: str | None) -> float | None:
    """Return the pause that the provider asks for, or None."""
    try:
        pause_ms = int(milliseconds or "")
    except ValueError:
        return None
    return min(pause_ms, _LONGEST_PAUSE_MS) / 1000 if pause_ms > 0 else None


def _read_date_s(text: str | None) -> float | None:
    """Return the Unix time of a `Date` header, or None if it is missing or unreadable."""
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
