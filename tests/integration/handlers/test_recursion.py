"""No chain of invocations is longer than Lambda lets it be, except where the template allows a loop."""

import pytest

from facematch.domain.lane import HoldReason, make_hold
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from facematch.use_cases.sweep import FORGOTTEN_AFTER_S
from harness.template import read_template
from tests.events import load_event
from tests.factories import make_comparison
from tests.factories.photos import PERSON, SAME_PERSON
from tests.integration.handlers.functions import land
from tests.integration.handlers.recursion import INVOCATIONS_LIMIT, RecursionGuard
from tests.integration.handlers.stack import BULK, HandlerStack

ALLOWED = frozenset(
    name.lower()
    for name, resource in read_template()["Resources"].items()
    if resource.get("Properties", {}).get("RecursiveLoop") == "Allow"
)
ROUNDS = 3 * INVOCATIONS_LIMIT


def make_guard(
    stack: HandlerStack, monkeypatch: pytest.MonkeyPatch, allowed: frozenset[str] = ALLOWED
) -> RecursionGuard:
    return RecursionGuard(stack, monkeypatch, allowed)


def hold_lane(stack: HandlerStack) -> None:
    hold = make_hold(HoldReason.OUTAGE, "InternalError", stack.clock.now_ms())
    stack.limiter.hold(Region.SINGAPORE, hold, replacing=None)


def wait_for_the_lane(stack: HandlerStack, guard: RecursionGuard) -> None:
    """Upload a pair while its lane is on hold, and deliver its message again and again."""
    hold_lane(stack)
    for role, content in ((Role.SOURCE, PERSON), (Role.TARGET, SAME_PERSON)):
        guard.start("uploads", land(stack, role, content))
    for _ in range(ROUNDS):
        guard.deliver(BULK, "compare")


def test_a_comparison_outlasts_any_hold_of_its_lane(
    stack: HandlerStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_guard(stack, monkeypatch).watching() as guard:
        wait_for_the_lane(stack, guard)
    assert guard.dropped == []
    assert guard.longest == {"uploads": 1, "compare": ROUNDS}
    assert len(stack.list_waiting(BULK)) == 1


def test_lambda_would_drop_it_if_the_template_did_not_allow_the_loop(
    stack: HandlerStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make_guard(stack, monkeypatch, frozenset()).watching() as guard:
        wait_for_the_lane(stack, guard)
    assert guard.dropped == ["compare"]
    assert guard.longest["compare"] == INVOCATIONS_LIMIT
    assert stack.list_waiting(BULK) == []


def test_what_a_sweep_enqueues_begins_its_own_chain(
    stack: HandlerStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold_lane(stack)
    long_ago_ms = stack.clock.now_ms() - 2000 * FORGOTTEN_AFTER_S
    stack.ledger.register(make_comparison(created_at_ms=long_ago_ms))
    with make_guard(stack, monkeypatch).watching() as guard:
        guard.start("sweep", load_event("sweep_scheduled"))
        assert guard.deliver(BULK, "compare") == 1
    assert (guard.dropped, guard.longest) == ([], {"sweep": 1, "compare": 1})
