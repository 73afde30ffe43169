import math
from dataclasses import replace

import pytest

from facematch.domain.errors import (
    OperatorError,
    PhotoDownloadError,
    ProviderError,
    ProviderFaultError,
    ProviderThrottledError,
)
from facematch.domain.provider import Credentials, EncodedPhoto, PhotoUrl, is_success, judge
from facematch.domain.verdict import Bounds, Decision
from tests.factories import make_answer

# Every response code of the API page but Success, with its HTTP status there.
PAGE = {
    "MissingParameter": 400,
    "InvalidParameter": 400,
    "NoFaceDetected": 401,
    "UnqualifiedPhoto": 401,
    "ToolargeImage": 401,
    "DataDuplication": 401,
    "DownloadTimeout": 401,
    "Forbidden.RAMUserAccessDenied": 403,
    "Forbidden.AccountAccessDenied": 403,
    "Throttling.Api": 403,
    "InternalError": 500,
}
REJECTED = {
    "NoFaceDetected": "no_face_detected",
    "UnqualifiedPhoto": "unqualified_photo",
    "ToolargeImage": "photo_too_large_for_provider",
}
FAILED = {
    "MissingParameter": "missing_parameter",
    "InvalidParameter": "invalid_parameter",
    "DataDuplication": "data_duplication",
}
RAISED: dict[str, type[ProviderError]] = {
    "DownloadTimeout": PhotoDownloadError,
    "InternalError": ProviderFaultError,
    "Throttling.Api": ProviderThrottledError,
    "Forbidden.RAMUserAccessDenied": OperatorError,
    "Forbidden.AccountAccessDenied": OperatorError,
}


def test_every_code_of_the_page_is_held_here() -> None:
    assert REJECTED.keys() | FAILED.keys() | RAISED.keys() == PAGE.keys()


@pytest.mark.parametrize(
    ("passed", "score", "decision", "reason"),
    [
        (True, 95.0, Decision.MATCH, None),
        (False, 5.0, Decision.NO_MATCH, None),
        (True, 52.57, Decision.REVIEW, "between_bounds"),
        (False, 52.57, Decision.REVIEW, "between_bounds"),
    ],
)
def test_a_success_is_judged_by_the_bounds(
    passed: bool,  # noqa: FBT001 - a row
    score: float,
    decision: Decision,
    reason: str | None,
) -> None:
    quality = {"SourceFaceQuality": 91.0}
    answer = replace(make_answer(passed=passed, score=score), face_quality=quality)

    verdict = judge(answer, Bounds(match_from=80.0, no_match_up_to=40.0))

    assert (verdict.decision, verdict.reason) == (decision, reason)
    assert (verdict.passed, verdict.score, verdict.face_quality) == (passed, score, quality)
    assert (verdict.provider_code, verdict.request_id, verdict.transaction_id) == (
        "Success",
        "REQUEST-1",
        "transaction-1",
    )
    assert verdict.message.endswith(".")


@pytest.mark.parametrize(
    "status_of", [PAGE.__getitem__, lambda _: 200], ids=["the page's status", "HTTP 200"]
)
@pytest.mark.parametrize("code", REJECTED)
def test_a_photo_fault_rejects_the_photo(code: str, status_of: type[int]) -> None:
    verdict = judge(make_answer(code, http_status=status_of(code)), Bounds())

    assert (verdict.decision, verdict.reason) == (Decision.PHOTO_REJECTED, REJECTED[code])
    assert (verdict.provider_code, verdict.request_id) == (code, "REQUEST-1")
    assert verdict.score is None


@pytest.mark.parametrize(
    "status_of", [PAGE.__getitem__, lambda _: 200], ids=["the page's status", "HTTP 200"]
)
@pytest.mark.parametrize("code", FAILED)
def test_a_parameter_fault_is_final(code: str, status_of: type[int]) -> None:
    verdict = judge(make_answer(code, http_status=status_of(code)), Bounds())

    assert (verdict.decision, verdict.reason, verdict.provider_code) == (Decision.FAILED, FAILED[code], code)


@pytest.mark.parametrize(
    "status_of", [PAGE.__getitem__, lambda _: 200], ids=["the page's status", "HTTP 200"]
)
@pytest.mark.parametrize("code", RAISED)
def test_a_code_without_a_verdict_is_raised_as_what_it_asks_for(code: str, status_of: type[int]) -> None:
    with pytest.raises(ProviderError) as fault:
        judge(make_answer(code, http_status=status_of(code)), Bounds())

    assert type(fault.value) is RAISED[code]
    assert (fault.value.code, fault.value.request_id, fault.value.possibly_billed) == (
        code,
        "REQUEST-1",
        False,
    )


