"""One call of FaceCompare: what goes out, what comes back, and what each answer means.

Source: the FaceCompare API page, request parameters and response codes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from facematch.domain.errors import OperatorFaultError, ProviderFaultError, ProviderThrottledError
from facematch.domain.regions import Region
from facematch.domain.verdict import HIGHEST_SCORE, Bounds, Decision, Verdict


@dataclass(frozen=True, slots=True, repr=False)
class InlinePicture:
    """A photo that travels in the call, as an acceptable JPEG."""

    jpeg: bytes


@dataclass(frozen=True, slots=True, repr=False)
class PictureUrl:
    """A photo that the provider fetches itself."""

    url: str


type Picture = InlinePicture | PictureUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, with exactly one picture or URL per photo; `merchant_biz_id` is new for every call."""

    region: Region
    merchant_biz_id: str
    source: Picture
    target: Picture
    face_quality_check: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the provider answered: its code, and for `Success` the result; scores are 0 to 100."""

    code: str
    message: str
    http_status: int
    request_id: str | None = None
    transaction_id: str | None = None
    passed: bool | None = None
    score: float | None = None
    face_quality: dict[str, float] | None = None

    @property
    def tells_outage(self) -> bool:
        """Whether the provider, rather than anything about this call, is at fault."""
        return self.code == "InternalError" or self.http_status >= _SERVER_ERROR

    @property
    def refuses_key(self) -> bool:
        """Whether the key was refused before anything was done: with another one the call may go through."""
        return self.code.startswith(_KEY_REFUSALS)


# An unknown, disabled or expired key, or one whose other parts do not belong to it. Source: the provider's
# public error codes.
_KEY_REFUSALS: Final = (
    "InvalidAccessKeyId",
    "InvalidSecurityToken",
    "SignatureDoesNotMatch",
    "Forbidden.AccessKeyDisabled",
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key of the provider's account, temporary where it has a token; `repr` does not show it."""

    access_key_id: str = field(repr=False)
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)


class CredentialSource(Protocol):
    """Where the key comes from; any thread may ask."""

    def read(self) -> Credentials:
        """Return the key.

        Raises
        ------
        OperatorFaultError
            There is none.
        """
        ...

    def distrust(self) -> None:
        """Do not trust what was read before: the provider refused it. The next `read` gets it anew."""
        ...


type Depart = Callable[[], None]
"""Returns when a call may leave, or raises what keeps it from leaving."""


def depart_at_once() -> None:
    """Let a call leave as soon as it is made ready."""


class Provider(Protocol):
    """The way to FaceCompare."""

    def check(self, region: Region) -> None:
        """Return where a call may be made.

        Raises
        ------
        CircuitOpenError
            The provider has been failing in this region, and is left alone.
        """
        ...

    def make_ready(self, region: Region) -> None:
        """Have a connection at hand, if that can be, so that the next call leaves when it is made."""
        ...

    def compare(self, call: Call, depart: Depart = depart_at_once) -> Answer:
        """Make one call, without retries but for one: where its key was refused, and there is another by now.

        The call is encoded and signed first; `depart` is asked right before it leaves, and what it raises
        comes out of here as it is.

        Raises
        ------
        ProviderFaultError
            No answer came, or none that can be read; `answered` is False, unless the call never left.
        OperatorFaultError
            The stack has no credentials to sign the call with.
        CircuitOpenError
            The call was not made, since the provider has been failing.
        """
        ...


_PHOTO_REASONS: Final = {
    "NoFaceDetected": ("no_face_detected", "The provider found no face in one of the photos."),
    "UnqualifiedPhoto": (
        "unqualified_photo",
        "The provider could not work with one of the photos: use a clear, complete, upright face.",
    ),
    "ToolargeImage": ("photo_too_large", "The provider found one of the photos too large."),
}
_PARAMETER_REASONS: Final = {
    "MissingParameter": ("missing_parameter", "The provider missed a parameter."),
    "InvalidParameter": ("invalid_parameter", "The provider did not accept a parameter."),
    "DataDuplication": ("data_duplication", "The provider was given both a picture and a URL for one photo."),
}
_TEMPORARY_CODES: Final = frozenset({"InternalError", "DownloadTimeout", "SignatureNonceUsed"})
_OPERATOR_PREFIXES: Final = (
    "Forbidden",
    "NoPermission",
    "InvalidAccessKeyId",
    "InvalidSecurityToken",
    "MissingAccessKeyId",
    "MissingSecurityToken",
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "InvalidTimeStamp",
)
_SERVER_ERROR: Final = 500


def judge(answer: Answer, bounds: Bounds) -> Verdict:
    """Return the verdict that `answer` is.

    A code that the API page does not list is final below HTTP 500 and temporary from there on.

    Raises
    ------
    ProviderFaultError
        The answer is temporary, or a success without a readable result.
    ProviderThrottledError
        The provider refused the call for its rate.
    OperatorFaultError
        The account or the key is not in order.
    """
    if answer.code == "Success":
        return _judge_success(answer, bounds)
    if answer.code.startswith("Throttling"):
        raise ProviderThrottledError(
            answer.code, "The provider throttled the call.", request_id=answer.request_id
        )
    if answer.code.startswith(_OPERATOR_PREFIXES):
        raise OperatorFaultError(
            answer.code, "The provider refused the account or its key.", request_id=answer.request_id
        )
    if answer.code in _TEMPORARY_CODES or answer.http_status >= _SERVER_ERROR:
        raise ProviderFaultError(
            answer.code, "The provider failed for the moment.", request_id=answer.request_id
        )
    return _judge_refusal(answer)


def _judge_success(answer: Answer, bounds: Bounds) -> Verdict:
    if answer.passed is None or answer.score is None or not 0 <= answer.score <= HIGHEST_SCORE:
        raise ProviderFaultError(
            "unreadable_answer",
            "The provider answered without a result.",
            request_id=answer.request_id,
            answered=False,
        )
    decision = bounds.decide(passed=answer.passed, score=answer.score)
    return Verdict(
        decision=decision,
        reason="between_bounds" if decision is Decision.REVIEW else None,
        message=_SENTENCES[decision],
        passed=answer.passed,
        score=answer.score,
        provider_code=answer.code,
        request_id=answer.request_id,
        transaction_id=answer.transaction_id,
        face_quality=answer.face_quality,
    )


_SENTENCES: Final = {
    Decision.MATCH: "Both photos show one person, by the provider's word and this stack's bounds.",
    Decision.NO_MATCH: "The photos show two persons, by the provider's word and this stack's bounds.",
    Decision.REVIEW: "The score lies between the bounds: a person should look at this pair.",
}


def _judge_refusal(answer: Answer) -> Verdict:
    if answer.code in _PHOTO_REASONS:
        decision = Decision.PHOTO_REJECTED
        reason, message = _PHOTO_REASONS[answer.code]
    else:
        decision = Decision.FAILED
        reason, message = _PARAMETER_REASONS.get(
            answer.code, ("provider_refused", "The provider refused the call.")
        )
    return Verdict(
        decision=decision,
        reason=reason,
        message=message,
        provider_code=answer.code,
        request_id=answer.request_id,
        transaction_id=answer.transaction_id,
    )
