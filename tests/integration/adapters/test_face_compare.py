import base64
import gc
import json
import logging
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from alibabacloud_cloudauth_intl20220809.client import Client

import facematch
from facecompare_emulator import Addresses, Rules, run_emulator
from facecompare_emulator import Credentials as EmulatorCredentials
from facecompare_emulator.answers import CODES
from facecompare_emulator.endpoints import REGIONS
from facematch.adapters.face_compare import FaceCompareEndpoint, FaceCompareProvider
from facematch.domain.errors import (
    FacematchError,
    LeaseLostError,
    OperatorError,
    ProviderError,
    ProviderFaultError,
    ProviderThrottledError,
    UnreachableError,
)
from facematch.domain.provider import (
    Answer,
    Call,
    CallPhoto,
    Credentials,
    Deletion,
    EncodedPhoto,
    Operation,
    PhotoUrl,
    judge,
)
from facematch.domain.regions import PROFILES, Network, Region
from facematch.domain.verdict import Bounds, Decision, Verdict
from tests.factories import make_call
from tests.factories.photos import draw_portrait, encode
from tests.fakes.face_compare_server import FaceCompareServer, Reply, Request, run_server
from tests.fakes.provider import FixedCredentials
from tests.integration.adapters.leaks import find_leaks
from tests.integration.emulator.clients import ControlClient, close_sdk_sessions

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning")

KEY = Credentials("emulator-key-id", "emulator-key-secret")
TEMPORARY_KEY = Credentials("STS.id", "sts-secret", "sts-token/+=")
PORTRAIT = EncodedPhoto(encode(draw_portrait()))
STRANGER = EncodedPhoto(encode(draw_portrait(seed=2)))
PHOTO_URL = PhotoUrl("https://photos.example.com/ann smith/a%20b.jpg?X-Signature=s1gn4ture&x=ü")
QUALITY = {
    f"{prefix}{name}"
    for prefix in ("", "Target")
    for name in (
        "FaceQualityScore",
        "IlluminationScore",
        "KaOcclusionScore",
        "OcclusionScore",
        "SharpnessScore",
    )
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Addresses]:
    keys = (
        EmulatorCredentials(KEY.access_key_id, KEY.access_key_secret),
        EmulatorCredentials("STS.id", "sts-secret", "sts-token/+="),
    )
    with run_emulator(Rules(credentials=keys, qps=dict.fromkeys(REGIONS, 1000))) as addresses:
        yield addresses
        close_sdk_sessions()


@pytest.fixture
def control(emulator: Addresses) -> ControlClient:
    client = ControlClient(emulator.control.removeprefix("http://"))
    client.reset()
    return client


def make_provider(
    address: str, credentials: FixedCredentials | None = None, *, read_timeout_s: float = 10
) -> FaceCompareProvider:
    endpoints = {region: FaceCompareEndpoint(address, "HTTP") for region in Region}
    return FaceCompareProvider(
        endpoints, credentials or FixedCredentials(), connect_timeout_s=0.5, read_timeout_s=read_timeout_s
    )


@pytest.fixture
def provider(emulator: Addresses, control: ControlClient) -> FaceCompareProvider:  # noqa: ARG001 - resets it
    return make_provider(emulator.address("singapore"))


def fail_to_compare(provider: FaceCompareProvider, call: Call | None = None) -> ProviderError:
    with pytest.raises(ProviderError) as failure:
        provider.compare(call or make_call())
    return failure.value


@dataclass(frozen=True)
class OddServer:
    """Answers every call with the same bytes."""

    server: FaceCompareServer

    def answer_with(
        self, body: bytes, http_status: int = 200, headers: Mapping[str, str] | None = None
    ) -> FaceCompareProvider:
        reply = Reply(body, http_status, {"connection": "close", **(headers or {})})
        self.server.reply = lambda _: reply
        return make_provider(self.server.address)


@pytest.fixture
def odd_server() -> Iterator[OddServer]:
    with run_server() as server:
        yield OddServer(server)


def make_body(result: object = None, **fields: object) -> bytes:
    given = {"Passed": "Y", "FaceComparisonScore": 99.5, "TransactionId": "T1"} if result is None else result
    document = {"RequestId": "R1", "Code": "Success", "Message": "success", "Result": given, **fields}
    return json.dumps(document).encode()


