"""Unique data that is sent through a stack, and searched for afterwards."""

import base64
import hashlib
import random
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from typing import Final

from PIL import Image, ImageCms

from audit.search import Marker, make_photo_marker, make_text_marker
from imaging import Limits, PhotoError, normalise

_ARTIST: Final = 0x013B
_DESCRIPTION: Final = 0x010E
_SCAN: Final = b"\xff\xda"
_DIFFERENT_PIXELS: Final = 5

CALLER_LOCATIONS: Final = frozenset({"answer"})
"""For values that an answer may repeat: an unknown region or id of the request."""
PAIR_ID_LOCATIONS: Final = frozenset({"answer", "dead letter", "ledger", "queue", "result", "stream"})
"""A pair id is in the same locations as its comparison, but in no log and no file."""


@dataclass(slots=True)
class Markers:
    """All markers."""

    known: list[Marker] = field(default_factory=list)
    _target: bytes | None = None
    _photo_count: int = 0

    def make_word(self, name: str, allowed: frozenset[str] = frozenset()) -> str:
        """Return a unique word."""
        word = base64.b32encode(hashlib.sha256(name.encode()).digest())[:40].decode().lower()
        self.known.append(make_text_marker(name, word, allowed))
        return word

    def make_photo(self, name: str, *, damage: str | None = None, pixels: str | None = None) -> bytes:
        """Return a photo with unique words in its metadata. `damage` can be "truncated" or "too small".

        Without `pixels`, the photo has one of a few images.
        """
        words = tuple(self.make_word(f"{name}: {part}") for part in ("name", "profile", "comment"))
        self._photo_count += 1
        pixels = pixels or f"pixels {self._photo_count % _DIFFERENT_PIXELS}"
        photo = _draw(pixels, words, small=damage == "too small")
        self._add_pixels(pixels if damage is None else f"{pixels}, {damage}", photo)
        if (normalised := _normalise(photo)) is not None:
            self._add_pixels(f"{pixels}, as sent", normalised)
        return photo[: len(photo) // 2] if damage == "truncated" else photo

    def _add_pixels(self, name: str, photo: bytes) -> None:
        scan = _cut_to_scan(photo)
        if all(scan != marker.content for marker in self.known):
            self.known.append(make_photo_marker(name, scan))

    def make_target(self) -> bytes:
        """Return the target of every pair. One marked photo is enough."""
        if self._target is None:
            self._target = self.make_photo("target", pixels="target")
        return self._target

    def make_pair_id(self, name: str, allowed: frozenset[str] = PAIR_ID_LOCATIONS) -> str:
        """Return a unique pair id, like the name of a person."""
        return self.make_word(f"{name}: pair id", allowed)

    def make_url(self, name: str) -> str:
        """Return a photo's URL with a signature and credentials in its query."""
        words = [self.make_word(f"{name}: URL's {part}") for part in ("path", "key", "signature")]
        path, key, signature = words
        return f"https://photos.facematch.dev/{path}/a.jpg?X-Amz-Credential={key}%2Fs3&X-Amz-Signature={signature}"


@cache
def _draw(pixels: str, words: tuple[str, ...], *, small: bool) -> bytes:
    grain = random.Random(pixels).randbytes(30 * 40)  # noqa: S311 - pixels, not a secret
    size = (192, 256) if small else (480, 640)
    image = Image.frombytes("L", (30, 40), grain).resize(size)
    exif = Image.Exif()
    exif[_ARTIST], exif[_DESCRIPTION] = words[0], f"Portrait of {words[0]}"
    file = BytesIO()
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.convert("RGB").save(
        file, "JPEG", quality=60, exif=exif, icc_profile=profile + words[1].encode(), comment=words[2]
    )
    return file.getvalue()


def _normalise(photo: bytes) -> bytes | None:
    try:
        return normalise(photo, Limits()).jpeg
    except PhotoError:
        return None


def _cut_to_scan(photo: bytes) -> bytes:
    """Return a JPEG from its scan on. The data before it is the same in many files."""
    return photo[photo.rfind(_SCAN) :] if _SCAN in photo else photo
