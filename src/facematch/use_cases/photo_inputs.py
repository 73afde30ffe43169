"""The photos of an API request, in the three ways in which a caller may give one."""

import hashlib
from dataclasses import dataclass

from facematch.domain.errors import InvalidInputError
from facematch.domain.inbox import InboxKey, parse_inbox_key
from facematch.domain.reasons import Reason
from facematch.domain.verdict import Role


@dataclass(frozen=True, slots=True, repr=False)
class InlinePhoto:
    """A photo in the request itself."""

    content: bytes


@dataclass(frozen=True, slots=True)
class UploadedPhoto:
    """A photo that was uploaded to the inbox before."""

    key: str


@dataclass(frozen=True, slots=True, repr=False)
class LinkedPhoto:
    """A photo that the provider fetches from a URL."""

    url: str


type PhotoInput = InlinePhoto | UploadedPhoto | LinkedPhoto


def digest_photo(photo: PhotoInput) -> str:
    """Return a digest of what the caller gave; uploaded photos count by their key."""
    match photo:
        case InlinePhoto(content):
            kind, data = "photo", content
        case LinkedPhoto(url):
            # The URL is not checked yet and may hold half a surrogate pair.
            kind, data = "url", url.encode(errors="surrogatepass")
        case UploadedPhoto(key):
            kind, data = "upload", key.encode(errors="surrogatepass")
    return f"{kind} {hashlib.sha256(data).hexdigest()}"


def parse_upload_key(role: Role, photo: UploadedPhoto) -> InboxKey:
    """Return what the key of an uploaded photo says.

    Raises
    ------
    InvalidInputError
        `invalid_upload_key`: it is no key of the inbox.
    """
    key = parse_inbox_key(photo.key)
    if key is None:
        raise InvalidInputError(
            Reason.INVALID_UPLOAD_KEY,
            f"{role}.upload_key is inbox/{{region}}/{{pair_id}}/source or target, with an extension.",
            field=f"{role}.upload_key",
        )
    return key
