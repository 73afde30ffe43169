"""From a picture to the bytes of a JPEG that fits."""

from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from imaging.errors import PhotoError, PhotoErrorCode
from imaging.limits import Limits

_QUALITY_STEP = 5
# Phones photograph in 4:2:0, and matchers look at faces of a few hundred pixels: full chroma would only
# take bytes from luma.
_SUBSAMPLING = "4:2:0"


@dataclass(frozen=True, slots=True)
class Encoding:
    """A JPEG, its quality, and how many times the encoder ran to find it."""

    jpeg: bytes
    quality: int
    passes: int


def encode(image: Image.Image, limits: Limits) -> Encoding:
    """
    Encode an L or RGB image: at the quality aimed for where that fits, better where there is room to spare.

    Raises
    ------
    PhotoError
        `too_heavy`, when even the least quality exceeds the size limit.
    """
    image.info = {}  # Pillow would write a comment or a resolution it finds there
    aimed = Encoding(_compress(image, limits.min_quality_aimed), limits.min_quality_aimed, passes=1)
    if len(aimed.jpeg) > limits.max_size_bytes:
        return _encode_lower(image, limits)
    if len(aimed.jpeg) > limits.aim_size_bytes[1]:
        return aimed
    return _encode_higher(image, aimed, limits)


def _encode_higher(image: Image.Image, aimed: Encoding, limits: Limits) -> Encoding:
    better = _compress(image, limits.best_quality)
    if len(better) <= min(limits.aim_size_bytes[1], limits.max_size_bytes):
        return Encoding(better, limits.best_quality, passes=2)
    return Encoding(aimed.jpeg, aimed.quality, passes=2)


def _encode_lower(image: Image.Image, limits: Limits) -> Encoding:
    qualities = range(limits.min_quality_aimed - _QUALITY_STEP, limits.floor_quality - 1, -_QUALITY_STEP)
    for passes, quality in enumerate(qualities, start=2):
        jpeg = _compress(image, quality)
        if len(jpeg) <= limits.max_size_bytes:
            return Encoding(jpeg, quality, passes)
    raise PhotoError(
        PhotoErrorCode.TOO_HEAVY,
        f"The photo, scaled to {image.width} x {image.height} pixels, exceeds {limits.max_size_bytes} bytes "
        f"even at JPEG quality {limits.floor_quality}.",
    )


def _compress(image: Image.Image, quality: int) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=_SUBSAMPLING)
    return buffer.getvalue()
