import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from alibabacloud_cloudauth_intl20220809.models import DeleteVerifyResultRequest, FaceCompareV2Request
from alibabacloud_tea_openapi.exceptions import ClientException, ServerException, ThrottlingException
from darabonba.exceptions import UnretryableException
from darabonba.runtime import RuntimeOptions

from facecompare_emulator import DEFAULT_CREDENTIALS, Addresses, Rules, run_emulator
from facecompare_emulator.answers import CODES
from facecompare_emulator.operations import OPERATIONS
from facecompare_emulator.scenarios import CallFacts, ScenarioError, Script, read_scenario, read_scenarios
from tests.factories.photos import PORTRAIT, STRANGER
from tests.integration.emulator.clients import (
    ControlClient,
    compare,
    forgive_sdk,
    make_client,
    new_id,
    send,
    sign,
)

PAGE_CODES = [
    "MissingParameter",
    "InvalidParameter",
    "NoFaceDetected",
    "UnqualifiedPhoto",
    "ToolargeImage",
    "DataDuplication",
    "DownloadTimeout",
    "Forbidden.RAMUserAccessDenied",
    "Forbidden.AccountAccessDenied",
    "Throttling.Api",
    "InternalError",
]
OPERATOR_CODES = [
    "ActionUnauthorized",
    "Forbedden.NotSupportRAM",
    "Forbidden.NotSupportRAM",
    "IllegalTimestamp",
    "InsufficientBalance",
    "InvalidAction.NotFound",
    "InvalidApi.NotFound",
    "InvalidProtocol.NeedSsl",
    "NoSuchVersion",
    "UnsupportedHTTPMethod",
]
OUTAGES = [
    {"effect": "refuse", "code": "InternalError"},
    {"effect": "refuse", "code": "InsufficientBalance"},
    {"effect": "refuse", "code": "Odd", "http_status": 429},
    {"effect": "html"},
    {"effect": "broken_json"},
    {"effect": "reset"},
    {"effect": "hang"},
]


def call_of(merchant_biz_id: str = "a", region: str = "singapore", *url_paths: str) -> CallFacts:
    return CallFacts(region, "public", "FaceCompare", merchant_biz_id, url_paths, merchant_biz_id)


def script_of(*documents: Mapping[str, object], now_s: float = 0) -> Script:
    return Script(lambda: now_s, read_scenarios(list(documents)))


def wait_for_call(control: ControlClient) -> dict[str, Any]:
    """Wait for a call whose client did not."""
    for _ in range(10_000):
        if calls := control.calls():
            return calls[-1]
    pytest.fail("The call was never logged.")


def wait_until_played(control: ControlClient) -> None:
    for _ in range(10_000):
        if control.ask("GET", "/scenarios").document[0]["played"]:
            return
    pytest.fail("The scenario was never played.")


@pytest.mark.parametrize("code", [*PAGE_CODES, *OPERATOR_CODES, "SuspiciousActivity"])
def test_every_code_of_the_page_reaches_the_sdk(singapore: str, control: ControlClient, code: str) -> None:
    control.play({"effect": "refuse", "code": code, "id": "scripted"})
    http_status, message = CODES[code]

    with pytest.raises(ServerException if http_status == 500 else ClientException) as refusal:
        compare(singapore)

    assert (refusal.value.code, refusal.value.status_code) == (code, http_status)
    assert message in refusal.value.message
    call = control.last_call()
    assert (call["code"], call["scenario"], call["compared"]) == (code, "scripted", False)


def test_throttling_can_have_retry_after(singapore: str, control: ControlClient) -> None:
    control.play({"effect": "refuse", "code": "Throttling.Api", "retry_after_ms": 1500})
    with pytest.raises(ThrottlingException) as refusal:
        compare(singapore)
    assert refusal.value.retry_after == 1500


@pytest.mark.parametrize("http_status", [403, 404, 408, 429])
def test_unlisted_refusal_reaches_the_sdk(singapore: str, control: ControlClient, http_status: int) -> None:
    control.play({"effect": "refuse", "code": "Unlisted.Code", "http_status": http_status})
    with pytest.raises(ClientException) as refusal:
        compare(singapore)
    assert (refusal.value.code, refusal.value.status_code) == ("Unlisted.Code", http_status)


