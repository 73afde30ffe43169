"""The ports of the use cases. `adapters` implement them, tests fake them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from facematch.domain.comparison import Attempt, Comparison, Ending, ProviderErasure, StoredPhoto
from facematch.domain.lane import Hold, Lane
from facematch.domain.pair import ArrivedPhoto, Pair
from facematch.domain.priority import Priority
from facematch.domain.regions import Region
from facematch.domain.verdict import Role, Verdict


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    """A request with an `Idempotency-Key`: a digest of the request, and the id of its comparison."""

    id: str
    fingerprint: str
    comparison_id: str


class Ledger(Protocol):
    """The record of pairs and comparisons. Every method is atomic.

    All methods raise `LedgerUnavailableError` if the ledger can't be read or written.
    """

    def put_photo(self, region: str, folder: str, role: Role, arrived: ArrivedPhoto) -> Pair:
        """Record a photo of a pair unless a newer one is recorded; return the pair."""
        ...

    def find_pair(self, region: str, folder: str) -> Pair | None:
        """Return the pair, or None."""
        ...

    def take_pair(self, pair: Pair, comparison_id: str) -> bool:
        """Mark all photos of the pair as taken. Return False if one of them has changed."""
        ...

    def forget_pair(self, pair: Pair) -> bool:
        """Delete the pair. Return False if one of its photos has changed."""
        ...

    def list_incomplete_pairs(self, *, before_ms: int) -> Iterable[tuple[str, str]]:
        """Return region and folder of pairs that have waited since before `before_ms`, oldest first."""
        ...

    def register(
        self,
        comparison: Comparison,
        *,
        pair: Pair | None = None,
        takes_photos: bool = True,
        request: IdempotentRequest | None = None,
    ) -> bool:
        """Record a new comparison and its request, and mark its pair as compared.

        Return False, and write nothing, if the comparison or the request exists or the pair has changed.
        Without `takes_photos`, the photo of an incomplete pair stays, and the other one may still arrive.
        """
        ...

    def find_request(self, request_id: str) -> IdempotentRequest | None:
        """Return the request, or None."""
        ...

    def add_request(self, request: IdempotentRequest) -> bool:
        """Record another request for an existing comparison. Return False if the request exists."""
        ...

    def find(self, comparison_id: str) -> Comparison | None:
        """Return the comparison, or None."""
        ...

    def claim(self, comparison_id: str, owner: str, *, now_ms: int, until_ms: int) -> Comparison:
        """Lease an open comparison to `owner`.

        Raises
        ------
        NotFoundError
            The comparison does not exist.
        AlreadyEndedError
            It has ended.
        LeaseHeldError
            Another owner's lease has not expired at `now_ms`.
        """
        ...

    def release(self, comparison_id: str, owner: str) -> None:
        """End the lease if `owner` has it."""
        ...

    def begin_attempt(self, comparison_id: str, owner: str, attempt: Attempt) -> None:
        """Record an attempt before its call.

        Raises
        ------
        LeaseLostError
            The lease of `owner` has expired, or the attempt's number is used.
        """
        ...

    def settle_attempt(self, comparison_id: str, attempt: Attempt) -> None:
        """Record the outcome of an attempt. An unbilled attempt is counted and removed.

        If the comparison has ended, nothing changes: its event already contains the attempt.
        """
        ...

    def end(self, comparison_id: str, ending: Ending, attempt: Attempt | None) -> None:
        """Record the ending of a comparison with its last attempt, and put it into the outbox.

        The first ending counts. A worker may record its verdict even after its lease has expired.

        Raises
        ------
        AlreadyEndedError
            The comparison has ended or was erased.
        """
        ...

    def mark_published(self, comparison_id: str, *, now_ms: int) -> None:
        """Remove the comparison from the outbox."""
        ...

    def list_unpublished(self, *, before_ms: int) -> Iterable[str]:
        """Return ids of comparisons in the outbox since before `before_ms`, oldest first."""
        ...

    def find_oldest_open(self, region: Region) -> int | None:
        """Return when the oldest open comparison of a region was registered, or None."""
        ...

    def list_forgotten(self, region: Region, *, before_ms: int) -> Iterable[str]:
        """Return ids of open comparisons that no worker has claimed since `before_ms`, oldest first."""
        ...

    def touch(self, comparison_id: str, *, now_ms: int) -> None:
        """Record that an open comparison was enqueued again."""
        ...

    def erase(
        self, comparison: Comparison, verdict: Verdict, erasure: ProviderErasure | None = None, *, now_ms: int
    ) -> None:
        """Replace the comparison by its tombstone, and delete its requests."""
        ...

    def settle_erasure(self, comparison_id: str, erasure: ProviderErasure) -> None:
        """Record the provider's answer to the deletion of its data."""
        ...


