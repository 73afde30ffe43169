"""Queues that remember what was sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class RecordingComparisonQueue:
    """Remembers each comparison sent and its delay."""

    sent: list[tuple[str, float]] = field(default_factory=list)

    def send(self, comparison_id: str, *, delay_s: float = 0) -> None:
        self.sent.append((comparison_id, delay_s))


@dataclass(slots=True)
class RecordingDeadlineQueue:
    """Remembers each deadline sent: region, pair id, delay."""

    sent: list[tuple[str, str, float]] = field(default_factory=list)

    def send_deadline(self, region: str, pair_id: str, *, delay_s: float) -> None:
        self.sent.append((region, pair_id, delay_s))


class QueueRefusedError(Exception):
    """What a queue that is out of order raises."""


@dataclass(slots=True)
class RecordingResultQueue:
    """Remembers each event; refuses the first `refusals` of them."""

    refusals: int = 0
    sent: list[dict[str, Any]] = field(default_factory=list)

    def send(self, event: Mapping[str, Any]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise QueueRefusedError
        self.sent.append(dict(event))
