"""FaceCompare by the official SDK, which encodes and signs; the transport below it is this module's own.

The SDK gives its transport no hook, loses why a call failed, and reuses connections of any age. So each HTTP
adapter that the SDK makes is a `_Transport`, and what happens to a call is noted in its `_Exchange`.

The SDK's exceptions carry the whole request, photos included. None of them leaves this module, not even as
the cause or the context of another, and none of their texts do.
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
    Call,
    Credentials,
    CredentialSource,
    Deletion,
    Depart,
    Examination,
    InlinePicture,
    Operation,
    Picture,
    depart_at_once,
    is_success,
    raise_fault,
)
from facematch.domain.regions import Region
from facematch.domain.verdict import HIGHEST_SCORE

# The SDK logs headers and query under DEBUG=sdk, by a handler of its own.
logging.getLogger("darabonba-core").disabled = True
# urllib3 logs each request's query at DEBUG, and with it the signatures of photo URLs.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

CONNECT_TIMEOUT_S: Final = 3.0
READ_TIMEOUT_S: Final = 10.0
_READY_TIMEOUT_S: Final = 1.0
_PROBE_TIMEOUT_S: Final = 3.0
IDLE_LIMIT_S: Final = 4.0
"""How long a connection may be idle and still carry a call. The vendor's page on connection keep-alive
suggests to use one every 5 s; a call is on its way for a part of that."""
_LONGEST_PAUSE_MS: Final = 900_000
"""The longest pause that is believed of a throttled call: a longer one would stop a region unnoticed."""
_WORD: Final = re.compile(r"[\w.:-]{1,128}", re.ASCII)
"""The form of the provider's codes and ids, which go into the ledger, the event and the logs."""
_SAY_NOTHING_WAS_DONE: Final = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
"""The HTTP statuses that need no code beside them."""
_NOT_IN_THIS_REGION: Final = ("InvalidAction.NotFound", "InvalidApi.NotFound")
_SAYS_NOTHING_OF_COMPARISONS: Final = (
    *_NOT_IN_THIS_REGION,
    "Forbidden.RAMUserAccessDenied",
    "NoPermission",
    "ActionUnauthorized",
    "Forbedden.NotSupportRAM",
)
"""Codes that refuse `KeepaliveIntl` itself."""
_QUALITY_SCORES: Final = {
    f"{photo}{aspect}Score"
    for photo in ("", "Target")
    for aspect in ("FaceQuality", "Illumination", "KaOcclusion", "Occlusion", "Sharpness")
}


@dataclass(slots=True)
class _Exchange:
    """One request and what became of it. Nothing of it is sent before `depart` returns.

    A rehearsal ends in the transport, before it connects.
    """

    depart: Depart
    clock_s: Callable[[], float]
    is_billable: bool = False
    is_rehearsal: bool = False
    is_hooked: bool = False
    has_departed: bool = False
    is_sent: bool = False
    kept_back_by: BaseException | None = None
    failure: RequestException | None = None
    response: Response | None = None

    def await_departure(self) -> None:
        """Call `depart`, once, however many connections are tried."""
        if self.has_departed:
            return
        try:
            self.depart()
        except BaseException as error:  # noqa: BLE001 - raised again by `conclude`
            self.kept_back_by = error
            # Not the error itself: urllib3 and the SDK handle some kinds of errors in their own way.
            raise _KeptBackError from None
        self.has_departed = True

    def conclude(self) -> Response:
        """Return the response.

        Raises
        ------
        UnreachableError
            Nothing was sent.
        ProviderFaultError
            `timeout` or `connection_lost`: the request was sent, and no whole response came.
        RuntimeError
            The SDK or what it is made of does not work as this module needs it.
        """
        if self.kept_back_by is not None:
            raise self.kept_back_by.with_traceback(None)
        if not self.is_hooked or (self.response is not None and not self.has_departed):
            raise RuntimeError("The provider's SDK sent a request past this module's transport.")
        if self.response is not None:
            return self.response
        if not self.is_sent:
            raise UnreachableError
        if isinstance(self.failure, Timeout):
            raise self.fail("timeout", "The provider did not answer in time.")
        raise self.fail("connection_lost", "The connection to the provider broke.")

    def fail(self, code: str, message: str) -> ProviderFaultError:
        """Return the error for a request that was sent and got no readable answer."""
        return ProviderFaultError(code, message, possibly_billed=self.is_billable)


