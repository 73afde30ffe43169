import pytest

from facematch.domain.comparison import State
from facematch.domain.verdict import Role
from tests.factories import COMPARISON_ID, make_answer, make_comparison, make_ended, make_verdict
from tests.fakes.interludes import Crash, crash
from tests.fakes.queues import QueueRefusedError
from tests.fakes.world import World, make_world


def make_compared(world: World | None = None) -> tuple[World, str]:
    """Make a world with one pair that has its verdict."""
    world = world or make_world(make_answer())
    comparison_id = world.upload_pair()
    world.compare(comparison_id)
    return world, comparison_id


def test_a_verdict_leaves_as_one_event() -> None:
    world, comparison_id = make_compared()

    published = world.publisher.publish(comparison_id)

    (event,) = world.results.sent
    assert published is not None
    assert published.id == event["id"] == comparison_id
    assert event["data"]["verdict"] == "match"
    assert world.ledger.pending == set()
    assert world.comparison(comparison_id).published_at_ms == world.clock.now_ms()


def test_what_was_published_is_not_published_again() -> None:
    world, comparison_id = make_compared()
    world.publisher.publish(comparison_id)

    assert world.publisher.publish(comparison_id) is None

    assert len(world.results.sent) == 1


@pytest.mark.parametrize("method", ["find_pair", "retire_pair"])
def test_photos_that_can_not_be_let_go_do_not_repeat_the_event_and_go_the_next_time(method: str) -> None:
    world, comparison_id = make_compared(make_world(make_answer(), deletes_uploads=True))
    world.ledger.interludes.before(method, crash)
    with pytest.raises(Crash):
        world.publisher.publish(comparison_id)
    assert len(world.photos.objects) == 2

    assert world.publisher.publish(comparison_id) is None

    assert len(world.results.sent) == 1
    assert world.photos.objects == {}


def test_a_crash_after_sending_repeats_the_event_under_the_same_id() -> None:
    world, comparison_id = make_compared(make_world(make_answer(), deletes_uploads=True))
    world.ledger.interludes.before("mark_published", crash)
    with pytest.raises(Crash):
        world.publisher.publish(comparison_id)
    world.clock.advance(60)

    world.publisher.publish(comparison_id)

    first, second = world.results.sent
    assert first == second
    assert world.ledger.pending == set()
    assert world.photos.objects == {}


def test_a_queue_that_refuses_leaves_the_verdict_in_the_outbox_and_the_photos_in_place() -> None:
    world, comparison_id = make_compared(make_world(make_answer(), deletes_uploads=True))
    world.results.refusals = 1
    with pytest.raises(QueueRefusedError):
        world.publisher.publish(comparison_id)
    assert world.ledger.pending == {comparison_id}
    assert len(world.photos.objects) == 2

    world.publisher.publish(comparison_id)

    assert len(world.results.sent) == 1
    assert world.ledger.pending == set()


def test_two_publishers_at_once_send_the_same_event() -> None:
    world, comparison_id = make_compared()
    world.ledger.interludes.before("mark_published", lambda: world.publisher.publish(comparison_id))

    world.publisher.publish(comparison_id)

    assert [event["id"] for event in world.results.sent] == [comparison_id] * 2


def test_a_comparison_that_has_not_ended_is_not_published() -> None:
    world = make_world()
    comparison_id = world.upload_pair()

    assert world.publisher.publish(comparison_id) is None
    assert world.results.sent == []


def test_a_comparison_that_is_gone_is_not_published() -> None:
    assert make_world().publisher.publish("unheard-of") is None


def test_a_comparison_that_failed_at_intake_is_published_too() -> None:
    world = make_world()
    comparison_id = world.upload_pair(region="mars")

    world.publisher.publish(comparison_id)

    (event,) = world.results.sent
    assert (event["type"], event["data"]["reason"]) == ("facematch.comparison.failed", "unknown_region")


def test_a_comparison_erased_before_its_verdict_leaves_as_erased_and_says_no_more() -> None:
    world = make_world()
    world.ledger.register(make_comparison(caller="someone", pair_id="passport-123"))
    world.ledger.erase(COMPARISON_ID, now_ms=world.clock.now_ms())

    world.publisher.publish(COMPARISON_ID)

    (event,) = world.results.sent
    assert (event["type"], event["data"]["reason"]) == ("facematch.comparison.failed", "erased")
    assert event["subject"] == COMPARISON_ID
    assert "passport-123" not in str(event)


def test_a_comparison_erased_between_its_event_and_the_note_of_it_leaves_again_under_the_same_id() -> None:
    world, comparison_id = make_compared()
    world.ledger.interludes.before("mark_published", crash)
    with pytest.raises(Crash):
        world.publisher.publish(comparison_id)
    world.ledger.erase(comparison_id, now_ms=world.clock.now_ms())

    world.publisher.publish(comparison_id)

    verdict, erasure = world.results.sent
    # So who remembers ids acts on one of them; and which one comes first, SQS does not say.
    assert verdict["id"] == erasure["id"] == comparison_id
    assert (verdict["data"]["verdict"], erasure["data"]["reason"]) == ("match", "erased")
    assert (erasure["subject"], erasure["data"]["pair_id"]) == (comparison_id, None)
    assert world.ledger.pending == set()


def test_a_comparison_erased_after_its_event_sends_no_other() -> None:
    world, comparison_id = make_compared()
    world.publisher.publish(comparison_id)

    world.ledger.erase(comparison_id, now_ms=world.clock.now_ms())

    assert world.publisher.publish(comparison_id) is None
    assert len(world.results.sent) == 1
    assert world.comparison(comparison_id).state is State.ERASED


@pytest.mark.parametrize("deletes_uploads", [True, False])
def test_photos_in_the_inbox_go_after_the_verdict_only_where_the_stack_says_so(
    deletes_uploads: bool,  # noqa: FBT001 - a row
) -> None:
    world, comparison_id = make_compared(make_world(make_answer(), deletes_uploads=deletes_uploads))

    world.publisher.publish(comparison_id)

    assert (world.photos.objects == {}) is deletes_uploads
    assert world.ledger.pairs["singapore", "pair-1"].over is deletes_uploads


@pytest.mark.parametrize("deletes_uploads", [True, False])
def test_half_a_pair_keeps_its_photo_for_the_half_that_may_still_come(
    deletes_uploads: bool,  # noqa: FBT001 - a row
) -> None:
    world = make_world(deletes_uploads=deletes_uploads)
    world.upload(Role.SOURCE)
    world.clock.advance(600)
    comparison_id = world.intake.expire("singapore", "pair-1")
    assert comparison_id is not None

    world.publisher.publish(comparison_id)

    assert len(world.photos.objects) == 1
    assert world.upload(Role.TARGET) is not None


def test_an_event_is_made_of_the_ledgers_record_alone() -> None:
    world = make_world()
    world.ledger.register(make_ended(make_verdict(), pair_id="p"))

    world.publisher.publish(COMPARISON_ID)

    assert world.results.sent[0]["subject"] == "p"