@pytest.mark.parametrize("code", ["Throttling", "Throttling.User", "Throttling.Api.Risk"])
def test_throttling_of_any_kind_is_throttling(code: str) -> None:
    with pytest.raises(ProviderThrottledError) as fault:
        judge(make_answer(code, http_status=400), Bounds())

    assert fault.value.retry_after_s is None


@pytest.mark.parametrize(
    "code",
    [
        "Forbidden",
        "Forbidden.RAM",
        "Forbidden.SomethingNew",
        "Forbidden.NotSupportRAM",
        "Forbedden.NotSupportRAM",
        "NoPermission",
        "ActionUnauthorized",
        "InsufficientBalance",
        "InvalidAction.NotFound",
        "InvalidApi.NotFound",
        "InvalidProtocol.NeedSsl",
        "NoSuchVersion",
        "UnsupportedHTTPMethod",
        "IllegalTimestamp",
        "MissingSignatureNonce",
        "InvalidAccessKeyId.NotFound",
        "InvalidAccessKeyId.Inactive",
        "InvalidSecurityToken.Expired",
        "MissingSecurityToken",
        "MissingAccessKeyId",
        "InvalidSecurityToken.MismatchWithAccessKey",
        "InvalidTimeStamp.Format",
        "Forbidden.ExceptionRepeatedInvoke",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "InvalidTimeStamp.Expired",
        "InvalidTimestamp.Expired",
    ],
)
@pytest.mark.parametrize("http_status", [400, 403, 404, 500])
def test_an_account_or_key_out_of_order_is_an_operators_fault(code: str, http_status: int) -> None:
    with pytest.raises(OperatorError) as fault:
        judge(make_answer(code, http_status=http_status), Bounds())

    assert fault.value.code == code


def test_a_nonce_used_before_is_worth_another_attempt() -> None:
    with pytest.raises(ProviderFaultError):
        judge(make_answer("SignatureNonceUsed", http_status=400), Bounds())


@pytest.mark.parametrize("code", ["SuspiciousActivity", "SomethingNew", "HTTP.429"])
def test_too_many_requests_is_throttling(code: str) -> None:
    with pytest.raises(ProviderThrottledError) as fault:
        judge(replace(make_answer(code, http_status=429), retry_after_s=2.5), Bounds())

    assert (fault.value.code, fault.value.retry_after_s) == (code, 2.5)


@pytest.mark.parametrize("http_status", [200, 400, 401, 413, 414, 415, 422])
def test_an_unknown_code_with_a_status_about_parameters_or_photos_is_final(http_status: int) -> None:
    verdict = judge(make_answer("SomethingNew", http_status=http_status), Bounds())

    assert (verdict.decision, verdict.reason) == (Decision.FAILED, "provider_refused")
    assert verdict.provider_code == "SomethingNew"


@pytest.mark.parametrize("http_status", [402, 403, 404, 405, 406, 407, 410, 418, 451, 499])
def test_an_unknown_code_with_another_status_below_500_is_an_operators_fault(http_status: int) -> None:
    with pytest.raises(OperatorError) as fault:
        judge(make_answer("SomethingNew", http_status=http_status), Bounds())

    assert (fault.value.code, fault.value.possibly_billed) == ("SomethingNew", False)


@pytest.mark.parametrize("http_status", [408, 409, 423, 425, 500, 502, 503, 504, 599])
def test_an_unknown_code_with_a_temporary_status_is_worth_another_attempt(http_status: int) -> None:
    with pytest.raises(ProviderFaultError) as fault:
        judge(make_answer("SomethingNew", http_status=http_status), Bounds())

    assert not fault.value.possibly_billed


@pytest.mark.parametrize("http_status", [402, 403, 404, 408, 429])
def test_a_listed_code_outweighs_its_status(http_status: int) -> None:
    verdict = judge(make_answer("NoFaceDetected", http_status=http_status), Bounds())

    assert verdict.decision is Decision.PHOTO_REJECTED


