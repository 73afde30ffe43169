import pytest

from facematch.domain.comparison import Comparison, Outcome
from facematch.domain.retries import RetryPolicy
from tests.factories import make_attempt, make_comparison
from tests.fakes.clock import START_MS

POLICY = RetryPolicy(attempt_budget=4, time_limit_s=1000.0)


def make_tried(attempts: int = 0, **unbilled: int) -> Comparison:
    """Make a comparison after calls that may be billed, and after others by their outcome."""
    return make_comparison(
        attempts=tuple(make_attempt(number, Outcome.POSSIBLY_BILLED) for number in range(1, attempts + 1)),
        unbilled_calls={Outcome(outcome): count for outcome, count in unbilled.items()},
    )


@pytest.mark.parametrize(("attempts", "is_exhausted"), [(0, False), (3, False), (4, True), (5, True)])
def test_only_calls_that_may_be_billed_exhaust_the_budget(attempts: int, is_exhausted: bool) -> None:  # noqa: FBT001 - a row
    assert POLICY.is_exhausted(make_tried(attempts, faulted=1000, throttled=1000)) is is_exhausted


@pytest.mark.parametrize(("after_ms", "is_late"), [(999_999, False), (1_000_000, True)])
def test_failures_that_cost_nothing_are_limited_by_time(after_ms: int, is_late: bool) -> None:  # noqa: FBT001 - a row
    assert POLICY.is_late(make_tried(faulted=3), START_MS + after_ms) is is_late


def test_pauses_after_unbilled_failures_double_up_to_a_limit() -> None:
    pauses_s = [POLICY.pause_unbilled(make_tried(faulted=count)) for count in (1, 2, 3, 8, 9, 10_000)]

    assert pauses_s == [1, 2, 4, 120, 120, 120]


def test_the_budget_lasts_for_more_than_half_an_hour_of_calls_without_an_answer() -> None:
    pauses_s = [POLICY.pause_possibly_billed(make_tried(attempts)) for attempts in range(6)]

    assert pauses_s == [2, 2, 60, 3600, 3600, 3600]


def test_a_call_that_was_possibly_billed_is_repeated_after_half_of_its_pause_at_the_earliest() -> None:
    tried = make_tried(2)
    started_at_ms = tried.attempts[-1].started_at_ms

    assert POLICY.remaining_pause_s(tried, started_at_ms + 10_000) == 20
    assert POLICY.remaining_pause_s(tried, started_at_ms + 30_000) == 0
    assert POLICY.remaining_pause_s(make_tried(faulted=3), START_MS) == 0


def test_throttling_without_a_time_holds_longer_each_time_up_to_a_limit() -> None:
    pauses_s = [POLICY.pause_throttled(make_tried(throttled=count)) for count in (1, 2, 3, 4, 10_000)]

    assert pauses_s == [0.3, 0.6, 1.2, 2, 2]
    assert POLICY.pause_throttled(make_tried()) == 0.3
