"""Erases a comparison: its photos, all of its record but a tombstone, and what the provider keeps of it."""

from dataclasses import dataclass, replace
from typing import Final

from facematch.domain.clock import Clock
from facematch.domain.comparison import Comparison, Origin, ProviderErasure, make_photo_prefix
from facematch.domain.errors import PostponedError, ProviderError
from facematch.domain.inbox import make_folder
from facematch.domain.ports import ComparisonQueues, Ledger, PhotoStore
from facematch.domain.priority import Priority
from facematch.domain.provider import Provider
from facematch.domain.reasons import Reason
from facematch.domain.regions import Region
from facematch.domain.verdict import fail

_RETRY_S: Final = 600.0
"""When the provider is asked again: results are kept for 30 days, so there is no hurry."""


@dataclass(frozen=True, slots=True)
class ComparisonEraser:
    """Erases one comparison, and can be repeated after a crash at any point."""

    ledger: Ledger
    photos: PhotoStore
    queues: ComparisonQueues
    clock: Clock
    erases_at_provider: bool

    def erase(self, comparison: Comparison) -> None:
        """Delete the comparison's photos, its pair, its requests and its record; a tombstone stays."""
        self._forget_pair(comparison)
        published = comparison.published_at_ms is not None
        when = "after" if published else "before"
        verdict = fail(
            Reason.COMPARISON_ERASED, f"The comparison was erased {when} its verdict was published."
        )
        # First, so that a request at the same moment sees it and deletes what it has stored.
        erasure = comparison.provider_erasure or self._plan(comparison)
        self.ledger.erase(comparison, verdict, erasure, now_ms=self.clock.now_ms())
        self.photos.delete_all(make_photo_prefix(comparison.id))
        if erasure is not None and erasure.outcome is None:
            self.queues.send(comparison.region, Priority.URGENT, comparison.id)

    def _plan(self, comparison: Comparison) -> ProviderErasure | None:
        """Return what the provider shall delete, if the stack asks for that and the id is known."""
        transaction_id = comparison.ending.verdict.transaction_id if comparison.ending else None
        if not self.erases_at_provider or transaction_id is None:
            return None
        return ProviderErasure(transaction_id=transaction_id)

    def _forget_pair(self, comparison: Comparison) -> None:
        """Remove the pair, and the photo of half a pair, unless newer photos wait."""
        if comparison.origin is not Origin.UPLOAD or comparison.pair_id is None:
            return
        pair = self.ledger.find_pair(comparison.region, make_folder(comparison.pair_id, comparison.caller))
        if pair is None:
            return
        if pair.is_taken:
            belongs = pair.comparison_id == comparison.id
        else:
            belongs = all(photo in comparison.photos.values() for photo in pair.photos.values())
        if belongs:
            # The record goes last: without it, a repetition would not find the photo.
            for photo in pair.photos.values():
                self.photos.delete(photo)
            self.ledger.forget_pair(pair)


@dataclass(frozen=True, slots=True)
class ProviderEraser:
    """Asks the provider to delete what it keeps of erased comparisons, until it answers."""

    ledger: Ledger
    provider: Provider

    def erase(self, comparison_id: str) -> None:
        """Delete what is due at the provider, outside the rate limit of comparisons.

        Raises
        ------
        PostponedError
            The provider did not decide: ask again later.
        """
        comparison = self.ledger.find(comparison_id)
        erasure = comparison.provider_erasure if comparison else None
        if comparison is None or erasure is None or erasure.outcome is not None:
            return
        try:
            deletion = self.provider.delete_result(Region(comparison.region), erasure.transaction_id)
        except ProviderError as error:
            raise PostponedError(error.code, error.message, retry_after_s=_RETRY_S) from None
        outcome = "deleted" if deletion.is_deleted else f"not_deleted: {deletion.code}"
        self.ledger.settle_erasure(comparison_id, replace(erasure, outcome=outcome))
