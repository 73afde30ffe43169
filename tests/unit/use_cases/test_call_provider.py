"""The calls of one comparison: slots, attempts, holds, and who is called after them."""

from dataclasses import replace
from itertools import pairwise

import pytest

from facematch.domain.comparison import Attempt, Comparison, Outcome, State
from facematch.domain.errors import (
    LaneHeldError,
    LeaseLostError,
    LedgerUnavailableError,
    NoSlotError,
    OperatorError,
    PostponedError,
    ProviderError,
    ProviderFaultError,
    ProviderThrottledError,
    UnreachableError,
)
from facematch.domain.lane import TRIAL_LEASE_S, HoldReason
from facematch.domain.provider import Answer, Call
from facematch.domain.rate_limiter import LATENESS_LIMIT_MS, LEAD_S
from facematch.domain.regions import Region
from facematch.domain.retries import RetryPolicy
from facematch.domain.verdict import Decision
from tests.factories import make_answer
from tests.fakes.clock import START_MS
from tests.fakes.hooks import fail_to_answer
from tests.fakes.provider import Step
from tests.fakes.stack import InMemoryStack, draw_lowest, make_stack

SINGAPORE = Region.SINGAPORE
LEAD_MS = round(LEAD_S * 1000)
SUCCESS = make_answer()
INTERNAL_ERROR = make_answer("InternalError", http_status=500)
THROTTLED = make_answer("Throttling.Api", http_status=403)
NOT_DOWNLOADED = make_answer("DownloadTimeout", http_status=401)
FORBIDDEN = make_answer("Forbidden.RAMUserAccessDenied", http_status=403)
TIMEOUT = ProviderFaultError("timeout", "A sentence.", possibly_billed=True)


def warm_up(*script: Step, stack: InMemoryStack | None = None) -> tuple[InMemoryStack, str]:
    """Make a stack with one registered pair."""
    stack = stack or make_stack(*script)
    return stack, stack.upload_pair()


def make_held(reason: HoldReason, *script: Step) -> tuple[InMemoryStack, str]:
    """Make a stack whose lane was just held for 15 s (outage) or 60 s (operator), and an untried pair."""
    if reason is HoldReason.OUTAGE:
        stack = make_stack(*[INTERNAL_ERROR] * 3, *script)
        failing = [stack.upload_pair(pair_id=f"failing-{number}") for number in range(3)]
    else:
        stack = make_stack(FORBIDDEN, *script)
        failing = [stack.upload_pair(pair_id="failing")]
    for comparison_id in failing:
        postpone(stack, comparison_id, time_s=0.1)
    return stack, stack.upload_pair()


def postpone(stack: InMemoryStack, comparison_id: str, *, time_s: float = 120.0) -> PostponedError:
    """Let a worker try a comparison that cannot continue now; return why."""
    with pytest.raises(PostponedError) as postponed:
        stack.compare(comparison_id, time_s=time_s)
    assert stack.comparison(comparison_id).state is State.REGISTERED
    assert stack.ledger.leases == {}
    return postponed.value


def gaps_ms(stack: InMemoryStack) -> list[int]:
    """Return the times between the calls, without the lead of a slot."""
    return [later - earlier - LEAD_MS for earlier, later in pairwise(stack.provider.called_at_ms)]


def outcomes(comparison: Comparison) -> list[Outcome]:
    return [attempt.outcome for attempt in comparison.attempts]


# Slots and attempts.


def test_an_attempt_is_recorded_before_its_call_and_settled_after_it() -> None:
    stack, comparison_id = warm_up(stack=make_stack(latency_s=0.3))
    seen: list[Attempt] = []

    def look(_: Call) -> Answer:
        seen.extend(stack.comparison(comparison_id).attempts)
        return SUCCESS

    stack.provider.follow(look)
    stack.compare(comparison_id)

    (call,) = stack.provider.calls
    begun = Attempt(number=1, merchant_biz_id=call.merchant_biz_id, started_at_ms=START_MS + LEAD_MS)
    assert seen == [begun]
    assert stack.comparison(comparison_id).attempts == (
        replace(begun, outcome=Outcome.ANSWERED, code="Success", request_id="REQUEST-1", duration_ms=300),
    )


