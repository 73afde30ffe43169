import math
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.adapters.rate_limiter import DynamoDbRateLimiter
from facematch.domain.errors import NoSlotError
from facematch.domain.lane import HoldReason, Lane, make_hold, make_throttling_hold
from facematch.domain.regions import Region
from harness.template import read_table_schema
from tests.fakes.clock import START_MS as NOW_MS
from tests.integration.adapters.concurrency import run_at_once

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CALLS_PER_S = dict.fromkeys(Region, 1000.0) | {
    Region.SINGAPORE: 10.0,
    Region.INDONESIA: 3.0,
    Region.MALAYSIA: 0.5,
}
INTERVAL_MS = 100
HORIZON_MS = 1000
SINGAPORE = Region.SINGAPORE
OUTAGE = make_hold(HoldReason.OUTAGE, "InternalError", NOW_MS)
REFUSAL = make_hold(HoldReason.OPERATOR, "Forbidden", NOW_MS + 1)
THROTTLING = make_throttling_hold("Throttling", NOW_MS, 0.7)
EXPIRED_MS = OUTAGE.until_ms + 1


@pytest.fixture
def limiter(dynamodb: "DynamoDBClient", table: str) -> DynamoDbRateLimiter:
    return DynamoDbRateLimiter(dynamodb, table, CALLS_PER_S)


def reserve(limiter: DynamoDbRateLimiter, now_ms: int = NOW_MS, horizon_ms: int = HORIZON_MS) -> int:
    return limiter.reserve(SINGAPORE, now_ms=now_ms, horizon_ms=horizon_ms)


