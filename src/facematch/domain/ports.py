"""What the use cases need of the outside world; `adapters` hold the real ones, tests the fakes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from facematch.domain.comparison import Attempt, Comparison, Ending, StoredPhoto, identify_upload
from facematch.domain.verdict import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivedPhoto:
    """A photo of a pair in the inbox.

    Of two under one key the later `sequencer` stands, as S3 has it; of two under different keys for one role
    (`source.jpg`, `source.png`) the later arrival, since sequencers of different keys can't be compared.

    `discarded` says that the photo was deleted after its verdict. It is remembered all the same, so that a
    late repetition of its event is known for what it is.
    """

    photo: StoredPhoto
    sequencer: str
    arrived_at_ms: int
    discarded: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """The photos of a pair that have arrived so far.

    `pair_id` is the pair's folder in the inbox, as it is wherever the ledger names one:
    so pairs of two callers differ that have the same name.
    """

    region: str
    pair_id: str
    arrived: Mapping[Role, ArrivedPhoto]

    @property
    def over(self) -> bool:
        """Whether the pair had its verdict and nothing new has come since."""
        return all(arrived.discarded for arrived in self.arrived.values())

    @property
    def comparison_id(self) -> str:
        """The id of the comparison of the photos that have arrived, whether or not they are there still."""
        etags = {role: arrived.photo.etag or "" for role, arrived in self.arrived.items()}
        return identify_upload(self.region, self.pair_id, etags)

    @property
    def photos(self) -> dict[Role, StoredPhoto]:
        """The photos that are there, by role."""
        return {role: arrived.photo for role, arrived in self.arrived.items() if not arrived.discarded}

    @property
    def complete(self) -> bool:
        """Whether both photos are there."""
        return len(self.photos) == len(Role)


class Ledger(Protocol):
    """The one truth about pairs and comparisons; every method is atomic."""

    def put_photo(self, region: str, pair_id: str, role: Role, arrived: ArrivedPhoto) -> Pair:
        """Record a photo of a pair unless a later one is known; return the pair as it now is."""
        ...

    def find_pair(self, region: str, pair_id: str) -> Pair | None:
        """Return the pair, or None."""
        ...

    def forget_pair(self, pair: Pair) -> bool:
        """Remove what is known of the pair; False if one of its photos has changed since."""
        ...

    def retire_pair(self, pair: Pair) -> bool:
        """Note that the pair's photos are discarded; False if one of them has changed since."""
        ...

    def put_request(self, request_id: str, fingerprint: str, *, now_ms: int) -> str:
        """Record the body that an `Idempotency-Key` came with; return what stands, maybe an older one."""
        ...

    def find_request(self, request_id: str) -> str | None:
        """Return the fingerprint of the body that an `Idempotency-Key` came with, or None."""
        ...

    def register(self, comparison: Comparison) -> Comparison:
        """Record a new comparison; return what stands under its id, which may be an older one."""
        ...

    def register_lone_photo(self, comparison: Comparison, pair: Pair) -> bool:
        """Record how half a pair ended; False if the pair has changed since or the record exists."""
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
        """Give the lease back, if `owner` still has it."""
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
        """Record what became of an attempt.

        What comes after the comparison has ended is noted, but the attempt stays `unknown`: nothing came of
        it, and the event, which counts such attempts, may be out.

        Raises
        ------
        NotFoundError
            There is no such attempt.
        """
        ...

    def end(self, comparison_id: str, ending: Ending, attempt: Attempt | None) -> None:
        """Record how a comparison ended, with its last attempt, and put it into the outbox.

        The first ending stands, whoever brings it: an owner that lost its lease may still bring its verdict.

        Raises
        ------
        AlreadyEndedError
            It has ended before, or was erased.
        """
        ...

    def mark_published(self, comparison_id: str, *, now_ms: int) -> None:
        """Take the comparison out of the outbox."""
        ...

    def list_unpublished(self, *, before_ms: int) -> Iterable[str]:
        """Return ids of comparisons that were in the outbox before `before_ms` already, the oldest first."""
        ...

    def erase(self, comparison_id: str, *, now_ms: int) -> None:
        """Leave nothing of the comparison but its id, region, times, attempts and that it was erased."""
        ...


@dataclass(frozen=True, slots=True)
class PresignedPost:
    """Where to post a photo, and the form fields that go before the file."""

    url: str
    fields: Mapping[str, str]


class PhotoStore(Protocol):
    """The bucket."""

    def read(self, photo: StoredPhoto, *, size_limit_bytes: int) -> bytes:
        """Return the bytes of exactly this photo, at the most one more than `size_limit_bytes` of them.

        Raises
        ------
        PhotoGoneError
            It is not there any more, or another stands in its place.
        """
        ...

    def find(self, key: str) -> StoredPhoto | None:
        """Return what stands under `key` now, or None."""
        ...

    def write(self, key: str, content: bytes) -> None:
        """Store an object."""
        ...

    def delete(self, photo: StoredPhoto) -> None:
        """Delete exactly this photo; one that was replaced or is gone stays as it is."""
        ...

    def presign_upload(
        self, key: str, *, content_type: str, size_limit_bytes: int, valid_s: int
    ) -> PresignedPost:
        """Return a form with which a browser may put one photo of that type and size under `key`."""
        ...


class ComparisonQueue(Protocol):
    """Comparisons that wait for a worker."""

    def send(self, comparison_id: str, *, delay_s: float = 0) -> None:
        """Enqueue a comparison, visible after `delay_s` (rounded up, 900 at the most)."""
        ...


class DeadlineQueue(Protocol):
    """Half pairs to look at again."""

    def send_deadline(self, region: str, pair_id: str, *, delay_s: float) -> None:
        """Have the pair looked at after `delay_s` (900 at the most: who is early is sent again)."""
        ...


class ResultQueue(Protocol):
    """Where verdicts leave."""

    def send(self, event: Mapping[str, Any]) -> None:
        """Send one CloudEvents message."""
        ...
