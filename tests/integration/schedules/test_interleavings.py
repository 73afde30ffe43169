"""Interleavings that random schedules seldom reach, one by one."""

from collections.abc import Callable
from typing import Final

import pytest

from facematch.domain.comparison import Comparison, Outcome, State
from facematch.domain.deadline import CALL_TIMEOUT_S
from facematch.domain.verdict import Role
from tests.fakes.hooks import Crash
from tests.integration.schedules.environment import Message, Reply
from tests.integration.schedules.stack import (
    PAIR_DEADLINE_S,
    WORKER_TIME_S,
    ScheduledStack,
    Task,
    make_request,
    make_stack,
    run,
)
from tests.integration.schedules.stepping import Process, Step, StepOutcome, SteppedProcess, StepPolicy

SOURCE, TARGET = Role.SOURCE, Role.TARGET
PAIR: Final = "pair-1"


def take_all(stack: ScheduledStack, *, besides: list[Message] | None = None) -> None:
    """Work on every message that is visible, one after the other."""
    for queue, take in ((stack.uploads, stack.take_upload), (stack.comparisons, stack.take_comparison)):
        for message in list(queue.visible()):
            if message not in (besides or []):
                queue.receive(message)
                run(take(message))


def upload_pair(stack: ScheduledStack, version: int = 1) -> None:
    for role in Role:
        stack.upload(PAIR, role, version)


def take_uploads(stack: ScheduledStack) -> None:
    for message in stack.uploads.visible():
        stack.uploads.receive(message)
        run(stack.take_upload(message))


def receive_comparison(stack: ScheduledStack) -> Message:
    (message,) = stack.comparisons.visible()
    stack.comparisons.receive(message)
    return message


def receive_upload(stack: ScheduledStack) -> Task:
    message = stack.uploads.visible()[0]
    stack.uploads.receive(message)
    return stack.take_upload(message)


def publish_all(stack: ScheduledStack) -> None:
    for comparison_id in list(stack.stream):
        run(stack.publish(comparison_id))


def begin(task: Task, *, skew_ms: int = 0) -> SteppedProcess:
    process = SteppedProcess("slow", skew_ms)
    process.start(lambda: task(process.process))
    return process


def step_past(process: SteppedProcess, name: str) -> None:
    """Let an process step until it has taken the step of that name."""
    while process.next_step is not None:
        taken = process.next_step.name
        process.resume(StepOutcome.DONE)
        if taken == name:
            return
    raise AssertionError(f"There was no {name}.")


def finish(process: SteppedProcess) -> None:
    while not process.is_over:
        process.resume(StepOutcome.DONE)
    process.process.dead = True


def die_before(name: str) -> StepPolicy:
    """Return the policy of a process that takes every step but that of this name."""

    def policy(step: Step) -> StepOutcome:
        return StepOutcome.CRASHED_BEFORE if step.name == name else StepOutcome.DONE

    return policy


def find(stack: ScheduledStack, comparison_id: str) -> Comparison:
    comparison = stack.ledger.find(comparison_id)
    assert comparison is not None
    return comparison


def verdicts(stack: ScheduledStack) -> list[str | None]:
    """Return the reason, or for a compared pair the decision, of each comparison, by the order of events."""
    results = [events[0]["data"] for events in stack.model.results.events.values()]
    return [data["reason"] or data["verdict"] for data in results]


def settle(stack: ScheduledStack) -> None:
    """Deliver everything that is left, and check every guarantee."""
    stack.drain()
    stack.check()


def test_pair_that_is_replaced_while_it_is_compared_is_compared_too() -> None:
    stack = make_stack()
    upload_pair(stack)
    take_uploads(stack)
    slow = begin(stack.take_comparison(receive_comparison(stack)))
    step_past(slow, "provider.call")
    upload_pair(stack, version=2)
    finish(slow)
    take_all(stack)
    publish_all(stack)

    settle(stack)

    assert verdicts(stack) == ["no_match", "match"]


