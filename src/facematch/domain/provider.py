"""One call of FaceCompare: the request, the answer, and what each answer means.

Sources: the FaceCompare API page (parameters, response codes), the provider's API definition and SDK (success
codes), its lists of common errors (refusals by the gateway).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Final, Protocol

from facematch.domain.errors import (
    OperatorError,
    PhotoDownloadError,
    ProviderFaultError,
    ProviderThrottledError,
)
from facematch.domain.reasons import Reason
from facematch.domain.regions import Region
from facematch.domain.verdict import HIGHEST_SCORE, Bounds, Decision, Verdict


@dataclass(frozen=True, slots=True, repr=False)
class EncodedPhoto:
    """A prepared photo, sent in the call itself."""

    jpeg: bytes


@dataclass(frozen=True, slots=True, repr=False)
class PhotoUrl:
    """A photo that the provider fetches."""

    url: str


type CallPhoto = EncodedPhoto | PhotoUrl


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of FaceCompare. `merchant_biz_id` is unique for each call."""

    region: Region
    merchant_biz_id: str
    source: CallPhoto
    target: CallPhoto
    face_quality_check: bool


class Operation(StrEnum):
    """The provider's operations that compare. Both have the same fields."""

    FACE_COMPARE = "FaceCompare"
    FACE_COMPARE_V2 = "FaceCompareV2"