class TestEndpoints:
    @pytest.mark.parametrize("network", Network)
    @pytest.mark.parametrize("region", Region)
    def test_call_goes_to_its_own_region_and_network(
        self, emulator: Addresses, control: ControlClient, region: Region, network: Network
    ) -> None:
        endpoints = {one: FaceCompareEndpoint(emulator.address(one, network), "HTTP") for one in Region}
        FaceCompareProvider(endpoints, FixedCredentials()).compare(make_call(region=region))
        (call,) = control.calls()
        assert (call["region"], call["network"]) == (region, network)
        assert call["host"] == PROFILES[region].host(network)

    def test_one_provider_serves_all_regions_in_turn(
        self, emulator: Addresses, control: ControlClient
    ) -> None:
        endpoints = {one: FaceCompareEndpoint(emulator.address(one), "HTTP") for one in Region}
        provider = FaceCompareProvider(endpoints, FixedCredentials())
        for _ in range(2):
            for region in Region:
                provider.compare(make_call(region=region))
        assert [call["region"] for call in control.calls()] == [*Region, *Region]

    def test_region_without_an_endpoint_goes_nowhere(
        self, emulator: Addresses, control: ControlClient
    ) -> None:
        endpoint = FaceCompareEndpoint(emulator.address("singapore"), "HTTP")
        provider = FaceCompareProvider({Region.SINGAPORE: endpoint}, FixedCredentials())
        with pytest.raises(KeyError):
            provider.compare(make_call(region=Region.MALAYSIA))
        assert control.calls() == []


class TestDeparture:
    def test_a_call_is_encoded_when_it_asks_to_leave_and_has_not_left(
        self, provider: FaceCompareProvider, control: ControlClient
    ) -> None:
        steps: list[object] = []

        class WatchedUrl(PhotoUrl):
            @property
            def url(self) -> str:
                steps.append("encoded")
                return "https://photos.example.com/ann.jpg"

        target = WatchedUrl.__new__(WatchedUrl)
        answer = provider.compare(make_call(target=target), lambda: steps.append(control.comparisons()))

        assert answer.code == "Success"
        assert steps == ["encoded", []]
        assert len(control.comparisons()) == 1

    def test_what_keeps_a_call_from_leaving_comes_out_as_it_is_and_bare(
        self, provider: FaceCompareProvider, control: ControlClient
    ) -> None:
        def stay() -> None:
            raise LeaseLostError

        with pytest.raises(LeaseLostError) as kept:
            provider.compare(make_call(), stay)

        assert find_leaks(kept.value, base64.b64encode(PORTRAIT.jpeg).decode()[:40]) == []
        assert kept.value.__context__ is None
        assert control.comparisons() == []

    def test_the_next_call_leaves_at_once(self, provider: FaceCompareProvider) -> None:
        asked: list[int] = []
        provider.compare(make_call(), lambda: asked.append(1))

        assert provider.compare(make_call()).code == "Success"
        assert asked == [1]

    def test_connecting_asks_nobody(self, provider: FaceCompareProvider) -> None:
        asked: list[str] = []
        provider.warm_up(Region.SINGAPORE)
        provider.compare(make_call(), lambda: asked.append("call"))
        assert asked == ["call"]


class TestCalls:
    def test_two_photos_of_one_person(self, provider: FaceCompareProvider) -> None:
        answer = provider.compare(make_call())
        assert answer == Answer(
            code="Success",
            http_status=200,
            has_result=True,
            request_id=answer.request_id,
            transaction_id=answer.transaction_id,
            passed=True,
            score=100.0,
        )
        assert answer.request_id
        assert answer.transaction_id

    def test_two_persons(self, provider: FaceCompareProvider) -> None:
        answer = provider.compare(make_call(PORTRAIT, STRANGER))
        assert answer.passed is False
        assert answer.score is not None
        assert answer.score < 70

    def test_merchant_biz_id_goes_along(self, provider: FaceCompareProvider, control: ControlClient) -> None:
        provider.compare(make_call(merchant_biz_id="f00d" * 8))
        assert control.last_call()["merchant_biz_id"] == "f00d" * 8

    @pytest.mark.parametrize("target", [PORTRAIT, PHOTO_URL], ids=["inline", "url"])
    @pytest.mark.parametrize("source", [PORTRAIT, PHOTO_URL], ids=["inline", "url"])
    def test_each_photo_is_inline_or_a_url(
        self, provider: FaceCompareProvider, control: ControlClient, source: CallPhoto, target: CallPhoto
    ) -> None:
        assert provider.compare(make_call(source, target)).code == "Success"
        pictures = control.last_call()["pictures"]
        assert (pictures["source"] is None, pictures["target"] is None) == (
            source is PHOTO_URL,
            target is PHOTO_URL,
        )

    def test_scores_of_quality_come_when_asked_for(self, provider: FaceCompareProvider) -> None:
        quality = provider.compare(make_call(face_quality_check=True)).face_quality
        assert quality is not None
        assert quality.keys() == QUALITY
        assert all(0 <= score <= 100 for score in quality.values())

    def test_scores_of_quality_do_not_come_unasked(self, provider: FaceCompareProvider) -> None:
        assert provider.compare(make_call()).face_quality is None

    @pytest.mark.parametrize("score", [52.57, "52.57", 52, "52"])
    def test_score_is_a_number_or_its_text(
        self, provider: FaceCompareProvider, control: ControlClient, score: float | str
    ) -> None:
        control.play({"score": score})
        answer = provider.compare(make_call())
        assert isinstance(answer.score, float)
        assert answer.score == float(score)

    def test_temporary_key_is_sent_with_its_token(self, emulator: Addresses, control: ControlClient) -> None:
        provider = make_provider(emulator.address("singapore"), FixedCredentials(TEMPORARY_KEY))
        assert provider.compare(make_call()).code == "Success"
        assert control.last_call()["compared"]

    def test_new_key_is_used_from_the_next_call_on(self, emulator: Addresses, control: ControlClient) -> None:
        credentials = FixedCredentials(Credentials("gone", "gone"))
        provider = make_provider(emulator.address("singapore"), credentials)
        codes = [provider.compare(make_call()).code]
        credentials.key = KEY
        codes.append(provider.compare(make_call()).code)
        assert codes == ["InvalidAccessKeyId.NotFound", "Success"]
        assert [call["code"] for call in control.calls()] == codes

    def test_nothing_is_called_twice(self, provider: FaceCompareProvider, control: ControlClient) -> None:
        control.play({"effect": "refuse", "code": "InternalError"})
        provider.compare(make_call())
        assert len(control.calls()) == 1