def test_each_call_has_its_own_slot_and_merchant_biz_id() -> None:
    stack, comparison_id = warm_up(THROTTLED, INTERNAL_ERROR, TIMEOUT, SUCCESS)

    stack.compare(comparison_id)

    ids = [call.merchant_biz_id for call in stack.provider.calls]
    assert [slot_ms for _, slot_ms in stack.limiter.reserved] == stack.provider.called_at_ms
    assert len(set(ids)) == 4
    assert all(merchant_biz_id.startswith(comparison_id) for merchant_biz_id in ids)
    # Calls that cost nothing are counted; the others are kept.
    comparison = stack.comparison(comparison_id)
    assert [attempt.merchant_biz_id for attempt in comparison.attempts] == ids[2:]
    assert comparison.unbilled_calls == {Outcome.THROTTLED: 1, Outcome.FAULTED: 1}
    assert comparison.call_count == 4


def test_a_call_leaves_in_its_slot_and_its_attempt_is_recorded_while_it_waits() -> None:
    stack, comparison_id = warm_up(SUCCESS)
    stack.limiter.next_ms[SINGAPORE] = START_MS + 700
    recorded_at_ms: list[int] = []
    stack.hooks.before("begin_attempt", lambda: recorded_at_ms.append(stack.clock.now_ms()))

    stack.compare(comparison_id)

    assert recorded_at_ms == [START_MS]
    assert stack.provider.called_at_ms == [START_MS + 700]


@pytest.mark.parametrize(("late_ms", "slots"), [(LATENESS_LIMIT_MS, 1), (LATENESS_LIMIT_MS + 1, 2)])
def test_a_slot_that_has_passed_is_replaced_unless_it_has_only_just_passed(late_ms: int, slots: int) -> None:
    stack, comparison_id = warm_up(SUCCESS)
    stack.hooks.before("begin_attempt", lambda: stack.clock.advance((LEAD_MS + late_ms) / 1000))

    stack.compare(comparison_id)

    assert len(stack.limiter.reserved) == slots
    assert stack.comparison(comparison_id).attempts[0].started_at_ms == stack.limiter.reserved[-1][1]


@pytest.mark.parametrize("time_s", [10.0, 0.0])
def test_without_a_slot_in_time_the_comparison_is_postponed(time_s: float) -> None:
    stack, comparison_id = warm_up()
    stack.limiter.next_ms[SINGAPORE] = START_MS + 60_000

    assert isinstance(postpone(stack, comparison_id, time_s=time_s), NoSlotError)

    assert stack.comparison(comparison_id).call_count == 0


def test_a_late_worker_without_another_slot_has_sent_nothing() -> None:
    stack, comparison_id = warm_up()

    def stall() -> None:
        stack.clock.advance(0.4)
        stack.limiter.next_ms[SINGAPORE] = START_MS + 60_000

    stack.hooks.before("begin_attempt", stall)
    assert isinstance(postpone(stack, comparison_id, time_s=10), NoSlotError)

    assert stack.provider.calls == []
    assert stack.comparison(comparison_id).unbilled_calls == {Outcome.UNSENT: 1}
    assert stack.comparison(comparison_id).attempts == ()


@pytest.mark.parametrize("step", ["find_lane", "reserve", "begin_attempt"])
def test_a_ledger_that_does_not_answer_before_a_call_postpones_the_comparison(step: str) -> None:
    stack, comparison_id = warm_up(SUCCESS)
    stack.hooks.before(step, fail_to_answer)

    assert isinstance(postpone(stack, comparison_id), LedgerUnavailableError)
    stack.compare(comparison_id)

    assert len(stack.provider.calls) == 1
    assert stack.comparison(comparison_id).state is State.COMPLETED


def test_a_process_that_was_frozen_beyond_its_lease_sends_nothing_and_is_not_charged() -> None:
    stack, comparison_id = warm_up()
    stack.limiter.next_ms[SINGAPORE] = START_MS + 700

    def freeze() -> None:
        stack.clock.at_ms = START_MS + 3_600_000

    # The attempt was recorded in time; the call has not left yet.
    stack.hooks.before("compare", freeze)
    assert isinstance(postpone(stack, comparison_id), LeaseLostError)

    assert stack.provider.calls == []
    assert stack.comparison(comparison_id).attempts == ()
    assert stack.comparison(comparison_id).unbilled_calls == {Outcome.UNSENT: 1}


# Failures.


