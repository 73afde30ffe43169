from itertools import pairwise
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from hypothesis import given, settings
from hypothesis import strategies as st

from facematch.adapters.quota import DynamoDbQuota
from facematch.domain.errors import NoSlotError
from facematch.domain.regions import Region
from tests.integration.adapters.factories import AWS_REGION, NOW_MS, run_at_once
from tests.template import read_table_schema

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

CALLS_PER_S = {Region.SINGAPORE: 10.0, Region.INDONESIA: 3.0, Region.MALAYSIA: 0.5, Region.HONG_KONG: 1000.0}
INTERVAL_MS = 100
HORIZON_MS = 1000


@pytest.fixture
def quota(dynamodb: "DynamoDBClient", table: str) -> DynamoDbQuota:
    return DynamoDbQuota(dynamodb, table, CALLS_PER_S)


def reserve(quota: DynamoDbQuota, now_ms: int = NOW_MS, horizon_ms: int = HORIZON_MS) -> int:
    return quota.reserve(Region.SINGAPORE, now_ms=now_ms, horizon_ms=horizon_ms)


def fill(quota: DynamoDbQuota) -> None:
    """Book all slots of the horizon."""
    for _ in range(HORIZON_MS // INTERVAL_MS + 1):
        reserve(quota)


class TestSlots:
    def test_first_slot_is_now(self, quota: DynamoDbQuota) -> None:
        assert reserve(quota) == NOW_MS

    def test_slots_follow_each_other_by_the_interval(self, quota: DynamoDbQuota) -> None:
        assert [reserve(quota) - NOW_MS for _ in range(4)] == [0, 100, 200, 300]

    def test_interval_is_rounded_up_so_that_the_rate_is_never_exceeded(self, quota: DynamoDbQuota) -> None:
        slots = [quota.reserve(Region.INDONESIA, now_ms=NOW_MS, horizon_ms=5000) for _ in range(4)]
        assert [slot - NOW_MS for slot in slots] == [0, 334, 667, 1001]

    @pytest.mark.parametrize("region", Region)
    def test_each_region_has_its_own_rate(self, quota: DynamoDbQuota, region: Region) -> None:
        first, second = (quota.reserve(region, now_ms=NOW_MS, horizon_ms=5000) for _ in range(2))
        assert second - first == pytest.approx(1000 / CALLS_PER_S[region], abs=1)

    def test_regions_do_not_share_a_bucket(self, quota: DynamoDbQuota) -> None:
        fill(quota)
        assert quota.reserve(Region.HONG_KONG, now_ms=NOW_MS, horizon_ms=0) == NOW_MS

    def test_idle_time_is_not_saved_up(self, quota: DynamoDbQuota) -> None:
        reserve(quota)
        later_ms = NOW_MS + 60_000
        assert [reserve(quota, later_ms) - later_ms for _ in range(3)] == [0, 100, 200]

    def test_slot_that_is_due_at_this_very_moment_is_given(self, quota: DynamoDbQuota) -> None:
        reserve(quota)
        assert reserve(quota, NOW_MS + INTERVAL_MS, horizon_ms=0) == NOW_MS + INTERVAL_MS

    def test_worker_whose_clock_is_behind_gets_the_next_slot_too(self, quota: DynamoDbQuota) -> None:
        reserve(quota)
        assert reserve(quota, NOW_MS - 800) == NOW_MS + INTERVAL_MS

    def test_slots_stay_apart_between_clocks_two_seconds_apart(self, quota: DynamoDbQuota) -> None:
        slots = [reserve(quota, NOW_MS + skew_ms, horizon_ms=9000) for skew_ms in (0, 2000, -2000, 1000)]
        assert all(later - earlier >= INTERVAL_MS for earlier, later in pairwise(slots))


class TestRefusals:
    def test_who_does_not_fit_the_horizon_learns_when_to_come_back(self, quota: DynamoDbQuota) -> None:
        fill(quota)
        with pytest.raises(NoSlotError) as refusal:
            reserve(quota)
        assert refusal.value.retry_after_s == 0.1

    def test_who_comes_back_then_is_served(self, quota: DynamoDbQuota) -> None:
        fill(quota)
        with pytest.raises(NoSlotError) as refusal:
            reserve(quota)
        back_ms = NOW_MS + round(refusal.value.retry_after_s * 1000)
        assert reserve(quota, back_ms) == NOW_MS + 1100

    def test_refusal_books_nothing(self, quota: DynamoDbQuota) -> None:
        fill(quota)
        for _ in range(3):
            with pytest.raises(NoSlotError):
                reserve(quota)
        assert reserve(quota, horizon_ms=5000) == NOW_MS + 1100

    def test_who_can_wait_longer_goes_first(self, quota: DynamoDbQuota) -> None:
        fill(quota)
        assert reserve(quota, horizon_ms=2500) == NOW_MS + 1100
        with pytest.raises(NoSlotError):
            reserve(quota)


class TestHoldingBack:
    def test_fresh_bucket_is_held_back(self, quota: DynamoDbQuota) -> None:
        quota.hold_back(Region.SINGAPORE, until_ms=NOW_MS + 700)
        assert [reserve(quota) - NOW_MS for _ in range(2)] == [700, 800]

    def test_busy_bucket_is_held_back(self, quota: DynamoDbQuota) -> None:
        reserve(quota)
        quota.hold_back(Region.SINGAPORE, until_ms=NOW_MS + 700)
        assert reserve(quota) == NOW_MS + 700

    def test_what_is_further_off_stays(self, quota: DynamoDbQuota) -> None:
        fill(quota)
        quota.hold_back(Region.SINGAPORE, until_ms=NOW_MS + 300)
        assert reserve(quota, horizon_ms=5000) == NOW_MS + 1100

    def test_who_does_not_fit_behind_it_is_told(self, quota: DynamoDbQuota) -> None:
        quota.hold_back(Region.SINGAPORE, until_ms=NOW_MS + 30_000)
        with pytest.raises(NoSlotError) as refusal:
            reserve(quota)
        assert refusal.value.retry_after_s == 29

    def test_other_regions_go_on(self, quota: DynamoDbQuota) -> None:
        quota.hold_back(Region.SINGAPORE, until_ms=NOW_MS + 30_000)
        assert quota.reserve(Region.MALAYSIA, now_ms=NOW_MS, horizon_ms=0) == NOW_MS


class TestFaults:
    @pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "ThrottlingException"])
    def test_a_bucket_that_is_asked_too_often_has_no_slot_for_now(
        self, session: boto3.Session, code: str
    ) -> None:
        client = session.client("dynamodb", region_name=AWS_REGION)
        with Stubber(client) as stubber:
            stubber.add_client_error("update_item", code)
            with pytest.raises(NoSlotError) as refusal:
                reserve(DynamoDbQuota(client, "table", CALLS_PER_S))
        assert refusal.value.retry_after_s == 1

    @pytest.mark.parametrize("code", ["AccessDeniedException"])
    def test_any_other_error_of_dynamodb_passes_untouched(self, session: boto3.Session, code: str) -> None:
        client = session.client("dynamodb", region_name=AWS_REGION)
        quota = DynamoDbQuota(client, "table", CALLS_PER_S)
        with Stubber(client) as stubber:
            for _ in range(2):
                stubber.add_client_error("update_item", code)
            with pytest.raises(ClientError, match=code):
                reserve(quota)
            with pytest.raises(ClientError, match=code):
                quota.hold_back(Region.SINGAPORE, until_ms=NOW_MS)