@pytest.mark.parametrize("code", ["Success", "success", "OK", 200, "200"])
def test_every_code_of_success_is_scripted(singapore: str, control: ControlClient, code: str | int) -> None:
    control.play({"code": code})
    document = send(singapore, sign(singapore)).document
    assert (document["Code"], document["Result"]["Passed"]) == (code, "Y")
    assert compare(singapore).code == code
    assert (control.last_call()["code"], control.last_call()["compared"]) == (str(code), True)


@pytest.mark.parametrize(
    ("fields", "result"),
    [
        ({"passed": "T"}, {"Passed": "T", "FaceComparisonScore": 100}),
        ({"passed": "F"}, {"Passed": "F", "FaceComparisonScore": 100}),
        ({"passed": True}, {"Passed": True, "FaceComparisonScore": 100}),
        ({"passed": "perhaps"}, {"Passed": "perhaps", "FaceComparisonScore": 100}),
        ({"without": ["Passed"]}, {"FaceComparisonScore": 100}),
        ({"result": {"FaceComparisonScore": "high"}}, {"Passed": "Y", "FaceComparisonScore": "high"}),
        (
            {"result": {"FaceComparisonScore": None, "New": [1]}, "passed": "N"},
            {"Passed": "N", "FaceComparisonScore": None, "New": [1]},
        ),
        ({"result": "done"}, "done"),
        ({"result": []}, []),
    ],
)
def test_unexpected_result_is_scripted(
    singapore: str, control: ControlClient, fields: dict[str, object], result: object
) -> None:
    control.play(fields)
    reported = send(singapore, sign(singapore)).document["Result"]
    if isinstance(reported, dict):
        assert len(reported.pop("TransactionId")) == 32
    assert reported == (
        result if result is not None else {"Passed": "N", "FaceComparisonScore": None, "New": [1]}
    )
    assert control.last_call()["compared"]


@pytest.mark.parametrize("outage", OUTAGES, ids=str)
def test_outage_meets_every_operation(outage: dict[str, Any]) -> None:
    scenario = read_scenario(outage, "s")
    for operation in OPERATIONS:
        assert scenario.matches(replace(call_of(), operation=operation)), operation


@pytest.mark.parametrize(
    "scenario",
    [
        {"score": 5},
        {"latency_ms": 4000},
        {"effect": "missing_result"},
        {"effect": "refuse", "code": "NoFaceDetected"},
        {"effect": "refuse", "code": "Throttling.Api"},
        {"effect": "reset", "after_compare": True},
        {"effect": "reset", "times": 1},
        {"effect": "reset", "nth_call": 1},
        {"effect": "reset", "merchant_biz_id_prefix": "a"},
        {"effect": "reset", "operations": ["FaceCompare", "FaceCompareV2"]},
    ],
    ids=str,
)
def test_fault_of_a_comparison_meets_no_other_operation(scenario: dict[str, Any]) -> None:
    for operation in OPERATIONS:
        matches = read_scenario(scenario, "s").matches(replace(call_of(), operation=operation))
        assert matches == operation.startswith("FaceCompare"), operation


def test_keepalive_fails_in_an_outage_unless_it_is_spared(singapore: str, control: ControlClient) -> None:
    def keep_alive() -> str:
        return send(singapore, sign(singapore, query={}, form={}, x_acs_action="KeepaliveIntl")).code

    control.play({"effect": "refuse", "code": "InternalError", "operations": ["FaceCompare"]})
    assert keep_alive() == "Success"
    control.play({"effect": "refuse", "code": "InternalError", "share": 0.5})
    assert {keep_alive() for _ in range(40)} == {"Success", "InternalError"}
    control.play({"effect": "refuse", "code": "Forbidden.AccountAccessDenied"})
    assert keep_alive() == "Forbidden.AccountAccessDenied"
    control.play({"operations": ["KeepaliveIntl"], "effect": "refuse", "code": "Throttling.Api", "times": 1})
    assert [compare(singapore).code, keep_alive(), keep_alive()] == ["Success", "Throttling.Api", "Success"]


