"""A comparison: its id, options, calls and ending."""

import base64
import hashlib
import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from facematch.domain.verdict import Bounds, Decision, Role, Verdict

MERCHANT_BIZ_ID_LENGTH: Final = 32
PHOTOS_PREFIX: Final = "comparisons/"
"""A comparison owns the photos under `comparisons/{id}/`."""


class Origin(StrEnum):
    """Where a comparison came from."""

    UPLOAD = "upload"
    API = "api"


class State(StrEnum):
    """The state of a comparison. Every state except `registered` is final."""

    REGISTERED = "registered"
    COMPLETED = "completed"
    REJECTED = "rejected"
    FAILED = "failed"
    ERASED = "erased"


class PhotoKind(StrEnum):
    """What a stored object contains: a photo, or a URL from which the provider fetches the photo."""

    PHOTO = "photo"
    URL = "url"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPhoto:
    """A photo in the bucket. Without an `etag`, the key alone identifies the bytes."""

    key: str
    etag: str | None = None
    kind: PhotoKind = PhotoKind.PHOTO


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of a comparison."""

    bounds: Bounds = field(default_factory=Bounds)
    face_quality_check: bool = False


class Outcome(StrEnum):
    """The outcome of a call to the provider.

    Calls with the first three outcomes were or may have been billed. The record contains each as an
    `Attempt`. The other calls cost nothing and are only counted.
    """

    NOT_SETTLED = "not_settled"
    POSSIBLY_BILLED = "possibly_billed"
    ANSWERED = "answered"
    UNSENT = "unsent"
    FAULTED = "faulted"
    THROTTLED = "throttled"
    REFUSED = "refused"

    @property
    def is_unbilled(self) -> bool:
        """Whether the call certainly cost nothing."""
        return self in {Outcome.UNSENT, Outcome.FAULTED, Outcome.THROTTLED, Outcome.REFUSED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call to the provider.

    It is recorded before the call, as `not_settled`. Without a readable answer, or if the worker dies, the
    provider may have processed the call, so the attempt counts as billed. `code` is the provider's, or the
    reason why no answer came.
    """

    number: int
    merchant_biz_id: str
    started_at_ms: int
    outcome: Outcome = Outcome.NOT_SETTLED
    code: str | None = None
    request_id: str | None = None
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a comparison ended: the verdict, the report on each photo, and the duration of each step."""

    verdict: Verdict
    ended_at_ms: int
    photos: Mapping[Role, Mapping[str, Any]] = field(default_factory=dict)
    timings_ms: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderErasure:
    """The deletion of the provider's data about an erased comparison. Without an `outcome`, it is due."""

    transaction_id: str
    outcome: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One comparison, as recorded in the ledger. Times are Unix milliseconds.

    `region` is what the caller wrote. If the comparison failed because of its region, it may be unknown.
    """

    id: str
    region: str
    origin: Origin
    created_at_ms: int
    photos: Mapping[Role, StoredPhoto]
    pair_id: str | None = None
    caller: str | None = None
    request_ids: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)
    state: State = State.REGISTERED
    attempts: tuple[Attempt, ...] = ()
    unbilled_calls: Mapping[Outcome, int] = field(default_factory=dict)
    last_code: str | None = None
    ending: Ending | None = None
    published_at_ms: int | None = None
    provider_erasure: ProviderErasure | None = None

    @property
    def has_ended(self) -> bool:
        """Whether the comparison has ended or was erased."""
        return self.state is not State.REGISTERED

    @property
    def may_be_repeated(self) -> bool:
        """Whether the same photos, sent again, are compared again: there is no billed verdict."""
        return self.has_ended and self.state is not State.COMPLETED

    @property
    def unbilled_count(self) -> int:
        """How many calls certainly cost nothing."""
        return sum(self.unbilled_calls.values())

    @property
    def call_count(self) -> int:
        """How many calls were made."""
        return len(self.attempts) + self.unbilled_count

    def next_attempt(self, started_at_ms: int) -> Attempt:
        """Return the next attempt, with a new `MerchantBizId`."""
        number = self.call_count + 1
        return Attempt(
            number=number,
            merchant_biz_id=make_merchant_biz_id(self.id, number),
            started_at_ms=started_at_ms,
        )

    def settle(self, attempt: Attempt) -> "Comparison":
        """Return the comparison after a call: an unbilled call is only counted, any other is recorded."""
        others = tuple(known for known in self.attempts if known.number != attempt.number)
        if not attempt.outcome.is_unbilled:
            attempts = tuple(sorted((*others, attempt), key=lambda known: known.number))
            return replace(self, attempts=attempts, last_code=attempt.code)
        count = self.unbilled_calls.get(attempt.outcome, 0) + 1
        counts = {**self.unbilled_calls, attempt.outcome: count}
        return replace(self, attempts=others, unbilled_calls=counts, last_code=attempt.code)


def make_photo_prefix(comparison_id: str) -> str:
    """Return the prefix of all photos that a comparison owns."""
    return f"{PHOTOS_PREFIX}{comparison_id}/"


def make_photo_key(comparison_id: str, role: Role) -> str:
    """Return a new, random key for a photo that a comparison owns.

    Two registrations at the same time use different keys, so the losing one can delete its copy.
    """
    return f"{make_photo_prefix(comparison_id)}{role}-{secrets.token_hex(16)}"


_ENDS: Final = {
    Decision.MATCH: State.COMPLETED,
    Decision.NO_MATCH: State.COMPLETED,
    Decision.REVIEW: State.COMPLETED,
    Decision.PHOTO_REJECTED: State.REJECTED,
    Decision.FAILED: State.FAILED,
}


def end_state(decision: Decision) -> State:
    """Return the final state for a decision."""
    return _ENDS[decision]


def identify_upload(region: str, folder: str, etags: Mapping[Role, str]) -> str:
    """Return the id of the first comparison of exactly these bytes. A missing photo counts as empty."""
    return _digest("upload", region, folder, etags.get(Role.SOURCE, ""), etags.get(Role.TARGET, ""))


def identify_successor(comparison_id: str) -> str:
    """Return the id for the same photos, sent again after a comparison without a billed verdict."""
    return _digest("after", comparison_id)


def identify_request(caller: str, idempotency_key: str | None) -> str:
    """Return the id of an API request, derived from caller and key. Without a key, it is random."""
    return _digest("api", caller, idempotency_key or secrets.token_hex(16))


def make_merchant_biz_id(comparison_id: str, attempt_number: int) -> str:
    """Return a `MerchantBizId`: 32 letters and digits that begin with the comparison's id.

    Source: the API page; it must be unique for each request.
    """
    stem = f"{comparison_id}{attempt_number:02d}"
    # Letters only: another digit would turn attempt 1 into attempt 10.
    letters = (secrets.choice(string.ascii_letters) for _ in range(MERCHANT_BIZ_ID_LENGTH - len(stem)))
    return stem + "".join(letters)


def _digest(*parts: str) -> str:
    framed = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
    return base64.b32encode(hashlib.sha256(framed).digest())[:26].decode().lower()