def compare_and_judge(provider: FaceCompareProvider) -> Verdict | FacematchError:
    try:
        return judge(provider.compare(make_call()), Bounds())
    except FacematchError as error:
        return error


class TestCodes:
    @pytest.mark.parametrize("code", CODES)
    def test_code_status_and_id_of_a_refusal_are_read(
        self, provider: FaceCompareProvider, control: ControlClient, code: str
    ) -> None:
        control.play({"effect": "refuse", "code": code})
        answer = provider.compare(make_call())
        assert (answer.code, answer.http_status) == (code, CODES[code][0])
        assert answer.request_id
        assert (answer.passed, answer.score) == (None, None)

    def test_success_is_a_verdict(self, provider: FaceCompareProvider) -> None:
        outcome = compare_and_judge(provider)
        assert isinstance(outcome, Verdict)
        assert (outcome.decision, outcome.score) == (Decision.MATCH, 100.0)

    @pytest.mark.parametrize("code", ["Success", "success", "OK", "200", 200])
    @pytest.mark.parametrize(
        ("passed", "decision"),
        [
            *((passed, Decision.MATCH) for passed in ("Y", "y", "T", "true", True)),
            *((passed, Decision.NO_MATCH) for passed in ("N", "n", "F", "false", False)),
        ],
    )
    def test_each_way_to_write_success_and_passed_is_read(
        self, odd_server: OddServer, code: object, passed: object, decision: Decision
    ) -> None:
        body = make_body({"Passed": passed, "FaceComparisonScore": "52.57"}, Code=code)
        outcome = compare_and_judge(odd_server.answer_with(body))
        assert isinstance(outcome, Verdict)
        assert (outcome.decision, outcome.score, outcome.provider_code) == (decision, 52.57, str(code))

    @pytest.mark.parametrize("http_status", [400, 403, 500])
    def test_success_under_another_status_may_have_been_billed(
        self, odd_server: OddServer, http_status: int
    ) -> None:
        outcome = compare_and_judge(odd_server.answer_with(make_body(), http_status))
        assert type(outcome) is ProviderFaultError
        assert (outcome.code, outcome.possibly_billed) == ("unreadable_answer", True)

    @pytest.mark.parametrize(("retry_after_ms", "retry_after_s"), [(1500, 1.5), (1, 0.001), (60_000, 60)])
    def test_throttling_says_in_seconds_when_to_come_back(
        self,
        provider: FaceCompareProvider,
        control: ControlClient,
        retry_after_ms: int,
        retry_after_s: float,
    ) -> None:
        control.play({"effect": "refuse", "code": "Throttling.Api", "retry_after_ms": retry_after_ms})
        failure = compare_and_judge(provider)
        assert isinstance(failure, ProviderThrottledError)
        assert (failure.code, failure.retry_after_s) == ("Throttling.Api", retry_after_s)
        assert not failure.possibly_billed
        assert failure.request_id

    def test_throttling_may_not_say_when(self, provider: FaceCompareProvider, control: ControlClient) -> None:
        control.play({"effect": "refuse", "code": "Throttling.User", "http_status": 400})
        outcome = compare_and_judge(provider)
        assert isinstance(outcome, ProviderThrottledError)
        assert outcome.retry_after_s is None

    def test_retry_after_beside_another_code_does_not_hide_it(
        self, provider: FaceCompareProvider, control: ControlClient
    ) -> None:
        control.play({"effect": "refuse", "code": "InternalError", "retry_after_ms": 100})
        answer = provider.compare(make_call())
        assert (answer.code, answer.http_status) == ("InternalError", 500)