def test_keepalive_needs_a_key_that_is_active(singapore: str, control: ControlClient) -> None:
    key = f"/keys/{DEFAULT_CREDENTIALS.access_key_id}"
    for active, code in ((False, "InvalidAccessKeyId.Inactive"), (True, "Success")):
        control.ask("PATCH", key, {"active": active})
        request = sign(singapore, query={}, form={}, x_acs_action="KeepaliveIntl")
        assert send(singapore, request).code == code


def test_results_are_deleted_by_their_transaction(singapore: str, control: ControlClient) -> None:
    transaction_id = compare(singapore).result.transaction_id
    client = make_client(singapore)

    def delete(transaction_id: str | None) -> str:
        request = DeleteVerifyResultRequest(transaction_id=transaction_id)
        with forgive_sdk():
            return str(client.delete_verify_result_with_options(request, RuntimeOptions()).body.code)

    assert delete(transaction_id) == "Success"
    compared, deleted = control.calls()
    assert compared["transaction_id"] == deleted["transaction_id"] == transaction_id
    assert (deleted["action"], deleted["compared"]) == ("DeleteVerifyResult", False)
    with pytest.raises(ClientException, match="TransactionId is mandatory"):
        delete(None)
    control.play({"operations": ["DeleteVerifyResult"], "effect": "refuse", "code": "InvalidParameter"})
    with pytest.raises(ClientException) as refusal:
        delete(transaction_id)
    assert refusal.value.code == "InvalidParameter"
    control.play({"operations": ["DeleteVerifyResult"], "code": "200"})
    assert delete(transaction_id) == "200"


def test_the_second_version_of_face_compare_is_the_same_operation(
    singapore: str, control: ControlClient
) -> None:
    with forgive_sdk():
        request = FaceCompareV2Request(
            merchant_biz_id=new_id(),
            source_face_picture=PORTRAIT,
            target_face_picture=STRANGER,
            face_quality_check="Y",
        )
        second = make_client(singapore).face_compare_v2with_options(request, RuntimeOptions()).body
    first = compare(singapore, target_face_picture=STRANGER, face_quality_check="Y")

    reported = [{**body.result.to_map(), "TransactionId": None} for body in (first, second)]
    assert reported[0] == reported[1]
    assert [call["action"] for call in control.calls()] == ["FaceCompareV2", "FaceCompare"]
    assert [call["compared"] for call in control.calls()] == [True, True]


def test_operation_that_is_not_enabled_is_not_found() -> None:
    with run_emulator(Rules(operations=("FaceCompareV2", "KeepaliveIntl"))) as addresses:
        address = addresses.address("malaysia")
        assert send(address, sign(address)).code == "InvalidAction.NotFound"
        assert send(address, sign(address, x_acs_action="FaceCompareV2")).code == "Success"


def test_unknown_code_is_sent_with_its_status_and_message(singapore: str, control: ControlClient) -> None:
    control.play({"effect": "refuse", "code": "Odd.Code", "http_status": 418, "message": "A teapot."})
    with pytest.raises(ClientException) as refusal:
        compare(singapore)
    assert (refusal.value.code, refusal.value.status_code) == ("Odd.Code", 418)
    assert "A teapot." in refusal.value.message


def test_failing_code_under_http_200(singapore: str, control: ControlClient) -> None:
    control.play({"effect": "refuse", "code": "InternalError", "http_status": 200})
    body = compare(singapore)
    assert (body.code, body.result) == ("InternalError", None)


def test_success_without_a_result(singapore: str, control: ControlClient) -> None:
    control.play({"effect": "missing_result"})
    body = compare(singapore)
    assert (body.code, body.result) == ("Success", None)
    assert control.last_call()["compared"]


