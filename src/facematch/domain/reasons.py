"""The catalogue of all stable codes that callers and consumers get.

A code appears in problem documents of the API, in the `reason` of result events, or in both. The OpenAPI
document, the schema of the event and `docs/reasons.md` are generated from this catalogue: run
`make interfaces` after a change.
"""

from enum import StrEnum
from typing import Final, Literal, Self

type ReasonOutcome = Literal["review", "photo_rejected", "failed"]
"""The verdicts that have a reason. `match` and `no_match` have none."""


class Reason(StrEnum):
    """A stable code.

    Attributes
    ----------
    meaning
        One sentence for the documentation.
    http_status
        The HTTP status of the API's errors with this code, or None if there are none.
    outcome
        The verdict of comparisons with this reason, or None if there are none.
    """

    meaning: str
    http_status: int | None
    outcome: ReasonOutcome | None

    def __new__(
        cls,
        code: str,
        meaning: str,
        http_status: int | None = None,
        outcome: ReasonOutcome | None = None,
    ) -> Self:
        """Make one member."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.http_status = http_status
        member.outcome = outcome
        return member

    # The request
    INVALID_ENCODING = "invalid_encoding", "The body is not UTF-8 text, or it is compressed.", 400
    INVALID_JSON = "invalid_json", "The body is not JSON.", 400
    INVALID_BODY = "invalid_body", "The body is JSON, but not an object.", 400
    MISSING_FIELD = "missing_field", "A required field is missing.", 400
    UNKNOWN_FIELD = "unknown_field", "The API does not know the field.", 400
    INVALID_FIELD = "invalid_field", "The field has the wrong type or is outside its limits.", 400
    INVALID_BASE64 = "invalid_base64", "The photo is not Base64 by RFC 4648.", 400
    INVALID_BOUNDS = "invalid_bounds", "A bound is not a score from 0 to 100.", 400
    PHOTO_MISSING = "photo_missing", "The pair has no such photo.", 400
    PHOTO_AMBIGUOUS = "photo_ambiguous", "The request has the photo in more than one form.", 400
    INVALID_URL = "invalid_url", "The text is not an http or https URL that the provider can fetch.", 400
    FORBIDDEN_URL = "forbidden_url", "The URL does not lead to a public host.", 400
    INVALID_UPLOAD_KEY = "invalid_upload_key", "The text is not the key of a photo in the inbox.", 400
    UNSUPPORTED_CONTENT_TYPE = (
        "unsupported_content_type",
        "The stack does not accept uploads of this media type.",
        400,
    )
    REGION_REQUIRED = "region_required", "The stack has no default region, and the request names none.", 400
    REGION_MISMATCH = "region_mismatch", "The upload keys and the region name different regions.", 400
    UNKNOWN_REGION = "unknown_region", "The region does not exist.", 400, "failed"
    INVALID_PAIR_ID = (
        "invalid_pair_id",
        "The pair id is too long or contains a character that is not allowed.",
        400,
        "failed",
    )
    REGION_NOT_ALLOWED = "region_not_allowed", "The stack must not send faces to the region.", 403, "failed"
    UNKNOWN_CALLER = "unknown_caller", "The request is not signed by a known principal.", 403
    FOREIGN_UPLOAD_KEY = "foreign_upload_key", "The upload key belongs to another caller.", 403
    COMPARISON_NOT_FOUND = "comparison_not_found", "The caller has no comparison with this id.", 404
    ROUTE_NOT_FOUND = "route_not_found", "The API has no such route.", 404
    COMPARISON_ERASED = "comparison_erased", "The comparison was erased.", 410, "failed"
    REQUEST_TOO_LARGE = "request_too_large", "The request is too large. Upload its photos instead.", 413
    UNSUPPORTED_MEDIA_TYPE = "unsupported_media_type", "The body is not declared as JSON in UTF-8.", 415
    IDEMPOTENCY_KEY_REUSED = (
        "idempotency_key_reused",
        "The Idempotency-Key was used before with another body.",
        422,
    )
    OPTIONS_DIFFER = (
        "options_differ",
        "The request sets bounds or checks for an uploaded pair. It has those of the stack.",
        422,
    )
    PHOTO_NOT_FOUND = "photo_not_found", "There is no photo under the upload key.", 422
    TOO_MANY_REQUESTS = "too_many_requests", "The API receives too many requests. Retry later.", 429
    GATEWAY = "gateway", "API Gateway refused the request, for example because it is not signed.", 403
    INTERNAL_ERROR = "internal_error", "The stack failed. Retry the request.", 500
    CONFIGURATION = "configuration", "A setting of the stack is wrong. Its logs name the setting.", 500
    API_UNAVAILABLE = "api_unavailable", "The API cannot answer now. Retry the request later.", 503
    PHOTO_STORE_UNAVAILABLE = (
        "photo_store_unavailable",
        "The bucket cannot be read or written now.",
        503,
    )
    LEDGER_UNAVAILABLE = "ledger_unavailable", "The ledger cannot be read or written now.", 503
    PROVIDER_UNAVAILABLE = (
        "provider_unavailable",
        "The provider fails or refuses every call. Send the pair again later.",
        503,
        "failed",
    )

    # A photo
    EMPTY = "empty", "The file is empty.", 422, "photo_rejected"
    NOT_AN_IMAGE = "not_an_image", "The file is not an image.", 422, "photo_rejected"
    UNSUPPORTED_FORMAT = "unsupported_format", "The stack does not read the format.", 422, "photo_rejected"
    UNREADABLE = "unreadable", "The file is damaged or cut off.", 422, "photo_rejected"
    TOO_SMALL = "too_small", "The photo has too few pixels, or is too long and narrow.", 422, "photo_rejected"
    TOO_MANY_PIXELS = "too_many_pixels", "The photo has more pixels than PixelLimit.", 422, "photo_rejected"
    FILE_TOO_LARGE = (
        "file_too_large",
        "The file has more bytes than PhotoSizeLimitBytes.",
        413,
        "photo_rejected",
    )
    INCOMPRESSIBLE = (
        "incompressible",
        "The prepared photo has too many bytes for the provider, even at the lowest quality.",
        422,
        "photo_rejected",
    )
    NO_FACE_DETECTED = "no_face_detected", "The provider found no face in a photo.", None, "photo_rejected"
    UNQUALIFIED_PHOTO = "unqualified_photo", "The provider cannot process a photo.", None, "photo_rejected"
    PHOTO_TOO_LARGE_FOR_PROVIDER = (
        "photo_too_large_for_provider",
        "The provider refused a photo as too large.",
        None,
        "photo_rejected",
    )

    # A comparison
    BETWEEN_BOUNDS = "between_bounds", "The score is between the bounds. A person decides.", None, "review"
    UNEXPECTED_ANSWER = (
        "unexpected_answer",
        "The provider compared the photos, but its answer has an unexpected form. A person decides.",
        None,
        "review",
    )
    PAIR_INCOMPLETE = "pair_incomplete", "The other photo did not arrive in time.", None, "failed"
    PHOTO_REMOVED = "photo_removed", "A photo was removed before it was compared.", None, "failed"
    PHOTO_REPLACED = "photo_replaced", "A photo was replaced before it was compared.", None, "failed"
    ATTEMPTS_EXHAUSTED = (
        "attempts_exhausted",
        "AttemptBudget calls were made, and none had a result.",
        None,
        "failed",
    )
    MISSING_PARAMETER = "missing_parameter", "A parameter of the call was missing.", None, "failed"
    INVALID_PARAMETER = "invalid_parameter", "The provider refused a parameter of the call.", None, "failed"
    DATA_DUPLICATION = "data_duplication", "The call contained one photo in two forms.", None, "failed"
    PROVIDER_REFUSED = "provider_refused", "The provider refused the call.", None, "failed"


_REASONS: Final = {reason.value: reason for reason in Reason}


def find_reason(code: str) -> Reason | None:
    """Return the reason with this code, or None if it is not in the catalogue."""
    return _REASONS.get(code)


def list_outcome(outcome: ReasonOutcome) -> list[Reason]:
    """Return the reasons of comparisons with this outcome."""
    return [reason for reason in Reason if reason.outcome == outcome]
