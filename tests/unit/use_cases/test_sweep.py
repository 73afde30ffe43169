import pytest

from facematch.domain.errors import ProviderThrottledError
from facematch.domain.lane import HoldReason
from facematch.domain.priority import Priority
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from facematch.use_cases.sweep import FORGOTTEN_AFTER_S, UNPUBLISHED_AFTER_S
from tests.factories import make_answer, make_comparison, make_policy
from tests.fakes.clock import START_MS
from tests.fakes.hooks import Crash, crash
from tests.fakes.stack import InMemoryStack, make_stack

SUCCESS = make_answer()
INTERNAL_ERROR = make_answer("InternalError", http_status=500)
FORBIDDEN = make_answer("Forbidden.AccountAccessDenied", http_status=403)


def sweep(stack: InMemoryStack, *, after_s: float, limit: int = 100) -> list[str]:
    """Sweep after `after_s`; return what was enqueued."""
    stack.clock.advance(after_s)
    known = len(stack.queues.sent)
    stack.sweeper.enqueue_forgotten(limit)
    return [comparison_id for comparison_id, _ in stack.queues.sent[known:]]


def test_results_that_wait_for_longer_than_the_stream_takes_are_found_oldest_first() -> None:
    stack = make_stack(SUCCESS, SUCCESS)
    ids = [stack.upload_pair(pair_id=pair_id) for pair_id in ("one", "two")]
    stack.compare(ids[1])
    first_ended_at_ms = stack.clock.at_ms
    stack.compare(ids[0])

    stack.clock.at_ms = first_ended_at_ms + UNPUBLISHED_AFTER_S * 1000
    assert list(stack.sweeper.find_unpublished()) == []
    stack.clock.advance(1)

    assert list(stack.sweeper.find_unpublished()) == [ids[1], ids[0]]


def test_pairs_are_due_after_their_deadline() -> None:
    stack = make_stack(pair_deadline_s=600)
    stack.upload_pair(pair_id="complete")
    stack.upload(Role.SOURCE, pair_id="half")
    stack.clock.advance(600)
    assert list(stack.sweeper.find_due_pairs()) == []

    stack.clock.advance(0.001)

    assert list(stack.sweeper.find_due_pairs()) == [("singapore", "half")]


def test_a_forgotten_comparison_is_enqueued_once_an_hour_until_a_worker_has_it() -> None:
    stack = make_stack(SUCCESS)
    comparison_id = stack.upload_pair()

    assert sweep(stack, after_s=FORGOTTEN_AFTER_S) == []
    assert sweep(stack, after_s=1) == [comparison_id]
    assert stack.queues.lanes[-1] == ("singapore", Priority.BULK)
    assert [sweep(stack, after_s=60) for _ in range(59)] == [[]] * 59
    assert sweep(stack, after_s=61) == [comparison_id]
    stack.compare(comparison_id)
    assert sweep(stack, after_s=2 * FORGOTTEN_AFTER_S) == []


def test_a_comparison_that_workers_see_is_not_forgotten_however_old_it_is() -> None:
    stack = make_stack(FORBIDDEN)
    comparison_id = stack.upload_pair()
    for _ in range(3):
        stack.clock.advance(FORGOTTEN_AFTER_S - 1)
        stack.ledger.claim(comparison_id, "worker", now_ms=stack.clock.now_ms(), until_ms=0)

    assert sweep(stack, after_s=FORGOTTEN_AFTER_S) == []
    assert sweep(stack, after_s=1) == [comparison_id]


def test_one_sweep_enqueues_a_limited_number_of_each_region_and_the_next_one_continues() -> None:
    stack = make_stack()
    ids: list[str] = []
    for region in ("singapore", "singapore", "singapore", "malaysia"):
        ids.append(stack.upload_pair(region=region, pair_id=f"pair-{len(ids)}"))
        stack.clock.advance(1)

    swept = [sweep(stack, after_s=FORGOTTEN_AFTER_S, limit=2), sweep(stack, after_s=0, limit=2)]

    assert [sorted(part) for part in swept] == [sorted([ids[0], ids[1], ids[3]]), [ids[2]]]


def test_a_sweep_that_dies_before_it_records_an_enqueued_comparison_enqueues_it_again() -> None:
    stack = make_stack()
    comparison_id = stack.upload_pair()
    stack.hooks.before("touch", crash)
    with pytest.raises(Crash):
        sweep(stack, after_s=FORGOTTEN_AFTER_S + 1)

    assert sweep(stack, after_s=60) == [comparison_id]


def test_a_comparison_of_a_region_that_is_no_longer_allowed_is_enqueued_and_fails() -> None:
    stack = make_stack(regions=make_policy(Region.MALAYSIA))
    comparison = make_comparison(region="singapore")
    stack.ledger.register(comparison)

    assert sweep(stack, after_s=2 * FORGOTTEN_AFTER_S) == [comparison.id]
    assert stack.sweeper.measure_backlog() == {Region.MALAYSIA: 0}
    stack.work()
    assert stack.verdict(comparison.id).reason == "region_not_allowed"


def test_the_backlog_is_the_age_of_the_oldest_open_comparison_of_each_region() -> None:
    stack = make_stack(SUCCESS, regions=make_policy(Region.SINGAPORE, Region.MALAYSIA))
    ended = stack.upload_pair(pair_id="ended")
    stack.clock.advance(5)
    stack.upload_pair(pair_id="older")
    stack.clock.advance(30)
    stack.upload_pair(pair_id="newer")
    stack.compare(ended)
    stack.clock.at_ms = START_MS + 65_000

    assert stack.sweeper.measure_backlog() == {Region.SINGAPORE: 60, Region.MALAYSIA: 0}


def test_lanes_on_hold_are_counted_by_reason_until_a_trial_lifts_the_hold() -> None:
    stack = make_stack(
        FORBIDDEN,
        ProviderThrottledError("Throttling.Api", "A sentence.", retry_after_s=30),
        *[INTERNAL_ERROR] * 3,
        SUCCESS,
    )
    stack.upload_pair()
    stack.upload_pair(region="malaysia")
    for number in range(3):
        stack.upload_pair(region="indonesia", pair_id=f"pair-{number}")
    for comparison_id, _ in stack.queues.sent:
        with pytest.raises(Exception, match=r"\.$"):
            stack.compare(comparison_id, time_s=0.1)
    on_hold = {HoldReason.OPERATOR: 1, HoldReason.THROTTLING: 1, HoldReason.OUTAGE: 1}

    assert stack.sweeper.count_holds() == on_hold
    stack.clock.advance(60)
    # Throttling ends by itself; the others wait for a trial.
    assert stack.sweeper.count_holds() == on_hold | {HoldReason.THROTTLING: 0}
    stack.compare(stack.queues.sent[0][0])
    assert stack.sweeper.count_holds() == {
        HoldReason.OPERATOR: 0,
        HoldReason.THROTTLING: 0,
        HoldReason.OUTAGE: 1,
    }
