"""Interleavings that chance seldom meets, written out."""

from typing import Final

import pytest

from facematch.domain.comparison import Comparison, Outcome
from facematch.domain.verdict import Role
from facematch.use_cases.compare_pair import RetryPolicy
from tests.fakes.interludes import Crash
from tests.integration.promises.stack import WORKER_TIME_S, Stack, Task, make_request, make_stack, run
from tests.integration.promises.stepping import Actor, Fate, Pace, Process, Step
from tests.integration.promises.surroundings import Message

SOURCE, TARGET = Role.SOURCE, Role.TARGET
PAIR: Final = "pair-1"


def take_all(stack: Stack, *, besides: list[Message] | None = None) -> None:
    """Work on every message that waits, one after the other."""
    for queue, take in ((stack.uploads, stack.take_upload), (stack.comparisons, stack.take_comparison)):
        for message in list(queue.visible()):
            if message not in (besides or []):
                queue.receive(message)
                run(take(message))


def publish_all(stack: Stack) -> None:
    for comparison_id in list(stack.stream):
        run(stack.publish(comparison_id))


def begin(task: Task, *, skew_ms: int = 0) -> Actor:
    actor = Actor("slow", skew_ms)
    actor.start(lambda: task(actor.process))
    return actor


def step_past(actor: Actor, name: str) -> None:
    """Let an actor step until it has taken the step of that name."""
    while actor.next_step is not None:
        taken = actor.next_step.name
        actor.resume(Fate.DONE)
        if taken == name:
            return
    raise AssertionError(f"There was no {name}.")


def finish(actor: Actor) -> None:
    while not actor.is_over:
        actor.resume(Fate.DONE)
    actor.process.dead = True


def die_before(name: str) -> Pace:
    """Return the pace of a process that takes every step but that of this name."""

    def pace(step: Step) -> Fate:
        return Fate.CRASHED_BEFORE if step.name == name else Fate.DONE

    return pace


def find(stack: Stack, comparison_id: str) -> Comparison:
    comparison = stack.ledger.find(comparison_id)
    assert comparison is not None
    return comparison


def verdicts(stack: Stack) -> list[str | None]:
    """Return the reason, or for a compared pair the decision, of each comparison, by the order of events."""
    told = [events[0]["data"] for events in stack.model.results.events.values()]
    return [data["reason"] or data["verdict"] for data in told]


def test_photo_replaced_while_its_pair_is_compared_is_compared_too_though_its_event_is_late() -> None:
    stack = make_stack()
    stack.upload(PAIR, SOURCE, 1)
    stack.upload(PAIR, TARGET, 1)
    for message in stack.uploads.visible():
        stack.uploads.receive(message)
        run(stack.take_upload(message))
    stack.upload(PAIR, SOURCE, 2)
    take_all(stack, besides=stack.uploads.visible())
    publish_all(stack)

    stack.drain()

    stack.check()
    assert verdicts(stack) == ["photo_replaced", "no_match"]


def test_photo_that_comes_between_verdict_and_event_is_compared_though_its_own_event_is_late() -> None:
    stack = make_stack()
    stack.upload(PAIR, SOURCE, 1)
    stack.upload(PAIR, TARGET, 1)
    take_all(stack)
    stack.upload(PAIR, SOURCE, 2)
    publish_all(stack)

    stack.drain()

    stack.check()
    assert verdicts(stack) == ["no_match", "match"]


def test_answer_to_a_worker_that_was_overtaken_changes_no_event_and_stays_listed_as_unknown() -> None:
    stack = make_stack()
    stack.upload(PAIR, SOURCE, 1)
    stack.upload(PAIR, TARGET, 1)
    take_uploads = stack.uploads.visible()
    for message in take_uploads:
        stack.uploads.receive(message)
        run(stack.take_upload(message))
    (message,) = stack.comparisons.visible()
    stack.comparisons.receive(message)
    slow = begin(stack.take_comparison(message))
    step_past(slow, "provider.call")
    stack.time.reach(message.visible_at_ms)
    take_all(stack)
    (comparison_id,) = stack.stream
    with pytest.raises(Crash):
        run(stack.publish(comparison_id), Process("dying", die_before("ledger.mark_published")))
    finish(slow)

    stack.drain()

    stack.check()
    first, repeated = stack.model.results.events[comparison_id]
    assert first == repeated
    assert [attempt.outcome for attempt in find(stack, comparison_id).attempts] == [
        Outcome.UNKNOWN,
        Outcome.ANSWERED,
    ]
    assert stack.count_surplus() == {comparison_id: (2, 1)}


def test_pair_that_the_api_compared_before_its_events_came_is_compared_anew_when_both_are_sent_again() -> (
    None
):
    stack = make_stack()
    stack.upload(PAIR, SOURCE, 1)
    stack.upload(PAIR, TARGET, 1)
    run(stack.submit(make_request("key-1", uploaded=PAIR), at_once=True))
    publish_all(stack)
    stack.drain()

    for role in Role:
        stack.upload(PAIR, role, 2)
        take_all(stack)
        publish_all(stack)
    stack.drain()

    stack.check()
    assert verdicts(stack) == ["no_match", "match"]


def test_worker_whose_clock_is_ahead_does_not_overtake_a_call_that_hangs_until_its_time_out() -> None:
    stack = make_stack()
    retries = RetryPolicy()
    stack.latency_s = retries.call_timeout_s
    stack.upload(PAIR, SOURCE, 1)
    stack.upload(PAIR, TARGET, 1)
    for message in stack.uploads.visible():
        stack.uploads.receive(message)
        run(stack.take_upload(message))
    (message,) = stack.comparisons.visible()
    slow = begin(stack.take_comparison(message))
    step_past(slow, "ledger.claim")
    stack.time.reach(stack.time.at_ms + WORKER_TIME_S * 1000 - 100)
    step_past(slow, "provider.call")
    stack.time.reach(stack.time.at_ms + stack.latency_s * 1000 - 1000)

    stack.latency_s = 0.3
    finish(begin(stack.take_comparison(message), skew_ms=2000))
    finish(slow)

    stack.drain()
    stack.check()
    ((billed, _),) = stack.count_surplus().values()
    assert billed == 1
