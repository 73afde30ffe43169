"""Registers comparisons. Each owns its photos, and the same photos are not billed twice.

Photos are copied from the inbox, then the comparison is registered, then the photos are deleted from the
inbox. After a crash before the registration, the next notification or the sweep registers the pair again, and
the bucket's lifecycle deletes the old copies.
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
    """Registers a comparison once, even if its photos are reported several times."""

    ledger: Ledger
    photos: PhotoStore

    def register_pair(
        self, comparison: Comparison, pair: Pair | None = None, request: IdempotentRequest | None = None
    ) -> Comparison | None:
        """Register the comparison of two uploaded photos; return it, or the existing one of these photos.

        If the existing comparison has no billed verdict, a new one follows it. None means that a photo was
        replaced (its own notification follows), or that a late notification reported deleted photos.

        Raises
        ------
        PhotoMissingError
            A photo was deleted before any comparison had it.
        """
        known, comparison = self._find_latest(comparison)
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
        """Register an API request with its photos or URLs.

        None means that an uploaded photo does not exist any more.
        """
        try:
            owned = self._take_photos(comparison)
        except (PhotoMissingError, PhotoReplacedError):
            return None
        with ThreadPoolExecutor(len(Role)) as pool:
            list(pool.map(lambda role: self.photos.write(owned.photos[role].key, contents[role]), contents))
        return self._register(owned, comparison.photos, None, request)

    def _find_latest(self, comparison: Comparison) -> tuple[Comparison | None, Comparison]:
        """Return the last comparison of these photos, or None, and the new one with the next id."""
        last: Comparison | None = None
        while (known := self.ledger.find(comparison.id)) is not None:
            last = known
            if not known.may_be_repeated:
                break
            comparison = replace(comparison, id=identify_successor(known.id))
        return last, comparison

    def _take_photos(self, comparison: Comparison) -> Comparison:
        """Copy the uploaded photos to the comparison's prefix; return the comparison with the copies."""
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
        return self._use_existing(owned, photos, pair, request)

    def _use_existing(
        self,
        owned: Comparison,
        photos: Mapping[Role, StoredPhoto],
        pair: Pair | None,
        request: IdempotentRequest | None,
    ) -> Comparison | None:
        """Return the comparison that was registered at the same time; None if the pair has changed."""
        known = self.ledger.find_request(request.id) if request else None
        existing = self.ledger.find(known.comparison_id if known else owned.id)
        # It may be this registration, retried because its answer was lost. Then it has these copies.
        kept = existing.photos.values() if existing else ()
        for photo in owned.photos.values():
            if photo not in kept:
                self.photos.delete(photo)
        if known is not None and request is not None:
            check_same_request(known, request)
        return self._join(existing, photos, pair, request) if existing else None

    def _join(
        self,
        known: Comparison,
        photos: Mapping[Role, StoredPhoto],
        pair: Pair | None,
        request: IdempotentRequest | None,
    ) -> Comparison:
        """Link the pair and the request to an existing comparison, and delete the uploads."""
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
    """Check that a repeated request equals the first one.

    Raises
    ------
    ConflictError
        `idempotency_key_reused`: it does not.
    """
    if known.fingerprint != request.fingerprint:
        raise ConflictError(
            Reason.IDEMPOTENCY_KEY_REUSED,
            "This Idempotency-Key was used before with another body. Use a new one.",
        )


def fail_comparison(comparison: Comparison, verdict: Verdict, now_ms: int) -> Comparison:
    """Return a comparison that ends as failed at its registration."""
    return replace(comparison, state=State.FAILED, ending=Ending(verdict=verdict, ended_at_ms=now_ms))


def _is_upload(photo: StoredPhoto) -> bool:
    return photo.key.startswith(INBOX_PREFIX)
