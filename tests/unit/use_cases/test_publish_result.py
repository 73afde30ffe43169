import pytest

from facematch.domain.comparison import State
from facematch.domain.errors import PhotoStoreError
from facematch.domain.verdict import Role
from tests.factories import COMPARISON_ID, make_answer, make_comparison, make_ended, make_photos
from tests.fakes.hooks import Crash, crash
from tests.fakes.queues import QueueRefusedError
from tests.fakes.stack import InMemoryStack, make_stack


def make_compared(*, deletes_photos: bool = True) -> tuple[InMemoryStack, str]:
    """Make a stack with one pair that has its verdict."""
    stack = make_stack(make_answer(), deletes_photos=deletes_photos)
    comparison_id = stack.upload_pair()
    stack.compare(comparison_id)
    return stack, comparison_id


def test_a_verdict_is_published_once_and_its_photos_are_deleted() -> None:
    stack, comparison_id = make_compared()

    published = stack.publisher.publish(comparison_id)
    again = stack.publisher.publish(comparison_id)

    (event,) = stack.results.sent
    assert published is not None
    assert again is None
    assert published.id == event["id"] == comparison_id
    assert event["data"]["verdict"] == "match"
    assert stack.ledger.pending == set()
    assert stack.comparison(comparison_id).published_at_ms == stack.clock.now_ms()
    assert stack.photos.objects == {}


def test_photos_stay_for_the_lifecycle_if_the_stack_says_so() -> None:
    stack, comparison_id = make_compared(deletes_photos=False)

    stack.publisher.publish(comparison_id)

    assert len(stack.photos.objects) == 2


def test_a_crash_before_any_step_never_loses_the_event_and_repeats_it_under_the_same_id() -> None:
    recorded, comparison_id = make_compared()
    begin = len(recorded.hooks.steps)
    recorded.publisher.publish(comparison_id)
    steps = recorded.hooks.steps[begin:]
    assert steps == ["find", "send_event", "mark_published", "delete_all"]

    for number in range(len(steps)):
        stack, comparison_id = make_compared()
        stack.hooks.crash_at = begin + number
        with pytest.raises(Crash):
            stack.publisher.publish(comparison_id)
        stack.clock.advance(60)
        stack.publisher.publish(comparison_id)

        assert {event["id"] for event in stack.results.sent} == {comparison_id}
        assert all(event == stack.results.sent[0] for event in stack.results.sent)
        assert len(stack.results.sent) == (2 if steps[number] == "mark_published" else 1)
        assert (stack.ledger.pending, stack.photos.objects) == (set(), {})


def test_a_queue_that_refuses_leaves_the_verdict_in_the_outbox_and_the_photos_in_place() -> None:
    stack, comparison_id = make_compared()
    stack.results.refusals = 1

    with pytest.raises(QueueRefusedError):
        stack.publisher.publish(comparison_id)
    assert (stack.ledger.pending, len(stack.photos.objects)) == ({comparison_id}, 2)
    stack.publisher.publish(comparison_id)

    assert len(stack.results.sent) == 1


def test_a_photo_that_cannot_be_deleted_does_not_repeat_the_event() -> None:
    stack, comparison_id = make_compared()

    def refuse() -> None:
        raise PhotoStoreError("AccessDenied")

    stack.hooks.before("delete_all", refuse)
    with pytest.raises(PhotoStoreError):
        stack.publisher.publish(comparison_id)
    stack.publisher.publish(comparison_id)

    assert (len(stack.results.sent), stack.photos.objects) == (1, {})


def test_two_publishers_at_once_send_the_same_event() -> None:
    stack, comparison_id = make_compared()
    stack.hooks.before("mark_published", lambda: stack.publisher.publish(comparison_id))

    stack.publisher.publish(comparison_id)

    first, second = stack.results.sent
    assert first == second


def test_what_has_not_ended_or_does_not_exist_is_not_published() -> None:
    stack = make_stack()

    assert stack.publisher.publish(stack.upload_pair()) is None
    assert stack.publisher.publish("unknown") is None
    assert stack.results.sent == []


@pytest.mark.parametrize("deletes_photos", [True, False])
def test_an_incomplete_pair_keeps_its_photo_for_the_other_one(
    deletes_photos: bool,  # noqa: FBT001 - a row
) -> None:
    stack = make_stack(deletes_photos=deletes_photos)
    stack.upload(Role.SOURCE)
    stack.clock.advance(600)
    comparison_id = stack.receiver.expire("singapore", "pair-1")
    assert comparison_id is not None

    stack.publisher.publish(comparison_id)

    assert list(stack.photos.objects) == ["inbox/singapore/pair-1/source.jpg"]


def test_an_erased_comparison_is_published_as_erased_and_says_no_more() -> None:
    stack = make_stack()
    comparison = make_comparison(caller="someone", pair_id="passport-123")
    stack.ledger.register(comparison)
    stack.eraser.erase(comparison)

    stack.publisher.publish(COMPARISON_ID)

    (event,) = stack.results.sent
    assert (event["type"], event["data"]["reason"]) == ("facematch.comparison.failed", "comparison_erased")
    assert event["subject"] == COMPARISON_ID
    assert "passport-123" not in str(event)


def test_a_comparison_erased_after_its_event_was_sent_but_not_recorded_is_published_again() -> None:
    stack, comparison_id = make_compared()
    stack.hooks.before("mark_published", crash)
    with pytest.raises(Crash):
        stack.publisher.publish(comparison_id)
    stack.eraser.erase(stack.comparison(comparison_id))

    stack.publisher.publish(comparison_id)

    verdict, erasure = stack.results.sent
    assert verdict["id"] == erasure["id"] == comparison_id
    assert (verdict["data"]["verdict"], erasure["data"]["reason"]) == ("match", "comparison_erased")
    assert stack.ledger.pending == set()


def test_a_comparison_erased_after_its_event_sends_no_other() -> None:
    stack, comparison_id = make_compared()
    stack.publisher.publish(comparison_id)

    stack.eraser.erase(stack.comparison(comparison_id))

    assert stack.publisher.publish(comparison_id) is None
    assert len(stack.results.sent) == 1
    assert stack.comparison(comparison_id).state is State.ERASED


def test_only_the_photos_of_the_comparison_are_deleted() -> None:
    stack = make_stack()
    others = make_photos(COMPARISON_ID[:-1] + "a")
    for photo in (*make_photos().values(), *others.values()):
        stack.photos.write(photo.key, b"photo")
    stack.ledger.register(make_ended())

    stack.publisher.publish(COMPARISON_ID)

    assert stack.photos.objects.keys() == {photo.key for photo in others.values()}
