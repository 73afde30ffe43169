from contextlib import suppress

import pytest

from facematch.domain.deadline import Deadline
from facematch.domain.errors import NoSlotError
from facematch.domain.priority import Priority
from facematch.domain.rate_limiter import LEAD_S, reserve_slot, wait_until
from facematch.domain.regions import Region
from tests.fakes.clock import START_MS, FakeClock
from tests.fakes.rate_limiter import InMemoryRateLimiter
from tests.fakes.stack import draw_highest, draw_lowest

SINGAPORE, MALAYSIA = Region.SINGAPORE, Region.MALAYSIA
SOON_MS = START_MS + round(LEAD_S * 1000)
URGENT, BULK = Priority.URGENT, Priority.BULK


def make_limiter(*, calls_per_s: float = 10.0, next_s: float = 0.0) -> InMemoryRateLimiter:
    """Make a limiter whose next slot in Singapore is `next_s` from now."""
    limiter = InMemoryRateLimiter(dict.fromkeys(Region, calls_per_s))
    limiter.next_ms[SINGAPORE] = START_MS + round(next_s * 1000)
    return limiter


def reserve(
    limiter: InMemoryRateLimiter,
    clock: FakeClock,
    *,
    time_s: float = 60.0,
    priority: Priority = BULK,
    region: Region = SINGAPORE,
) -> int:
    """Reserve a slot and return its time from the start, in milliseconds."""
    deadline = Deadline(clock.now_ms() + round(time_s * 1000))
    slot_ms = reserve_slot(limiter, region, priority, deadline, clock=clock, draw=draw_lowest)
    return slot_ms - START_MS


def test_a_free_slot_is_a_lead_ahead_so_that_its_call_leaves_on_time() -> None:
    assert reserve(make_limiter(), FakeClock()) == SOON_MS - START_MS


def test_slots_are_one_interval_apart_and_waited_for_within_the_horizon() -> None:
    clock, limiter = FakeClock(), make_limiter(calls_per_s=10)

    slots = [reserve(limiter, clock) for _ in range(100)]

    assert slots == [50 + 100 * number for number in range(100)]
    # Nobody reserves further ahead than the horizon of its priority.
    assert clock.now_ms() - START_MS == slots[-1] - round(BULK.horizon_s * 1000)


@pytest.mark.parametrize("calls_per_s", [3.0, 10.0])
def test_urgent_work_finds_a_slot_at_once_however_long_the_bulk_backlog_is(calls_per_s: float) -> None:
    clock, limiter = FakeClock(), make_limiter(calls_per_s=calls_per_s)
    for _ in range(100):
        # Each worker of the backlog that finds no slot within the horizon comes back later.
        with suppress(NoSlotError):
            reserve(limiter, FakeClock(), time_s=BULK.horizon_s)

    with pytest.raises(NoSlotError):
        reserve(limiter, FakeClock(), time_s=BULK.horizon_s)
    assert reserve(limiter, clock, priority=URGENT) <= URGENT.horizon_s * 1000
    assert clock.slept_s == 0


@pytest.mark.parametrize(("next_s", "time_s"), [(5.0, 3.0), (0.8, 0.5), (0.2, 0.0)])
def test_without_a_slot_before_the_deadline_nothing_is_reserved(next_s: float, time_s: float) -> None:
    clock, limiter = FakeClock(), make_limiter(next_s=next_s)

    with pytest.raises(NoSlotError) as refusal:
        reserve(limiter, clock, time_s=time_s)

    assert 0 < refusal.value.retry_after_s <= next_s
    assert limiter.reserved == []
    assert clock.slept_s <= time_s


@pytest.mark.parametrize("time_s", [0.0, LEAD_S])
def test_without_time_for_the_lead_not_even_a_free_slot_is_taken(time_s: float) -> None:
    limiter = make_limiter()

    with pytest.raises(NoSlotError):
        reserve(limiter, FakeClock(), time_s=time_s)

    assert limiter.reserved == []


def test_a_slot_that_another_worker_took_meanwhile_is_tried_for_again() -> None:
    class CrowdedClock(FakeClock):
        def sleep(self, duration_s: float) -> None:
            super().sleep(duration_s)
            if len(limiter.reserved) < 3:
                limiter.reserve(SINGAPORE, now_ms=self.now_ms(), horizon_ms=1500)

    limiter = make_limiter(next_s=5.0)

    assert reserve(limiter, CrowdedClock()) == 5300


def test_workers_without_a_slot_return_over_a_quarter_of_their_horizon() -> None:
    clock, limiter = FakeClock(), make_limiter(next_s=5.0)
    deadline = Deadline.after(60, clock)

    reserve_slot(limiter, SINGAPORE, BULK, deadline, clock=clock, draw=draw_highest)

    assert clock.now_ms() - START_MS == 5000 - 1500 + 375


def test_regions_have_slots_of_their_own() -> None:
    assert reserve(make_limiter(next_s=60.0), FakeClock(), region=MALAYSIA, time_s=0.1) == 50


@pytest.mark.parametrize(("at_ms", "slept_s"), [(START_MS + 1500, 1.5), (START_MS, 0.0), (START_MS - 1, 0.0)])
def test_a_slot_is_waited_for_unless_it_has_passed(at_ms: int, slept_s: float) -> None:
    clock = FakeClock()

    wait_until(at_ms, clock)

    assert clock.slept_s == slept_s
