"""The three ways to give a photo in an API request."""

import hashlib
from dataclasses import dataclass

from facematch.domain.errors import InvalidInputError
from facematch.domain.inbox import InboxKey, parse_inbox_key
from facematch.domain.reasons import Reason
from facematch.domain.verdict import Role


@dataclass(frozen=True, slots=True, repr=False)
class InlinePhoto:
    """A photo in the request body."""

    content: bytes


@dataclass(frozen=True, slots=True)
class UploadedPhoto:
    """A photo in the inbox."""

    key: str


@dataclass(frozen=True, slots=True, repr=False)
class LinkedPhoto:
    """A photo that the provider fetches from a URL."""

    url: str


type PhotoInput = InlinePhoto | UploadedPhoto | LinkedPhoto


def digest_photo(photo: PhotoInput) -> str:
    """Return a digest of a photo's bytes, URL or key."""
    match photo:
        case InlinePhoto(content):
            kind, data = "photo", content
        case LinkedPhoto(url):
            # The URL is not checked yet, and may contain a lone surrogate.
            kind, data = "url", url.encode(errors="surrogatepass")
        case UploadedPhoto(key):
            kind, data = "upload", key.encode(errors="surrogatepass")
    return f"{kind} {hashlib.sha256(data).hexdigest()}"


def parse_upload_key(role: Role, photo: UploadedPhoto) -> InboxKey:
    """Return the parts of an uploaded photo's key.

    Raises
    ------
    InvalidInputError
        `invalid_upload_key`: it is not the key of a photo in the inbox.
    """
    key = parse_inbox_key(photo.key)
    if key is None:
        raise InvalidInputError(
            Reason.INVALID_UPLOAD_KEY,
            f"{role}.upload_key is inbox/{{region}}/{{pair_id}}/source or target, with an extension.",
            field=f"{role}.upload_key",
        )
    return key
