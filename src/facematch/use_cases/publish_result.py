"""Publishes the result event of an ended comparison, then deletes its photos."""

from dataclasses import dataclass

from facematch.domain.clock import Clock
from facematch.domain.comparison import Comparison, make_photo_prefix
from facematch.domain.ports import Ledger, PhotoStore, ResultQueue
from facematch.domain.result_event import make_result_event


@dataclass(frozen=True, slots=True)
class ResultPublisher:
    """Publishes the comparisons in the outbox. `source` is the URI of this stack in its events.

    After a crash, the event is sent again with the same event id. If the comparison was erased meanwhile, the
    second event says only that. Without `deletes_photos`, the bucket's lifecycle deletes the photos.
    """

    ledger: Ledger
    results: ResultQueue
    photos: PhotoStore
    clock: Clock
    source: str
    deletes_photos: bool

    def publish(self, comparison_id: str) -> Comparison | None:
        """Publish one comparison; return it, or None if it was published before or is not in the ledger."""
        comparison = self.ledger.find(comparison_id)
        if comparison is None or comparison.ending is None:
            return None
        is_new = comparison.published_at_ms is None
        if is_new:
            self.results.send(make_result_event(comparison, self.source))
            self.ledger.mark_published(comparison.id, now_ms=self.clock.now_ms())
        if self.deletes_photos:
            # After the event, and also if it was published before: a failed deletion must not repeat it.
            self.photos.delete_all(make_photo_prefix(comparison.id))
        return comparison if is_new else None
