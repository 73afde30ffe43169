"""Queues that remember what was sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from facematch.domain.priority import Priority
from tests.fakes.hooks import StepHooks


@dataclass(slots=True)
class RecordingComparisonQueues:
    """Remembers each comparison sent, its delay, and its lane."""

    sent: list[tuple[str, float]] = field(default_factory=list)
    lanes: list[tuple[str, Priority]] = field(default_factory=list)
    hooks: StepHooks = field(default_factory=StepHooks)

    def send(self, region: str, priority: Priority, comparison_id: str, *, delay_s: float = 0) -> None:
        self.hooks.run("enqueue")
        self.sent.append((comparison_id, delay_s))
        self.lanes.append((region, priority))


class QueueRefusedError(Exception):
    """What a queue that is out of order raises."""


@dataclass(slots=True)
class RecordingResultQueue:
    """Remembers each event; refuses the first `refusals` of them."""

    refusals: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list)
    hooks: StepHooks = field(default_factory=StepHooks)

    def send(self, event: Mapping[str, Any]) -> None:
        self.hooks.run("send_event")
        if self.refusals:
            self.refusals -= 1
            raise QueueRefusedError
        self.sent.append(dict(event))
