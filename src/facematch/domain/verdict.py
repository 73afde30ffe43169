"""The verdict of one comparison, and the bounds that make it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from facematch.domain.errors import InvalidInputError
from facematch.domain.reasons import Reason

HIGHEST_SCORE: Final = 100.0


class Role(StrEnum):
    """A photo's place in its pair."""

    SOURCE = "source"
    TARGET = "target"


class Decision(StrEnum):
    """What a comparison ended as."""

    MATCH = "match"
    NO_MATCH = "no_match"
    REVIEW = "review"
    PHOTO_REJECTED = "photo_rejected"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Two scores (0 to 100) around the provider's own `Passed`; what lies between them is for a person.

    The provider does not publish its threshold, so the defaults leave its word as it is.
    A `match` is passed and scores `match_from` or more; a `no_match` is not passed and scores
    `no_match_up_to` or less.

    Raises
    ------
    InvalidInputError
        `invalid_bounds`: a bound is not between 0 and 100.
    """

    match_from: float = 0.0
    no_match_up_to: float = HIGHEST_SCORE

    def __post_init__(self) -> None:
        for field, score in (("match_from", self.match_from), ("no_match_up_to", self.no_match_up_to)):
            if not 0 <= score <= HIGHEST_SCORE:
                raise InvalidInputError(
                    Reason.INVALID_BOUNDS, f"{field} is a score from 0 to 100.", field=field
                )

    def decide(self, *, passed: bool, score: float) -> Decision:
        """Return `match`, `no_match` or `review` for the provider's `passed` and `score` (0 to 100)."""
        if passed and score >= self.match_from:
            return Decision.MATCH
        if not passed and score <= self.no_match_up_to:
            return Decision.NO_MATCH
        return Decision.REVIEW


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a comparison ended.

    `reason` is a stable code (None for a plain match or no match), `message` one sentence for a person.
    `photo` is the photo at fault, where that is known. What starts with `provider_`, and `request_id`,
    `transaction_id`, `passed`, `score` (0 to 100) and `face_quality` are the provider's own words.
    """

    decision: Decision
    message: str
    reason: str | None = None
    photo: Role | None = None
    passed: bool | None = None
    score: float | None = None
    provider_code: str | None = None
    request_id: str | None = None
    transaction_id: str | None = None
    face_quality: dict[str, float] | None = None


def reject_photo(reason: str, message: str, *, photo: Role | None) -> Verdict:
    """Return the verdict for a photo that can't be compared."""
    return Verdict(decision=Decision.PHOTO_REJECTED, reason=reason, message=message, photo=photo)


def fail(reason: str, message: str, *, photo: Role | None = None) -> Verdict:
    """Return the verdict for a comparison that can't be made."""
    return Verdict(decision=Decision.FAILED, reason=reason, message=message, photo=photo)