@pytest.mark.parametrize(
    ("fault", "outcome", "code"),
    [
        (INTERNAL_ERROR, Outcome.FAULTED, "InternalError"),
        (make_answer("SomethingNew", http_status=503), Outcome.FAULTED, "SomethingNew"),
        (UnreachableError(), Outcome.UNSENT, "no_connection"),
        (THROTTLED, Outcome.THROTTLED, "Throttling.Api"),
        (TIMEOUT, Outcome.POSSIBLY_BILLED, "timeout"),
        (replace(SUCCESS, has_result=False), Outcome.POSSIBLY_BILLED, "unreadable_answer"),
    ],
    ids=str,
)
def test_a_failed_call_is_made_again_and_kept_only_if_it_may_be_billed(
    fault: Step, outcome: Outcome, code: str
) -> None:
    stack, comparison_id = warm_up(fault, SUCCESS)

    stack.compare(comparison_id)

    comparison = stack.comparison(comparison_id)
    assert [attempt.outcome for attempt in stack.reported] == [outcome, Outcome.ANSWERED]
    assert (stack.reported[0].code, comparison.state) == (code, State.COMPLETED)
    is_unbilled = outcome.is_unbilled
    assert outcomes(comparison) == ([] if is_unbilled else [outcome]) + [Outcome.ANSWERED]
    assert comparison.unbilled_calls == ({outcome: 1} if is_unbilled else {})


@pytest.mark.parametrize(
    ("fault", "pauses_ms"),
    [(INTERNAL_ERROR, [1000, 2000]), (TIMEOUT, [2000]), (UnreachableError(), [1000, 2000])],
    ids=str,
)
def test_pauses_grow_and_a_long_one_is_spent_in_the_queue(fault: Step, pauses_ms: list[int]) -> None:
    stack, comparison_id = warm_up(*[fault] * (len(pauses_ms) + 1))

    postponed = postpone(stack, comparison_id)

    assert gaps_ms(stack) == pauses_ms
    assert postponed.retry_after_s == (60.0 if fault is TIMEOUT else 4.0)


def test_pauses_are_drawn_so_that_workers_do_not_return_together() -> None:
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    stack, comparison_id = warm_up(stack=make_stack(INTERNAL_ERROR, TIMEOUT, SUCCESS, draw=draw))
    stack.compare(comparison_id)

    assert drawn == [(0.5, 1.0), (1.0, 2.0)]
    assert gaps_ms(stack) == [500, 1000]


def test_a_worker_without_time_for_a_pause_leaves_it_to_the_queue() -> None:
    stack, comparison_id = warm_up(INTERNAL_ERROR, SUCCESS)

    postponed = postpone(stack, comparison_id, time_s=0.5)
    stack.clock.advance(postponed.retry_after_s)
    stack.compare(comparison_id)

    assert (postponed.code, postponed.retry_after_s) == ("InternalError", 1.0)
    assert stack.comparison(comparison_id).state is State.COMPLETED


@pytest.mark.parametrize("budget", [1, 4])
def test_calls_that_may_be_billed_end_at_their_budget(budget: int) -> None:
    retries = RetryPolicy(attempt_budget=budget)
    stack, comparison_id = warm_up(stack=make_stack(*[TIMEOUT] * budget, retries=retries))

    while not stack.comparison(comparison_id).has_ended:
        try:
            stack.compare(comparison_id)
        except PostponedError as error:
            stack.clock.advance(error.retry_after_s)

    verdict = stack.verdict(comparison_id)
    assert (verdict.decision, verdict.reason, verdict.provider_code) == (
        Decision.FAILED,
        "attempts_exhausted",
        "timeout",
    )
    assert verdict.message.startswith(f"{budget} calls")
    assert len(stack.provider.calls) == len(stack.comparison(comparison_id).attempts) == budget


@pytest.mark.parametrize("fault", [INTERNAL_ERROR, UnreachableError(), THROTTLED], ids=str)
def test_12_hours_of_unbilled_failures_leave_a_record_of_the_same_size(fault: Step) -> None:
    retries = RetryPolicy(time_limit_s=12 * 3600.0)
    stack, comparison_id = warm_up(stack=make_stack(*[fault] * 50_000, retries=retries))

    prepared = stack.prepare(comparison_id)
    while not stack.comparison(comparison_id).has_ended:
        try:
            stack.compare(comparison_id, prepared=prepared)
        except PostponedError as error:
            stack.clock.advance(error.retry_after_s)
        stack.limiter.current.clear()

    comparison = stack.comparison(comparison_id)
    assert stack.verdict(comparison_id).reason == "provider_unavailable"
    assert stack.clock.now_ms() - START_MS <= 12 * 3_600_000
    assert comparison.call_count == len(stack.provider.calls) > 300
    assert len(repr(comparison)) < 4000


