"""Examines photos from the page, and keeps them in memory."""

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from facematch.settings import Settings
from facematch.use_cases.prepare_photos import photo_limits
from facematch_client.faces import Drawing, enable_face_detection, mark_faces
from facematch_client.files import explain_too_large
from imaging import PhotoError, PhotoErrorCode, normalise

CACHE_LIMIT_BYTES: Final = 200_000_000
_NO_FORMAT: Final = "dat"


@dataclass(frozen=True, slots=True, repr=False)
class ExaminedPhoto:
    """A photo as received, and as prepared (`jpeg`) with its report, or the reason why it is refused.

    `faces` are the faces in the prepared photo.
    """

    content: bytes
    jpeg: bytes | None = None
    report: Mapping[str, Any] | None = None
    refusal: Mapping[str, str] | None = None
    faces: Drawing | None = None

    @property
    def size_bytes(self) -> int:
        """The memory that the photo uses."""
        return len(self.content) + len(self.jpeg or b"")

    @property
    def extension(self) -> str:
        """The extension of its name in the bucket."""
        return str(self.report["source_format"]).lower() if self.report else _NO_FORMAT


def examine(content: bytes, settings: Settings, size_bytes: int | None = None) -> ExaminedPhoto:
    """Prepare a photo with the settings of a stack, or explain why it is refused.

    `size_bytes` is the photo's size, if known. Of a photo over the limit, `content` is only a part.
    """
    limits = enable_face_detection(photo_limits(settings))
    if len(content) > limits.max_source_size_bytes:
        message = explain_too_large(limits.max_source_size_bytes, size_bytes)
        return _refuse(content, PhotoErrorCode.FILE_TOO_LARGE, message)
    try:
        photo = normalise(content, limits)
    except PhotoError as error:
        return _refuse(content, error.code, error.message)
    report = {**asdict(photo.report), "width": photo.width, "height": photo.height}
    return ExaminedPhoto(content, photo.jpeg, report, faces=mark_faces(photo))


def _refuse(content: bytes, code: str, message: str) -> ExaminedPhoto:
    return ExaminedPhoto(content, refusal={"code": str(code), "message": message})


class PhotoCache:
    """Keeps the latest photos in memory, up to `limit_bytes`. The ids cannot be guessed."""

    def __init__(self, limit_bytes: int = CACHE_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._photos: OrderedDict[str, ExaminedPhoto] = OrderedDict()

    def add(self, photo: ExaminedPhoto) -> str:
        """Add a photo, remove the oldest photos over the limit, and return the id."""
        photo_id = secrets.token_urlsafe(16)
        self._photos[photo_id] = photo
        while len(self._photos) > 1 and self._size_bytes() > self._limit_bytes:
            self._photos.popitem(last=False)
        return photo_id

    def find(self, photo_id: str) -> ExaminedPhoto | None:
        """Return a photo if it is still in memory."""
        return self._photos.get(photo_id)

    def _size_bytes(self) -> int:
        return sum(photo.size_bytes for photo in self._photos.values())