@dataclass(frozen=True, slots=True)
class PresignedPost:
    """The URL to post a photo to, and the form fields that go before the file."""

    url: str
    fields: Mapping[str, str]


class PhotoStore(Protocol):
    """The bucket."""

    def read(self, photo: StoredPhoto, *, size_limit_bytes: int) -> bytes:
        """Return the bytes of exactly this photo, at most `size_limit_bytes` + 1.

        Raises
        ------
        PhotoMissingError, PhotoReplacedError
            The photo does not exist any more, or another one has its key.
        """
        ...

    def find(self, key: str) -> StoredPhoto | None:
        """Return the photo that is stored under `key`, or None."""
        ...

    def write(self, key: str, content: bytes) -> None:
        """Store an object."""
        ...

    def copy(self, photo: StoredPhoto, key: str) -> None:
        """Copy exactly this photo to `key`.

        Raises
        ------
        PhotoMissingError, PhotoReplacedError
            The photo does not exist any more, or another one has its key.
        """
        ...

    def delete(self, photo: StoredPhoto) -> None:
        """Delete exactly this photo. Do nothing if it was replaced or deleted."""
        ...

    def delete_all(self, prefix: str) -> None:
        """Delete every object under `prefix`."""
        ...

    def presign_upload(
        self, key: str, *, content_type: str, size_limit_bytes: int, valid_s: int
    ) -> PresignedPost:
        """Return an upload form for one photo of this type and at most this size."""
        ...


class RateLimiter(Protocol):
    """The lanes of all regions, shared by every worker and the API.

    All methods raise `LedgerUnavailableError` if the table can't be read or written.
    """

    def reserve(self, region: Region, *, now_ms: int, horizon_ms: int) -> int:
        """Reserve the next slot and return its time (Unix milliseconds).

        Raises
        ------
        NoSlotError
            The next slot is more than `horizon_ms` away; nothing was reserved.
        """
        ...

    def find_lane(self, region: Region) -> Lane:
        """Return the state of a lane, with its last hold even if that has expired."""
        ...

    def hold(self, region: Region, hold: Hold, *, replacing: Hold | None) -> bool:
        """Put the lane on hold, and reserve no slot before the hold ends.

        Return False if the lane has another hold than `replacing`. A throttling hold is always replaced.
        """
        ...

    def lift(self, region: Region, hold: Hold | None) -> None:
        """Remove this hold unless another one has replaced it, and reset the failures."""
        ...

    def record_failure(self, region: Region, comparison_id: str) -> int:
        """Record a failed comparison; return how many have failed since the last success."""
        ...


class ComparisonQueues(Protocol):
    """The queues of the comparisons that wait for a worker, one per region and priority."""

    def send(self, region: str, priority: Priority, comparison_id: str, *, delay_s: float = 0) -> None:
        """Enqueue a comparison, visible after `delay_s` (rounded up, at most 900)."""
        ...


class ResultQueue(Protocol):
    """The results queue."""

    def send(self, event: Mapping[str, Any]) -> None:
        """Send one CloudEvents message."""
        ...
