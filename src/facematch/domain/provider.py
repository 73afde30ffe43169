"""One call of FaceCompare: the request, the answer, and what each answer means.

Sources: the FaceCompare API page (parameters, response codes), the vendor's API definition and SDK (success
codes), its lists of common errors (refusals by the gateway).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Final, Protocol

from facematch.domain.errors import OperatorFaultError, ProviderFaultError, ProviderThrottledError
from facematch.domain.reasons import Reason
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


class Operation(StrEnum):
    """The provider's operation that compares; both have the same fields."""

    FACE_COMPARE = "FaceCompare"
    FACE_COMPARE_V2 = "FaceCompareV2"


def is_success(code: str | None) -> bool:
    """Return whether `code` is the provider's code of a comparison that was made, and so was billed.

    The API page says `Success`. The vendor's API definition and SDK say `200`, and its other operations also
    use `success` and `OK`.
    """
    return code is not None and code.lower() in {"success", "ok", "200"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the provider answered: its code, empty if it has none, and the result; scores are 0 to 100.

    `has_result` says whether there is a result; `passed` and `score` are None where they cannot be read.
    """

    code: str
    http_status: int
    has_result: bool = False
    request_id: str | None = None
    retry_after_s: float | None = None
    transaction_id: str | None = None
    passed: bool | None = None
    score: float | None = None
    face_quality: dict[str, float] | None = None

    @property
    def tells_outage(self) -> bool:
        """Whether the provider, rather than anything about this call, is at fault."""
        return self.code == "InternalError" or self.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR

    @property
    def refuses_key(self) -> bool:
        """Whether the key was refused before anything was done: with another one the call may succeed."""
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
    """Let a call leave as soon as it is ready."""


class Provider(Protocol):
    """The way to FaceCompare; any thread may use it."""

    def make_ready(self, region: Region) -> None:
        """Have a fresh connection at hand, if that can be, so that the next call leaves on time."""
        ...

    def probe(self, region: Region) -> None:
        """Make one free call; return if the answer lets comparisons be tried.

        It says nothing about what only a comparison can show: whether the key may call that operation.

        Raises
        ------
        OperatorFaultError
            The key or the account was refused, or there is no key.
        ProviderThrottledError
            The provider throttles.
        ProviderFaultError
            There was no answer, or one of an outage; `UnreachableError` if nothing was sent.
        """
        ...

    def delete_result(self, region: Region, transaction_id: str) -> "Deletion":
        """Ask the provider to delete what it keeps of a comparison.

        Raises
        ------
        ProviderFaultError, ProviderThrottledError, OperatorFaultError
            The provider made no decision: ask again later.
        """
        ...

    def compare(self, call: Call, depart: Depart = depart_at_once) -> Answer:
        """Make one call. It is repeated only if its key was refused and there is another key by now.

        The call is encoded and signed, and its connection is made. Then `depart` is called, right before the
        first byte leaves; what it raises comes out unchanged.

        Raises
        ------
        UnreachableError
            The call was never sent.
        ProviderFaultError
            No answer came, or none that can be read.
        OperatorFaultError
            There is no key to sign the call with.
        """
        ...


@dataclass(frozen=True, slots=True)
class Examination:
    """What one free call showed.

    `latency_s` includes the connection. `clock_ahead_s` is the provider's clock minus ours, from an answer's
    `Date`, to about a second; None without one. `refuses_call_alone` means that the answer refuses the free
    operation itself, which says nothing about comparisons.
    """

    answer: Answer
    latency_s: float
    clock_ahead_s: float | None
    refuses_call_alone: bool


@dataclass(frozen=True, slots=True)
class Deletion:
    """What the provider answered when it was asked to delete what it keeps of a comparison."""

    is_deleted: bool
    code: str


_PHOTO_REASONS: Final = {
    "NoFaceDetected": (Reason.NO_FACE_DETECTED, "The provider found no face in one of the photos."),
    "UnqualifiedPhoto": (
        Reason.UNQUALIFIED_PHOTO,
        "The provider could not work with one of the photos: use a clear, complete, upright face.",
    ),
    "ToolargeImage": (Reason.PHOTO_TOO_LARGE_FOR_PROVIDER, "The provider found one of the photos too large."),
}
_PARAMETER_REASONS: Final = {
    "MissingParameter": (Reason.MISSING_PARAMETER, "The provider missed a parameter."),
    "InvalidParameter": (Reason.INVALID_PARAMETER, "The provider did not accept a parameter."),
    "DataDuplication": (
        Reason.DATA_DUPLICATION,
        "The provider was given both a picture and a URL for one photo.",
    ),
}
_PAIR_CODES: Final = _PHOTO_REASONS.keys() | _PARAMETER_REASONS.keys()

_THROTTLED_PREFIXES: Final = ("throttling", "suspiciousactivity")
_TEMPORARY_CODES: Final = frozenset({"InternalError", "DownloadTimeout", "SignatureNonceUsed"})
# Lower case: the vendor's pages differ in the case of some.
_OPERATOR_PREFIXES: Final = (
    "forbidden",
    "forbedden",  # the vendor's spelling of Forbedden.NotSupportRAM
    "nopermission",
    "unauthorized",
    "actionunauthorized",
    "authenticationfail",
    "insufficientbalance",
    "invalidaccesskeyid",
    "invalidsecuritytoken",
    "missingaccesskeyid",
    "missingsecuritytoken",
    "signaturedoesnotmatch",
    "incompletesignature",
    "missingsignature",
    "invalidtimestamp",
    "illegaltimestamp",
    "missingtimestamp",
    "invalidaction",
    "missingaction",
    "invalidapi",
    "invalidversion",
    "missingversion",
    "nosuchversion",
    "invalidprotocol",
    "unsupportedhttpmethod",
)

# What an unlisted code means follows from its HTTP status. These statuses concern the pair: its parameters,
# its photos, their size or type. Another 4xx concerns the account, the key or the stack: no pair can fix it.
_PAIR_STATUSES: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.UNAUTHORIZED,  # the API page uses it for photos
        HTTPStatus.CONTENT_TOO_LARGE,
        HTTPStatus.URI_TOO_LONG,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_CONTENT,
    }
)
_TEMPORARY_STATUSES: Final = frozenset(
    {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.LOCKED, HTTPStatus.TOO_EARLY}
)


def raise_fault(answer: Answer) -> None:
    """Raise what `answer` says of the provider, its account or the key; return if it concerns the call alone.

    Raises
    ------
    ProviderThrottledError
        The provider refused the call for its rate.
    OperatorFaultError
        The account, the key or the stack is not in order.
    ProviderFaultError
        The provider failed for the moment.
    """
    code, http_status = answer.code.lower(), answer.http_status
    if answer.code in _PAIR_CODES and http_status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return
    if code.startswith(_THROTTLED_PREFIXES) or http_status == HTTPStatus.TOO_MANY_REQUESTS:
        raise ProviderThrottledError(
            answer.code,
            "The provider throttled the call.",
            request_id=answer.request_id,
            retry_after_s=answer.retry_after_s,
        )
    if code.startswith(_OPERATOR_PREFIXES):
        raise _refuse_operator(answer)
    if (
        answer.code in _TEMPORARY_CODES
        or http_status in _TEMPORARY_STATUSES
        or http_status >= HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        raise ProviderFaultError(
            answer.code, "The provider failed for the moment.", request_id=answer.request_id
        )
    if http_status >= HTTPStatus.BAD_REQUEST and http_status not in _PAIR_STATUSES:
        raise _refuse_operator(answer)


def _refuse_operator(answer: Answer) -> OperatorFaultError:
    return OperatorFaultError(
        answer.code, "The provider refused the account, its key or the request.", request_id=answer.request_id
    )


def judge(answer: Answer, bounds: Bounds) -> Verdict:
    """Return the verdict that `answer` is.

    Raises
    ------
    ProviderFaultError
        The answer is temporary, or a success without a result.
    ProviderThrottledError, OperatorFaultError
        See `raise_fault`.
    """
    is_processed = answer.http_status == HTTPStatus.OK and answer.has_result
    if is_success(answer.code):
        if not is_processed:
            raise ProviderFaultError(
                "unreadable_answer",
                "The provider answered without a result.",
                request_id=answer.request_id,
                possibly_billed=True,
            )
        return _judge_result(answer, bounds)
    raise_fault(answer)
    if is_processed and answer.code not in _PAIR_CODES:
        return _review_unexpected(answer)
    return _judge_refusal(answer)


def _judge_result(answer: Answer, bounds: Bounds) -> Verdict:
    if answer.score is not None and not 0 <= answer.score <= HIGHEST_SCORE:
        answer = replace(answer, score=None)
    if answer.passed is None or answer.score is None:
        return _review_unexpected(answer)
    decision = bounds.decide(passed=answer.passed, score=answer.score)
    return Verdict(
        decision=decision,
        reason=Reason.BETWEEN_BOUNDS if decision is Decision.REVIEW else None,
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


def _review_unexpected(answer: Answer) -> Verdict:
    """Return the verdict for a comparison that was made, and billed, with a result of another form."""
    return Verdict(
        decision=Decision.REVIEW,
        reason=Reason.UNEXPECTED_ANSWER,
        message="The provider compared the photos, but its answer has an unexpected form: "
        "a person should look at this pair.",
        passed=answer.passed,
        score=answer.score,
        provider_code=answer.code or None,
        request_id=answer.request_id,
        transaction_id=answer.transaction_id,
        face_quality=answer.face_quality,
    )


def _judge_refusal(answer: Answer) -> Verdict:
    if answer.code in _PHOTO_REASONS:
        decision = Decision.PHOTO_REJECTED
        reason, message = _PHOTO_REASONS[answer.code]
    else:
        decision = Decision.FAILED
        reason, message = _PARAMETER_REASONS.get(
            answer.code, (Reason.PROVIDER_REFUSED, "The provider refused the call.")
        )
    return Verdict(
        decision=decision,
        reason=reason,
        message=message,
        provider_code=answer.code,
        request_id=answer.request_id,
        transaction_id=answer.transaction_id,
    )