@pytest.mark.parametrize(
    ("fields", "score", "passed"),
    [
        ({"score": 52.57}, 52.57, "N"),
        ({"score": "52.57", "passed": "Y"}, "52.57", "Y"),
        ({"passed": "N"}, 100, "N"),
        ({"score": 99}, 99, "Y"),
    ],
)
def test_score_and_passed_are_scripted(
    singapore: str, control: ControlClient, fields: dict[str, object], score: object, passed: str
) -> None:
    control.play(fields)
    result = compare(singapore).result
    assert (result.face_comparison_score, result.passed) == (score, passed)


@pytest.mark.parametrize(
    "scenario",
    [
        {"effect": "html"},
        {"effect": "html", "http_status": 503},
        {"effect": "broken_json"},
        {"effect": "reset"},
    ],
)
@pytest.mark.parametrize("after_compare", [False, True])
def test_unreadable_answers(
    singapore: str, control: ControlClient, scenario: dict[str, object], *, after_compare: bool
) -> None:
    control.play({**scenario, "after_compare": after_compare})

    with pytest.raises(UnretryableException) as failure:
        compare(singapore)

    assert failure.value.code is None
    call = control.last_call()
    assert (call["code"], call["compared"]) == (None, after_compare)


def test_html_and_reset_are_what_they_say(singapore: str, control: ControlClient) -> None:
    control.play({"effect": "html", "times": 1}, {"effect": "reset"})
    response = send(singapore, sign(singapore))
    assert (response.http_status, response.headers["content-type"]) == (502, "text/html; charset=utf-8")
    with pytest.raises(ConnectionResetError):
        send(singapore, sign(singapore))


def test_refused_photo_is_not_billed_by_a_fault_after_compare(singapore: str, control: ControlClient) -> None:
    control.play({"effect": "reset", "after_compare": True})
    with pytest.raises(ClientException) as refusal:
        compare(singapore, target_face_picture="AAAA")
    assert refusal.value.code == "UnqualifiedPhoto"
    assert not control.last_call()["compared"]


@pytest.mark.parametrize("after_compare", [False, True])
def test_hang_lasts_until_the_client_goes_away(
    singapore: str, control: ControlClient, *, after_compare: bool
) -> None:
    control.play({"effect": "hang", "times": 1, "after_compare": after_compare})

    with pytest.raises(UnretryableException) as failure:
        compare(singapore, read_timeout_ms=300)

    assert "timed out" in str(failure.value.inner_exception)
    call = wait_for_call(control)
    assert (call["delivery"], call["http_status"], call["compared"]) == ("hang", None, after_compare)
    assert compare(singapore).code == "Success"


@pytest.mark.parametrize("scenario", [{"effect": "hang"}, {"latency_ms": 600_000}])
def test_unanswered_call_ends_with_the_emulator(scenario: dict[str, object]) -> None:
    failures: list[OSError] = []

    def call(address: str) -> None:
        try:
            send(address, sign(address))
        except OSError as error:
            failures.append(error)

    with run_emulator(Rules(scenarios=read_scenarios([scenario]))) as addresses:
        thread = threading.Thread(target=call, args=(addresses.address("singapore"),))
        thread.start()
        wait_until_played(ControlClient(addresses.control.removeprefix("http://")))
    thread.join()
    assert len(failures) == 1
    assert not isinstance(failures[0], TimeoutError)


def test_call_is_finished_and_billed_for_a_client_that_went_away(
    singapore: str, control: ControlClient
) -> None:
    control.play({"latency_ms": 200})
    with pytest.raises(UnretryableException):
        compare(singapore, read_timeout_ms=50)
    call = wait_for_call(control)
    assert (call["code"], call["compared"]) == ("Success", True)


def test_latency_is_the_rules_and_the_scenarios() -> None:
    rules = Rules(latency_ms=20, scenarios=read_scenarios([{"latency_ms": [30, 40]}]))
    with run_emulator(rules) as addresses:
        compare(addresses.address("singapore"))
        call = ControlClient(addresses.control.removeprefix("http://")).last_call()
    assert call["duration_ms"] >= 50


def test_scenario_is_for_one_region_and_network(addresses: Addresses, control: ControlClient) -> None:
    control.play({"region": "indonesia", "network": "internal", "score": 1})
    scores = {
        (region, network): compare(addresses.address(region, network)).result.face_comparison_score
        for region in ("indonesia", "malaysia")
        for network in ("public", "internal")
    }
    assert [key for key, score in scores.items() if score == 1] == [("indonesia", "internal")]


