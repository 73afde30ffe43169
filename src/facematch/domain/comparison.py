"""A comparison: its identity, what was asked, each attempt at it, and how it ended."""

import base64
import hashlib
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from facematch.domain.verdict import Bounds, Decision, Role, Verdict

MERCHANT_BIZ_ID_LENGTH: Final = 32


class Origin(StrEnum):
    """The way in that a comparison came."""

    UPLOAD = "upload"
    API = "api"


class State(StrEnum):
    """Where a comparison stands; all but `registered` are ends."""

    REGISTERED = "registered"
    COMPLETED = "completed"
    REJECTED = "rejected"
    FAILED = "failed"
    ERASED = "erased"


class PhotoKind(StrEnum):
    """What a stored object holds: a photo, or the URL that the provider fetches it from."""

    PHOTO = "photo"
    URL = "url"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPhoto:
    """A photo in the bucket; without an `etag` its key already stands for its bytes."""

    key: str
    etag: str | None = None
    kind: PhotoKind = PhotoKind.PHOTO


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a comparison was asked to do beyond comparing."""

    bounds: Bounds = field(default_factory=Bounds)
    face_quality_check: bool = False


class Outcome(StrEnum):
    """What became of an attempt."""

    UNKNOWN = "unknown"
    UNSENT = "unsent"
    ANSWERED = "answered"
    FAULTED = "faulted"
    THROTTLED = "throttled"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call to the provider.

    It stands in the ledger before the call is made, as `unknown`: without an answer nobody can tell whether
    the provider took it on, so it counts as billed. `code` is the provider's, or says why no answer came.
    """

    number: int
    merchant_biz_id: str
    started_at_ms: int
    outcome: Outcome = Outcome.UNKNOWN
    code: str | None = None
    request_id: str | None = None
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a comparison ended: the verdict, what was done to each photo, and where the time went."""

    verdict: Verdict
    ended_at_ms: int
    photos: Mapping[Role, Mapping[str, Any]] = field(default_factory=dict)
    timings_ms: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison as the ledger knows it; times are Unix milliseconds.

    `region` is as the caller wrote it: that of a comparison which failed for its region may be none of ours.
    """

    id: str
    region: str
    origin: Origin
    created_at_ms: int
    photos: Mapping[Role, StoredPhoto]
    pair_id: str | None = None
    caller: str | None = None
    fingerprint: str | None = None
    options: Options = field(default_factory=Options)
    state: State = State.REGISTERED
    attempts: tuple[Attempt, ...] = ()
    ending: Ending | None = None
    published_at_ms: int | None = None

    @property
    def ended(self) -> bool:
        """Whether the comparison has ended, erased ones included."""
        return self.state is not State.REGISTERED

    @property
    def counted_attempts(self) -> int:
        """How many attempts count against the budget: all that the provider took on, or may have."""
        free = {Outcome.UNSENT, Outcome.THROTTLED, Outcome.REFUSED}
        return sum(attempt.outcome not in free for attempt in self.attempts)

    def next_attempt(self, started_at_ms: int) -> Attempt:
        """Return the attempt to make next, under a `MerchantBizId` that was never used."""
        number = len(self.attempts) + 1
        return Attempt(
            number=number,
            merchant_biz_id=make_merchant_biz_id(self.id, number),
            started_at_ms=started_at_ms,
        )


_ENDS: Final = {
    Decision.MATCH: State.COMPLETED,
    Decision.NO_MATCH: State.COMPLETED,
    Decision.REVIEW: State.COMPLETED,
    Decision.PHOTO_REJECTED: State.REJECTED,
    Decision.FAILED: State.FAILED,
}


def end_state(decision: Decision) -> State:
    """Return the state that a decision ends a comparison in."""
    return _ENDS[decision]


def identify_upload(region: str, pair_id: str, etags: Mapping[Role, str]) -> str:
    """Return the id of the comparison of exactly these bytes; a photo that never came counts as empty."""
    return _digest("upload", region, pair_id, etags.get(Role.SOURCE, ""), etags.get(Role.TARGET, ""))


def identify_after_erasure(tombstone: Comparison) -> str:
    """Return the id for the same bytes coming again after `tombstone` was erased: they are compared anew."""
    erased_at_ms = tombstone.ending.ended_at_ms if tombstone.ending else 0
    return _digest("after", tombstone.id, str(erased_at_ms))


def identify_request(caller: str, idempotency_key: str | None) -> str:
    """Return the id of a comparison asked for by the API: the caller's key makes it, or chance."""
    return _digest("api", caller, idempotency_key or secrets.token_hex(16))


def make_merchant_biz_id(comparison_id: str, attempt_number: int) -> str:
    """Return a `MerchantBizId`: 32 letters and digits that begin with the comparison's id.

    Source: the API page; it must be unique for each request.
    """
    stem = f"{comparison_id}{attempt_number:02d}"
    # Letters only: a digit more would make attempt 1 of attempt 10.
    letters = (secrets.choice(string.ascii_letters) for _ in range(MERCHANT_BIZ_ID_LENGTH - len(stem)))
    return stem + "".join(letters)


def _digest(*parts: str) -> str:
    framed = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
    return base64.b32encode(hashlib.sha256(framed).digest())[:26].decode().lower()
