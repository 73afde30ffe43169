"""A function crashes, or a port fails, at each step in turn; then everything is delivered again."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.verdict import Role
from tests.fakes.hooks import Crash
from tests.integration.schedules.stack import (
    ScheduledStack,
    Task,
    make_dynamodb_stack,
    make_request,
    make_stack,
    run,
)
from tests.integration.schedules.stepping import Process, Step, StepOutcome

BEFORE, AFTER = StepOutcome.CRASHED_BEFORE, StepOutcome.CRASHED_AFTER
CRASHES: Final = [BEFORE, AFTER]
FAULTS: Final = [StepOutcome.REFUSED, StepOutcome.UNANSWERED, StepOutcome.REPEATED]

SECOND_CALLS: Final = {
    ("provider.call", AFTER),
    ("provider.answer", BEFORE),
    ("provider.answer", AFTER),
    ("ledger.end", BEFORE),
}
"""The only places where a crash costs a second call: it was compared, and the ledger does not know."""
CALLS_NOT_MADE: Final = {
    ("ledger.begin_attempt", AFTER),
    ("clock.sleep", BEFORE),
    ("clock.sleep", AFTER),
    ("provider.call", BEFORE),
}
"""Where a crash leaves an attempt in the ledger, `unknown`, that was never made."""
SECOND_EVENTS: Final = {("results.send", AFTER), ("ledger.mark_published", BEFORE)}
"""The only places where a crash has the event sent again."""

type Flow = Callable[[ScheduledStack], list[Task]]


def come_by_bucket(stack: ScheduledStack) -> list[Task]:
    """Return what happens to a pair in the bucket, function by function."""
    for role in Role:
        stack.upload("pair-1", role, 1)
    return [take_upload(stack), take_upload(stack), take_comparison(stack), publish(stack)]


def come_by_api(stack: ScheduledStack) -> list[Task]:
    """Return what happens to a request that waits for its verdict, function by function."""
    return [stack.submit(make_request("key-1"), at_once=True), publish(stack)]


def come_by_api_for_later(stack: ScheduledStack) -> list[Task]:
    """Return what happens to a request that does not wait, function by function."""
    return [stack.submit(make_request("key-1"), at_once=False), take_comparison(stack), publish(stack)]


def take_upload(stack: ScheduledStack) -> Task:
    def take(process: Process) -> None:
        for message in stack.uploads.visible()[:1]:
            stack.uploads.receive(message)
            stack.take_upload(message)(process)

    return take


def take_comparison(stack: ScheduledStack) -> Task:
    def take(process: Process) -> None:
        for message in stack.comparisons.visible()[:1]:
            stack.comparisons.receive(message)
            stack.take_comparison(message)(process)

    return take


def publish(stack: ScheduledStack) -> Task:
    def take(process: Process) -> None:
        for comparison_id in stack.stream[:1]:
            stack.publish(comparison_id)(process)

    return take


@dataclass(slots=True)
class FaultAtStep:
    """Does every step but one, which ends otherwise."""

    number: int | None = None
    outcome: StepOutcome = StepOutcome.DONE
    steps: list[str] = field(default_factory=list)

    def policy(self, step: Step) -> StepOutcome:
        self.steps.append(step.name)
        return self.outcome if len(self.steps) - 1 == self.number else StepOutcome.DONE


def follow(stack: ScheduledStack, flow: Flow, fault: FaultAtStep) -> None:
    """Run the flow up to the fault, then deliver everything again until nothing is left."""
    for task in flow(stack):
        try:
            run(task, Process("faulty", fault.policy))
        except Crash:
            break
    stack.drain()
    stack.check()


def list_positions(flow: Flow, outcomes: list[StepOutcome]) -> list[Any]:
    """Return every step of the flow with every outcome that it can meet."""
    fault = FaultAtStep()
    follow(make_stack(), flow, fault)
    return [
        pytest.param(flow, number, name, outcome, id=f"{flow.__name__}-{number:02d}-{name}-{outcome}")
        for number, name in enumerate(fault.steps)
        for outcome in outcomes
    ]


FLOWS: Final[list[Flow]] = [come_by_bucket, come_by_api, come_by_api_for_later]
POSITIONS: Final = [position for flow in FLOWS for position in list_positions(flow, CRASHES)]
REFUSALS: Final = [position for flow in FLOWS for position in list_positions(flow, FAULTS)]
LEDGER_POSITIONS: Final = [
    position
    for position in list_positions(come_by_bucket, CRASHES)
    if position.values[2].startswith("ledger")
]


def assert_crash_cost_no_more_than_it_may(stack: ScheduledStack, step: str, outcome: StepOutcome) -> None:
    place = (step, outcome)
    (comparison_id,) = stack.model.registered
    calls = 2 if place in SECOND_CALLS else 1
    unknown = 1 if place in SECOND_CALLS | CALLS_NOT_MADE else 0
    events = 2 if place in SECOND_EVENTS else 1
    assert stack.count_surplus() == {comparison_id: (calls, unknown)}
    assert len(stack.model.results.events[comparison_id]) == events


@pytest.mark.parametrize(("flow", "number", "step", "outcome"), POSITIONS)
def test_crash_at_any_step_loses_nothing_and_pays_twice_only_where_nobody_can_know(
    flow: Flow, number: int, step: str, outcome: StepOutcome
) -> None:
    stack = make_stack()
    follow(stack, flow, FaultAtStep(number, outcome))
    assert_crash_cost_no_more_than_it_may(stack, step, outcome)


@pytest.mark.parametrize(("flow", "number", "step", "outcome"), REFUSALS)
def test_refusal_at_any_step_loses_nothing_and_never_pays_twice(
    flow: Flow, number: int, step: str, outcome: StepOutcome
) -> None:
    stack = make_stack()
    follow(stack, flow, FaultAtStep(number, outcome))
    ((billed, _),) = stack.count_surplus().values()
    assert billed == 1, f"{step} {outcome}"


@pytest.mark.parametrize(("flow", "number", "step", "outcome"), LEDGER_POSITIONS)
def test_crash_at_a_call_of_dynamodb_costs_no_more_than_in_memory(
    make_dynamodb_ledger: Callable[[], DynamoDbLedger],
    flow: Flow,
    number: int,
    step: str,
    outcome: StepOutcome,
) -> None:
    stack = make_dynamodb_stack(make_dynamodb_ledger())
    follow(stack, flow, FaultAtStep(number, outcome))
    assert_crash_cost_no_more_than_it_may(stack, step, outcome)