def test_download_timeout_is_scripted_by_the_end_of_the_path(singapore: str, control: ControlClient) -> None:
    control.play({"effect": "refuse", "code": "DownloadTimeout", "url_path_suffix": "/slow.jpg"})
    for url, code in (("https://example.com/slow.jpg?x=y", "DownloadTimeout"), ("https://example.com/a", "")):
        query = {"MerchantBizId": new_id(), "SourceFacePictureUrl": url}
        response = send(singapore, sign(singapore, query=query, form={"TargetFacePicture": STRANGER}))
        assert response.code == (code or "Success")


def test_scenarios_are_replaced_added_shown_and_removed(singapore: str, control: ControlClient) -> None:
    control.play({"id": "once", "score": 1, "times": 1})
    control.ask("POST", "/scenarios", {"score": 2, "latency_ms": 1})
    scores = [compare(singapore).result.face_comparison_score for _ in range(3)]

    assert scores == [1, 2, 2]
    assert control.ask("GET", "/scenarios").document == [
        {
            "scenario": {"id": "once", "effect": "answer", "score": 1, "times": 1},
            "matched": 1,
            "played": 1,
            "active": False,
        },
        {
            "scenario": {"id": "scenario-2", "effect": "answer", "score": 2, "latency_ms": [1, 1]},
            "matched": 2,
            "played": 2,
            "active": True,
        },
    ]
    assert control.ask("DELETE", "/scenarios").http_status == 204
    assert compare(singapore).result.face_comparison_score == 100


def test_first_scenario_that_takes_a_call_decides() -> None:
    script = script_of({"merchant_biz_id_prefix": "x", "score": 1}, {"nth_call": 2, "score": 2})
    picked = [script.pick(call_of(name)) for name in ("a", "x1", "b", "c", "x2")]
    assert [one and one.id for one in picked] == [None, "scenario-1", "scenario-2", None, "scenario-1"]


def test_scenario_lasts_for_its_time() -> None:
    now_s = 10.0
    script = Script(lambda: now_s, read_scenarios([{"for_s": 30}]))
    assert script.pick(call_of())
    now_s = 39.9
    assert script.pick(call_of())
    now_s = 40.0
    assert script.pick(call_of()) is None


def test_share_applies_to_the_same_calls_in_any_order() -> None:
    scenario = read_scenario({"share": 0.2, "seed": 7}, "s")
    calls = [call_of(f"id{number}") for number in range(2000)]
    hit = [call for call in calls if scenario.is_in_share(call)]
    assert 340 < len(hit) < 460
    assert hit == [call for call in calls if scenario.is_in_share(call)]
    other_seed = read_scenario({"share": 0.2, "seed": 8}, "s")
    assert hit != [call for call in calls if other_seed.is_in_share(call)]
    assert all(read_scenario({"share": 1}, "s").is_in_share(call) for call in calls)
    assert not any(read_scenario({"share": 0}, "s").is_in_share(call) for call in calls)


