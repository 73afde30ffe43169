"""A function dies, or is refused, at each of its calls to the outside world in turn; then all comes again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.verdict import Role
from tests.fakes.interludes import Crash
from tests.integration.promises.stack import Stack, Task, make_dynamodb_stack, make_request, make_stack, run
from tests.integration.promises.stepping import Fate, Process, Step

BEFORE, AFTER = Fate.CRASHED_BEFORE, Fate.CRASHED_AFTER
DEATHS: Final = [BEFORE, AFTER]
FAULTS: Final = [Fate.REFUSED, Fate.UNANSWERED, Fate.REPEATED]

SECOND_CALLS: Final = {
    ("provider.call", AFTER),
    ("provider.answer", BEFORE),
    ("provider.answer", AFTER),
    ("ledger.end", BEFORE),
}
"""The only places where a death costs a second call: it was compared, and the ledger does not know."""
CALLS_NOT_MADE: Final = {
    ("ledger.begin_attempt", AFTER),
    ("clock.sleep", BEFORE),
    ("clock.sleep", AFTER),
    ("provider.call", BEFORE),
}
"""Where a death leaves an attempt in the ledger, `unknown`, that was never made."""
SECOND_EVENTS: Final = {("results.send", AFTER), ("ledger.mark_published", BEFORE)}
"""The only places where a death has the event sent again."""

type Way = Callable[[Stack], list[Task]]


def come_by_bucket(stack: Stack) -> list[Task]:
    """Return what happens to a pair in the bucket, function by function."""
    for role in Role:
        stack.upload("pair-1", role, 1)
    return [take_upload(stack), take_upload(stack), take_comparison(stack), publish(stack)]


def come_by_api(stack: Stack) -> list[Task]:
    """Return what happens to a request that waits for its verdict, function by function."""
    return [stack.submit(make_request("key-1"), at_once=True), publish(stack)]


def come_by_api_for_later(stack: Stack) -> list[Task]:
    """Return what happens to a request that does not wait, function by function."""
    return [stack.submit(make_request("key-1"), at_once=False), take_comparison(stack), publish(stack)]


def take_upload(stack: Stack) -> Task:
    def take(process: Process) -> None:
        for message in stack.uploads.visible()[:1]:
            stack.uploads.receive(message)
            stack.take_upload(message)(process)

    return take


def take_comparison(stack: Stack) -> Task:
    def take(process: Process) -> None:
        for message in stack.comparisons.visible()[:1]:
            stack.comparisons.receive(message)
            stack.take_comparison(message)(process)

    return take


def publish(stack: Stack) -> Task:
    def take(process: Process) -> None:
        for comparison_id in stack.stream[:1]:
            stack.publish(comparison_id)(process)

    return take


@dataclass(slots=True)
class Mishap:
    """Lets every step be done but the one of this number."""

    number: int | None = None
    fate: Fate = Fate.DONE
    steps: list[str] = field(default_factory=list)

    def pace(self, step: Step) -> Fate:
        self.steps.append(step.name)
        return self.fate if len(self.steps) - 1 == self.number else Fate.DONE


def follow(stack: Stack, way: Way, mishap: Mishap) -> None:
    """Go the way up to the mishap, then have everything delivered again until it comes to rest."""
    for task in way(stack):
        try:
            run(task, Process("mortal", mishap.pace))
        except Crash:
            break
    stack.drain()
    stack.check()


def list_positions(way: Way, fates: list[Fate]) -> list[Any]:
    """Return every step of the way with every fate that it can meet."""
    mishap = Mishap()
    follow(make_stack(), way, mishap)
    return [
        pytest.param(way, number, name, fate, id=f"{way.__name__}-{number:02d}-{name}-{fate}")
        for number, name in enumerate(mishap.steps)
        for fate in fates
    ]


WAYS: Final[list[Way]] = [come_by_bucket, come_by_api, come_by_api_for_later]
POSITIONS: Final = [position for way in WAYS for position in list_positions(way, DEATHS)]
REFUSALS: Final = [position for way in WAYS for position in list_positions(way, FAULTS)]
LEDGER_POSITIONS: Final = [
    position for position in list_positions(come_by_bucket, DEATHS) if position.values[2].startswith("ledger")
]


def assert_death_cost_no_more_than_it_may(stack: Stack, step: str, fate: Fate) -> None:
    place = (step, fate)
    (comparison_id,) = stack.model.registered
    calls = 2 if place in SECOND_CALLS else 1
    unknown = 1 if place in SECOND_CALLS | CALLS_NOT_MADE else 0
    events = 2 if place in SECOND_EVENTS else 1
    assert stack.count_surplus() == {comparison_id: (calls, unknown)}
    assert len(stack.model.results.events[comparison_id]) == events


@pytest.mark.parametrize(("way", "number", "step", "fate"), POSITIONS)
def test_death_at_any_step_loses_nothing_and_pays_twice_only_where_nobody_can_know(
    way: Way, number: int, step: str, fate: Fate
) -> None:
    stack = make_stack()
    follow(stack, way, Mishap(number, fate))
    assert_death_cost_no_more_than_it_may(stack, step, fate)


@pytest.mark.parametrize(("way", "number", "step", "fate"), REFUSALS)
def test_refusal_at_any_step_loses_nothing_and_never_pays_twice(
    way: Way, number: int, step: str, fate: Fate
) -> None:
    stack = make_stack()
    follow(stack, way, Mishap(number, fate))
    ((billed, _),) = stack.count_surplus().values()
    assert billed == 1, f"{step} {fate}"


@pytest.mark.parametrize(("way", "number", "step", "fate"), LEDGER_POSITIONS)
def test_death_at_a_call_of_dynamodb_costs_no_more_than_in_memory(
    make_dynamodb_ledger: Callable[[], DynamoDbLedger], way: Way, number: int, step: str, fate: Fate
) -> None:
    stack = make_dynamodb_stack(make_dynamodb_ledger())
    follow(stack, way, Mishap(number, fate))
    assert_death_cost_no_more_than_it_may(stack, step, fate)
