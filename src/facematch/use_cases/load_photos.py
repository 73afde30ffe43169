"""Reads the photos of a comparison and makes them acceptable to the provider."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from threading import Lock, Semaphore
from typing import Any

from facematch.domain.comparison import PhotoKind, StoredPhoto
from facematch.domain.deadline import Deadline
from facematch.domain.errors import NoSlotError, PhotoMissingError
from facematch.domain.photo_url import URL_LENGTH_LIMIT
from facematch.domain.ports import PhotoStore
from facematch.domain.provider import InlinePicture, Picture, PictureUrl
from facematch.domain.stopwatch import Stopwatch
from facematch.domain.verdict import Role
from facematch.use_cases.prepare_photos import PhotoPreparer
from imaging import NormalisedPhoto


@dataclass(frozen=True, slots=True)
class PreparedPhoto:
    """A photo as the provider gets it, and the report of what was done to it."""

    picture: Picture
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PhotoLoader:
    """Decodes the photos of one comparison at a time, and reads those of the next, whatever the threads.

    Decoding is what fills a function's memory and its processor: two pairs at once would need twice the
    memory and would not be faster.
    """

    photos: PhotoStore
    preparer: PhotoPreparer
    _in_memory: Semaphore = field(default_factory=lambda: Semaphore(2), repr=False)
    _decoding: Lock = field(default_factory=Lock, repr=False)

    def load(
        self, stored: Mapping[Role, StoredPhoto], deadline: Deadline, stopwatch: Stopwatch
    ) -> dict[Role, PreparedPhoto]:
        """Return the stored photos, ready for a call.

        Raises
        ------
        PhotoMissingError
            A photo is no longer there; the error names it.
        RejectedPhotoError
            A photo cannot be made acceptable.
        NoSlotError
            The photos of other comparisons took until the deadline.
        """
        with stopwatch.measure("wait_for_worker"):
            self._in_memory.acquire()
        try:
            with stopwatch.measure("read"), ThreadPoolExecutor(max_workers=len(Role)) as pool:
                contents = dict(pool.map(self._read_one, stored.items()))
            urls = {
                role: prepare_url(contents.pop(role).decode())
                for role, photo in stored.items()
                if photo.kind is PhotoKind.URL
            }
            with stopwatch.measure("prepare"), self._decoding:
                if not deadline.allows(0, stopwatch.clock):
                    raise NoSlotError(0)
                return {**self.prepare(contents), **urls}
        finally:
            self._in_memory.release()

    def prepare(self, contents: Mapping[Role, bytes]) -> dict[Role, PreparedPhoto]:
        """Return photos made acceptable.

        Raises
        ------
        RejectedPhotoError
            A photo cannot be made acceptable.
        """
        return {role: pack_photo(photo) for role, photo in self.preparer.prepare(contents).items()}

    def read(self, photo: StoredPhoto) -> bytes:
        """Return a stored photo or URL, cut just beyond the largest size that is accepted.

        Raises
        ------
        PhotoMissingError, PhotoReplacedError
            It is no longer there.
        """
        limit = URL_LENGTH_LIMIT if photo.kind is PhotoKind.URL else self.preparer.size_limit_bytes
        return self.photos.read(photo, size_limit_bytes=limit)

    def _read_one(self, item: tuple[Role, StoredPhoto]) -> tuple[Role, bytes]:
        role, photo = item
        try:
            return role, self.read(photo)
        except PhotoMissingError:
            raise PhotoMissingError(field=role.value) from None


def prepare_url(url: str) -> PreparedPhoto:
    """Return a photo that the provider fetches itself."""
    return PreparedPhoto(PictureUrl(url), {"url": True})


def pack_photo(photo: NormalisedPhoto) -> PreparedPhoto:
    """Return a normalised photo with its report, ready for a call."""
    report = {**asdict(photo.report), "width": photo.width, "height": photo.height}
    return PreparedPhoto(InlinePicture(photo.jpeg), report)
