"""The chain of time limits: each one contains the next."""

import pytest

from facematch.domain.deadline import (
    ANSWER_TIME_S,
    CALL_TIMEOUT_S,
    CLOSING_TIME_S,
    LEASE_MARGIN_S,
    Deadline,
)
from facematch.domain.lane import TRIAL_LEASE_S
from facematch.domain.priority import Priority
from facematch.domain.rate_limiter import LATENESS_LIMIT_MS
from facematch.domain.retries import RetryPolicy
from tests.fakes.clock import START_MS, FakeClock

API_GATEWAY_LIMIT_S = 29.0
"""Source: API Gateway's quotas, the default integration timeout of a REST API."""


def test_a_call_that_begins_just_before_the_deadline_ends_before_the_lease() -> None:
    deadline = Deadline(START_MS)

    assert deadline.lease_until_ms == START_MS + round((CALL_TIMEOUT_S + LEASE_MARGIN_S) * 1000)
    last_departure_ms = deadline.at_ms + LATENESS_LIMIT_MS
    assert last_departure_ms + CALL_TIMEOUT_S * 1000 < deadline.lease_until_ms


def test_a_worker_has_time_to_record_the_result_of_its_last_call() -> None:
    # The function's timeout is the deadline and the closing time; a verdict may be recorded for as long.
    assert CLOSING_TIME_S >= CALL_TIMEOUT_S + LEASE_MARGIN_S


def test_the_api_answers_before_its_gateway_gives_up() -> None:
    assert ANSWER_TIME_S + CALL_TIMEOUT_S < API_GATEWAY_LIMIT_S


def test_the_api_finds_an_urgent_slot_before_it_answers() -> None:
    assert Priority.BULK.horizon_s < Priority.URGENT.horizon_s < ANSWER_TIME_S


def test_a_trial_outlasts_its_probe_its_slot_and_its_call() -> None:
    probe_s = slot_s = CALL_TIMEOUT_S
    assert probe_s + slot_s + CALL_TIMEOUT_S < TRIAL_LEASE_S


def test_a_pause_between_two_tries_to_record_a_verdict_fits_into_the_lease_many_times() -> None:
    assert RetryPolicy().ledger_pause_s * 5 < LEASE_MARGIN_S


@pytest.mark.parametrize(("duration_s", "at_ms"), [(12.5, START_MS + 12_500), (0, START_MS), (-5, START_MS)])
def test_a_deadline_is_set_from_now_and_never_in_the_past(duration_s: float, at_ms: int) -> None:
    assert Deadline.after(duration_s, FakeClock()).at_ms == at_ms


@pytest.mark.parametrize(
    ("duration_s", "is_allowed"), [(0, True), (9.998, True), (10, False), (10.001, False), (60, False)]
)
def test_something_may_begin_only_before_the_deadline(duration_s: float, is_allowed: bool) -> None:  # noqa: FBT001 - a row
    clock = FakeClock()

    assert Deadline.after(10, clock).allows(duration_s, clock) is is_allowed
