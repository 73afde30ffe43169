"""Registers comparisons: each owns its photos, and the same photos are not paid for twice.

The photos are copied from the inbox before the comparison is registered, and deleted from the inbox after
that. A crash in between leaves copies that the bucket's lifecycle deletes; the next notification, or the
sweep, registers the pair again.
"""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from facematch.domain.comparison import (
    Comparison,
    Ending,
    State,
    StoredPhoto,
    identify_successor,
    make_photo_key,
)
from facematch.domain.errors import ConflictError, PhotoMissingError, PhotoReplacedError
from facematch.domain.inbox import INBOX_PREFIX
from facematch.domain.pair import Pair
from facematch.domain.ports import IdempotentRequest, Ledger, PhotoStore
from facematch.domain.reasons import Reason
from facematch.domain.verdict import Role, Verdict


@dataclass(frozen=True, slots=True)
class ComparisonRegistrar:
    """Registers a comparison once, whichever way its photos came and however often they are reported."""

    ledger: Ledger
    photos: PhotoStore

    def register_pair(
        self, comparison: Comparison, pair: Pair | None = None, request: IdempotentRequest | None = None
    ) -> Comparison | None:
        """Register the comparison of two uploaded photos; return it, or the one that these photos have.

        A comparison without a billed verdict gets a successor. None means that a photo was replaced, which
        has a notification of its own, or that a late notification reported photos that are gone.

        Raises
        ------
        PhotoMissingError
            A photo is gone that no comparison has had.
        """
        known, comparison = self._find_place(comparison)
        if known is not None and not known.may_be_repeated:
            return self._join(known, comparison.photos, pair, request)
        try:
            owned = self._take_photos(comparison)
        except PhotoReplacedError:
            return None
        except PhotoMissingError:
            if known is not None:
                return None
            raise
        return self._register(owned, comparison.photos, pair, request)

    def register_request(
        self, comparison: Comparison, contents: Mapping[Role, bytes], request: IdempotentRequest | None
    ) -> Comparison | None:
        """Register what the API was asked for, with the photos (or URLs) that it brought.

        None means that an uploaded photo is gone.
        """
        try:
            owned = self._take_photos(comparison)
        except (PhotoMissingError, PhotoReplacedError):
            return None
        with ThreadPoolExecutor(len(Role)) as pool:
            list(pool.map(lambda role: self.photos.write(owned.photos[role].key, contents[role]), contents))
        return self._register(owned, comparison.photos, None, request)

    def _find_place(self, comparison: Comparison) -> tuple[Comparison | None, Comparison]:
        """Return the last comparison of these photos, and the new one under the id that follows."""
        last: Comparison | None = None
        while (known := self.ledger.find(comparison.id)) is not None:
            last = known
            if not known.may_be_repeated:
                break
            comparison = replace(comparison, id=identify_successor(known.id))
        return last, comparison

    def _take_photos(self, comparison: Comparison) -> Comparison:
        """Return the comparison with copies of its uploaded photos under its own prefix."""
        if comparison.has_ended:
            return replace(comparison, photos={})
        owned = {
            role: replace(photo, key=make_photo_key(comparison.id, role), etag=None)
            if _is_upload(photo)
            else photo
            for role, photo in comparison.photos.items()
        }
        copies = [(photo, owned[role]) for role, photo in comparison.photos.items() if _is_upload(photo)]
        try:
            with ThreadPoolExecutor(len(Role)) as pool:
                list(pool.map(lambda copy: self.photos.copy(copy[0], copy[1].key), copies))
        except (PhotoMissingError, PhotoReplacedError):
            for _, copy in copies:
                self.photos.delete(copy)
            raise
        return replace(comparison, photos=owned)

    def _register(
        self,
        owned: Comparison,
        photos: Mapping[Role, StoredPhoto],
        pair: Pair | None,
        request: IdempotentRequest | None,
    ) -> Comparison | None:
        link = replace(request, comparison_id=owned.id) if request else None
        if self.ledger.register(owned, pair=pair, request=link):
            self._delete_uploads(photos)
            return owned
        return self._yield_to_winner(owned, photos, pair, request)

    def _yield_to_winner(
        self,
        owned: Comparison,
        photos: Mapping[Role, StoredPhoto],
        pair: Pair | None,
        request: IdempotentRequest | None,
    ) -> Comparison | None:
        """Return the comparison that was registered at the same moment; None if the pair has changed."""
        known = self.ledger.find_request(request.id) if request else None
        winner = self.ledger.find(known.comparison_id if known else owned.id)
        # The winner may be this very registration, repeated because its answer was lost.
        kept = winner.photos.values() if winner else ()
        for photo in owned.photos.values():
            if photo not in kept:
                self.photos.delete(photo)
        if known is not None and request is not None:
            check_same_request(known, request)
        return self._join(winner, photos, pair, request) if winner else None

    def _join(
        self,
        known: Comparison,
        photos: Mapping[Role, StoredPhoto],
        pair: Pair | None,
        request: IdempotentRequest | None,
    ) -> Comparison:
        """Return the comparison that these photos already have; the photos that were sent again go."""
        if pair is not None:
            self.ledger.take_pair(pair, known.id)
        if request is not None:
            self.ledger.add_request(replace(request, comparison_id=known.id))
        self._delete_uploads(photos)
        return known

    def _delete_uploads(self, photos: Mapping[Role, StoredPhoto]) -> None:
        with ThreadPoolExecutor(len(Role)) as pool:
            list(pool.map(self.photos.delete, filter(_is_upload, photos.values())))


def check_same_request(known: IdempotentRequest, request: IdempotentRequest) -> None:
    """Accept a repeated request.

    Raises
    ------
    ConflictError
        `idempotency_key_reused`: it asks for something else than the first one did.
    """
    if known.fingerprint != request.fingerprint:
        raise ConflictError(
            Reason.IDEMPOTENCY_KEY_REUSED,
            "This Idempotency-Key came before with another body; use a new one.",
        )


def fail_comparison(comparison: Comparison, verdict: Verdict, now_ms: int) -> Comparison:
    """Return a comparison that ended as failed before any worker had it."""
    return replace(comparison, state=State.FAILED, ending=Ending(verdict=verdict, ended_at_ms=now_ms))


def _is_upload(photo: StoredPhoto) -> bool:
    return photo.key.startswith(INBOX_PREFIX)