@pytest.mark.parametrize("failures", [[INTERNAL_ERROR], [THROTTLED, INTERNAL_ERROR]], ids=len)
def test_an_answer_forgets_the_failures_before_it(failures: list[Answer]) -> None:
    stack, comparison_id = warm_up(*failures, SUCCESS)

    stack.compare(comparison_id)

    assert stack.limiter.find_lane(SINGAPORE).failures == 0


# Throttling.


@pytest.mark.parametrize(("retry_after_s", "pause_ms"), [(None, 1000), (1.5, 1500), (2.0, 2000)])
def test_short_throttling_holds_the_lane_and_is_waited_for(
    retry_after_s: float | None, pause_ms: int
) -> None:
    throttled = ProviderThrottledError("Throttling.Api", "A sentence.", retry_after_s=retry_after_s)
    stack, comparison_id = warm_up(throttled, SUCCESS)

    stack.compare(comparison_id)

    ((region, hold),) = stack.limiter.holds
    assert (region, hold.reason, hold.duration_s) == (SINGAPORE, HoldReason.THROTTLING, retry_after_s or 0.3)
    assert gaps_ms(stack) == [pause_ms]


def test_long_throttling_holds_the_lane_as_long_as_the_provider_asks() -> None:
    throttled = ProviderThrottledError("Throttling.Api", "A sentence.", retry_after_s=30)
    stack, comparison_id = warm_up(throttled, SUCCESS)

    assert postpone(stack, comparison_id).retry_after_s == 30
    held = postpone(stack, stack.upload_pair(pair_id="another"))
    assert isinstance(held, LaneHeldError)
    assert held.retry_after_s >= 30
    stack.clock.advance(30)
    stack.compare(comparison_id)

    assert stack.comparison(comparison_id).state is State.COMPLETED


def test_a_throttled_lane_does_not_hold_other_regions() -> None:
    throttled = ProviderThrottledError("Throttling.Api", "A sentence.", retry_after_s=300)
    stack, comparison_id = warm_up(throttled, SUCCESS)
    elsewhere = stack.upload_pair(region="indonesia")

    postpone(stack, comparison_id)
    stack.compare(elsewhere)

    assert stack.comparison(elsewhere).state is State.COMPLETED


# Holds.


def test_failures_of_three_comparisons_in_a_row_hold_the_lane() -> None:
    stack, comparison_id = make_held(HoldReason.OUTAGE)

    ((_, hold),) = stack.limiter.holds
    assert (hold.reason, hold.code, hold.duration_s) == (HoldReason.OUTAGE, "InternalError", 15)
    held = postpone(stack, comparison_id)
    assert isinstance(held, LaneHeldError)
    assert (held.code, stack.photos.reads.count(comparison_id)) == ("InternalError", 0)


def test_failures_of_one_comparison_hold_nobody() -> None:
    stack, poison = warm_up(*[INTERNAL_ERROR] * 6, SUCCESS)
    other = stack.upload_pair(pair_id="another")

    for _ in range(2):
        stack.clock.advance(postpone(stack, poison).retry_after_s)
    stack.compare(other)

    assert stack.limiter.holds == []
    assert stack.comparison(other).state is State.COMPLETED


def test_photo_urls_that_cannot_be_downloaded_hold_nobody() -> None:
    stack = make_stack(*[NOT_DOWNLOADED] * 40)
    for number in range(4):
        postpone(stack, stack.upload_pair(pair_id=f"pair-{number}"))

    assert len(stack.provider.calls) >= 4
    assert stack.limiter.holds == []


def test_a_trial_whose_photo_cannot_be_downloaded_ends_the_hold() -> None:
    stack, comparison_id = make_held(HoldReason.OUTAGE, NOT_DOWNLOADED, SUCCESS)
    stack.clock.advance(60)

    stack.compare(comparison_id)

    assert stack.comparison(comparison_id).state is State.COMPLETED
    assert stack.limiter.current == {}


