"""What is sent through a stack to be looked for afterwards: no part of it stands anywhere else."""

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
"""What an answer may repeat: a region or an id that the caller asked for, and that there is not."""
PAIR_ID_LOCATIONS: Final = frozenset({"answer", "dead letter", "ledger", "queue", "result", "stream"})
"""A pair's name is the caller's own; it goes where its comparison goes, and into no log and no file."""


@dataclass(slots=True)
class Markers:
    """All that was marked so far."""

    known: list[Marker] = field(default_factory=list)
    _target: bytes | None = None
    _drawn: int = 0

    def make_word(self, name: str, allowed: frozenset[str] = frozenset()) -> str:
        """Return a word that stands nowhere else."""
        word = base64.b32encode(hashlib.sha256(name.encode()).digest())[:40].decode().lower()
        self.known.append(make_text_marker(name, word, allowed))
        return word

    def make_photo(self, name: str, *, damage: str | None = None, pixels: str | None = None) -> bytes:
        """Return a photo with words of its own in its metadata: acceptable, or `truncated`, or `too small`.

        Where it is not said what `pixels` it has, they are one of a few photos'.
        """
        words = tuple(self.make_word(f"{name}: {part}") for part in ("name", "profile", "comment"))
        self._drawn += 1
        pixels = pixels or f"pixels {self._drawn % _DIFFERENT_PIXELS}"
        photo = _draw(pixels, words, small=damage == "too small")
        self._know_pixels(pixels if damage is None else f"{pixels}, {damage}", photo)
        if (made := _normalise(photo)) is not None:
            self._know_pixels(f"{pixels}, as sent", made)
        return photo[: len(photo) // 2] if damage == "truncated" else photo

    def _know_pixels(self, name: str, photo: bytes) -> None:
        scan = _cut_to_scan(photo)
        if all(scan != marker.content for marker in self.known):
            self.known.append(make_photo_marker(name, scan))

    def make_target(self) -> bytes:
        """Return the photo that is every pair's target: one is enough to be known again."""
        if self._target is None:
            self._target = self.make_photo("target", pixels="target")
        return self._target

    def make_pair_id(self, name: str, allowed: frozenset[str] = PAIR_ID_LOCATIONS) -> str:
        """Return the id of a pair, after a person."""
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
    """Return a JPEG from its pixels on: what stands before them stands in many."""
    return photo[photo.rfind(_SCAN) :] if _SCAN in photo else photo