def test_photo_that_is_replaced_before_its_pair_is_copied_is_compared_in_its_place() -> None:
    stack = make_stack()
    upload_pair(stack)
    run(receive_upload(stack))
    slow = begin(receive_upload(stack))
    step_past(slow, "ledger.find")
    stack.upload(PAIR, SOURCE, 2)
    finish(slow)
    assert not stack.model.registered

    settle(stack)

    (comparison,) = stack.model.registered.values()
    assert stack.model.copied[comparison.photos[SOURCE].key] == stack.model.uploads[PAIR, SOURCE]


def test_same_photo_that_is_sent_again_during_the_registration_loses_no_copy() -> None:
    """The loser's copies have the keys of the winner's."""
    stack = make_stack()
    upload_pair(stack)
    run(receive_upload(stack))
    loser = begin(receive_upload(stack))
    step_past(loser, "photos.copy")
    stack.upload(PAIR, SOURCE, 1)
    winner = begin(receive_upload(stack))
    step_past(winner, "photos.copy")
    step_past(winner, "photos.copy")
    step_past(loser, "ledger.register")
    step_past(loser, "ledger.find")
    step_past(winner, "ledger.register")
    finish(loser)
    finish(winner)

    settle(stack)

    assert verdicts(stack) == ["no_match"]


@pytest.mark.parametrize("first", ["bucket", "api"])
@pytest.mark.parametrize("steps", range(14))
def test_pair_is_compared_once_whichever_of_bucket_and_api_is_first(first: str, steps: int) -> None:
    stack = make_stack()
    upload_pair(stack)
    run(receive_upload(stack))
    tasks = {
        "bucket": receive_upload(stack),
        "api": stack.submit(make_request("key-1", uploaded=PAIR), at_once=True),
    }
    slow = begin(tasks.pop(first))
    for _ in range(steps):
        if not slow.is_over:
            slow.resume(StepOutcome.DONE)
    (other,) = tasks.values()
    run(other)
    finish(slow)

    settle(stack)

    assert len(stack.model.registered) == 1
    ((billed, possibly),) = stack.count_surplus().values()
    assert (billed, possibly) == (1, 0)
    assert stack.bucket.objects == {}


@pytest.mark.parametrize("steps", range(8))
def test_duplicate_notification_at_any_step_costs_nothing(steps: int) -> None:
    stack = make_stack()
    upload_pair(stack)
    run(receive_upload(stack))
    message = stack.uploads.visible()[0]
    stack.uploads.put(message.body)
    slow = begin(receive_upload(stack))
    for _ in range(steps):
        if not slow.is_over:
            slow.resume(StepOutcome.DONE)
    take_all(stack)
    publish_all(stack)
    finish(slow)

    settle(stack)

    assert verdicts(stack) == ["no_match"]
    assert set(stack.count_surplus().values()) == {(1, 0)}
    assert stack.bucket.objects == {}


def erase_while_comparing(stack: ScheduledStack) -> Task:
    upload_pair(stack)
    take_uploads(stack)
    return stack.take_comparison(receive_comparison(stack))


def erase_while_publishing(stack: ScheduledStack) -> Task:
    upload_pair(stack)
    take_all(stack)
    (comparison_id,) = stack.stream
    return stack.publish(comparison_id)


def erase_while_repeating(stack: ScheduledStack) -> Task:
    """Return another request of the API for a comparison that is known."""
    run(stack.submit(make_request("key-1"), at_once=False))
    return stack.submit(make_request("key-1"), at_once=True)


@pytest.mark.parametrize("begin_work", [erase_while_comparing, erase_while_publishing, erase_while_repeating])
@pytest.mark.parametrize("steps", range(14))
def test_erasure_at_any_step_leaves_nothing(begin_work: Callable[[ScheduledStack], Task], steps: int) -> None:
    stack = make_stack()
    slow = begin(begin_work(stack))
    for _ in range(steps):
        if not slow.is_over:
            slow.resume(StepOutcome.DONE)
    (comparison_id,) = stack.model.registered
    run(stack.erase(comparison_id))
    finish(slow)

    settle(stack)

    comparison = find(stack, comparison_id)
    assert (comparison.state, comparison.photos, comparison.pair_id) == (State.ERASED, {}, None)
    assert stack.bucket.objects == {}
    assert len(stack.model.registered) == 1