@pytest.mark.usefixtures("_atomic_requests")
class TestRaces:
    def test_fifty_workers_get_fifty_slots(self, quota: DynamoDbQuota) -> None:
        slots = run_at_once([lambda: reserve(quota, horizon_ms=5000)] * 50)
        assert sorted(map(str, slots)) == [str(NOW_MS + n * INTERVAL_MS) for n in range(50)]

    def test_fifty_workers_with_clocks_of_their_own_stay_apart(self, quota: DynamoDbQuota) -> None:
        tasks = [lambda n=n: reserve(quota, NOW_MS + (n * 37) % 2000, horizon_ms=9000) for n in range(50)]
        slots = [slot for slot in run_at_once(tasks) if isinstance(slot, int)]
        assert len(slots) == 50
        assert all(later - earlier >= INTERVAL_MS for earlier, later in pairwise(sorted(slots)))

    def test_horizon_is_filled_and_the_others_are_refused(self, quota: DynamoDbQuota) -> None:
        outcomes = run_at_once([lambda: reserve(quota)] * 30)
        slots = sorted(outcome for outcome in outcomes if isinstance(outcome, int))
        assert slots == [NOW_MS + n * INTERVAL_MS for n in range(11)]
        assert sum(isinstance(outcome, NoSlotError) for outcome in outcomes) == 19

    def test_after_a_pause_one_bucket_serves_all_who_come_at_once(self, quota: DynamoDbQuota) -> None:
        reserve(quota)
        later_ms = NOW_MS + 60_000
        slots = run_at_once([lambda: reserve(quota, later_ms, horizon_ms=5000)] * 20)
        assert sorted(map(str, slots)) == [str(later_ms + n * INTERVAL_MS) for n in range(20)]

    def test_nothing_is_booked_before_the_end_of_a_pause_that_comes_amid(self, quota: DynamoDbQuota) -> None:
        until_ms = NOW_MS + 20_000

        def hold_back() -> int:
            quota.hold_back(Region.SINGAPORE, until_ms=until_ms)
            return reserve(quota, horizon_ms=60_000)

        run_at_once([hold_back] + [lambda: reserve(quota, horizon_ms=60_000)] * 20)
        assert reserve(quota, horizon_ms=60_000) > until_ms


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "reserve", "reserve", "hold_back"]),
        st.sampled_from([0, 1, 99, 100, 101, 750, -300]),
        st.sampled_from([0, 1, 100, 250, 1000]),
    ),
    min_size=2,
    max_size=12,
)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(steps=STEPS)
def test_over_any_schedule_slots_keep_apart_and_whoever_fits_is_served(
    dynamodb: "DynamoDBClient", shared_table: str, steps: list[tuple[str, int, int]]
) -> None:
    """Each step first moves the clock, then books with a horizon or holds back for a while."""
    quota = DynamoDbQuota(dynamodb, shared_table, CALLS_PER_S)
    start_afresh(quota)
    now_ms, next_ms = NOW_MS, 0
    for step, moved_ms, reach_ms in steps:
        now_ms += moved_ms
        if step == "hold_back":
            quota.hold_back(Region.SINGAPORE, until_ms=now_ms + reach_ms)
            next_ms = max(next_ms, now_ms + reach_ms)
        elif (due_ms := max(next_ms, now_ms)) <= now_ms + reach_ms:
            assert reserve(quota, now_ms, reach_ms) == due_ms
            next_ms = due_ms + INTERVAL_MS
        else:
            with pytest.raises(NoSlotError) as refusal:
                reserve(quota, now_ms, reach_ms)
            assert refusal.value.retry_after_s == pytest.approx((due_ms - now_ms - reach_ms) / 1000)


@pytest.fixture(scope="module")
def shared_table(dynamodb: "DynamoDBClient") -> str:
    name = f"table-{uuid4().hex}"
    dynamodb.create_table(
        TableName=name,
        **read_table_schema(),
    )
    return name


def start_afresh(quota: DynamoDbQuota) -> None:
    """Empty the bucket, so that each schedule has one that nobody has used."""
    quota.client.delete_item(TableName=quota.table, Key={"pk": {"S": f"quota#{Region.SINGAPORE}"}})
