"""Letting go of a comparison's photos once they have served."""

from dataclasses import dataclass

from facematch.comparison import Comparison
from facematch.inbox import InboxKey, parse_inbox_key
from facematch.ports import Ledger, PhotoStore
from facematch.verdict import Role


@dataclass(frozen=True, slots=True)
class PhotoDisposal:
    """Deletes photos, and has the ledger remember those of the inbox as discarded."""

    ledger: Ledger
    photos: PhotoStore

    def discard(self, comparison: Comparison, *, uploads_too: bool) -> None:
        """Delete what a comparison brought with it, and with `uploads_too` its photos in the inbox.

        Half a pair keeps its photo: the other one may still come. So does a pair with a newer photo, which
        needs the other one for its own comparison.
        """
        whole = len(comparison.photos) == len(Role)
        self._delete(comparison, uploads_too=uploads_too and whole)

    def erase(self, comparison: Comparison) -> None:
        """Delete the photos of a comparison, those of half a pair too."""
        self._delete(comparison, uploads_too=True)

    def _delete(self, comparison: Comparison, *, uploads_too: bool) -> None:
        for photo in comparison.photos.values():
            key = parse_inbox_key(photo.key)
            if key is None or (uploads_too and self._retire(key, comparison)):
                self.photos.delete(photo)

    def _retire(self, key: InboxKey, comparison: Comparison) -> bool:
        pair = self.ledger.find_pair(key.region, key.pair_id)
        if pair is None or pair.over:
            return True
        served = comparison.photos.values()
        return all(photo in served for photo in pair.photos.values()) and self.ledger.retire_pair(pair)
