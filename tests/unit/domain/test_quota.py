import pytest

from facematch.domain.errors import NoSlotError
from facematch.domain.quota import (
    BULK_HORIZON_S,
    INTERACTIVE_HORIZON_S,
    LEAD_S,
    Patience,
    book_slot,
    wait_until,
)
from facematch.domain.regions import Region
from tests.fakes.clock import START_MS, FakeClock
from tests.fakes.quota import InMemoryQuota
from tests.fakes.world import draw_highest, draw_lowest

SINGAPORE, MALAYSIA = Region.SINGAPORE, Region.MALAYSIA
LEAD_MS = round(LEAD_S * 1000)
SOON_MS = START_MS + LEAD_MS
"""The earliest slot that can be booked at the start."""


def make_quota(calls_per_s: float = 10.0) -> InMemoryQuota:
    return InMemoryQuota(dict.fromkeys(Region, calls_per_s))


def book(quota: InMemoryQuota, region: Region, patience: Patience, clock: FakeClock) -> int:
    return book_slot(quota, region, patience, clock, draw_lowest)


def test_an_idle_bucket_gives_a_slot_as_soon_as_an_attempt_can_be_written() -> None:
    clock = FakeClock()

    assert book(make_quota(), SINGAPORE, Patience(1.0, 0.0), clock) == SOON_MS
    assert clock.slept_s == 0


def test_slots_are_one_interval_apart() -> None:
    clock, quota = FakeClock(), make_quota(calls_per_s=3)

    slots = [book(quota, SINGAPORE, Patience(10.0, 10.0), clock) for _ in range(4)]

    assert [slot - SOON_MS for slot in slots] == [0, 334, 668, 1002]


def test_a_slot_is_booked_within_the_horizon_without_waiting_for_it() -> None:
    clock, quota = FakeClock(), make_quota()
    quota.hold_back(SINGAPORE, until_ms=START_MS + 1000)

    assert book(quota, SINGAPORE, Patience(1.0, 60.0), clock) == START_MS + 1000
    assert clock.slept_s == 0


def test_who_can_wait_longer_than_the_horizon_comes_back_when_told() -> None:
    clock, quota = FakeClock(), make_quota()
    quota.hold_back(SINGAPORE, until_ms=START_MS + 5000)

    assert book(quota, SINGAPORE, Patience(1.0, 60.0), clock) == START_MS + 5000
    assert clock.now_ms() == START_MS + 4000


def test_who_can_not_wait_that_long_books_nothing_and_is_told_when_to_come_back() -> None:
    clock, quota = FakeClock(), make_quota()
    quota.hold_back(SINGAPORE, until_ms=START_MS + 5000)

    with pytest.raises(NoSlotError) as refusal:
        book(quota, SINGAPORE, Patience(horizon_s=1.0, wait_s=3.0), clock)

    assert refusal.value.retry_after_s == pytest.approx(4.0)
    assert quota.bookings == []
    assert clock.slept_s == 0


def test_no_slot_is_booked_beyond_the_time_that_a_caller_has() -> None:
    clock, quota = FakeClock(), make_quota()
    quota.hold_back(SINGAPORE, until_ms=START_MS + 800)

    with pytest.raises(NoSlotError):
        book(quota, SINGAPORE, Patience(horizon_s=2.5, wait_s=0.5), clock)

    assert quota.bookings == []


def test_who_has_no_time_takes_only_what_is_free() -> None:
    clock, quota = FakeClock(), make_quota()
    patience = Patience(horizon_s=1.0, wait_s=0.0)

    assert book(quota, SINGAPORE, patience, clock) == SOON_MS
    with pytest.raises(NoSlotError):
        book(quota, SINGAPORE, patience, clock)


def test_a_long_queue_is_waited_through_slot_by_slot() -> None:
    clock, quota = FakeClock(), make_quota(calls_per_s=10)

    slots = [book(quota, SINGAPORE, Patience(1.0, 60.0), clock) for _ in range(100)]

    assert slots == [SOON_MS + 100 * number for number in range(100)]
    assert clock.now_ms() == slots[-1] - 1000


def test_a_slot_lost_to_another_while_sleeping_is_tried_for_again() -> None:
    class CrowdedClock(FakeClock):
        def sleep(self, duration_s: float) -> None:
            super().sleep(duration_s)
            if len(quota.bookings) < 3:
                quota.reserve(SINGAPORE, now_ms=self.now_ms(), horizon_ms=1000)

    clock, quota = CrowdedClock(), make_quota()
    quota.hold_back(SINGAPORE, until_ms=START_MS + 5000)

    assert book(quota, SINGAPORE, Patience(1.0, 60.0), clock) == START_MS + 5300


def test_an_interactive_call_overtakes_the_backlog() -> None:
    clock, quota = FakeClock(), make_quota(calls_per_s=3)
    bulk, interactive = Patience(BULK_HORIZON_S, 0.9), Patience(INTERACTIVE_HORIZON_S, 10.0)
    for _ in range(3):
        book(quota, SINGAPORE, bulk, clock)

    with pytest.raises(NoSlotError):
        book(quota, SINGAPORE, bulk, clock)

    assert book(quota, SINGAPORE, interactive, clock) - START_MS < 2500


def test_the_regions_do_not_share_a_bucket() -> None:
    clock, quota = FakeClock(), make_quota()
    quota.hold_back(SINGAPORE, until_ms=START_MS + 60_000)

    assert book(quota, MALAYSIA, Patience(1.0, 0.0), clock) == SOON_MS


@pytest.mark.parametrize(("at_ms", "slept_s"), [(START_MS + 1500, 1.5), (START_MS, 0.0), (START_MS - 1, 0.0)])
def test_a_slot_is_waited_for_and_one_that_passed_is_not(at_ms: int, slept_s: float) -> None:
    clock = FakeClock()

    wait_until(at_ms, clock)

    assert clock.slept_s == slept_s


def test_those_who_found_no_slot_come_again_scattered_over_a_quarter_of_their_horizon() -> None:
    clock, quota = FakeClock(), make_quota()
    quota.hold_back(SINGAPORE, until_ms=START_MS + 5000)

    book_slot(quota, SINGAPORE, Patience(horizon_s=1.0, wait_s=60.0), clock, draw_highest)

    assert clock.now_ms() == START_MS + 4000 + 250