def is_success(code: str | None) -> bool:
    """Return whether `code` means that the provider compared the photos, and billed the call.

    The API page says `Success`. The provider's API definition and SDK say `200`. Its other operations also
    use `success` and `OK`.
    """
    return code is not None and code.lower() in {"success", "ok", "200"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The provider's answer: its code (empty if it has none) and its result. Scores are 0 to 100.

    `passed` and `score` are None if they cannot be read.
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
    def refuses_key(self) -> bool:
        """Whether the key was refused before any processing. With another key, the call may succeed."""
        return self.code.startswith(_KEY_REFUSALS)


# The key is unknown, disabled or expired, or its parts do not match. Source: the provider's public errors.
_KEY_REFUSALS: Final = (
    "InvalidAccessKeyId",
    "InvalidSecurityToken",
    "SignatureDoesNotMatch",
    "Forbidden.AccessKeyDisabled",
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key of the provider's account. A temporary key has a token. `repr` hides all parts."""

    access_key_id: str = field(repr=False)
    access_key_secret: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)


class CredentialSource(Protocol):
    """The source of the key. It is thread-safe."""

    def read(self) -> Credentials:
        """Return the key.

        Raises
        ------
        OperatorError
            There is no usable key.
        """
        ...

    def invalidate(self) -> None:
        """Drop the cached key, because the provider refused it. The next `read` fetches it again."""
        ...


type BeforeSend = Callable[[], None]
"""A hook that runs right before a call is sent: it waits until the call may be sent, or raises to stop it."""


def send_at_once() -> None:
    """Do not wait before sending."""


class Provider(Protocol):
    """FaceCompare. It is thread-safe."""

    def warm_up(self, region: Region) -> None:
        """Try to open a fresh connection, so that the next call is sent on time."""
        ...

    def probe(self, region: Region) -> None:
        """Make one free call; return if a comparison may be tried.

        Whether the key may call the comparing operation is not known before a comparison.

        Raises
        ------
        OperatorError
            The key or the account was refused, or there is no key.
        ProviderThrottledError
            The provider throttles.
        ProviderFaultError
            No answer came, or a server error. `UnreachableError` if nothing was sent.
        """
        ...

    def delete_result(self, region: Region, transaction_id: str) -> "Deletion":
        """Ask the provider to delete its data about a comparison.

        Raises
        ------
        ProviderFaultError, ProviderThrottledError, OperatorError
            The provider did not decide. Retry later.
        """
        ...

    def compare(self, call: Call, before_send: BeforeSend = send_at_once) -> Answer:
        """Make one call. It is retried only if its key was refused and a new key is available.

        The call is encoded and signed, and the connection is opened. Then `before_send` runs, right before
        the first byte is sent. Its errors are raised unchanged.

        Raises
        ------
        UnreachableError
            The call was not sent.
        ProviderFaultError
            No readable answer came.
        OperatorError
            There is no usable key.
        """
        ...


@dataclass(frozen=True, slots=True)
class Examination:
    """The result of one free call.

    `latency_s` includes the connection. `clock_ahead_s` is the provider's clock minus ours, from the header
    `Date`, to about a second, or None without that header. `refuses_operation_only` means that the answer
    refuses only the free operation; comparisons may be allowed.
    """

    answer: Answer
    latency_s: float
    clock_ahead_s: float | None
    refuses_operation_only: bool


@dataclass(frozen=True, slots=True)
class Deletion:
    """The provider's answer to the deletion of its data about a comparison."""

    is_deleted: bool
    code: str


_PHOTO_REASONS: Final = {
    "NoFaceDetected": (Reason.NO_FACE_DETECTED, "The provider found no face in one of the photos."),
    "UnqualifiedPhoto": (
        Reason.UNQUALIFIED_PHOTO,
        "The provider could not process one of the photos. Use a clear, complete, upright face.",
    ),
    "ToolargeImage": (Reason.PHOTO_TOO_LARGE_FOR_PROVIDER, "The provider found one of the photos too large."),
}
_PARAMETER_REASONS: Final = {
    "MissingParameter": (Reason.MISSING_PARAMETER, "A parameter of the call was missing."),
    "InvalidParameter": (Reason.INVALID_PARAMETER, "The provider did not accept a parameter."),
    "DataDuplication": (
        Reason.DATA_DUPLICATION,
        "The call contained both the bytes and a URL of one photo.",
    ),
}
_PAIR_CODES: Final = _PHOTO_REASONS.keys() | _PARAMETER_REASONS.keys()

_THROTTLED_PREFIXES: Final = ("throttling", "suspiciousactivity")
_TEMPORARY_CODES: Final = frozenset({"InternalError", "SignatureNonceUsed"})
_DOWNLOAD_CODE: Final = "DownloadTimeout"
# Lower case: the provider's pages do not agree on the case of some.
_OPERATOR_PREFIXES: Final = (
    "forbidden",
    "forbedden",  # the provider's spelling of Forbedden.NotSupportRAM
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

# The HTTP status decides about an unlisted code. These statuses concern the pair: its parameters, its photos,
# their size or type. Any other 4xx concerns the account, the key or the stack.
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


def raise_for_answer(answer: Answer) -> None:
    """Raise if `answer` concerns the provider, the account or the key; return if it concerns only the call.

    Raises
    ------
    ProviderThrottledError
        The provider throttled the call.
    OperatorError
        The account, the key or the stack must be repaired.
    ProviderFaultError
        The provider failed temporarily.
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
    if answer.code == _DOWNLOAD_CODE:
        raise PhotoDownloadError(
            answer.code, "The provider could not download a photo.", request_id=answer.request_id
        )
    if (
        answer.code in _TEMPORARY_CODES
        or http_status in _TEMPORARY_STATUSES
        or http_status >= HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        raise ProviderFaultError(
            answer.code, "The provider failed temporarily.", request_id=answer.request_id
        )
    if http_status >= HTTPStatus.BAD_REQUEST and http_status not in _PAIR_STATUSES:
        raise _refuse_operator(answer)


def _refuse_operator(answer: Answer) -> OperatorError:
    return OperatorError(
        answer.code, "The provider refused the account, its key or the request.", request_id=answer.request_id
    )


def judge(answer: Answer, bounds: Bounds) -> Verdict:
    """Return the verdict for an answer.

    Raises
    ------
    ProviderFaultError
        The provider failed temporarily, or answered with a success without a result.
    ProviderThrottledError, OperatorError
        See `raise_for_answer`.
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
    raise_for_answer(answer)
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
    Decision.MATCH: "Both photos show one person, according to the provider and the bounds of this stack.",
    Decision.NO_MATCH: "The photos show two persons, according to the provider and the bounds of this stack.",
    Decision.REVIEW: "The score is between the bounds. A person should look at this pair.",
}


def _review_unexpected(answer: Answer) -> Verdict:
    """Return the verdict for a comparison that was made and billed, but has an unexpected result."""
    return Verdict(
        decision=Decision.REVIEW,
        reason=Reason.UNEXPECTED_ANSWER,
        message="The provider compared the photos, but its answer has an unexpected form. "
        "A person should look at this pair.",
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
