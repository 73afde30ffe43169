"""Sends pairs to a stack."""

import base64
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from console.photos import ExaminedPhoto, PhotoCache
from facematch.domain.comparison import identify_upload
from facematch.domain.errors import InvalidInputError
from facematch.domain.inbox import make_inbox_key
from facematch.domain.reasons import Reason
from facematch.domain.regions import Region
from facematch.domain.verdict import Bounds, Role
from facematch.settings import Settings
from facematch_client.api import call_api
from facematch_client.pair_request import INLINE_LIMIT_BYTES
from facematch_client.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class Way(StrEnum):
    """The ways to send a pair."""

    BUCKET = "bucket"
    API = "api"
    ASYNC = "async"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A pair to compare. Only the API uses `bounds`. The stack's bounds apply to pairs in the bucket."""

    pair_id: str
    photos: Mapping[Role, ExaminedPhoto]
    region: Region
    way: Way
    bounds: Bounds


def read_submission(document: object, cache: PhotoCache, settings: Settings) -> Submission:
    """Return the submission from the page's JSON, with a unique pair id.

    Raises
    ------
    InvalidInputError
        The JSON is not valid. The message is for the page.
    """
    if not isinstance(document, dict):
        raise InvalidInputError("invalid_order", "A submission is a JSON object.", field="body")
    way = document.get("way")
    if way not in set(Way):
        raise InvalidInputError("unknown_way", f"The way must be one of {', '.join(Way)}.", field="way")
    return Submission(
        pair_id=f"console-{secrets.token_hex(4)}",
        photos={role: _find_photo(document.get(role), role, cache) for role in Role},
        region=settings.regions.choose(document.get("region")),
        way=Way(way),
        bounds=_read_bounds(document, settings.options.bounds),
    )


def _find_photo(photo_id: object, role: Role, cache: PhotoCache) -> ExaminedPhoto:
    photo = cache.find(str(photo_id))
    if photo is None:
        raise InvalidInputError(
            "photo_gone",
            f"The {role} photo is no longer in the console's memory. Choose it again.",
            field=role,
        )
    return photo


def _read_bounds(document: Mapping[str, Any], defaults: Bounds) -> Bounds:
    bounds = {name: document.get(name, score) for name, score in asdict(defaults).items()}
    for name, score in bounds.items():
        if type(score) not in {int, float}:
            raise InvalidInputError(
                Reason.INVALID_BOUNDS, f"{name} must be a score from 0 to 100.", field=name
            )
    return Bounds(**bounds)


def send(stack: Stack, s3: "S3Client", submission: Submission) -> str:
    """Send a pair to a stack, and return the id of its comparison.

    Raises
    ------
    InvalidInputError
        The photos are too large for the API.
    CommandError
        The API refused the request.
    """
    if submission.way is Way.BUCKET:
        return _put(stack.settings.bucket, s3, submission)
    return _post(stack, submission)


def _put(bucket: str, s3: "S3Client", submission: Submission) -> str:
    etags = {
        role: s3.put_object(
            Bucket=bucket,
            Key=make_inbox_key(submission.region, submission.pair_id, role, photo.extension),
            Body=photo.content,
        )["ETag"].strip('"')
        for role, photo in submission.photos.items()
    }
    return identify_upload(submission.region, submission.pair_id, etags)


_ASYNC_HEADERS: Final = {"Prefer": "respond-async"}


def _post(stack: Stack, submission: Submission) -> str:
    size_bytes = sum(len(photo.content) for photo in submission.photos.values())
    if size_bytes > INLINE_LIMIT_BYTES:
        raise InvalidInputError(
            Reason.REQUEST_TOO_LARGE,
            f"The photos have {size_bytes / 1e6:.1f} MB together. The limit of an API request is "
            f"{INLINE_LIMIT_BYTES / 1e6:.0f} MB. Send them by the bucket.",
            field="way",
        )
    body = {
        "region": submission.region.value,
        "pair_id": submission.pair_id,
        **asdict(submission.bounds),
        **{
            role.value: {"photo": base64.b64encode(photo.content).decode()}
            for role, photo in submission.photos.items()
        },
    }
    headers = {
        "Idempotency-Key": submission.pair_id,
        **(_ASYNC_HEADERS if submission.way is Way.ASYNC else {}),
    }
    return str(call_api(stack, "POST", "/v1/comparisons", body, headers).body["id"])