class TestKeys:
    @pytest.mark.parametrize(
        ("key", "code"),
        [
            (Credentials("nobody", "emulator-key-secret"), "InvalidAccessKeyId.NotFound"),
            (Credentials("emulator-key-id", "wrong-secret"), "SignatureDoesNotMatch"),
            (
                Credentials("STS.id", "sts-secret", "old-token"),
                "InvalidSecurityToken.MismatchWithAccessKey",
            ),
        ],
    )
    def test_unknown_key_is_invalidated_and_the_operators_fault(
        self, emulator: Addresses, control: ControlClient, key: Credentials, code: str
    ) -> None:
        credentials = FixedCredentials(key)
        outcome = compare_and_judge(make_provider(emulator.address("singapore"), credentials))
        assert isinstance(outcome, OperatorError)
        assert outcome.code == code
        assert credentials.invalidated == 1
        assert find_leaks(outcome, key.access_key_secret, key.access_key_id) == []
        assert not control.last_call()["compared"]

    @pytest.mark.parametrize("code", ["Forbidden.RAMUserAccessDenied", "NoFaceDetected", "Throttling.Api"])
    def test_known_key_stays_trusted(self, emulator: Addresses, control: ControlClient, code: str) -> None:
        credentials = FixedCredentials()
        control.play({"effect": "refuse", "code": code})
        compare_and_judge(make_provider(emulator.address("singapore"), credentials))
        assert credentials.invalidated == 0

    def test_fault_of_the_key_source_passes(self, emulator: Addresses, control: ControlClient) -> None:
        class NoCredentials(FixedCredentials):
            def read(self) -> Credentials:
                raise OperatorError("secret_unreadable", "The secret can't be read.")

        failure = fail_to_compare(make_provider(emulator.address("singapore"), NoCredentials()))
        assert failure.code == "secret_unreadable"
        assert control.calls() == []