@pytest.mark.parametrize(
    "fault",
    [
        FORBIDDEN,
        make_answer("SignatureDoesNotMatch", http_status=400),
        OperatorError("secret_unreadable", "A sentence."),
    ],
    ids=str,
)
def test_one_refusal_of_the_key_holds_the_lane_and_costs_the_comparison_nothing(fault: Step) -> None:
    stack, comparison_id = warm_up(fault)

    assert isinstance(postpone(stack, comparison_id), LaneHeldError)

    ((_, hold),) = stack.limiter.holds
    assert (hold.reason, hold.duration_s) == (HoldReason.OPERATOR, 60)
    assert stack.comparison(comparison_id).attempts == ()
    assert stack.comparison(comparison_id).unbilled_calls == {Outcome.REFUSED: 1}


@pytest.mark.parametrize("reason", [HoldReason.OUTAGE, HoldReason.OPERATOR])
def test_while_a_lane_is_held_no_photo_is_read_and_nothing_is_called(reason: HoldReason) -> None:
    stack, comparison_id = make_held(reason)
    calls, reads = len(stack.provider.calls), len(stack.photos.reads)
    (_, hold) = stack.limiter.holds[-1]

    held = postpone(stack, comparison_id)

    remaining_s = hold.remaining_s(stack.clock.now_ms())
    assert (len(stack.provider.calls), len(stack.photos.reads)) == (calls, reads)
    assert remaining_s <= held.retry_after_s <= remaining_s + hold.duration_s / 4


@pytest.mark.parametrize("reason", [HoldReason.OUTAGE, HoldReason.OPERATOR])
def test_after_a_hold_one_probe_and_one_call_lift_it(reason: HoldReason) -> None:
    stack, comparison_id = make_held(reason, SUCCESS)
    stack.clock.advance(60)

    stack.compare(comparison_id)

    assert stack.provider.probes == [SINGAPORE]
    assert stack.comparison(comparison_id).state is State.COMPLETED
    assert stack.limiter.current == {}


def test_during_a_trial_the_others_wait_for_its_result() -> None:
    stack, comparison_id = make_held(HoldReason.OUTAGE)
    other = stack.upload_pair(pair_id="another")
    waits: list[PostponedError] = []

    def look(_: Call) -> Answer:
        waits.append(postpone_another(stack, other))
        return SUCCESS

    stack.provider.follow(look)
    stack.clock.advance(15)
    stack.compare(comparison_id)

    assert isinstance(waits[0], LaneHeldError)
    assert 2 <= waits[0].retry_after_s <= 5
    assert stack.provider.probes == [SINGAPORE]


def postpone_another(stack: InMemoryStack, comparison_id: str) -> PostponedError:
    with pytest.raises(PostponedError) as postponed:
        stack.compare(comparison_id)
    return postponed.value


def test_of_two_workers_that_see_the_hold_end_only_one_makes_the_trial() -> None:
    stack, comparison_id = make_held(HoldReason.OUTAGE)
    stack.clock.advance(15)
    expired = stack.limiter.current[SINGAPORE]
    trial = expired.begin_trial(stack.clock.now_ms())
    stack.hooks.before("hold", lambda: stack.limiter.hold(SINGAPORE, trial, replacing=expired))

    assert isinstance(postpone(stack, comparison_id), LaneHeldError)

    assert stack.provider.probes == []
    assert stack.limiter.current[SINGAPORE] == trial


@pytest.mark.parametrize(
    ("reason", "error", "durations_s"),
    [
        (HoldReason.OUTAGE, TIMEOUT, [15, 30, 60, 120, 120]),
        (
            HoldReason.OPERATOR,
            OperatorError("Forbidden", "A sentence."),
            [60, 120, 240, 480, 900, 900],
        ),
    ],
)
@pytest.mark.parametrize("fails", ["probe", "call"])
def test_each_failed_trial_doubles_the_hold_up_to_a_limit(
    reason: HoldReason, error: ProviderError, durations_s: list[float], fails: str
) -> None:
    stack, _ = make_held(reason)
    for number in range(len(durations_s) - 1):
        if fails == "probe":
            stack.provider.probe_script.append(error)
        else:
            stack.provider.follow(error)
        stack.clock.advance(durations_s[number])
        assert isinstance(postpone(stack, stack.upload_pair(pair_id=f"trial-{number}")), LaneHeldError)

    holds = [hold for _, hold in stack.limiter.holds]
    assert [hold.duration_s for hold in holds] == durations_s
    assert {hold.since_ms for hold in holds} == {holds[0].since_ms}