_EXCHANGE: Final[ContextVar[_Exchange | None]] = ContextVar("exchange", default=None)


def _read_clock_s() -> float:
    exchange = _EXCHANGE.get()
    return time.time() if exchange is None else exchange.clock_s()


class _KeptBackError(Exception):
    """The request must not leave."""


class _StaleConnectionError(Exception):
    """The connection was idle for too long: take another."""


class _Connection(HTTPConnection):
    """Connects, waits for the departure, and sends if the connection is still fresh."""

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
            exchange.await_departure()
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
    """Sends what the SDK signed, and notes in the exchange what became of it."""

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
        # `tls` has them: to load them for each connection takes longer than a call may be late.
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
        if exchange.is_rehearsal:
            raise _KeptBackError
        try:
            exchange.response = self._send_on_fresh_connection(request, options)
        except RequestException as error:
            exchange.failure = error
            raise
        return exchange.response

    def _send_on_fresh_connection(self, request: PreparedRequest, options: dict[str, Any]) -> Response:
        # A stale connection is closed when it is met, so each round has one less.
        while True:
            with contextlib.suppress(_StaleConnectionError):
                response = super().send(request, **options)
                # Reads the body here, where a failure is noted.
                _ = response.content
                # A redirect would carry both photos to wherever it leads, another jurisdiction included.
                response.headers.pop("location", None)
                return response


def _make_transport(*_: Any, pool_size: int | None = None) -> _Transport:  # noqa: ANN401 - the SDK's own
    return _Transport(pool_maxsize=pool_size or DEFAULT_POOLSIZE)


DaraCore.get_adapter = staticmethod(_make_transport)


@dataclass(frozen=True, slots=True)
class FaceCompareEndpoint:
    """Where a region's calls go: `address` is the host, with a port where it is not the protocol's own."""

    address: str
    protocol: str = "HTTPS"


type _Operation = Callable[[Client, RuntimeOptions], object]


