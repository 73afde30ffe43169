"""The bodies of the HTTP API. These models validate requests and generate the OpenAPI document."""

import base64
import binascii
from collections.abc import Callable, Collection
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from facematch import bootstrap
from facematch.domain.comparison import Comparison
from facematch.domain.errors import InvalidInputError
from facematch.domain.inbox import (
    KEY_LIMIT_BYTES,
    PAIR_ID_LIMIT,
    PAIR_ID_PATTERN,
    UPLOAD_PAIR_ID_PATTERN,
    check_pair_id,
    check_upload_key,
    check_upload_pair_id,
)
from facematch.domain.lane import Hold
from facematch.domain.photo_url import URL_LENGTH_LIMIT, check_photo_url
from facematch.domain.reasons import Reason
from facematch.domain.regions import Region
from facematch.domain.result_event import describe_ending, format_time
from facematch.domain.verdict import HIGHEST_SCORE, Role
from facematch.use_cases.issue_uploads import EXTENSIONS, HEIC_EXTENSIONS, UploadForms
from facematch.use_cases.photo_inputs import InlinePhoto, LinkedPhoto, PhotoInput, UploadedPhoto

_SMALLEST_SCORE: Final = 1e-130
"""The smallest number above 0 in DynamoDB. Source: its developer guide, Supported data types."""


def _decode_base64(text: object) -> bytes | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise PydanticCustomError(Reason.INVALID_BASE64, "A photo must be a string in Base64.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise PydanticCustomError(
            Reason.INVALID_BASE64, "The photo is not valid Base64. {advice}", {"advice": _advise_base64(text)}
        ) from None


def _advise_base64(text: str) -> str:
    """Return how to repair text that is not Base64 (RFC 4648, section 4)."""
    advice = {
        "Remove the `data:` prefix up to and including the comma.": text[:5].lower() == "data:",
        "Remove the line breaks.": "\n" in text or "\r" in text,
        "Remove the spaces.": " " in text or "\t" in text,
        "Use + and / instead of - and _.": "-" in text or "_" in text,
    }
    fitting = [sentence for sentence, fits in advice.items() if fits]
    return " ".join(fitting or ["Use A to Z, a to z, 0 to 9, + and /, and pad with = to a multiple of four."])


def _choose_region(region: str) -> None:
    bootstrap.settings().regions.choose(region)


def _check_content_type(content_type: str) -> None:
    accepted = EXTENSIONS | HEIC_EXTENSIONS if bootstrap.settings().photos.read_heic else EXTENSIONS
    if content_type not in accepted:
        raise InvalidInputError(
            Reason.UNSUPPORTED_CONTENT_TYPE, f"Use one of {', '.join(accepted)}.", field="content_type"
        )


def _check_by(check: Callable[[str], object]) -> AfterValidator:
    """Return a validator that runs `check`, so that its error is reported with all others of a request."""

    def validate(text: str) -> str:
        try:
            check(text)
        except InvalidInputError as error:
            raise PydanticCustomError(error.code, "{message}", {"message": error.message}) from None
        return text

    return AfterValidator(validate)


def _round_down_to_zero(score: float) -> float:
    return score if score >= _SMALLEST_SCORE else 0.0


def _describe_pair_id(pattern: str) -> dict[str, Any]:
    return {"minLength": 1, "maxLength": PAIR_ID_LIMIT, "pattern": pattern}


_RegionName = Annotated[
    str,
    _check_by(_choose_region),
    Field(json_schema_extra={"enum": list(Region)}),
]
_PairId = Annotated[
    str, _check_by(check_pair_id), Field(json_schema_extra=_describe_pair_id(PAIR_ID_PATTERN))
]
_UploadPairId = Annotated[
    str, _check_by(check_upload_pair_id), Field(json_schema_extra=_describe_pair_id(UPLOAD_PAIR_ID_PATTERN))
]
_UploadKey = Annotated[
    str, _check_by(check_upload_key), Field(json_schema_extra={"maxLength": KEY_LIMIT_BYTES})
]
_PhotoUrl = Annotated[
    str,
    _check_by(lambda url: check_photo_url(url, field="url")),
    Field(json_schema_extra={"maxLength": URL_LENGTH_LIMIT}),
]
_Score = Annotated[
    float, Field(ge=0, le=HIGHEST_SCORE, allow_inf_nan=False), AfterValidator(_round_down_to_zero)
]


def _describe_one_of(names: Collection[str]) -> dict[str, Any]:
    """Return a JSON Schema that requires a value in exactly one of these fields."""
    return {
        "oneOf": [
            {
                "required": [chosen],
                "properties": {name: {"type": "string" if name == chosen else "null"} for name in names},
            }
            for chosen in names
        ]
    }


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, strict=True)


_PHOTO_FIELDS: Final = ("photo", "upload_key", "url")