def test_a_trial_that_meets_another_fault_starts_its_hold_again() -> None:
    stack, comparison_id = make_held(HoldReason.OUTAGE)
    stack.provider.probe_script.extend([TIMEOUT, OperatorError("Forbidden", "A sentence.")])
    for pause_s in (15, 30):
        stack.clock.advance(pause_s)
        postpone(stack, comparison_id)

    assert [(hold.reason, hold.duration_s) for _, hold in stack.limiter.holds[1:]] == [
        (HoldReason.OUTAGE, 30),
        (HoldReason.OPERATOR, 60),
    ]


@pytest.mark.parametrize(("retry_after_s", "held_s"), [(None, 2.0), (20.0, 20.0)])
def test_a_throttled_probe_holds_the_lane_as_throttling(retry_after_s: float | None, held_s: float) -> None:
    stack, comparison_id = make_held(HoldReason.OUTAGE)
    stack.provider.probe_script.append(
        ProviderThrottledError("Throttling.User", "A sentence.", retry_after_s=retry_after_s)
    )
    stack.clock.advance(15)

    postpone(stack, comparison_id)

    (_, hold) = stack.limiter.holds[-1]
    assert (hold.reason, hold.duration_s) == (HoldReason.THROTTLING, held_s)


def test_a_throttled_trial_call_ends_the_outage_but_holds_for_its_own_time() -> None:
    stack, comparison_id = make_held(HoldReason.OUTAGE, THROTTLED, SUCCESS)
    stack.clock.advance(15)

    stack.compare(comparison_id)

    assert stack.limiter.holds[-1][1].reason is HoldReason.THROTTLING
    assert stack.comparison(comparison_id).state is State.COMPLETED


def test_a_worker_that_died_in_its_trial_makes_way_for_another_after_a_minute() -> None:
    stack, comparison_id = make_held(HoldReason.OUTAGE, SUCCESS)
    stack.clock.advance(15)
    expired = stack.limiter.current[SINGAPORE]
    stack.limiter.hold(SINGAPORE, expired.begin_trial(stack.clock.now_ms()), replacing=expired)

    postpone(stack, comparison_id)
    stack.clock.advance(TRIAL_LEASE_S)
    stack.compare(comparison_id)

    assert stack.comparison(comparison_id).state is State.COMPLETED


def test_a_hold_that_cannot_be_lifted_does_not_lose_the_verdict() -> None:
    stack, comparison_id = make_held(HoldReason.OUTAGE, SUCCESS)
    stack.clock.advance(15)
    stack.hooks.before("lift", fail_to_answer)

    stack.compare(comparison_id)

    assert stack.comparison(comparison_id).state is State.COMPLETED


@pytest.mark.parametrize("reason", [HoldReason.OUTAGE, HoldReason.OPERATOR])
def test_a_hold_that_outlasts_the_time_limit_ends_the_comparison(reason: HoldReason) -> None:
    stack, comparison_id = make_held(reason)
    stack.clock.advance(72_000)
    stack.limiter.current[SINGAPORE] = replace(
        stack.limiter.current[SINGAPORE], until_ms=stack.clock.now_ms() + 10_000
    )

    stack.compare(comparison_id)

    verdict = stack.verdict(comparison_id)
    assert (verdict.decision, verdict.reason) == (Decision.FAILED, "provider_unavailable")


def test_the_trial_does_not_wait_for_the_slots_of_the_hold() -> None:
    stack, comparison_id = make_held(HoldReason.OUTAGE, SUCCESS)
    stack.clock.advance(15)
    started_at_ms = stack.clock.now_ms()

    stack.compare(comparison_id)

    assert stack.provider.called_at_ms[-1] - started_at_ms <= 1000


def test_a_comparison_that_failed_comes_back_after_those_that_never_did() -> None:
    stack, fresh = warm_up(stack=make_stack(FORBIDDEN, draw=draw_lowest))
    failed = stack.upload_pair(pair_id="failed")

    assert postpone(stack, failed).retry_after_s == 60 + 15
    assert postpone(stack, fresh).retry_after_s == 60
