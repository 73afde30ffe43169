"""The way out: what the ledger holds as ended leaves as one event, then its photos go."""

from dataclasses import dataclass

from facematch.domain.clock import Clock
from facematch.domain.comparison import Comparison
from facematch.domain.ports import Ledger, ResultQueue
from facematch.domain.result_event import make_result_event
from facematch.use_cases.discard_photos import PhotoDisposal


@dataclass(frozen=True, slots=True)
class ResultPublisher:
    """Empties the outbox; `source` is the URI of this stack, as the events bear it.

    A crash in between repeats the event under the same event id, never loses it; if the comparison was erased
    meanwhile, the repetition says that alone. Unless `deletes_uploads`, photos in the inbox stay until the
    bucket's lifecycle ends them.
    """

    ledger: Ledger
    results: ResultQueue
    clock: Clock
    source: str
    disposal: PhotoDisposal
    deletes_uploads: bool

    def publish(self, comparison_id: str) -> Comparison | None:
        """Publish one comparison; return it, or None where there is nothing (more) to publish."""
        comparison = self.ledger.find(comparison_id)
        if comparison is None or comparison.ending is None:
            return None
        is_new = comparison.published_at_ms is None
        if is_new:
            self.results.send(make_result_event(comparison, self.source))
            self.ledger.mark_published(comparison.id, now_ms=self.clock.now_ms())
        # Last, and again on a repetition: photos that can't be deleted must not repeat the event.
        self.disposal.discard(comparison, uploads_too=self.deletes_uploads)
        return comparison if is_new else None
