"""Letting go of a comparison's photos once they have served."""

from collections.abc import Callable
from dataclasses import dataclass

from facematch.comparison import Comparison, Origin, StoredPhoto
from facematch.inbox import InboxKey, parse_inbox_key
from facematch.ports import Ledger, Pair, PhotoStore
from facematch.verdict import Role


@dataclass(frozen=True, slots=True)
class PhotoDisposal:
    """Deletes photos, and has the ledger remember those of the inbox as discarded."""

    ledger: Ledger
    photos: PhotoStore

    def discard(self, comparison: Comparison, *, uploads_too: bool) -> None:
        """Delete what a comparison brought with it, and with `uploads_too` its photos in the inbox.

        Half a pair keeps its photo, even one that a request borrowed: the other one may still come. So does a
        pair with a newer photo, which needs the other one for its own comparison.
        """
        whole = comparison.origin is Origin.UPLOAD and len(comparison.photos) == len(Role)
        for photo in comparison.photos.values():
            key = parse_inbox_key(photo.key)
            if key is None or (
                uploads_too and whole and self._let_go(key, comparison, self.ledger.retire_pair)
            ):
                self.photos.delete(photo)

    def erase(self, comparison: Comparison) -> None:
        """Delete the photos of a comparison, those of half a pair too, and what is known of the pair."""
        for photo in comparison.photos.values():
            key = parse_inbox_key(photo.key)
            if key is None or self._let_go(key, comparison, self.ledger.forget_pair):
                self.photos.delete(photo)

    def _let_go(self, key: InboxKey, comparison: Comparison, note: Callable[[Pair], bool]) -> bool:
        """Have the ledger `note` that a pair's photos go, unless a newer one is still to be compared."""
        served = comparison.photos.values()
        if any(self._is_replaced(photo) for photo in served):
            return False
        pair = self.ledger.find_pair(key.region, key.pair_id)
        if pair is None:
            return True
        return all(photo in served for photo in pair.photos.values()) and note(pair)

    def _is_replaced(self, photo: StoredPhoto) -> bool:
        """Tell whether a newer photo stands in the bucket, of which the ledger may not know yet."""
        return self.photos.find(photo.key) not in {None, photo}
