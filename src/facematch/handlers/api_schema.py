"""What the HTTP API takes and gives; validation and the OpenAPI document come from these models."""

import base64
import binascii
from collections.abc import Collection
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from facematch.domain.comparison import Comparison
from facematch.domain.inbox import PAIR_ID_LIMIT
from facematch.domain.regions import Region
from facematch.domain.result_event import describe_ending, format_time
from facematch.domain.verdict import HIGHEST_SCORE, Role
from facematch.use_cases.collect_photos import InlinePhoto, LinkedPhoto, PhotoInput, UploadedPhoto
from facematch.use_cases.issue_uploads import EXTENSIONS, HEIC_EXTENSIONS, UploadTickets

_UPLOAD_KEY_LIMIT: Final = 1024


def _decode_base64(text: object) -> bytes | None:
    if text is None:
        return None
    if not isinstance(text, str):
        raise PydanticCustomError("invalid_base64", "A photo is text in Base64.")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise PydanticCustomError("invalid_base64", "A photo is text in Base64; this is not.") from None


_RegionName = Annotated[str, Field(json_schema_extra={"enum": list(Region)})]
_PairId = Annotated[
    # The check is `check_pair_id`'s; a pattern of JSON Schema knows no more of what is printable.
    str,
    Field(json_schema_extra={"minLength": 1, "maxLength": PAIR_ID_LIMIT, "pattern": r"^[^/\x00-\x1f\x7f]*$"}),
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
    upload_key: Annotated[
        str | None, Field(max_length=_UPLOAD_KEY_LIMIT, description="The key of a photo in the inbox.")
    ] = None
    url: Annotated[
        str | None, Field(description="A public http or https URL that the provider fetches the photo from.")
    ] = None

    @model_validator(mode="after")
    def _check_exactly_one(self) -> Self:
        given = [name for name in _WAYS if getattr(self, name) is not None]
        if not given:
            raise PydanticCustomError("photo_missing", "Give the photo, its upload_key or its url.")
        if len(given) > 1:
            raise PydanticCustomError(
                "photo_ambiguous",
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
        _PairId | None, Field(description="Your own name for the pair: printable characters and no slash.")
    ] = None
    match_from: Annotated[
        float | None, Field(ge=0, le=HIGHEST_SCORE, description="The lowest score of a match.")
    ] = None
    no_match_up_to: Annotated[
        float | None, Field(ge=0, le=HIGHEST_SCORE, description="The highest score of a no_match.")
    ] = None
    face_quality_check: Annotated[
        bool | None, Field(description="Whether the provider shall also score the photos' quality.")
    ] = None


class UploadBody(_Model):
    """One photo to come."""

    content_type: Annotated[
        str,
        Field(
            json_schema_extra={"enum": [*EXTENSIONS, *HEIC_EXTENSIONS]},
            description="What the form will take; HEIC and HEIF only where the stack reads them.",
        ),
    ] = "image/jpeg"


class UploadsBody(_Model):
    """A request for leave to upload a pair."""

    region: _RegionName | None = None
    pair_id: _PairId | None = None
    source: UploadBody = UploadBody()
    target: UploadBody = UploadBody()


class ComparisonView(BaseModel):
    """A comparison as its caller sees it; `result` is there once it has ended."""

    id: str
    state: Literal["registered", "completed", "rejected", "failed"]
    region: str
    pair_id: str | None
    registered_at: str
    attempts: int
    result: dict[str, Any] | None


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


class ProblemField(BaseModel):
    """One thing that is wrong: where, by which stable code, and in one sentence why."""

    field: str
    code: str
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
    code: str
    errors: list[ProblemField] = []


def view_comparison(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON values, in the form of `ComparisonView`."""
    ending = comparison.ending
    return {
        "id": comparison.id,
        "state": comparison.state.value,
        "region": comparison.region,
        "pair_id": comparison.pair_id,
        "registered_at": format_time(comparison.created_at_ms),
        "attempts": len(comparison.attempts),
        "result": describe_ending(comparison, ending) if ending else None,
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
