"""Answers calls by the protocol and the rules. This module does not know about sockets."""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

from .answers import (
    SUCCESS,
    THROTTLED,
    Answer,
    Delivery,
    Refusal,
    answer_html,
    break_json,
    new_request_id,
    refuse,
    succeed,
    succeed_without_code,
)
from .calls import MAX_ID_LENGTH, Call, CallLog, begin_call
from .endpoints import DEFAULT_QPS, Endpoint
from .keys import Credentials, KeyRing
from .operations import DELETE_VERIFY_RESULT, FACE_COMPARES, METHODS, OPERATIONS, VERSION
from .parameters import CompareParameters, DataLimit, PhotoParameter, check_parameters
from .photos import PASS_SCORE, Face, Judge, PhotoFacts, check_resolution, read_facts
from .pixels import PixelJudge
from .quota import QpsWindow, make_quota
from .scenarios import CallFacts, Effect, Scenario, Script
from .signature import ReceivedRequest, SignatureVerifier
from .sts import ASSUME_ROLE, OidcTrust, assume_role

_ENDED_KEY_RETENTION: Final = timedelta(days=1)

DEFAULT_CREDENTIALS: Final = Credentials("emulator-key-id", "emulator-key-secret")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the emulator enforces, and its clocks."""

    credentials: tuple[Credentials, ...] = (DEFAULT_CREDENTIALS,)
    scenarios: tuple[Scenario, ...] = ()
    judge: Judge = field(default_factory=PixelJudge)
    qps: Mapping[str, int] = field(default_factory=lambda: DEFAULT_QPS)
    qps_window: QpsWindow = QpsWindow.FIXED
    send_retry_after: bool = False
    latency_ms: float = 0.0
    data_limit: DataLimit = DataLimit.PICTURE
    operations: tuple[str, ...] = OPERATIONS
    idle_timeout_s: float = 25.0
    oidc_trust: OidcTrust = field(default_factory=OidcTrust)
    now: Callable[[], datetime] = _utc_now
    clock: Callable[[], float] = time.monotonic


@dataclass(frozen=True, slots=True)
class _Comparison:
    score: float
    quality: Mapping[str, float] | None


class FaceCompareService:
    """The emulated service in all its regions."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.script = Script(rules.clock, rules.scenarios)
        self.calls = CallLog()
        self.keys = KeyRing(rules.credentials)
        self.clock_ahead = timedelta()
        self._verifier = SignatureVerifier(self.keys)
        self.set_quota({**DEFAULT_QPS, **rules.qps}, rules.qps_window)

    def set_quota(self, qps: Mapping[str, int], window: QpsWindow) -> None:
        """Set the calls per second of each region, and restart the count."""
        self.qps, self.qps_window = dict(qps), window
        self._quotas = {
            (region, operation): make_quota(window, limit)
            for region, limit in qps.items()
            for operation in FACE_COMPARES
        }

    @property
    def now(self) -> datetime:
        """The provider's time: the clock of the rules plus `clock_ahead`."""
        return self.rules.now() + self.clock_ahead

    async def serve(self, endpoint: Endpoint, request: ReceivedRequest) -> Answer:
        """Answer one request and write it to the log."""
        started_at_s = self.rules.clock()
        call = begin_call(endpoint, _find_action(request), self.now)
        request_id = new_request_id()
        try:
            answer = await self._answer(endpoint, request, request_id, call)
        except Refusal as refusal:
            answer = refuse(request_id, call.host, refusal)
        self._log(call, answer, started_at_s)
        return answer

    def refuse_unreadable(self, endpoint: Endpoint, request: ReceivedRequest, refusal: Refusal) -> Answer:
        """Refuse a request whose body could not be read, and write it to the log."""
        call = begin_call(endpoint, _find_action(request), self.now)
        answer = refuse(new_request_id(), call.host, refusal)
        self._log(call, answer, self.rules.clock())
        return answer

    def _log(self, call: Call, answer: Answer, started_at_s: float) -> None:
        call.code, call.http_status, call.delivery = answer.code, answer.http_status, answer.delivery
        call.duration_ms = round((self.rules.clock() - started_at_s) * 1000, 1)
        self.calls.add(call)

    async def _answer(
        self, endpoint: Endpoint, request: ReceivedRequest, request_id: str, call: Call
    ) -> Answer:
        if ("Action", ASSUME_ROLE) in request.query:
            call.action, call.host = ASSUME_ROLE, endpoint.sts_host
            return await asyncio.to_thread(self._assume_role, request, request_id)
        # Hashing and decoding of megabytes would block the event loop and delay all other calls.
        await asyncio.to_thread(self._verifier.verify, request, self.now)
        self._verifier.use_nonce(request, self.now)
        operation = _check_operation(request, self.rules.operations)
        parameters = await asyncio.to_thread(lambda: request.parameters)
        if operation in FACE_COMPARES:
            if merchant_biz_id := parameters.get("MerchantBizId"):
                self.calls.note_merchant_biz_id(call, merchant_biz_id, self.rules.clock())
            self._take_quota(endpoint.region, operation)
        facts = _describe_call(endpoint, operation, parameters, request_id)
        scenario = self.script.pick(facts)
        call.scenario = scenario.id if scenario else None
        await self._wait(operation, scenario, facts)
        if scenario and not _compares(scenario):
            return _play(scenario, request_id)
        if operation not in FACE_COMPARES:
            return _answer_other_operation(operation, parameters, scenario, request_id, call)
        comparison = await self._compare(parameters, call)
        call.compared, call.transaction_id = True, uuid4().hex
        if scenario and scenario.effect is not Effect.ANSWER:
            return _play(scenario, request_id)
        return _answer_comparison(comparison, scenario, request_id, call.transaction_id)

    async def _compare(self, parameters: Mapping[str, str], call: Call) -> _Comparison:
        checked = await asyncio.to_thread(check_parameters, parameters, self.rules.data_limit)
        photos = {"source": checked.source, "target": checked.target}
        for role, photo in photos.items():
            call.pictures[role] = None if photo.data is None else read_facts(photo.data)
        outcomes = await asyncio.gather(
            *(self._find_face(photo, call.pictures[role]) for role, photo in photos.items()),
            return_exceptions=True,
        )
        faces = []
        for role, outcome in zip(photos, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                raise outcome
            faces.append(outcome)
            call.pictures[role] = _note_face(call.pictures[role], outcome)
        source, target = faces
        return _Comparison(self.rules.judge.score(source, target), _list_quality(checked, source, target))

    async def _find_face(self, photo: PhotoParameter, facts: PhotoFacts | None) -> Face:
        if photo.data is not None:
            check_resolution(facts)
            return await self.rules.judge.find_face(photo.data)
        # The query of a presigned URL differs each time for the same photo.
        url = photo.url._replace(query="", fragment="").geturl() if photo.url else ""
        return self.rules.judge.make_face_from_url(url)

    async def _wait(self, operation: str, scenario: Scenario | None, facts: CallFacts) -> None:
        latency_s = self.rules.latency_ms / 1000 if operation in FACE_COMPARES else 0.0
        latency_s += scenario.latency_s(facts) if scenario else 0.0
        if latency_s:
            await asyncio.sleep(latency_s)

    def _assume_role(self, request: ReceivedRequest, request_id: str) -> Answer:
        now = self.now
        key, document = assume_role(request.parameters, self.rules.oidc_trust, now)
        # An ended key stays for a day, so that its refusal differs from that of an unknown key.
        self.keys.remove_ended(now - _ENDED_KEY_RETENTION)
        self.keys.add(key)
        return succeed_without_code(request_id, document)

    def _take_quota(self, region: str, operation: str) -> None:
        wait_s = self._quotas[region, operation].take(self.rules.clock())
        if wait_s > 0:
            wait_ms = max(1, round(wait_s * 1000)) if self.rules.send_retry_after else None
            raise Refusal(THROTTLED, retry_after_ms=wait_ms)


def _find_action(request: ReceivedRequest) -> str | None:
    """Return the requested operation from the header, or from the query in older signatures."""
    return request.header("x-acs-action") or dict(request.query).get("Action")


def _check_operation(request: ReceivedRequest, enabled: Collection[str]) -> str:
    version, operation = request.header("x-acs-version"), request.header("x-acs-action")
    if not version:
        raise Refusal("MissingVersion")
    if version != VERSION:
        raise Refusal("InvalidVersion")
    if not operation:
        raise Refusal("MissingAction")
    if operation not in enabled or request.path != "/":
        raise Refusal("InvalidAction.NotFound")
    if request.method not in METHODS[operation]:
        raise Refusal("UnsupportedHTTPMethod")
    return operation


def _describe_call(
    endpoint: Endpoint, operation: str, parameters: Mapping[str, str], request_id: str
) -> CallFacts:
    merchant_biz_id = parameters.get("MerchantBizId", "")
    return CallFacts(
        endpoint.region,
        endpoint.network,
        operation,
        merchant_biz_id,
        tuple(_read_path(parameters[name]) for name in parameters if name.endswith("FacePictureUrl")),
        merchant_biz_id if operation in FACE_COMPARES else request_id,
    )


def _read_path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def _compares(scenario: Scenario) -> bool:
    return scenario.after_compare or scenario.effect in {Effect.ANSWER, Effect.MISSING_RESULT}


def _play(scenario: Scenario, request_id: str) -> Answer:
    match scenario.effect:
        case Effect.REFUSE:
            raise Refusal(
                str(scenario.code),
                scenario.message,
                http_status=scenario.http_status,
                retry_after_ms=scenario.retry_after_ms,
            )
        case Effect.HTML:
            return answer_html(scenario.http_status or 502)
        case Effect.BROKEN_JSON:
            return break_json(request_id)
        case Effect.RESET:
            return Answer(delivery=Delivery.RESET)
        case Effect.HANG:
            return Answer(delivery=Delivery.HANG)
        case Effect.MISSING_RESULT | Effect.ANSWER:
            return succeed(request_id, code=_choose_code(scenario))


def _choose_code(scenario: Scenario | None) -> str | int:
    return SUCCESS if scenario is None or scenario.code is None else scenario.code


def _answer_other_operation(
    operation: str, parameters: Mapping[str, str], scenario: Scenario | None, request_id: str, call: Call
) -> Answer:
    """Answer an operation that does not compare photos."""
    if operation == DELETE_VERIFY_RESULT:
        call.transaction_id = parameters.get("TransactionId", "")[:MAX_ID_LENGTH] or None
        if call.transaction_id is None:
            raise Refusal("MissingParameter", "TransactionId is mandatory.")
    if scenario and scenario.effect is not Effect.ANSWER:
        return _play(scenario, request_id)
    return succeed(request_id, code=_choose_code(scenario))


def _note_face(facts: PhotoFacts | None, face: Face) -> PhotoFacts | None:
    return None if facts is None else replace(facts, faces=face.count, face_box=face.box)


def _list_quality(parameters: CompareParameters, source: Face, target: Face) -> Mapping[str, float] | None:
    if not parameters.check_quality:
        return None
    return {
        f"{prefix}{name}": score
        for prefix, quality in (("", source.quality), ("Target", target.quality))
        for name, score in {
            "FaceQualityScore": quality.overall,
            "IlluminationScore": quality.illumination,
            "KaOcclusionScore": quality.key_area_occlusion,
            "OcclusionScore": quality.occlusion,
            "SharpnessScore": quality.sharpness,
        }.items()
    }


def _answer_comparison(
    comparison: _Comparison, scenario: Scenario | None, request_id: str, transaction_id: str
) -> Answer:
    score: float | str = comparison.score
    if scenario is not None and scenario.score is not None:
        score = scenario.score
    passed: object = "Y" if float(score) >= PASS_SCORE else "N"
    if scenario is not None and scenario.passed is not None:
        passed = scenario.passed
    result: dict[str, object] = {
        "TransactionId": transaction_id,
        "Passed": passed,
        "FaceComparisonScore": score,
    }
    if comparison.quality is not None:
        result["ExtFaceInfo"] = comparison.quality
    return succeed(request_id, _change_result(result, scenario), code=_choose_code(scenario))


def _change_result(result: Mapping[str, object], scenario: Scenario | None) -> object:
    """Return the result with the changes of the scenario."""
    if scenario is None:
        return result
    if scenario.result is not None and not isinstance(scenario.result, dict):
        return scenario.result
    changed = {**result, **(scenario.result or {})}
    return {name: value for name, value in changed.items() if name not in (scenario.without or ())}
