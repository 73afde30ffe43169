"""What the stream did not bring to its end: comparisons that have been in the outbox for too long."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from facematch.domain.clock import Clock
from facematch.domain.ports import Ledger
from facematch.use_cases.publish_result import ResultPublisher

SWEPT_AFTER_S: Final = 300
"""Longer than the stream takes, repetitions included, unless something is wrong."""


@dataclass(frozen=True, slots=True)
class OutboxSweeper:
    """Finds what has waited for `SWEPT_AFTER_S`, for `publisher` to publish."""

    ledger: Ledger
    publisher: ResultPublisher
    clock: Clock

    def find_due(self) -> Iterable[str]:
        """Return the comparisons' ids, the oldest first."""
        return self.ledger.list_unpublished(before_ms=self.clock.now_ms() - SWEPT_AFTER_S * 1000)