class PhotoBody(_Model):
    """One photo. Exactly one of the fields is set."""

    model_config = ConfigDict(json_schema_extra=_describe_one_of(_PHOTO_FIELDS))

    photo: Annotated[
        bytes | None,
        BeforeValidator(_decode_base64),
        WithJsonSchema({"anyOf": [{"type": "string", "contentEncoding": "base64"}, {"type": "null"}]}),
        Field(description="The photo in Base64: JPEG, PNG, WebP, AVIF, BMP, TIFF, GIF or JPEG 2000."),
    ] = None
    upload_key: Annotated[_UploadKey | None, Field(description="The key of a photo in the inbox.")] = None
    url: Annotated[
        _PhotoUrl | None,
        Field(description="A public http or https URL, from which the provider fetches the photo."),
    ] = None

    @model_validator(mode="after")
    def _check_exactly_one(self) -> Self:
        given = [name for name in _PHOTO_FIELDS if getattr(self, name) is not None]
        if not given:
            raise PydanticCustomError(Reason.PHOTO_MISSING, "Give one of photo, upload_key and url.")
        if len(given) > 1:
            raise PydanticCustomError(
                Reason.PHOTO_AMBIGUOUS,
                "Give only one of photo, upload_key and url, not {given}.",
                {"given": " and ".join(given)},
            )
        return self

    def to_input(self) -> PhotoInput:
        """Return the photo for the use case."""
        if self.photo is not None:
            return InlinePhoto(self.photo)
        if self.upload_key is not None:
            return UploadedPhoto(self.upload_key)
        return LinkedPhoto(self.url or "")


class ComparisonBody(_Model):
    """A request to compare two photos. The stack's settings are the defaults of omitted fields."""

    source: PhotoBody
    target: PhotoBody
    region: Annotated[
        _RegionName | None,
        Field(description="The region that compares the photos. The default is the stack's DefaultRegion."),
    ] = None
    pair_id: Annotated[
        _PairId | None,
        Field(
            description="Your name for the pair, without slashes, control characters, lone surrogates and "
            "noncharacters of Unicode."
        ),
    ] = None
    match_from: Annotated[_Score | None, Field(description="The lowest score of a match.")] = None
    no_match_up_to: Annotated[_Score | None, Field(description="The highest score of a no_match.")] = None
    face_quality_check: Annotated[
        bool | None, Field(description="Whether the provider also scores the quality of the photos.")
    ] = None


class UploadBody(_Model):
    """One photo to upload."""

    content_type: Annotated[
        str,
        _check_by(_check_content_type),
        Field(
            json_schema_extra={"enum": [*EXTENSIONS, *HEIC_EXTENSIONS]},
            description="The media type of the photo. HEIC and HEIF need a stack with HeicPhotos.",
        ),
    ] = "image/jpeg"


class UploadsBody(_Model):
    """A request for upload forms for a pair."""

    region: _RegionName | None = None
    pair_id: Annotated[
        _UploadPairId | None,
        Field(description="Your name for the pair, as for a comparison, and without `${filename}`."),
    ] = None
    source: UploadBody = UploadBody()
    target: UploadBody = UploadBody()


class HoldView(BaseModel):
    """The hold of the comparison's region: its reason, its start, and the time of the next trial."""

    reason: Literal["outage", "throttling", "operator"]
    code: str
    since: str
    until: str


class ComparisonView(BaseModel):
    """A comparison. It has a `result` after it has ended, and a `hold` while its region is on hold."""

    id: str
    state: Literal["registered", "completed", "rejected", "failed"]
    region: str
    pair_id: str | None
    registered_at: str
    attempts: int
    result: dict[str, Any] | None
    hold: HoldView | None


class UploadFormView(BaseModel):
    """The upload form of one photo: send `fields`, then the file, with POST to `url`."""

    key: str
    url: str
    fields: dict[str, str]


class UploadsView(BaseModel):
    """The upload forms of a pair."""

    region: str
    pair_id: str
    expires_in_s: int
    size_limit_bytes: int
    source: UploadFormView
    target: UploadFormView


_Code = Annotated[str, Field(json_schema_extra={"enum": [reason for reason in Reason if reason.http_status]})]


class ProblemField(BaseModel):
    """One error: the field, a stable code and one sentence."""

    field: str
    code: _Code
    message: str


class Problem(BaseModel):
    """Problem details (RFC 9457). `code` is stable."""

    type: str
    title: str
    status: Annotated[
        int | None,
        WithJsonSchema({"type": "integer"}),
        Field(description="The HTTP status. API Gateway omits it in its own errors."),
    ] = None
    detail: str
    code: _Code
    errors: list[ProblemField] = []


def view_comparison(comparison: Comparison, hold: Hold | None = None) -> dict[str, Any]:
    """Return a comparison as JSON values (`ComparisonView`)."""
    ending = comparison.ending
    return {
        "id": comparison.id,
        "state": comparison.state.value,
        "region": comparison.region,
        "pair_id": comparison.pair_id,
        "registered_at": format_time(comparison.created_at_ms),
        "attempts": comparison.call_count,
        "result": describe_ending(comparison, ending) if ending else None,
        "hold": _view_hold(hold) if hold else None,
    }


def _view_hold(hold: Hold) -> dict[str, str]:
    return {
        "reason": hold.reason.value,
        "code": hold.code,
        "since": format_time(hold.since_ms),
        "until": format_time(hold.until_ms),
    }


def view_uploads(uploads: UploadForms) -> dict[str, Any]:
    """Return upload forms as JSON values (`UploadsView`)."""
    return {
        "region": uploads.region,
        "pair_id": uploads.pair_id,
        "expires_in_s": uploads.valid_s,
        "size_limit_bytes": uploads.size_limit_bytes,
        **{
            role.value: {
                "key": uploads.forms[role].key,
                "url": uploads.forms[role].post.url,
                "fields": dict(uploads.forms[role].post.fields),
            }
            for role in Role
        },
    }