class TestUnreadableAnswers:
    @pytest.mark.parametrize(
        "scenario",
        [
            {"effect": "html"},
            {"effect": "html", "http_status": 200},
            {"effect": "html", "http_status": 404},
            {"effect": "broken_json"},
        ],
    )
    def test_html_and_broken_json_are_no_answer(
        self, provider: FaceCompareProvider, control: ControlClient, scenario: Mapping[str, object]
    ) -> None:
        control.play(scenario)
        failure = fail_to_compare(provider)
        assert type(failure) is ProviderFaultError
        assert (failure.code, failure.possibly_billed) == ("unreadable_answer", True)

    def test_success_without_a_result_is_no_answer(
        self, provider: FaceCompareProvider, control: ControlClient
    ) -> None:
        control.play({"effect": "missing_result"})
        outcome = compare_and_judge(provider)
        assert isinstance(outcome, ProviderFaultError)
        assert (outcome.code, outcome.possibly_billed) == ("unreadable_answer", True)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"null",
            b"[]",
            b'"Success"',
            b"17",
            b"{}",
            b"\xff\xfe",
            b"[" * 100_000,
            b'{"RequestId": "R1", "Message": "success"}',
            make_body([]),
            make_body({}),
            make_body(""),
        ],
        ids=lambda body: body.decode("latin-1")[-70:],
    )
    def test_answer_without_a_code_or_a_result_is_no_answer(self, odd_server: OddServer, body: bytes) -> None:
        outcome = compare_and_judge(odd_server.answer_with(body))
        assert type(outcome) is ProviderFaultError
        assert (outcome.code, outcome.possibly_billed) == ("unreadable_answer", True)

    @pytest.mark.parametrize(
        "body",
        [
            make_body(["Y"]),
            make_body("Y"),
            make_body({"Passed": "Y"}),
            make_body({"FaceComparisonScore": 99.5}),
            make_body({"Passed": "maybe", "FaceComparisonScore": 99.5}),
            make_body({"Passed": ["Y"], "FaceComparisonScore": 99.5}),
            make_body({"Passed": 1, "FaceComparisonScore": 99.5}),
            make_body({"Passed": "Y", "FaceComparisonScore": "high"}),
            make_body({"Passed": "Y", "FaceComparisonScore": [99.5]}),
            make_body({"Passed": "Y", "FaceComparisonScore": True}),
            make_body({"Passed": "Y", "FaceComparisonScore": ""}),
            make_body({"Passed": "Y", "FaceComparisonScore": float("nan")}),
            make_body({"Passed": "Y", "FaceComparisonScore": "NaN"}),
            make_body({"Passed": "Y", "FaceComparisonScore": "inf"}),
            make_body({"Passed": "Y", "FaceComparisonScore": -0.5}),
            make_body({"Passed": "Y", "FaceComparisonScore": 100.5}),
        ],
        ids=lambda body: body.decode("latin-1")[-70:],
    )
    def test_result_with_unexpected_values_goes_to_review(self, odd_server: OddServer, body: bytes) -> None:
        outcome = compare_and_judge(odd_server.answer_with(body))
        assert isinstance(outcome, Verdict)
        assert (outcome.decision, outcome.reason) == (Decision.REVIEW, "unexpected_answer")
        assert (outcome.provider_code, outcome.request_id) == ("Success", "R1")

    @pytest.mark.parametrize(
        ("code", "reported"),
        [("1", "1"), (1, "1"), ("Odd.Code", "Odd.Code"), (None, None), (["Success"], None), (True, None)],
        ids=str,
    )
    def test_result_with_an_unexpected_code_goes_to_review_with_that_code(
        self, odd_server: OddServer, code: object, reported: str | None
    ) -> None:
        outcome = compare_and_judge(odd_server.answer_with(make_body(Code=code)))
        assert isinstance(outcome, Verdict)
        assert (outcome.decision, outcome.reason) == (Decision.REVIEW, "unexpected_answer")
        assert (outcome.provider_code, outcome.score, outcome.passed) == (reported, 99.5, True)

    @pytest.mark.parametrize("body", [b"", b"<html></html>", b"{}"])
    @pytest.mark.parametrize(
        ("http_status", "expected"), [(408, ProviderFaultError), (429, ProviderThrottledError)]
    )
    def test_status_that_says_by_itself_that_nothing_was_done_needs_no_code(
        self, odd_server: OddServer, http_status: int, expected: type[ProviderError], body: bytes
    ) -> None:
        outcome = compare_and_judge(odd_server.answer_with(body, http_status))
        assert type(outcome) is expected
        assert (outcome.code, outcome.possibly_billed) == (f"HTTP.{http_status}", False)

    @pytest.mark.parametrize(
        "body", [b"", b"{}", b"[]", b"null", b'{"message": "Forbidden"}', b'{"Code": ""}']
    )
    @pytest.mark.parametrize("http_status", [403, 413, 502])
    def test_error_without_a_code_is_no_answer(
        self, odd_server: OddServer, body: bytes, http_status: int
    ) -> None:
        outcome = compare_and_judge(odd_server.answer_with(body, http_status))
        assert type(outcome) is ProviderFaultError
        assert (outcome.code, outcome.possibly_billed) == ("unreadable_answer", True)

    @pytest.mark.parametrize(
        "code", ["Forbidden: see https://photos", "Forbidden\n", "F" * 129, {"is": "odd"}]
    )
    def test_code_that_could_hold_anything_is_left_out(self, odd_server: OddServer, code: object) -> None:
        outcome = compare_and_judge(odd_server.answer_with(make_body(Code=code), 403))
        assert type(outcome) is ProviderFaultError
        assert (outcome.code, outcome.possibly_billed) == ("unreadable_answer", True)
        assert odd_server.answer_with(make_body(Code=code)).compare(make_call()).code == ""

    @pytest.mark.parametrize("odd", ["a photo's URL", "x" * 129, {"id": 1}, 17, ""])
    @pytest.mark.parametrize(("code", "http_status"), [("Success", 200), ("NoFaceDetected", 401)])
    def test_id_that_could_hold_anything_is_left_out(
        self, odd_server: OddServer, odd: object, code: str, http_status: int
    ) -> None:
        result = {"Passed": "Y", "FaceComparisonScore": 99.5, "TransactionId": odd}
        body = make_body(result, Code=code, RequestId=odd)
        answer = odd_server.answer_with(body, http_status).compare(make_call())
        assert (answer.code, answer.request_id, answer.transaction_id) == (code, None, None)

    def test_pause_that_would_stop_a_region_for_days_is_not_believed(self, odd_server: OddServer) -> None:
        body = make_body(Code="Throttling.Api")
        headers = {"content-length": str(len(body)), "x-acs-retry-after": "9" * 400}
        failure = compare_and_judge(odd_server.answer_with(body, 403, headers))
        assert isinstance(failure, ProviderThrottledError)
        assert failure.retry_after_s == 900

    @pytest.mark.parametrize("odd", ["n/a", "", None, [1], "NaN"])
    def test_score_of_quality_that_is_none_is_left_out(self, odd_server: OddServer, odd: object) -> None:
        quality = {"FaceQualityScore": "88.5", "SharpnessScore": odd}
        result = {"Passed": "Y", "FaceComparisonScore": 99.5, "ExtFaceInfo": quality}
        answer = odd_server.answer_with(make_body(result)).compare(make_call())
        assert (answer.score, answer.face_quality) == (99.5, {"FaceQualityScore": 88.5})


