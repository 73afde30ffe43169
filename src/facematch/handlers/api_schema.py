"""What the HTTP API takes and gives; validation and the OpenAPI document come from these models."""

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
from facematch.use_cases.issue_uploads import EXTENSIONS, HEIC_EXTENSIONS, UploadTickets
from facematch.use_cases.photo_inputs import InlinePhoto, LinkedPhoto, PhotoInput, UploadedPhoto

_SMALLEST_SCORE: Final = 1e-130
"""The smallest number above 0 that DynamoDB holds. Source: its developer guide, Supported data types."""


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
    """Return how to repair a text that is not Base64 by RFC 4648, section 4."""
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
    """Return a validator that reports what `check` refuses together with all other faults of a request."""

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
    """Return the JSON Schema by which exactly one of these fields has a value."""
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


_WAYS: Final = ("photo", "upload_key", "url")


class PhotoBody(_Model):
    """One photo, in exactly one of three ways."""

    model_config = ConfigDict(json_schema_extra=_describe_one_of(_WAYS))

    photo: Annotated[
        bytes | None,
        BeforeValidator(_decode_base64),
        WithJsonSchema({"anyOf": [{"type": "string", "contentEncoding": "base64"}, {"type": "null"}]}),
        Field(description="The photo itself, in Base64: JPEG, PNG, WebP, AVIF, BMP, TIFF or GIF."),
    ] = None
    upload_key: Annotated[_UploadKey | None, Field(description="The key of a photo in the inbox.")] = None
    url: Annotated[
        _PhotoUrl | None,
        Field(description="A public http or https URL that the provider fetches the photo from."),
    ] = None

    @model_validator(mode="after")
    def _check_exactly_one(self) -> Self:
        given = [name for name in _WAYS if getattr(self, name) is not None]
        if not given:
            raise PydanticCustomError(Reason.PHOTO_MISSING, "Give the photo, its upload_key or its url.")
        if len(given) > 1:
            raise PydanticCustomError(
                Reason.PHOTO_AMBIGUOUS,
                "Give only one of photo, upload_key and url; {given} came together.",
                {"given": " and ".join(given)},
            )
        return self

    def to_input(self) -> PhotoInput:
        """Return the photo as the domain takes it."""
        if self.photo is not None:
            return InlinePhoto(self.photo)
        if self.upload_key is not None:
            return UploadedPhoto(self.upload_key)
        return LinkedPhoto(self.url or "")


class ComparisonBody(_Model):
    """A request to compare two photos; what is left out is as the stack was deployed."""

    source: PhotoBody
    target: PhotoBody
    region: Annotated[
        _RegionName | None, Field(description="Where the faces may go; by default as the stack was deployed.")
    ] = None
    pair_id: Annotated[
        _PairId | None,
        Field(
            description="Your own name for the pair: no slashes, control characters, lone surrogates or "
            "noncharacters of Unicode."
        ),
    ] = None
    match_from: Annotated[_Score | None, Field(description="The lowest score of a match.")] = None
    no_match_up_to: Annotated[_Score | None, Field(description="The highest score of a no_match.")] = None
    face_quality_check: Annotated[
        bool | None, Field(description="Whether the provider shall also score the photos' quality.")
    ] = None


class UploadBody(_Model):
    """One photo to come."""

    content_type: Annotated[
        str,
        _check_by(_check_content_type),
        Field(
            json_schema_extra={"enum": [*EXTENSIONS, *HEIC_EXTENSIONS]},
            description="What the form will take; HEIC and HEIF only where the stack reads them.",
        ),
    ] = "image/jpeg"


class UploadsBody(_Model):
    """A request for leave to upload a pair."""

    region: _RegionName | None = None
    pair_id: Annotated[
        _UploadPairId | None,
        Field(description="Your own name for the pair, as for a comparison, and without `${filename}`."),
    ] = None
    source: UploadBody = UploadBody()
    target: UploadBody = UploadBody()


class HoldView(BaseModel):
    """Why calls to the comparison's region are on hold, since when, and when they are tried again."""

    reason: Literal["outage", "throttling", "operator"]
    code: str
    since: str
    until: str


class ComparisonView(BaseModel):
    """A comparison as its caller sees it: `result` once it has ended, `hold` while it waits for one."""

    id: str
    state: Literal["registered", "completed", "rejected", "failed"]
    region: str
    pair_id: str | None
    registered_at: str
    attempts: int
    result: dict[str, Any] | None
    hold: HoldView | None


class UploadTicketView(BaseModel):
    """Where and with which form fields to POST one photo."""

    key: str
    url: str
    fields: dict[str, str]


class UploadsView(BaseModel):
    """Leave to upload a pair."""

    region: str
    pair_id: str
    expires_in_s: int
    size_limit_bytes: int
    source: UploadTicketView
    target: UploadTicketView


_Code = Annotated[str, Field(json_schema_extra={"enum": [reason for reason in Reason if reason.http_status]})]


class ProblemField(BaseModel):
    """One fault: the field, a stable code and one sentence."""

    field: str
    code: _Code
    message: str


class Problem(BaseModel):
    """Problem details by RFC 9457; `code` is stable."""

    type: str
    title: str
    status: Annotated[
        int | None,
        WithJsonSchema({"type": "integer"}),
        Field(description="Of the answer; left out where the gateway refuses by itself."),
    ] = None
    detail: str
    code: _Code
    errors: list[ProblemField] = []


def view_comparison(comparison: Comparison, hold: Hold | None = None) -> dict[str, Any]:
    """Return a comparison as JSON values, in the form of `ComparisonView`."""
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


def view_uploads(uploads: UploadTickets) -> dict[str, Any]:
    """Return upload tickets as JSON values, in the form of `UploadsView`."""
    return {
        "region": uploads.region,
        "pair_id": uploads.pair_id,
        "expires_in_s": uploads.valid_s,
        "size_limit_bytes": uploads.size_limit_bytes,
        **{
            role.value: {
                "key": uploads.tickets[role].key,
                "url": uploads.tickets[role].form.url,
                "fields": dict(uploads.tickets[role].form.fields),
            }
            for role in Role
        },
    }
