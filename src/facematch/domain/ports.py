"""What the use cases need from outside. `adapters` implement these ports, tests fake them."""

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
    """A request with an `Idempotency-Key`: a digest of what it asked for, and the comparison it led to."""

    id: str
    fingerprint: str
    comparison_id: str


class Ledger(Protocol):
    """The record of pairs and comparisons. Every method is atomic.

    All methods raise `LedgerUnavailableError` if the ledger does not answer.
    """

    def put_photo(self, region: str, folder: str, role: Role, arrived: ArrivedPhoto) -> Pair:
        """Record a photo of a pair unless a newer one is known; return the pair as it is now."""
        ...

    def find_pair(self, region: str, folder: str) -> Pair | None:
        """Return the pair, or None."""
        ...

    def take_pair(self, pair: Pair, comparison_id: str) -> bool:
        """Mark all photos of the pair as taken; False if one of them has changed since."""
        ...

    def forget_pair(self, pair: Pair) -> bool:
        """Remove the pair; False if one of its photos has changed since."""
        ...

    def list_incomplete_pairs(self, *, before_ms: int) -> Iterable[tuple[str, str]]:
        """Return region and folder of pairs that have waited since before `before_ms`, the oldest first."""
        ...

    def register(
        self,
        comparison: Comparison,
        *,
        pair: Pair | None = None,
        takes_photos: bool = True,
        request: IdempotentRequest | None = None,
    ) -> bool:
        """Record a new comparison, its request, and that its pair waits no longer.

        All or nothing: False if the comparison or the request exists, or the pair has changed since.
        Without `takes_photos` the pair's photo stays, and its other one may still arrive.
        """
        ...

    def find_request(self, request_id: str) -> IdempotentRequest | None:
        """Return the request, or None."""
        ...

    def add_request(self, request: IdempotentRequest) -> bool:
        """Record another request for an existing comparison; False if the request exists."""
        ...

    def find(self, comparison_id: str) -> Comparison | None:
        """Return the comparison, or None."""
        ...

    def claim(self, comparison_id: str, owner: str, *, now_ms: int, until_ms: int) -> Comparison:
        """Lease an open comparison to `owner`.

        Raises
        ------
        NotFoundError
            There is none.
        AlreadyEndedError
            It has ended.
        LeaseHeldError
            Another owner's lease lasts beyond `now_ms`.
        """
        ...

    def release(self, comparison_id: str, owner: str) -> None:
        """End the lease, if `owner` still has it."""
        ...

    def begin_attempt(self, comparison_id: str, owner: str, attempt: Attempt) -> None:
        """Record an attempt before its call.

        Raises
        ------
        LeaseLostError
            `owner` has no lease any more, or the attempt's number is taken.
        """
        ...

    def settle_attempt(self, comparison_id: str, attempt: Attempt) -> None:
        """Record what became of an attempt: an unbilled one is counted and removed.

        After the comparison has ended, nothing changes: its event already counted the attempt.
        """
        ...

    def end(self, comparison_id: str, ending: Ending, attempt: Attempt | None) -> None:
        """Record how a comparison ended, with its last attempt, and put it into the outbox.

        The first ending counts, whoever brings it: a worker that lost its lease may still bring its verdict.

        Raises
        ------
        AlreadyEndedError
            It has ended before, or was erased.
        """
        ...

    def mark_published(self, comparison_id: str, *, now_ms: int) -> None:
        """Remove the comparison from the outbox."""
        ...

    def list_unpublished(self, *, before_ms: int) -> Iterable[str]:
        """Return ids of comparisons that were in the outbox before `before_ms`, the oldest first."""
        ...

    def find_oldest_open(self, region: Region) -> int | None:
        """Return when the oldest open comparison of a region was registered, or None."""
        ...

    def list_forgotten(self, region: Region, *, before_ms: int) -> Iterable[str]:
        """Return ids of open comparisons that no worker has seen since `before_ms`, the oldest first."""
        ...

    def touch(self, comparison_id: str, *, now_ms: int) -> None:
        """Record that an open comparison was enqueued again."""
        ...

    def erase(
        self, comparison: Comparison, verdict: Verdict, erasure: ProviderErasure | None = None, *, now_ms: int
    ) -> None:
        """Remove everything but the comparison's id, region, times, attempts and that it was erased."""
        ...

    def settle_erasure(self, comparison_id: str, erasure: ProviderErasure) -> None:
        """Record what the provider answered when it was asked to delete what it keeps."""
        ...


@dataclass(frozen=True, slots=True)
class PresignedPost:
    """Where to post a photo, and the form fields that go before the file."""

    url: str
    fields: Mapping[str, str]


class PhotoStore(Protocol):
    """The bucket."""

    def read(self, photo: StoredPhoto, *, size_limit_bytes: int) -> bytes:
        """Return the bytes of exactly this photo, at most `size_limit_bytes` and one more.

        Raises
        ------
        PhotoMissingError, PhotoReplacedError
            It is not there any more, or another one is.
        """
        ...

    def find(self, key: str) -> StoredPhoto | None:
        """Return what is stored under `key` now, or None."""
        ...

    def write(self, key: str, content: bytes) -> None:
        """Store an object."""
        ...

    def copy(self, photo: StoredPhoto, key: str) -> None:
        """Copy exactly this photo to `key`.

        Raises
        ------
        PhotoMissingError, PhotoReplacedError
            It is not there any more, or another one is.
        """
        ...

    def delete(self, photo: StoredPhoto) -> None:
        """Delete exactly this photo; do nothing if it was replaced or is gone."""
        ...

    def delete_all(self, prefix: str) -> None:
        """Delete every object under `prefix`."""
        ...

    def presign_upload(
        self, key: str, *, content_type: str, size_limit_bytes: int, valid_s: int
    ) -> PresignedPost:
        """Return a form with which a browser may put one photo of that type and size under `key`."""
        ...


class RateLimiter(Protocol):
    """The lanes of all regions, shared by every worker and the API.

    All methods raise `LedgerUnavailableError` if the table does not answer.
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
        """Return the state of a lane, its last hold included even if that has expired."""
        ...

    def hold(self, region: Region, hold: Hold, *, replacing: Hold | None) -> bool:
        """Put the lane on hold and reserve no slot before it ends.

        False if the lane has another hold than `replacing` by now. A throttling hold is always replaced.
        """
        ...

    def lift(self, region: Region, hold: Hold | None) -> None:
        """Remove this hold, unless another one replaced it, and forget failures."""
        ...

    def record_failure(self, region: Region, comparison_id: str) -> int:
        """Record that a comparison failed; return how many failed since the last success."""
        ...


class ComparisonQueues(Protocol):
    """One queue per region and priority, of comparisons that wait for a worker."""

    def send(self, region: str, priority: Priority, comparison_id: str, *, delay_s: float = 0) -> None:
        """Enqueue a comparison, visible after `delay_s` (rounded up, at most 900)."""
        ...


class ResultQueue(Protocol):
    """The queue that verdicts are published on."""

    def send(self, event: Mapping[str, Any]) -> None:
        """Send one CloudEvents message."""
        ...