class TestSilence:
    def test_reset_may_have_been_billed(self, provider: FaceCompareProvider, control: ControlClient) -> None:
        control.play({"effect": "reset", "after_compare": True})
        failure = fail_to_compare(provider)
        assert (failure.code, failure.possibly_billed) == ("connection_lost", True)
        assert control.last_call()["compared"]

    def test_hang_may_have_been_billed(self, emulator: Addresses, control: ControlClient) -> None:
        control.play({"effect": "hang"})
        failure = fail_to_compare(make_provider(emulator.address("singapore"), read_timeout_s=0.2))
        assert (failure.code, failure.possibly_billed) == ("timeout", True)

    def test_provider_that_does_not_listen_was_never_asked(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        failure = fail_to_compare(make_provider(f"127.0.0.1:{port}"))
        assert type(failure) is UnreachableError
        assert (failure.code, failure.possibly_billed) == ("no_connection", False)

    def test_provider_that_does_not_accept_was_never_asked(self) -> None:
        with (
            socket.create_server(("127.0.0.1", 0), backlog=0) as server,
            socket.create_connection(server.getsockname()),
        ):
            failure = fail_to_compare(make_provider(f"127.0.0.1:{server.getsockname()[1]}"))
        assert (failure.code, failure.possibly_billed) == ("no_connection", False)

    def test_host_that_does_not_exist_was_never_asked(self) -> None:
        failure = fail_to_compare(make_provider("cloudauth-intl.invalid"))
        assert (failure.code, failure.possibly_billed) == ("no_connection", False)

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    def test_body_that_stops_half_way_may_have_been_billed(self, odd_server: OddServer) -> None:
        failure = fail_to_compare(odd_server.answer_with(b"{", headers={"content-length": "500"}))
        gc.collect()  # The SDK leaves such a connection to the garbage collector, which would warn later.
        assert type(failure) is ProviderFaultError
        assert failure.possibly_billed

    def test_next_call_goes_through(self, provider: FaceCompareProvider, control: ControlClient) -> None:
        control.play({"effect": "reset", "times": 1})
        fail_to_compare(provider)
        assert provider.compare(make_call()).code == "Success"


def make_secret_call() -> tuple[Call, list[str]]:
    """A call, and everything of it that no failure and no log may contain."""
    encoded = base64.b64encode(PORTRAIT.jpeg).decode()
    marks = [
        PORTRAIT.jpeg[200:240].decode("latin-1"),
        repr(PORTRAIT.jpeg[200:240])[2:-1],
        encoded[200:240],
        quote(encoded[200:400], safe=""),
        "s1gn4ture",
        "X-Signature",
        KEY.access_key_secret,
        KEY.access_key_id,
    ]
    return make_call(PORTRAIT, PHOTO_URL), marks


class TestSecrecy:
    @pytest.mark.parametrize(
        "scenario",
        [
            {"effect": "html"},
            {"effect": "broken_json"},
            {"effect": "reset"},
            {"effect": "hang"},
        ],
        ids=lambda scenario: scenario["effect"],
    )
    def test_no_failure_contains_what_was_sent(
        self, emulator: Addresses, control: ControlClient, scenario: Mapping[str, object]
    ) -> None:
        control.play(scenario)
        call, marks = make_secret_call()
        failure = fail_to_compare(make_provider(emulator.address("singapore"), read_timeout_s=0.2), call)
        assert find_leaks(failure, *marks) == []
        assert (failure.__cause__, failure.__context__) == (None, None)

    def test_nor_does_that_of_a_provider_that_does_not_listen(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        call, marks = make_secret_call()
        failure = fail_to_compare(make_provider(f"127.0.0.1:{port}"), call)
        assert find_leaks(failure, *marks) == []
        assert (failure.__cause__, failure.__context__) == (None, None)

    def test_search_finds_what_the_sdk_itself_would_log(self) -> None:
        call, marks = make_secret_call()
        error = ValueError("harmless")
        error.__context__ = RuntimeError({"last_request": call.source, "query": "?X-Signature=1"})
        assert find_leaks(error, *marks)
        error.__context__ = KeyError(PORTRAIT.jpeg)
        assert find_leaks(error, *marks)

    def test_call_shows_no_photo_and_no_url(self) -> None:
        call, marks = make_secret_call()
        assert [mark for mark in marks if mark in f"{call!r} {call!s}"] == []

    def test_debugging_the_sdk_logs_nothing(
        self,
        provider: FaceCompareProvider,
        control: ControlClient,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setenv("DEBUG", "sdk")
        control.play({"effect": "refuse", "code": "InternalError", "times": 1})
        call, _ = make_secret_call()
        sdk_logger = logging.getLogger("darabonba-core")
        sdk_logger.addHandler(caplog.handler)
        try:
            codes = [provider.compare(call).code for _ in range(2)]
        finally:
            sdk_logger.removeHandler(caplog.handler)
        assert codes == ["InternalError", "Success"]
        assert capfd.readouterr() == ("", "")
        assert [record for record in caplog.records if record.name == "darabonba-core"] == []

    def test_no_log_at_any_level_contains_what_was_sent(
        self, provider: FaceCompareProvider, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        call, marks = make_secret_call()
        provider.compare(call)
        assert [
            record.name for record in caplog.records for mark in marks if mark in record.getMessage()
        ] == []


@pytest.fixture
def server() -> Iterator[FaceCompareServer]:
    with run_server() as server:
        yield server


def make_provider_at(server: FaceCompareServer, **fields: Any) -> FaceCompareProvider:
    endpoints = {region: FaceCompareEndpoint(server.address, "HTTP") for region in Region}
    return FaceCompareProvider(endpoints, fields.pop("credentials", FixedCredentials()), **fields)


class TestOperations:
    @pytest.mark.parametrize("operation", Operation)
    @pytest.mark.parametrize("face_quality_check", [True, False])
    def test_both_operations_are_called_with_the_same_fields(
        self,
        server: FaceCompareServer,
        operation: Operation,
        face_quality_check: bool,  # noqa: FBT001 - a row
    ) -> None:
        call = make_call(PORTRAIT, PHOTO_URL, face_quality_check=face_quality_check)
        answer = make_provider_at(server, operation=operation).compare(call)
        (request,) = server.requests
        assert (request.action, request.headers["x-acs-version"]) == (operation, "2022-08-09")
        assert request.query == {
            "MerchantBizId": "a1" * 16,
            "TargetFacePictureUrl": PHOTO_URL.url,
            **({"FaceQualityCheck": "Y"} if face_quality_check else {}),
        }
        assert request.form == {"SourceFacePicture": base64.b64encode(PORTRAIT.jpeg).decode()}
        assert (answer.passed, answer.score, answer.transaction_id) == (True, 99.5, "T1")

    def test_no_code_uses_the_methods_that_upload_photos_elsewhere(self) -> None:
        """`…advance` posts photos to a bucket that the provider names, and sends an `http://` URL of it."""
        sources = Path(facematch.__file__).parent.rglob("*.py")
        users = [
            path.name
            for path in sources
            if re.search(r"[a-z0-9]advance(_async)?\b|\w+AdvanceRequest", path.read_text())
        ]
        assert users == []
        assert hasattr(Client, "face_compare_v2advance")


class TestProbe:
    def test_good_answer_lets_comparisons_be_tried(self, server: FaceCompareServer) -> None:
        make_provider_at(server).probe(Region.SINGAPORE)
        assert [request.action for request in server.requests] == ["KeepaliveIntl"]

    @pytest.mark.parametrize(
        ("http_status", "document"),
        [
            (200, {"RequestId": "R1"}),
            (404, {"Code": "InvalidAction.NotFound"}),
            (404, {"Code": "InvalidApi.NotFound"}),
            (403, {"Code": "Forbidden.RAMUserAccessDenied"}),
            (403, {"Code": "NoPermission"}),
            (403, {"Code": "ActionUnauthorized"}),
            (400, {"Code": "MissingParameter"}),
        ],
        ids=str,
    )
    def test_answer_about_the_free_operation_alone_lets_comparisons_be_tried(
        self, server: FaceCompareServer, http_status: int, document: object
    ) -> None:
        server.reply = lambda _: Reply(document, http_status)
        make_provider_at(server).probe(Region.MALAYSIA)
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ("http_status", "document", "expected", "code"),
        [
            (404, {"Code": "InvalidAccessKeyId.NotFound"}, OperatorError, "InvalidAccessKeyId.NotFound"),
            (400, {"Code": "SignatureDoesNotMatch"}, OperatorError, "SignatureDoesNotMatch"),
            (
                403,
                {"Code": "Forbidden.AccountAccessDenied"},
                OperatorError,
                "Forbidden.AccountAccessDenied",
            ),
            (400, {"Code": "InsufficientBalance"}, OperatorError, "InsufficientBalance"),
            (403, {"Code": "Odd.Code"}, OperatorError, "Odd.Code"),
            (403, {"Code": "Throttling.Api"}, ProviderThrottledError, "Throttling.Api"),
            (429, b"<html>", ProviderThrottledError, "HTTP.429"),
            (500, {"Code": "InternalError"}, ProviderFaultError, "InternalError"),
            (503, b"<html>", ProviderFaultError, "unreadable_answer"),
            (200, b"<html>", ProviderFaultError, "unreadable_answer"),
            (200, b"", ProviderFaultError, "unreadable_answer"),
            (None, None, ProviderFaultError, "connection_lost"),
        ],
        ids=str,
    )
    def test_other_answers_say_why_no_comparison_can_succeed(
        self,
        server: FaceCompareServer,
        http_status: int | None,
        document: object,
        expected: type[ProviderError],
        code: str,
    ) -> None:
        server.reply = lambda _: Reply(document, http_status)
        with pytest.raises(ProviderError) as failure:
            make_provider_at(server).probe(Region.SINGAPORE)
        assert type(failure.value) is expected
        assert (failure.value.code, failure.value.possibly_billed) == (code, False)

    def test_provider_that_is_not_there_is_unreachable(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(UnreachableError):
            make_provider(f"127.0.0.1:{port}").probe(Region.SINGAPORE)

    def test_key_that_was_replaced_is_read_again(self, server: FaceCompareServer) -> None:
        credentials = FixedCredentials()

        def reply(request: Request) -> Reply:
            if "new-id" in request.headers["authorization"]:
                return Reply({"Code": "Success"})
            credentials.key = Credentials("new-id", "new-secret")
            return Reply({"Code": "InvalidAccessKeyId.Inactive"}, 400)

        server.reply = reply
        make_provider_at(server, credentials=credentials).probe(Region.SINGAPORE)
        assert (len(server.requests), credentials.invalidated) == (2, 1)


class TestExamination:
    def test_answer_comes_with_its_time_and_the_difference_of_the_clocks(
        self, server: FaceCompareServer
    ) -> None:
        now_s = [1000.0]
        provider = make_provider_at(server, clock_s=lambda: now_s[0])

        def reply(_: Request) -> Reply:
            now_s[0] += 0.25
            return Reply({"Code": "Success"}, headers={"date": "Thu, 01 Jan 1970 00:36:40 GMT"})

        server.reply = reply
        found = provider.examine(Region.SINGAPORE)
        assert (found.answer.code, found.latency_s, found.refuses_operation_only) == ("Success", 0.25, False)
        # 36 min 40 s are 2200 s; the header leaves out the fraction, half a second on average.
        assert found.clock_ahead_s == 2200.5 - 1000.25

    @pytest.mark.parametrize("headers", [{}, {"date": "soon"}], ids=str)
    def test_answer_without_a_readable_date_says_nothing_of_the_clock(
        self, server: FaceCompareServer, headers: dict[str, str]
    ) -> None:
        server.reply = lambda _: Reply({"Code": "Success"}, headers=headers)
        assert make_provider_at(server).examine(Region.SINGAPORE).clock_ahead_s is None

    @pytest.mark.parametrize(
        ("code", "alone"),
        [
            ("InvalidAction.NotFound", True),
            ("Forbidden.RAMUserAccessDenied", True),
            ("InvalidAccessKeyId.NotFound", False),
        ],
    )
    def test_refusal_is_returned_and_says_whether_it_is_about_the_free_operation_alone(
        self, server: FaceCompareServer, code: str, *, alone: bool
    ) -> None:
        server.reply = lambda _: Reply({"Code": code}, 404)
        found = make_provider_at(server).examine(Region.MALAYSIA)
        assert (found.answer.code, found.refuses_operation_only) == (code, alone)
        assert [request.action for request in server.requests] == ["KeepaliveIntl"]

    def test_provider_that_gives_no_answer_is_a_fault(self, server: FaceCompareServer) -> None:
        server.reply = lambda _: Reply(b"<html>", 503)
        with pytest.raises(ProviderFaultError, match="can't be read"):
            make_provider_at(server).examine(Region.SINGAPORE)

    def test_provider_that_is_not_there_is_unreachable(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        with pytest.raises(UnreachableError):
            make_provider(f"127.0.0.1:{port}").examine(Region.SINGAPORE)


class TestDeletion:
    def test_provider_is_asked_to_delete_all_that_it_keeps_of_one_comparison(
        self, server: FaceCompareServer
    ) -> None:
        server.reply = lambda _: Reply({"Code": "Success", "Result": {"DeleteResult": "Y"}})
        deletion = make_provider_at(server).delete_result(Region.INDONESIA, "T1")
        assert deletion == Deletion(is_deleted=True, code="Success")
        (request,) = server.requests
        assert request.action == "DeleteVerifyResult"
        assert request.query == {"TransactionId": "T1", "DeleteAfterQuery": "N", "DeleteType": "All"}

    @pytest.mark.parametrize(
        ("http_status", "document", "code"),
        [
            (200, {"Code": "Success", "Result": {"DeleteResult": "N"}}, "Success"),
            (200, {"Code": "Success", "Result": {}}, "Success"),
            (200, {"Code": "Success"}, "Success"),
            (200, {"Code": "Odd.Code", "Result": {"DeleteResult": "Y"}}, "Odd.Code"),
            (400, {"Code": "InvalidParameter"}, "InvalidParameter"),
            (404, {"Code": "InvalidAction.NotFound"}, "InvalidAction.NotFound"),
        ],
        ids=str,
    )
    def test_provider_may_not_delete(
        self, server: FaceCompareServer, http_status: int, document: object, code: str
    ) -> None:
        server.reply = lambda _: Reply(document, http_status)
        deletion = make_provider_at(server).delete_result(Region.SINGAPORE, "T1")
        assert deletion == Deletion(is_deleted=False, code=code)

    @pytest.mark.parametrize(
        ("http_status", "document", "expected"),
        [
            (403, {"Code": "Throttling.Api"}, ProviderThrottledError),
            (403, {"Code": "Forbidden.RAMUserAccessDenied"}, OperatorError),
            (404, {"Code": "InvalidAccessKeyId.NotFound"}, OperatorError),
            (500, {"Code": "InternalError"}, ProviderFaultError),
            (502, b"<html>", ProviderFaultError),
            (None, None, ProviderFaultError),
        ],
        ids=str,
    )
    def test_no_decision_is_worth_another_attempt(
        self,
        server: FaceCompareServer,
        http_status: int | None,
        document: object,
        expected: type[ProviderError],
    ) -> None:
        server.reply = lambda _: Reply(document, http_status)
        with pytest.raises(ProviderError) as failure:
            make_provider_at(server).delete_result(Region.SINGAPORE, "T1")
        assert type(failure.value) is expected
        assert not failure.value.possibly_billed
