from collections.abc import Callable

import pytest

from facematch.domain.comparison import Comparison, Options, State
from facematch.domain.verdict import Role
from facematch.use_cases.photo_inputs import UploadedPhoto
from facematch.use_cases.request_comparison import Caller, ComparisonRequest
from tests.factories import CALLER, make_answer
from tests.factories.photos import make_portrait
from tests.fakes.hooks import Crash
from tests.fakes.stack import InMemoryStack, make_stack

SUCCESS = make_answer()
REFUSAL = make_answer("NoFaceDetected", http_status=401)
KEYS = {role: f"inbox/singapore/pair-1/{role}.jpg" for role in Role}


def make_requested() -> tuple[InMemoryStack, Comparison]:
    """Make a stack in which the API registered an uploaded pair that the bucket reported as well."""
    stack = make_stack(SUCCESS)
    request = ComparisonRequest(
        caller=Caller(CALLER, is_administrator=True),
        photos={role: UploadedPhoto(key) for role, key in KEYS.items()},
        options=Options(),
        idempotency_key="key-1",
    )
    comparison_id = stack.upload_pair()
    assert stack.requester.submit(request, None).id == comparison_id
    return stack, stack.comparison(comparison_id)


def make_incomplete() -> tuple[InMemoryStack, Comparison]:
    """Make a stack in which an incomplete pair has failed."""
    stack = make_stack()
    stack.upload(Role.SOURCE)
    stack.clock.advance(600)
    comparison_id = stack.receiver.expire("singapore", "pair-1")
    assert comparison_id is not None
    return stack, stack.comparison(comparison_id)


def make_compared() -> tuple[InMemoryStack, Comparison]:
    stack, comparison = make_requested()
    stack.compare(comparison.id)
    return stack, stack.comparison(comparison.id)


def make_published() -> tuple[InMemoryStack, Comparison]:
    stack, comparison = make_compared()
    stack.publish()
    return stack, stack.comparison(comparison.id)


@pytest.mark.parametrize("make", [make_requested, make_incomplete, make_compared, make_published])
def test_erasing_leaves_a_tombstone_and_nothing_else_whenever_it_is_done(
    make: Callable[[], tuple[InMemoryStack, Comparison]],
) -> None:
    stack, comparison = make()

    stack.eraser.erase(comparison)
    stack.publish()

    tombstone = stack.comparison(comparison.id)
    assert (tombstone.state, tombstone.photos, tombstone.request_ids) == (State.ERASED, {}, ())
    assert (tombstone.pair_id, tombstone.caller) == (None, None)
    assert tombstone.attempts == comparison.attempts
    assert "pair-1" not in repr(tombstone)
    assert stack.photos.objects == {}
    assert (stack.ledger.pairs, stack.ledger.requests, stack.ledger.waiting) == ({}, {}, set())
    assert len(stack.results.sent) == 1


@pytest.mark.parametrize(("published", "when"), [(True, "after"), (False, "before")])
def test_the_tombstone_says_whether_the_verdict_was_published(
    published: bool,  # noqa: FBT001 - a row
    when: str,
) -> None:
    stack, comparison = make_published() if published else make_compared()

    stack.eraser.erase(comparison)

    verdict = stack.verdict(comparison.id)
    assert (verdict.reason, f" {when} its verdict" in verdict.message) == ("comparison_erased", True)


@pytest.mark.parametrize("make", [make_requested, make_incomplete, make_compared, make_published])
def test_an_erasure_that_dies_at_any_step_is_finished_by_the_next_one(
    make: Callable[[], tuple[InMemoryStack, Comparison]],
) -> None:
    recorded, comparison = make()
    begin = len(recorded.hooks.steps)
    recorded.eraser.erase(comparison)

    for number in range(begin, len(recorded.hooks.steps)):
        stack, comparison = make()
        stack.hooks.crash_at = number
        with pytest.raises(Crash):
            stack.eraser.erase(comparison)
        stack.eraser.erase(stack.comparison(comparison.id))

        assert stack.comparison(comparison.id).state is State.ERASED
        left = stack.photos.objects.keys()
        assert left == set()
        assert stack.ledger.requests == {}


def test_erasing_twice_changes_nothing() -> None:
    stack, comparison = make_compared()
    stack.eraser.erase(comparison)
    tombstone = stack.comparison(comparison.id)
    stack.clock.advance(60)

    stack.eraser.erase(tombstone)

    assert stack.comparison(comparison.id) == tombstone


def test_a_newer_photo_of_the_pair_is_left_to_its_own_comparison() -> None:
    stack, comparison = make_published()
    stack.provider.follow(SUCCESS)
    stack.upload(Role.SOURCE, make_portrait("newer"))

    stack.eraser.erase(comparison)
    newer = stack.upload(Role.TARGET)
    stack.work()

    assert newer is not None
    assert stack.comparison(newer).state is State.COMPLETED


def test_erasing_a_failed_comparison_leaves_its_successor() -> None:
    stack = make_stack(REFUSAL, SUCCESS)
    failed = stack.upload_pair()
    stack.work()
    successor = stack.upload_pair()

    stack.eraser.erase(stack.comparison(failed))
    stack.work()

    assert stack.comparison(successor).state is State.COMPLETED
    assert stack.ledger.pairs["singapore", "pair-1"].comparison_id == successor


def test_erasing_a_successor_forgets_the_pair() -> None:
    stack = make_stack(REFUSAL, SUCCESS)
    stack.upload_pair()
    stack.work()
    successor = stack.upload_pair()

    stack.eraser.erase(stack.comparison(successor))

    assert stack.ledger.pairs == {}