@pytest.mark.parametrize("steps", range(8))
@pytest.mark.parametrize("is_sweep_first", [True, False])
def test_late_photo_at_any_step_of_the_sweep_is_compared(steps: int, *, is_sweep_first: bool) -> None:
    stack = make_stack()
    stack.upload(PAIR, SOURCE, 1)
    run(receive_upload(stack))
    stack.time.reach(stack.time.at_ms + PAIR_DEADLINE_S * 1000 + 1000)
    stack.upload(PAIR, TARGET, 1)
    take = receive_upload(stack)
    first, second = (stack.sweep, take) if is_sweep_first else (take, stack.sweep)
    slow = begin(first)
    for _ in range(steps):
        if not slow.is_over:
            slow.resume(StepOutcome.DONE)
    run(second)
    finish(slow)

    settle(stack)

    assert verdicts(stack)[-1] == "no_match"
    assert set(verdicts(stack)) <= {"pair_incomplete", "no_match"}
    assert stack.bucket.objects == {}


def test_late_notifications_of_a_failed_pair_are_forgotten_by_the_sweep() -> None:
    stack = make_stack()
    stack.provider.draw_reply = lambda: Reply.REJECTED
    upload_pair(stack)
    run(stack.submit(make_request("key-1", uploaded=PAIR), at_once=True))
    publish_all(stack)

    settle(stack)

    assert verdicts(stack) == ["no_face_detected"]
    assert stack.ledger.find_pair("singapore", PAIR) is None


def test_answer_to_a_worker_that_lost_its_lease_changes_no_event_and_stays_possibly_billed() -> None:
    stack = make_stack()
    upload_pair(stack)
    take_uploads(stack)
    message = receive_comparison(stack)
    slow = begin(stack.take_comparison(message))
    step_past(slow, "provider.call")
    stack.time.reach(message.visible_at_ms)
    take_all(stack)
    (comparison_id,) = stack.stream
    with pytest.raises(Crash):
        run(stack.publish(comparison_id), Process("dying", die_before("ledger.mark_published")))
    finish(slow)

    settle(stack)

    first, repeated = stack.model.results.events[comparison_id]
    assert first == repeated
    assert [attempt.outcome for attempt in find(stack, comparison_id).attempts] == [
        Outcome.POSSIBLY_BILLED,
        Outcome.ANSWERED,
    ]
    assert stack.count_surplus() == {comparison_id: (2, 1)}


def test_pair_that_the_api_compared_before_its_notifications_is_compared_again_when_both_photos_are_new() -> (
    None
):
    stack = make_stack()
    upload_pair(stack)
    run(stack.submit(make_request("key-1", uploaded=PAIR), at_once=True))
    publish_all(stack)
    stack.drain()
    for role in Role:
        stack.upload(PAIR, role, 2)
        take_all(stack)
        publish_all(stack)

    settle(stack)

    assert verdicts(stack) == ["no_match", "match"]


def test_worker_whose_clock_is_ahead_does_not_overtake_a_call_that_hangs_until_its_timeout() -> None:
    stack = make_stack()
    stack.latency_s = CALL_TIMEOUT_S
    upload_pair(stack)
    take_uploads(stack)
    message = receive_comparison(stack)
    slow = begin(stack.take_comparison(message))
    step_past(slow, "ledger.claim")
    stack.time.reach(stack.time.at_ms + WORKER_TIME_S * 1000 - 100)
    step_past(slow, "provider.call")
    stack.time.reach(stack.time.at_ms + stack.latency_s * 1000 - 1000)

    stack.latency_s = 0.3
    finish(begin(stack.take_comparison(message), skew_ms=2000))
    finish(slow)

    settle(stack)
    ((billed, _),) = stack.count_surplus().values()
    assert billed == 1