def test_latency_is_drawn_within_its_bounds() -> None:
    scenario = read_scenario({"latency_ms": [200, 8000]}, "s")
    latencies_s = [scenario.latency_s(call_of(f"id{number}")) for number in range(500)]
    assert 0.2 <= min(latencies_s) < 0.5
    assert 7.5 < max(latencies_s) <= 8


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ([], "A scenario must be a JSON object."),
        ({"colour": "red"}, "The scenario field 'colour' is unknown."),
        ({"effect": "explode"}, "The scenario field 'effect' must be one of answer, refuse,"),
        ({"effect": ["refuse"]}, "The scenario field 'effect' must be one of answer, refuse,"),
        ({"region": "mars"}, "The scenario field 'region' must be one of singapore,"),
        ({"share": 1.5}, "The scenario field 'share' must be a number from 0 to 1."),
        ({"share": True}, "The scenario field 'share' must be a number from 0 to 1."),
        ({"times": 0}, "The scenario field 'times' must be a whole number from 1."),
        ({"for_s": 0}, "The scenario field 'for_s' must be a number of seconds above 0."),
        (
            {"latency_ms": [2, 1]},
            "The scenario field 'latency_ms' must be a number of milliseconds or a pair",
        ),
        ({"latency_ms": [1]}, "The scenario field 'latency_ms' must be a number of milliseconds or a pair"),
        ({"score": "high"}, "The scenario field 'score' must be a number from 0 to 100"),
        ({"score": "nan"}, "The scenario field 'score' must be a number from 0 to 100"),
        ({"score": None}, "The scenario field 'score' must be a number from 0 to 100"),
        ({"passed": None}, "The scenario field 'passed' must be a string, a number, true or false."),
        ({"result": None}, "The scenario field 'result' must be a JSON value other than null."),
        ({"without": "Passed"}, "The scenario field 'without' must be an array of strings."),
        ({"operations": []}, "The scenario field 'operations' must be an array of FaceCompare,"),
        ({"operations": ["CheckResult"]}, "The scenario field 'operations' must be an array of FaceCompare,"),
        ({"code": True}, "The scenario field 'code' must be a string that is not empty, or a whole number."),
        ({"effect": "html", "http_status": 99}, "The scenario field 'http_status' must be an HTTP status"),
        ({"effect": "refuse"}, "A scenario with the effect 'refuse' needs a 'code' that is a string."),
        ({"effect": "refuse", "code": 200}, "A scenario with the effect 'refuse' needs a 'code' that is"),
        (
            {"effect": "refuse", "code": "Odd"},
            "The code 'Odd' is unknown: add its 'http_status'.",
        ),
        (
            {"effect": "reset", "code": "OK"},
            "The scenario field 'code' is only allowed with the effect 'refuse' or",
        ),
        (
            {"effect": "hang", "score": 5},
            "The scenario field 'score' is only allowed with the effect 'answer'.",
        ),
    ],
)
def test_scenario_that_is_not_valid_is_refused_with_a_sentence(
    control: ControlClient, document: object, sentence: str
) -> None:
    response = control.ask("POST", "/scenarios", document)
    assert response.http_status == 400
    assert response.document["error"].startswith(sentence)
    assert control.ask("GET", "/scenarios").document == []


def test_one_scenario_is_ended_and_keeps_its_counts(singapore: str, control: ControlClient) -> None:
    control.ask("PUT", "/scenarios", [{"id": "first", "score": 1}, {"id": "second", "score": 2}])
    assert compare(singapore).result.face_comparison_score == 1
    assert control.ask("DELETE", "/scenarios/first").http_status == 204
    assert compare(singapore).result.face_comparison_score == 2
    shown = [(one["played"], one["active"]) for one in control.ask("GET", "/scenarios").document]
    assert shown == [(1, False), (1, True)]
    missing = control.ask("DELETE", "/scenarios/third")
    assert (missing.http_status, missing.document) == (404, {"error": "There is no such scenario."})


def test_refused_scenarios_leave_the_old_ones_in_force(control: ControlClient) -> None:
    control.play({"id": "kept"})
    twice = control.ask("PUT", "/scenarios", [{"id": "same"}, {"id": "same"}])
    assert (twice.http_status, twice.document["error"]) == (400, "Two scenarios have the same 'id'.")
    assert control.ask("PUT", "/scenarios", {}).http_status == 400
    assert control.ask("PUT", "/scenarios").document["error"] == "The body is not JSON."
    assert control.ask("POST", "/scenarios", {"id": "kept"}).http_status == 400
    assert [one["scenario"]["id"] for one in control.ask("GET", "/scenarios").document] == ["kept"]


def test_free_ids_are_found() -> None:
    script = script_of({"id": "scenario-2"})
    script.add({})
    script.add({})
    ids = [one["scenario"]["id"] for one in script.describe()]  # type: ignore[index] # JSON
    assert ids == ["scenario-2", "scenario-3", "scenario-4"]
    with pytest.raises(ScenarioError):
        script.add("not an object")
