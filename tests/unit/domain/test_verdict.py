import math

import pytest

from facematch.domain.errors import InvalidInputError
from facematch.domain.verdict import Bounds, Decision, Role, fail, reject_photo

MATCH, NO_MATCH, REVIEW = Decision.MATCH, Decision.NO_MATCH, Decision.REVIEW


@pytest.mark.parametrize("score", [0.0, 0.01, 50.0, 99.99, 100.0])
def test_by_default_the_provider_decides(score: float) -> None:
    assert Bounds().decide(passed=True, score=score) is MATCH
    assert Bounds().decide(passed=False, score=score) is NO_MATCH


@pytest.mark.parametrize(
    ("passed", "score", "decision"),
    [
        (True, 0.0, REVIEW),
        (True, 79.99, REVIEW),
        (True, 80.0, MATCH),
        (True, 80.01, MATCH),
        (True, 100.0, MATCH),
        (False, 0.0, NO_MATCH),
        (False, 39.99, NO_MATCH),
        (False, 40.0, NO_MATCH),
        (False, 40.01, REVIEW),
        (False, 100.0, REVIEW),
    ],
)
def test_between_the_bounds_a_person_decides(passed: bool, score: float, decision: Decision) -> None:  # noqa: FBT001 - a row
    assert Bounds(match_from=80.0, no_match_up_to=40.0).decide(passed=passed, score=score) is decision


@pytest.mark.parametrize(
    ("score", "passed_decision", "failed_decision"), [(99.9, REVIEW, REVIEW), (100, MATCH, REVIEW)]
)
def test_the_strictest_bounds_leave_almost_everything_to_a_person(
    score: float, passed_decision: Decision, failed_decision: Decision
) -> None:
    bounds = Bounds(match_from=100.0, no_match_up_to=0.0)

    assert bounds.decide(passed=True, score=score) is passed_decision
    assert bounds.decide(passed=False, score=score) is failed_decision


def test_overlapping_bounds_never_turn_the_providers_word_around() -> None:
    bounds = Bounds(match_from=20.0, no_match_up_to=90.0)

    assert bounds.decide(passed=True, score=50.0) is MATCH
    assert bounds.decide(passed=False, score=50.0) is NO_MATCH


@pytest.mark.parametrize("score", [-0.01, 100.01, -math.inf, math.inf, math.nan])
@pytest.mark.parametrize("field", ["match_from", "no_match_up_to"])
def test_a_bound_that_is_no_score_names_itself(field: str, score: float) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        Bounds(**{field: score})

    assert (refusal.value.code, refusal.value.field) == ("invalid_bounds", field)


@pytest.mark.parametrize("score", [0, 100])
def test_the_ends_of_the_scale_are_bounds(score: float) -> None:
    assert Bounds(score, score) == Bounds(match_from=score, no_match_up_to=score)


def test_a_rejected_photo_is_named() -> None:
    verdict = reject_photo("too_small", "A sentence.", photo=Role.TARGET)

    assert (verdict.decision, verdict.reason, verdict.photo) == (
        Decision.PHOTO_REJECTED,
        "too_small",
        Role.TARGET,
    )
    assert verdict.score is None


def test_a_failure_has_a_reason_and_no_score() -> None:
    verdict = fail("pair_incomplete", "A sentence.")

    assert (verdict.decision, verdict.reason, verdict.photo) == (Decision.FAILED, "pair_incomplete", None)
    assert verdict.score is None
    assert verdict.passed is None
