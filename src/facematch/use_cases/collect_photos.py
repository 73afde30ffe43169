"""The photos of an API request, from wherever they are, checked and made acceptable."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from facematch.domain.comparison import PhotoKind, StoredPhoto
from facematch.domain.errors import InvalidInputError, PhotoGoneError
from facematch.domain.inbox import InboxKey, parse_inbox_key
from facematch.domain.photo_url import check_photo_url
from facematch.domain.ports import PhotoStore
from facematch.domain.provider import PictureUrl
from facematch.domain.verdict import Role
from facematch.use_cases.compare_pair import PairComparer, PreparedPhoto

REQUESTS_PREFIX: Final = "requests/"


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
    """A photo that the provider shall fetch."""

    url: str


type PhotoInput = InlinePhoto | UploadedPhoto | LinkedPhoto


@dataclass(frozen=True, slots=True, repr=False)
class CollectedPhotos:
    """The photos of one request: where each stands, ready to go, and what is still to be stored."""

    stored: Mapping[Role, StoredPhoto]
    prepared: Mapping[Role, PreparedPhoto]
    to_store: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class PhotoCollector:
    """Finds and prepares the photos of API requests."""

    photos: PhotoStore
    comparer: PairComparer

    def collect(self, inputs: Mapping[Role, PhotoInput], comparison_id: str) -> CollectedPhotos:
        """Return the photos of one request, ready to be compared; those it brings shall be stored by its id.

        Raises
        ------
        InvalidInputError
            A URL, or a photo that is not there.
        RejectedPhotoError
            A photo can't be made acceptable.
        """
        stored: dict[Role, StoredPhoto] = {}
        contents: dict[Role, bytes] = {}
        links: dict[Role, PreparedPhoto] = {}
        to_store: dict[str, bytes] = {}
        for role, photo in inputs.items():
            match photo:
                case InlinePhoto(content):
                    contents[role] = content
                    stored[role] = _place(comparison_id, role, content, PhotoKind.PHOTO)
                    to_store[stored[role].key] = content
                case LinkedPhoto(url):
                    check_photo_url(url, field=f"{role}.url")
                    links[role] = PreparedPhoto(PictureUrl(url), {"url": True})
                    stored[role] = _place(comparison_id, role, url.encode(), PhotoKind.URL)
                    to_store[stored[role].key] = url.encode()
                case UploadedPhoto(key):
                    stored[role] = self._find(role, key)
                    contents[role] = self._read(role, stored[role])
        return CollectedPhotos(stored, {**self.comparer.prepare(contents), **links}, to_store)

    def _find(self, role: Role, key: str) -> StoredPhoto:
        photo = self.photos.find(key)
        if photo is None:
            raise _not_found(role)
        return photo

    def _read(self, role: Role, photo: StoredPhoto) -> bytes:
        try:
            return self.comparer.read(photo)
        except PhotoGoneError:
            raise _not_found(role) from None


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
            "invalid_upload_key",
            f"{role}.upload_key is inbox/{{region}}/{{pair_id}}/source or target, with an extension.",
            field=f"{role}.upload_key",
        )
    return key


def _not_found(role: Role) -> InvalidInputError:
    return InvalidInputError(
        "photo_not_found", f"There is no photo under {role}.upload_key.", field=f"{role}.upload_key"
    )


def _place(comparison_id: str, role: Role, content: bytes, kind: PhotoKind) -> StoredPhoto:
    """Return where a photo of a request goes: its key is made from its bytes, so nothing ever replaces it."""
    digest = hashlib.sha256(content).hexdigest()
    return StoredPhoto(key=f"{REQUESTS_PREFIX}{comparison_id}/{role}-{digest[:32]}", kind=kind)