@pytest.mark.parametrize("code", ["Success", "success", "SUCCESS", "OK", "200"])
def test_each_code_of_success_is_judged_by_the_bounds(code: str) -> None:
    verdict = judge(replace(make_answer(), code=code), Bounds())

    assert (verdict.decision, verdict.provider_code) == (Decision.MATCH, code)
    assert is_success(code)


@pytest.mark.parametrize("code", [None, "", "1", "2000", "Succeeded", "NoFaceDetected", "timeout"])
def test_no_other_code_is_one_of_success(code: str | None) -> None:
    assert not is_success(code)


@pytest.mark.parametrize("http_status", [200, 202, 400, 403, 500])
def test_a_success_without_a_result_may_have_been_billed(http_status: int) -> None:
    answer = replace(make_answer(http_status=http_status), has_result=False, passed=None, score=None)

    with pytest.raises(ProviderFaultError) as fault:
        judge(answer, Bounds())

    assert fault.value.code == "unreadable_answer"
    assert fault.value.possibly_billed


@pytest.mark.parametrize(
    "gap",
    [{"passed": None}, {"score": None}, {"passed": None, "score": None}],
    ids=["passed", "score", "both"],
)
def test_a_result_with_unexpected_values_was_processed_and_goes_to_review(gap: dict[str, None]) -> None:
    answer = replace(make_answer(), **gap)  # type: ignore[arg-type]

    verdict = judge(answer, Bounds())

    assert (verdict.decision, verdict.reason) == (Decision.REVIEW, "unexpected_answer")
    assert (verdict.passed, verdict.score) == (answer.passed, answer.score)
    assert (verdict.provider_code, verdict.transaction_id) == ("Success", "transaction-1")


@pytest.mark.parametrize(("code", "reported"), [("1", "1"), ("Odd.Code", "Odd.Code"), ("", None)])
def test_a_result_with_an_unexpected_code_goes_to_review(code: str, reported: str | None) -> None:
    verdict = judge(replace(make_answer(), code=code), Bounds())

    assert (verdict.decision, verdict.reason) == (Decision.REVIEW, "unexpected_answer")
    assert (verdict.provider_code, verdict.score) == (reported, 88.5)


@pytest.mark.parametrize("code", RAISED)
def test_a_code_that_asks_for_another_attempt_outweighs_a_result(code: str) -> None:
    with pytest.raises(RAISED[code]):
        judge(replace(make_answer(), code=code), Bounds())


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf, -0.01, 100.01])
@pytest.mark.parametrize("passed", [True, False])
def test_a_score_off_the_scale_goes_to_review(passed: bool, score: float) -> None:  # noqa: FBT001 - a row
    verdict = judge(make_answer(passed=passed, score=score), Bounds())

    assert (verdict.decision, verdict.reason, verdict.score) == (Decision.REVIEW, "unexpected_answer", None)


def test_nothing_secret_shows_when_it_is_printed() -> None:
    credentials = Credentials("KEY-ID", "KEY-SECRET", "TOKEN")
    pictures = [EncodedPhoto(b"FACE"), PhotoUrl("https://photos.com/a.jpg?signature=SIGNED")]

    printed = repr([credentials, *pictures])

    for secret in ("KEY-ID", "KEY-SECRET", "TOKEN", "FACE", "SIGNED", "photos.com"):
        assert secret not in printed


@pytest.mark.parametrize(
    ("code", "refuses"),
    [
        ("InvalidAccessKeyId", True),
        ("InvalidAccessKeyId.NotFound", True),
        ("InvalidAccessKeyId.Inactive", True),
        ("InvalidSecurityToken.Expired", True),
        ("InvalidSecurityToken.Malformed", True),
        ("InvalidSecurityToken.MismatchWithAccessKey", True),
        ("SignatureDoesNotMatch", True),
        ("Forbidden.AccessKeyDisabled", True),
        ("Forbidden.RAMUserAccessDenied", False),
        ("Forbidden.AccountAccessDenied", False),
        ("IncompleteSignature", False),
        ("InvalidTimeStamp.Expired", False),
        ("SignatureNonceUsed", False),
        ("NoFaceDetected", False),
        ("Success", False),
    ],
)
def test_another_key_helps_only_where_the_key_was_refused(code: str, refuses: bool) -> None:  # noqa: FBT001 - a row
    answer = make_answer(code, http_status=403)

    assert answer.refuses_key is refuses
    if refuses:
        with pytest.raises(OperatorError):
            judge(answer, Bounds())
