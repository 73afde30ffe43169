"""Letting go of a comparison's photos once they have served."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain

from facematch.domain.comparison import Comparison, Origin, StoredPhoto
from facematch.domain.inbox import parse_inbox_key
from facematch.domain.ports import Ledger, Pair, PhotoStore
from facematch.domain.verdict import Role

type _Pairs = Mapping[tuple[str, str], Sequence[StoredPhoto]]


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
        own, borrowed = _sort(comparison)
        self._delete(own)
        if uploads_too and comparison.origin is Origin.UPLOAD and len(comparison.photos) == len(Role):
            self._let_go(comparison, borrowed, self.ledger.retire_pair)

    def erase(self, comparison: Comparison) -> None:
        """Delete the photos of a comparison, those of half a pair too, and what is known of the pair."""
        own, borrowed = _sort(comparison)
        self._delete(own)
        self._let_go(comparison, borrowed, self.ledger.forget_pair)

    def _let_go(self, comparison: Comparison, borrowed: _Pairs, note: Callable[[Pair], bool]) -> None:
        """Have the ledger `note` that pairs' photos go, and delete them, unless newer ones wait."""
        served = comparison.photos.values()
        with _pool() as pool:
            if any(pool.map(self._is_replaced, chain.from_iterable(borrowed.values()))):
                return
        for (region, folder), photos in borrowed.items():
            pair = self.ledger.find_pair(region, folder)
            if pair is None or (all(photo in served for photo in pair.photos.values()) and note(pair)):
                self._delete(photos)

    def _delete(self, photos: Iterable[StoredPhoto]) -> None:
        with _pool() as pool:
            list(pool.map(self.photos.delete, photos))

    def _is_replaced(self, photo: StoredPhoto) -> bool:
        """Tell whether a newer photo stands in the bucket, of which the ledger may not know yet."""
        return self.photos.find(photo.key) not in {None, photo}


def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(len(Role))


def _sort(comparison: Comparison) -> tuple[list[StoredPhoto], _Pairs]:
    """Return what a comparison brought with it, and what it has from the inbox, by region and folder."""
    own, borrowed = list[StoredPhoto](), defaultdict[tuple[str, str], list[StoredPhoto]](list)
    for photo in comparison.photos.values():
        key = parse_inbox_key(photo.key)
        if key is None:
            own.append(photo)
        else:
            borrowed[key.region, key.folder].append(photo)
    return own, borrowed