@dataclass(frozen=True, slots=True)
class FaceCompareProvider:
    """Calls FaceCompare, from any thread; the calls of all threads share the connections to a region.

    `clock_s` tells for how long connections were idle, in seconds. It is the wall clock: a monotonic one may
    not count the time while the function's sandbox is frozen or restored from a snapshot.
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

    def make_ready(self, region: Region) -> None:
        """Make a free call, `KeepaliveIntl`, unless a connection was used just now.

        Its answer does not matter, nor whether the region knows the operation: the connection is there.
        """
        if not 0 <= self.clock_s() - self._connected_at_s.get(region, -math.inf) < IDLE_LIMIT_S:
            with contextlib.suppress(ProviderError):
                self._keep_alive(region, self.credentials.read(), _READY_TIMEOUT_S)

    def probe(self, region: Region) -> None:
        """Make one free call, `KeepaliveIntl`; return if the answer lets comparisons be tried.

        It does so too where the region does not know that operation (no endpoint in Malaysia is documented
        for it), and where the key may not call it: a policy may allow comparisons alone.

        Raises
        ------
        OperatorFaultError, ProviderThrottledError, ProviderFaultError, UnreachableError
            See the port.
        """
        answer = self._use_good_key(lambda key: self._keep_alive(region, key, _PROBE_TIMEOUT_S))
        if not answer.code.startswith(_SAYS_NOTHING_OF_COMPARISONS):
            raise_fault(answer)

    def examine(self, region: Region) -> Examination:
        """Make one free call, `KeepaliveIntl`, and return what it shows of the key, the way and the clocks.

        Raises
        ------
        OperatorFaultError
            There is no key to sign the call with.
        UnreachableError
            The call was never sent.
        ProviderFaultError
            No answer came, or none that can be read.
        """
        begun_s = self.clock_s()
        exchange = self._exchange(
            region, self.credentials.read(), Client.keepalive_intl_with_options, timeout_s=_PROBE_TIMEOUT_S
        )
        response, ended_s = exchange.conclude(), self.clock_s()
        answer = _read_answer(response, "Passed", is_billable=False)
        if answer is None:
            raise exchange.fail("unreadable_answer", "The provider's answer can't be read.")
        sent_at_s = _read_date_s(response.headers.get("date"))
        return Examination(
            answer=answer,
            latency_s=ended_s - begun_s,
            # The header leaves out the fraction of the second.
            clock_ahead_s=None if sent_at_s is None else sent_at_s + 0.5 - ended_s,
            refuses_call_alone=answer.code.startswith(_SAYS_NOTHING_OF_COMPARISONS),
        )

    def compare(self, call: Call, depart: Depart = depart_at_once) -> Answer:
        """Make one call; repeat it once if its key was refused and there is another key by now.

        A key is refused before the operation: nothing is billed, and the `MerchantBizId` is still unused.

        Raises
        ------
        OperatorFaultError, ProviderFaultError, UnreachableError
            See the port.
        """

        def call_operation(client: Client, options: RuntimeOptions) -> None:
            if self.operation is Operation.FACE_COMPARE_V2:
                client.face_compare_v2with_options(FaceCompareV2Request(**_list_fields(call)), options)
            else:
                client.face_compare_with_options(FaceCompareRequest(**_list_fields(call)), options)

        def call_with(key: Credentials) -> Answer:
            return self._call(call.region, key, call_operation, depart=depart, is_billable=True)

        return self._use_good_key(call_with)

    def delete_result(self, region: Region, transaction_id: str) -> Deletion:
        """Ask the provider to delete what it keeps of a comparison, by `DeleteVerifyResult`.

        This is not a comparison, so it takes no slot of theirs. Whether the operation serves FaceCompare is
        unknown: the vendor's page lists the solutions that it serves, and gives no endpoint in Malaysia.

        Raises
        ------
        OperatorFaultError, ProviderThrottledError, ProviderFaultError, UnreachableError
            The provider made no decision: ask again later.
        """
        # The page: N for results that nobody queries, as after a call from a server; All for photos and text.
        request = DeleteVerifyResultRequest(
            transaction_id=transaction_id, delete_after_query="N", delete_type="All"
        )

        def call_operation(client: Client, options: RuntimeOptions) -> None:
            client.delete_verify_result_with_options(request, options)

        answer = self._use_good_key(
            lambda key: self._call(region, key, call_operation, yes_or_no="DeleteResult")
        )
        if answer.code not in _NOT_IN_THIS_REGION:
            raise_fault(answer)
        return Deletion(is_deleted=is_success(answer.code) and answer.passed is True, code=answer.code)

    def _use_good_key(self, call: Callable[[Credentials], Answer]) -> Answer:
        refused = self.credentials.read()
        answer = call(refused)
        if not answer.refuses_key:
            return answer
        self.credentials.distrust()
        replacement = self.credentials.read()
        if replacement == refused:
            return answer
        answer = call(replacement)
        if answer.refuses_key:
            self.credentials.distrust()
        return answer

    def _keep_alive(self, region: Region, credentials: Credentials, timeout_s: float) -> Answer:
        return self._call(region, credentials, Client.keepalive_intl_with_options, timeout_s=timeout_s)

    def _call(
        self,
        region: Region,
        credentials: Credentials,
        operation: _Operation,
        *,
        depart: Depart = depart_at_once,
        timeout_s: float | None = None,
        is_billable: bool = False,
        yes_or_no: str = "Passed",
    ) -> Answer:
        exchange = self._exchange(
            region, credentials, operation, depart=depart, timeout_s=timeout_s, is_billable=is_billable
        )
        answer = _read_answer(exchange.conclude(), yes_or_no, is_billable=is_billable)
        if answer is None:
            raise exchange.fail("unreadable_answer", "The provider's answer can't be read.")
        return answer

    def _exchange(
        self,
        region: Region,
        credentials: Credentials,
        operation: _Operation,
        *,
        depart: Depart = depart_at_once,
        timeout_s: float | None = None,
        is_billable: bool = False,
    ) -> _Exchange:
        """Have the SDK make a call; the exchange has its response, or says why there is none."""
        client = self._find_client(region, credentials)
        exchange = _Exchange(depart, self.clock_s, is_billable=is_billable)
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
        """Return a client, after a rehearsal: a paid call must not pass by the transport.

        Raises
        ------
        RuntimeError
            It would.
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
        rehearsal = _Exchange(depart_at_once, self.clock_s, is_rehearsal=True)
        _run(Client.keepalive_intl_with_options, client, RuntimeOptions(), rehearsal)
        if not rehearsal.is_hooked:
            raise RuntimeError("The provider's SDK does not use this module's transport.")
        return client