def fill(limiter: DynamoDbRateLimiter) -> None:
    """Reserve all slots of the horizon."""
    for _ in range(HORIZON_MS // INTERVAL_MS + 1):
        reserve(limiter)


class TestSlots:
    def test_slots_follow_each_other_from_now_on(self, limiter: DynamoDbRateLimiter) -> None:
        assert [reserve(limiter) - NOW_MS for _ in range(4)] == [0, 100, 200, 300]

    def test_rate_is_never_exceeded_and_no_slot_is_lost_to_rounding(
        self, limiter: DynamoDbRateLimiter
    ) -> None:
        take = partial(limiter.reserve, Region.INDONESIA, now_ms=NOW_MS, horizon_ms=200_000)
        assert [take() - NOW_MS for _ in range(4)] == [0, 334, 667, 1001]
        assert [take() for _ in range(27)][-1] - NOW_MS == 10_001

    @pytest.mark.parametrize("region", Region)
    def test_each_region_has_its_own_rate_and_slots(
        self, limiter: DynamoDbRateLimiter, region: Region
    ) -> None:
        for other in set(Region) - {region}:
            limiter.reserve(other, now_ms=NOW_MS, horizon_ms=0)
        first, second = (limiter.reserve(region, now_ms=NOW_MS, horizon_ms=5000) for _ in range(2))
        assert (first, second - first) == (NOW_MS, math.ceil(1000 / CALLS_PER_S[region]))

    def test_idle_time_is_not_saved(self, limiter: DynamoDbRateLimiter) -> None:
        reserve(limiter)
        later_ms = NOW_MS + 60_000
        assert [reserve(limiter, later_ms) - later_ms for _ in range(3)] == [0, 100, 200]

    def test_slot_that_begins_now_is_given(self, limiter: DynamoDbRateLimiter) -> None:
        reserve(limiter)
        assert reserve(limiter, NOW_MS + INTERVAL_MS, horizon_ms=0) == NOW_MS + INTERVAL_MS

    def test_slots_are_apart_whatever_the_clocks_of_the_workers(self, limiter: DynamoDbRateLimiter) -> None:
        slots = [reserve(limiter, NOW_MS + skew_ms, horizon_ms=9000) for skew_ms in (0, 2000, -2000, 1000)]
        assert all(later - earlier >= INTERVAL_MS for earlier, later in pairwise(slots))

    def test_refusal_reserves_nothing_and_says_when_to_return(self, limiter: DynamoDbRateLimiter) -> None:
        fill(limiter)
        for _ in range(3):
            with pytest.raises(NoSlotError) as refusal:
                reserve(limiter)
        assert refusal.value.retry_after_s == 0.1
        assert reserve(limiter, NOW_MS + INTERVAL_MS) == NOW_MS + 1100

    def test_longer_horizon_is_served_first(self, limiter: DynamoDbRateLimiter) -> None:
        fill(limiter)
        assert reserve(limiter, horizon_ms=2500) == NOW_MS + 1100
        with pytest.raises(NoSlotError):
            reserve(limiter)


class TestHolds:
    def test_unknown_lane_is_free(self, limiter: DynamoDbRateLimiter) -> None:
        assert limiter.find_lane(SINGAPORE) == Lane()

    @pytest.mark.parametrize("hold", [OUTAGE, REFUSAL, THROTTLING, OUTAGE.begin_trial(EXPIRED_MS)])
    def test_hold_comes_back_as_it_was_and_is_of_one_region(
        self, limiter: DynamoDbRateLimiter, hold: object
    ) -> None:
        assert isinstance(hold, type(OUTAGE))
        assert limiter.hold(SINGAPORE, hold, replacing=None)
        assert limiter.find_lane(SINGAPORE) == Lane(hold)
        assert limiter.find_lane(Region.MALAYSIA) == Lane()
        assert limiter.reserve(Region.MALAYSIA, now_ms=NOW_MS, horizon_ms=0) == NOW_MS

    @pytest.mark.parametrize("reserved", [0, 1])
    def test_no_slot_is_before_the_end_of_a_hold(self, limiter: DynamoDbRateLimiter, reserved: int) -> None:
        for _ in range(reserved):
            reserve(limiter)
        limiter.hold(SINGAPORE, OUTAGE, replacing=None)
        with pytest.raises(NoSlotError) as refusal:
            reserve(limiter)
        assert refusal.value.retry_after_s == 14
        assert reserve(limiter, horizon_ms=20_000) == OUTAGE.until_ms

    def test_hold_does_not_move_slots_nearer(self, limiter: DynamoDbRateLimiter) -> None:
        fill(limiter)
        limiter.hold(SINGAPORE, THROTTLING, replacing=None)
        assert reserve(limiter, horizon_ms=5000) == NOW_MS + 1100

    def test_trial_reserves_its_slot_at_once(self, limiter: DynamoDbRateLimiter) -> None:
        limiter.hold(SINGAPORE, OUTAGE, replacing=None)
        assert limiter.hold(SINGAPORE, OUTAGE.begin_trial(EXPIRED_MS), replacing=OUTAGE)
        assert reserve(limiter, EXPIRED_MS) == EXPIRED_MS

    def test_hold_is_replaced_only_by_who_knows_it(self, limiter: DynamoDbRateLimiter) -> None:
        limiter.hold(SINGAPORE, OUTAGE, replacing=None)
        assert not limiter.hold(SINGAPORE, REFUSAL, replacing=None)
        assert not limiter.hold(SINGAPORE, REFUSAL, replacing=THROTTLING)
        assert limiter.find_lane(SINGAPORE).hold == OUTAGE
        assert limiter.hold(SINGAPORE, REFUSAL, replacing=OUTAGE)
        assert limiter.find_lane(SINGAPORE).hold == REFUSAL

    def test_throttling_is_always_replaced(self, limiter: DynamoDbRateLimiter) -> None:
        limiter.hold(SINGAPORE, THROTTLING, replacing=None)
        assert limiter.hold(SINGAPORE, OUTAGE, replacing=None)
        assert limiter.find_lane(SINGAPORE).hold == OUTAGE

    def test_stale_success_does_not_lift_a_newer_hold(self, limiter: DynamoDbRateLimiter) -> None:
        trial = OUTAGE.begin_trial(EXPIRED_MS)
        longer = make_hold(HoldReason.OUTAGE, "InternalError", EXPIRED_MS, previous=trial)
        limiter.hold(SINGAPORE, OUTAGE, replacing=None)
        limiter.hold(SINGAPORE, trial, replacing=OUTAGE)
        limiter.hold(SINGAPORE, longer, replacing=trial)
        for stale in (None, OUTAGE, trial):
            limiter.lift(SINGAPORE, stale)
        assert limiter.find_lane(SINGAPORE).hold == longer
        limiter.lift(SINGAPORE, longer)
        assert limiter.find_lane(SINGAPORE) == Lane()

    def test_failures_are_counted_by_comparison_until_a_success(self, limiter: DynamoDbRateLimiter) -> None:
        counts = [limiter.record_failure(SINGAPORE, name) for name in ("a", "a", "b", "a", "c")]
        assert counts == [1, 1, 2, 2, 3]
        assert limiter.find_lane(SINGAPORE) == Lane(failures=3)
        assert limiter.find_lane(Region.MALAYSIA) == Lane()
        limiter.lift(SINGAPORE, None)
        assert limiter.find_lane(SINGAPORE) == Lane()

    def test_success_after_throttling_forgets_failures(self, limiter: DynamoDbRateLimiter) -> None:
        limiter.hold(SINGAPORE, THROTTLING, replacing=None)
        limiter.record_failure(SINGAPORE, "a")
        limiter.lift(SINGAPORE, None)
        assert limiter.record_failure(SINGAPORE, "b") == 1

    def test_hold_forgets_failures(self, limiter: DynamoDbRateLimiter) -> None:
        limiter.record_failure(SINGAPORE, "a")
        limiter.hold(SINGAPORE, OUTAGE, replacing=None)
        assert limiter.find_lane(SINGAPORE) == Lane(OUTAGE)

    def test_lifting_nothing_makes_no_record_of_a_hold(self, limiter: DynamoDbRateLimiter) -> None:
        limiter.lift(SINGAPORE, OUTAGE)
        limiter.lift(SINGAPORE, None)
        assert limiter.find_lane(SINGAPORE) == Lane()


@pytest.mark.usefixtures("_atomic_requests")
class TestRaces:
    def test_fifty_workers_get_fifty_slots(self, limiter: DynamoDbRateLimiter) -> None:
        slots = run_at_once([lambda: reserve(limiter, horizon_ms=5000)] * 50)
        assert sorted(map(str, slots)) == [str(NOW_MS + n * INTERVAL_MS) for n in range(50)]

    def test_fifty_workers_with_different_clocks_stay_apart(self, limiter: DynamoDbRateLimiter) -> None:
        tasks = [lambda n=n: reserve(limiter, NOW_MS + (n * 37) % 2000, horizon_ms=9000) for n in range(50)]
        slots = [slot for slot in run_at_once(tasks) if isinstance(slot, int)]
        assert len(slots) == 50
        assert all(later - earlier >= INTERVAL_MS for earlier, later in pairwise(sorted(slots)))

    def test_horizon_is_filled_and_the_others_are_refused(self, limiter: DynamoDbRateLimiter) -> None:
        outcomes = run_at_once([lambda: reserve(limiter)] * 30)
        slots = sorted(outcome for outcome in outcomes if isinstance(outcome, int))
        assert slots == [NOW_MS + n * INTERVAL_MS for n in range(11)]
        assert sum(isinstance(outcome, NoSlotError) for outcome in outcomes) == 19

    def test_after_idle_time_everyone_is_served(self, limiter: DynamoDbRateLimiter) -> None:
        reserve(limiter)
        later_ms = NOW_MS + 60_000
        slots = run_at_once([lambda: reserve(limiter, later_ms, horizon_ms=5000)] * 20)
        assert sorted(map(str, slots)) == [str(later_ms + n * INTERVAL_MS) for n in range(20)]

    def test_exactly_one_of_twenty_workers_begins_the_trial(self, limiter: DynamoDbRateLimiter) -> None:
        limiter.hold(SINGAPORE, OUTAGE, replacing=None)
        trials = [OUTAGE.begin_trial(EXPIRED_MS + n) for n in range(20)]
        outcomes = run_at_once([partial(limiter.hold, SINGAPORE, one, replacing=OUTAGE) for one in trials])
        assert outcomes.count(True) == 1
        assert limiter.find_lane(SINGAPORE).hold == trials[outcomes.index(True)]

    def test_first_of_twenty_holds_counts(self, limiter: DynamoDbRateLimiter) -> None:
        holds = [replace(OUTAGE, until_ms=OUTAGE.until_ms + n) for n in range(20)]
        outcomes = run_at_once([partial(limiter.hold, SINGAPORE, one, replacing=None) for one in holds])
        assert outcomes.count(True) == 1
        assert limiter.find_lane(SINGAPORE).hold == holds[outcomes.index(True)]

    def test_failures_of_twenty_workers_are_all_counted(self, limiter: DynamoDbRateLimiter) -> None:
        counts = run_at_once([partial(limiter.record_failure, SINGAPORE, f"c{n}") for n in range(20)])
        assert sorted(map(int, map(str, counts))) == list(range(1, 21))

    def test_no_slot_is_reserved_before_the_end_of_a_hold_that_begins_meanwhile(
        self, limiter: DynamoDbRateLimiter
    ) -> None:
        def hold() -> int:
            limiter.hold(SINGAPORE, OUTAGE, replacing=None)
            return reserve(limiter, horizon_ms=60_000)

        first, *_ = run_at_once([hold] + [lambda: reserve(limiter, horizon_ms=60_000)] * 20)
        assert isinstance(first, int)
        assert first >= OUTAGE.until_ms
        assert reserve(limiter, horizon_ms=60_000) >= OUTAGE.until_ms


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "reserve", "reserve", "hold"]),
        st.sampled_from([0, 1, 99, 100, 101, 750, -300]),
        st.sampled_from([0, 1, 100, 250, 1000]),
    ),
    min_size=2,
    max_size=12,
)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(steps=STEPS)
def test_any_schedule_keeps_slots_apart_and_serves_everyone_in_the_horizon(
    dynamodb: "DynamoDBClient", shared_table: str, steps: list[tuple[str, int, int]]
) -> None:
    """Each step moves the clock, then reserves within a horizon or holds for a while."""
    limiter = DynamoDbRateLimiter(dynamodb, shared_table, CALLS_PER_S)
    dynamodb.delete_item(TableName=shared_table, Key={"pk": {"S": f"lane#{SINGAPORE}"}})
    now_ms, next_ms = NOW_MS, 0
    for step, moved_ms, reach_ms in steps:
        now_ms += moved_ms
        if step == "hold":
            limiter.hold(
                SINGAPORE, make_throttling_hold("Throttling", now_ms, reach_ms / 1000), replacing=None
            )
            next_ms = max(next_ms, now_ms + reach_ms)
        elif (due_ms := max(next_ms, now_ms)) <= now_ms + reach_ms:
            assert reserve(limiter, now_ms, reach_ms) == due_ms
            next_ms = due_ms + INTERVAL_MS
        else:
            with pytest.raises(NoSlotError) as refusal:
                reserve(limiter, now_ms, reach_ms)
            assert refusal.value.retry_after_s == pytest.approx((due_ms - now_ms - reach_ms) / 1000)


@pytest.fixture(scope="module")
def shared_table(dynamodb: "DynamoDBClient") -> str:
    name = f"table-{uuid4().hex}"
    dynamodb.create_table(TableName=name, **read_table_schema())
    return name
