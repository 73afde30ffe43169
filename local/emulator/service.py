"""One call from request to answer; knows the protocol and the rules, and nothing of sockets."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

from .answers import (
    THROTTLED,
    Answer,
    Delivery,
    Refusal,
    answer_html,
    break_json,
    grant,
    new_request_id,
    refuse,
    succeed,
)
from .calls import Call, CallLog, begin_call
from .endpoints import DEFAULT_QPS, Endpoint
from .keys import Credentials, KeyRing
from .parameters import CompareParameters, DataLimit, PhotoParameter, check_parameters, read_parameters
from .photos import PASS_SCORE, Face, PhotoFacts, imagine_face, read_face, read_facts, score_faces
from .quota import QpsWindow, make_quota
from .scenarios import CallFacts, Effect, Scenario, Script
from .signature import ReceivedRequest, SignatureVerifier
from .sts import ASSUME_ROLE, OidcTrust, assume_role

VERSION: Final = "2022-08-09"
FACE_COMPARE: Final = "FaceCompare"
KEEPALIVE: Final = "KeepaliveIntl"
_METHODS: Final = {FACE_COMPARE: ("POST",), KEEPALIVE: ("GET", "POST")}

_REMEMBERED: Final = timedelta(days=1)

DEFAULT_CREDENTIALS: Final = Credentials("emulator-key-id", "emulator-key-secret")


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the emulator enforces, and its clocks."""

    credentials: tuple[Credentials, ...] = (DEFAULT_CREDENTIALS,)
    scenarios: tuple[Scenario, ...] = ()
    qps: Mapping[str, int] = field(default_factory=lambda: DEFAULT_QPS)
    qps_window: QpsWindow = QpsWindow.FIXED
    send_retry_after: bool = False
    latency_ms: float = 0.0
    data_limit: DataLimit = DataLimit.PICTURE
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
        self._verifier = SignatureVerifier(self.keys)
        self.enforce({**DEFAULT_QPS, **rules.qps}, rules.qps_window)

    def enforce(self, qps: Mapping[str, int], window: QpsWindow) -> None:
        """Count calls anew, so and so many a second in each region."""
        self.qps, self.qps_window = dict(qps), window
        self._quotas = {region: make_quota(window, limit) for region, limit in qps.items()}

    async def serve(self, endpoint: Endpoint, request: ReceivedRequest) -> Answer:
        """Answer one request and write it to the log."""
        started_at_s = self.rules.clock()
        call = begin_call(endpoint, request.header("x-acs-action"), self.rules.now())
        request_id = new_request_id()
        try:
            answer = await self._answer(endpoint, request, request_id, call)
        except Refusal as refusal:
            answer = refuse(request_id, call.host, refusal)
        call.code, call.http_status, call.delivery = answer.code, answer.http_status, answer.delivery
        call.duration_ms = round((self.rules.clock() - started_at_s) * 1000, 1)
        self.calls.add(call)
        return answer

    async def _answer(
        self, endpoint: Endpoint, request: ReceivedRequest, request_id: str, call: Call
    ) -> Answer:
        if ("Action", ASSUME_ROLE) in request.query:
            call.action, call.host = ASSUME_ROLE, endpoint.sts_host
            return await asyncio.to_thread(self._assume_role, request, request_id)
        # Hashing and decoding of megabytes would stall the event loop, and with it every other call's time.
        await asyncio.to_thread(self._verifier.verify, request, self.rules.now())
        self._verifier.use_nonce(request, self.rules.now())
        _check_operation(request)
        if call.action == KEEPALIVE:
            return succeed(request_id)
        parameters = await asyncio.to_thread(read_parameters, request)
        if merchant_biz_id := parameters.get("MerchantBizId"):
            self.calls.note_merchant_biz_id(call, merchant_biz_id, self.rules.clock())
        self._take_quota(endpoint.region)
        facts = _describe_call(endpoint, parameters)
        scenario = self.script.pick(facts)
        call.scenario = scenario.id if scenario else None
        latency_s = self.rules.latency_ms / 1000 + (scenario.latency_s(facts) if scenario else 0)
        if latency_s:
            await asyncio.sleep(latency_s)
        if scenario and not _compares(scenario):
            return _play(scenario, request_id)
        comparison = await asyncio.to_thread(_compare, parameters, self.rules.data_limit, call)
        call.compared = True
        if scenario and scenario.effect is not Effect.ANSWER:
            return _play(scenario, request_id)
        return succeed(request_id, _tell_result(comparison, scenario))

    def _assume_role(self, request: ReceivedRequest, request_id: str) -> Answer:
        now = self.rules.now()
        key, document = assume_role(read_parameters(request), self.rules.oidc_trust, now)
        # One that ended a while ago is still told apart from one that never was.
        self.keys.remove_ended(now - _REMEMBERED)
        self.keys.add(key)
        return grant(request_id, document)

    def _take_quota(self, region: str) -> None:
        wait_s = self._quotas[region].take(self.rules.clock())
        if wait_s > 0:
            wait_ms = max(1, round(wait_s * 1000)) if self.rules.send_retry_after else None
            raise Refusal(THROTTLED, retry_after_ms=wait_ms)


def _check_operation(request: ReceivedRequest) -> None:
    version, action = request.header("x-acs-version"), request.header("x-acs-action")
    if not version:
        raise Refusal("MissingVersion")
    if version != VERSION:
        raise Refusal("InvalidVersion")
    if not action:
        raise Refusal("MissingAction")
    if action not in _METHODS or request.path != "/":
        raise Refusal("InvalidAction.NotFound")
    if request.method not in _METHODS[action]:
        raise Refusal("UnsupportedHTTPMethod")


def _describe_call(endpoint: Endpoint, parameters: Mapping[str, str]) -> CallFacts:
    return CallFacts(
        endpoint.region,
        endpoint.network,
        parameters.get("MerchantBizId", ""),
        tuple(_path_of(parameters[name]) for name in parameters if name.endswith("FacePictureUrl")),
    )


def _path_of(url: str) -> str:
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
                scenario.code or "",
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
            return succeed(request_id)


def _compare(parameters: Mapping[str, str], data_limit: DataLimit, call: Call) -> _Comparison:
    checked = check_parameters(parameters, data_limit)
    call.pictures = {"source": _read_facts(checked.source), "target": _read_facts(checked.target)}
    source = _read_face(checked.source, call.pictures["source"])
    target = _read_face(checked.target, call.pictures["target"])
    return _Comparison(score_faces(source, target), _tell_quality(checked, source, target))


def _read_facts(photo: PhotoParameter) -> PhotoFacts | None:
    return None if photo.data is None else read_facts(photo.data)


def _read_face(photo: PhotoParameter, facts: PhotoFacts | None) -> Face:
    if photo.data is not None:
        return read_face(photo.data, facts)
    # Without its query, which in a presigned URL differs each time for one and the same photo.
    return imagine_face(photo.url._replace(query="", fragment="").geturl() if photo.url else "")


def _tell_quality(parameters: CompareParameters, source: Face, target: Face) -> Mapping[str, float] | None:
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


def _tell_result(comparison: _Comparison, scenario: Scenario | None) -> dict[str, object]:
    score: float | str = comparison.score
    passed = None
    if scenario is not None:
        score = comparison.score if scenario.score is None else scenario.score
        passed = scenario.passed
    result: dict[str, object] = {
        "TransactionId": uuid4().hex,
        "Passed": passed or ("Y" if float(score) >= PASS_SCORE else "N"),
        "FaceComparisonScore": score,
    }
    if comparison.quality is not None:
        result["ExtFaceInfo"] = comparison.quality
    return result