def _run(operation: _Operation, client: Client, options: RuntimeOptions, exchange: _Exchange) -> None:
    """Have the SDK make a request; the exchange, not the SDK's errors, tells what became of it."""
    token = _EXCHANGE.set(exchange)
    try:
        with contextlib.suppress(Exception):
            operation(client, options)
    finally:
        _EXCHANGE.reset(token)


def _list_fields(call: Call) -> dict[str, str | None]:
    source, source_url = _split_picture(call.source)
    target, target_url = _split_picture(call.target)
    return {
        "merchant_biz_id": call.merchant_biz_id,
        "source_face_picture": source,
        "source_face_picture_url": source_url,
        "target_face_picture": target,
        "target_face_picture_url": target_url,
        "face_quality_check": "Y" if call.face_quality_check else None,
    }


def _split_picture(picture: Picture) -> tuple[str | None, str | None]:
    """Return a photo's Base64 text or its URL: always exactly one of the two."""
    if isinstance(picture, InlinePicture):
        return base64.b64encode(picture.jpeg).decode(), None
    return None, picture.url


def _read_answer(response: Response, yes_or_no: str, *, is_billable: bool) -> Answer | None:
    """Return what a response says, None for what is no answer of the provider.

    `yes_or_no` names the field of the result that becomes `passed`. A result may come without a code; so may
    the answer to a call that has no result.
    """
    http_status = response.status_code
    document = _read_object(response.content)
    result = document.get("Result")
    is_ok = http_status == HTTPStatus.OK
    has_result = is_ok and bool(result)
    code = _read_code(document.get("Code") or document.get("code"))
    if code is None and http_status in _SAY_NOTHING_WAS_DONE:
        code = f"HTTP.{http_status}"
    elif code is None and (has_result or (is_ok and document and not is_billable)):
        code = ""
    if code is None or HTTPStatus.MULTIPLE_CHOICES <= http_status < HTTPStatus.BAD_REQUEST:
        return None
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
    """Return a JSON object; an empty one for anything else."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _read_code(value: Any) -> str | None:  # noqa: ANN401 - whatever the provider sends
    """Return a code, which may come as a number."""
    return _read_word(str(value) if isinstance(value, int) and not isinstance(value, bool) else value)


def _read_word(value: Any) -> str | None:  # noqa: ANN401 - whatever the provider sends
    """Return a code or an id; None for what has another form: it may hold anything, at any length."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else None


def _read_yes_or_no(value: Any) -> bool | None:  # noqa: ANN401 - whatever the provider sends
    """Return what `Y` or `N` says, or what the vendor's other operations write: `T`, `F`, `true`, `false`."""
    if isinstance(value, str):
        return {"y": True, "t": True, "true": True, "n": False, "f": False, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _read_quality(scores: Any) -> dict[str, float] | None:  # noqa: ANN401 - whatever the provider sends
    """Return the scores that are numbers, by the provider's names for them."""
    read = (
        {name: _read_score(scores[name]) for name in _QUALITY_SCORES & scores.keys()}
        if isinstance(scores, dict)
        else {}
    )
    return {name: score for name, score in read.items() if score is not None} or None


def _read_score(value: Any) -> float | None:  # noqa: ANN401 - whatever the provider sends
    """Return a score (0 to 100) that came as a number or its text; None for anything else, NaN included."""
    try:
        score = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return score if 0 <= score <= HIGHEST_SCORE else None


def _read_pause_s(milliseconds: str | None) -> float | None:
    """Return how long the provider asks to pause."""
    try:
        pause_ms = int(milliseconds or "")
    except ValueError:
        return None
    return min(pause_ms, _LONGEST_PAUSE_MS) / 1000 if pause_ms > 0 else None


def _read_date_s(text: str | None) -> float | None:
    """Return the Unix time that a `Date` header names, None without a readable one."""
    try:
        date = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
