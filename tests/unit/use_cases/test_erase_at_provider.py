"""`EraseAtProvider`: what the provider keeps of an erased comparison is deleted as well."""

import pytest

from facematch.domain.errors import PostponedError, UnreachableError
from facematch.domain.priority import Priority
from facematch.domain.provider import Deletion
from facematch.domain.regions import Region
from tests.factories import make_answer
from tests.fakes.stack import InMemoryStack, make_stack

TRANSACTION_ID = make_answer().transaction_id


def make_compared(*, erases_at_provider: bool = True) -> tuple[InMemoryStack, str]:
    """Make a stack with one published verdict."""
    stack = make_stack(make_answer(), erases_at_provider=erases_at_provider)
    comparison_id = stack.upload_pair()
    stack.compare(comparison_id)
    stack.publisher.publish(comparison_id)
    stack.queues.sent.clear()
    stack.queues.lanes.clear()
    return stack, comparison_id


def erase(stack: InMemoryStack, comparison_id: str) -> None:
    stack.eraser.erase(stack.comparison(comparison_id))


def read_outcome(stack: InMemoryStack, comparison_id: str) -> str | None:
    erasure = stack.comparison(comparison_id).provider_erasure
    return erasure.outcome if erasure else None


def test_by_default_the_provider_is_not_asked() -> None:
    stack, comparison_id = make_compared(erases_at_provider=False)

    erase(stack, comparison_id)
    stack.provider_eraser.erase(comparison_id)

    assert stack.queues.sent == []
    assert stack.provider.deletions == []


def test_the_erasure_is_enqueued_and_its_outcome_recorded_in_the_tombstone() -> None:
    stack, comparison_id = make_compared()
    stack.provider.deletion_script.append(Deletion(is_deleted=True, code="Success"))

    erase(stack, comparison_id)
    stack.provider_eraser.erase(comparison_id)

    assert stack.queues.sent == [(comparison_id, 0)]
    assert stack.queues.lanes == [("singapore", Priority.URGENT)]
    assert stack.provider.deletions == [(Region.SINGAPORE, TRANSACTION_ID)]
    assert read_outcome(stack, comparison_id) == "deleted"


def test_a_refusal_is_recorded_with_its_code() -> None:
    stack, comparison_id = make_compared()
    stack.provider.deletion_script.append(Deletion(is_deleted=False, code="InvalidAction.NotFound"))

    erase(stack, comparison_id)
    stack.provider_eraser.erase(comparison_id)

    assert read_outcome(stack, comparison_id) == "not_deleted: InvalidAction.NotFound"


def test_without_an_answer_it_is_postponed_and_stays_due() -> None:
    stack, comparison_id = make_compared()
    stack.provider.deletion_script.extend([UnreachableError(), Deletion(is_deleted=True, code="Success")])
    erase(stack, comparison_id)

    with pytest.raises(PostponedError):
        stack.provider_eraser.erase(comparison_id)
    assert read_outcome(stack, comparison_id) is None
    stack.provider_eraser.erase(comparison_id)

    assert read_outcome(stack, comparison_id) == "deleted"


def test_a_repeated_message_asks_the_provider_once() -> None:
    stack, comparison_id = make_compared()
    stack.provider.deletion_script.append(Deletion(is_deleted=True, code="Success"))
    erase(stack, comparison_id)

    for _ in range(3):
        stack.provider_eraser.erase(comparison_id)

    assert len(stack.provider.deletions) == 1


def test_a_repeated_delete_enqueues_what_is_still_due() -> None:
    stack, comparison_id = make_compared()
    erase(stack, comparison_id)

    erase(stack, comparison_id)

    assert [sent for sent, _ in stack.queues.sent] == [comparison_id, comparison_id]


def test_a_comparison_without_a_transaction_has_nothing_to_delete_there() -> None:
    stack = make_stack(make_answer("NoFaceDetected", http_status=401), erases_at_provider=True)
    comparison_id = stack.upload_pair()
    stack.compare(comparison_id)
    stack.queues.sent.clear()

    erase(stack, comparison_id)

    assert stack.queues.sent == []
