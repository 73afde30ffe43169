"""What the stream did not bring to its end: comparisons that have been in the outbox for too long."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from facematch.clock import Clock
from facematch.ports import Ledger
from facematch.publish_result import ResultPublisher

SWEPT_AFTER_S: Final = 300
"""Longer than the stream takes, repetitions included, unless something is wrong."""
_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class OutboxSweeper:
    """Finds what has waited for `SWEPT_AFTER_S`, for `publisher` to publish."""

    ledger: Ledger
    publisher: ResultPublisher
    clock: Clock

    def find_due(self) -> Iterator[str]:
        """Yield each comparison's id once, the oldest first, while others come up behind those before."""
        before_ms = self.clock.now_ms() - SWEPT_AFTER_S * 1000
        seen: set[str] = set()
        while due := [
            comparison_id
            for comparison_id in self.ledger.list_unpublished(before_ms=before_ms, limit=_PAGE)
            if comparison_id not in seen
        ]:
            seen.update(due)
            yield from due
