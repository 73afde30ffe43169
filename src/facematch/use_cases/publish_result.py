"""Publishes the verdict of an ended comparison as one event, then deletes its photos."""

from dataclasses import dataclass

from facematch.domain.clock import Clock
from facematch.domain.comparison import Comparison, make_photo_prefix
from facematch.domain.ports import Ledger, PhotoStore, ResultQueue
from facematch.domain.result_event import make_result_event


@dataclass(frozen=True, slots=True)
class ResultPublisher:
    """Empties the outbox; `source` is the URI of this stack in its events.

    A crash in between repeats the event under the same event id, and never loses it. If the comparison was
    erased in between, the repetition reports only that. Without `deletes_photos`, photos stay until the
    bucket's lifecycle deletes them.
    """

    ledger: Ledger
    results: ResultQueue
    photos: PhotoStore
    clock: Clock
    source: str
    deletes_photos: bool

    def publish(self, comparison_id: str) -> Comparison | None:
        """Publish one comparison; return it, or None if there is nothing to publish any more."""
        comparison = self.ledger.find(comparison_id)
        if comparison is None or comparison.ending is None:
            return None
        is_new = comparison.published_at_ms is None
        if is_new:
            self.results.send(make_result_event(comparison, self.source))
            self.ledger.mark_published(comparison.id, now_ms=self.clock.now_ms())
        if self.deletes_photos:
            # Last, and again on a repetition: a photo that cannot be deleted must not repeat the event.
            self.photos.delete_all(make_photo_prefix(comparison.id))
        return comparison if is_new else None
