"""From a picture to the bytes of a JPEG that fits."""

from bisect import bisect_right
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from imaging.errors import PhotoError, PhotoErrorCode
from imaging.limits import Limits
from imaging.shape import Shape

_LEAST_GROWTH = 1.3
"""From quality 90 to 95 no photograph was seen to grow by less: what can't fit is not tried."""
# Phones photograph in 4:2:0, and matchers look at faces of a few hundred pixels: full chroma would only
# take bytes from luma.
_SUBSAMPLING = "4:2:0"
# Mid-grey: no edge against the bars is as strong as black or white would make it.
_BAR_COLOURS: dict[str, int | tuple[int, ...]] = {"L": 128, "RGB": (128, 128, 128)}


@dataclass(frozen=True, slots=True)
class Encoding:
    """A JPEG, its quality if it was made here, and how many times the encoder ran to find it."""

    jpeg: bytes
    quality: int | None
    passes: int


def encode(picture: Image.Image, shape: Shape, limits: Limits) -> Encoding:
    """
    Encode an L or RGB picture, with bars where its shape has them.

    It gets the quality aimed for where that fits, and a better one where there is room to spare.

    Raises
    ------
    PhotoError
        `incompressible`, when even the least quality exceeds the size limit.
    """
    image = _letterbox(picture, shape)
    image.info = {}  # Pillow would write a comment or a resolution it finds there
    aimed = Encoding(_compress(image, limits.min_quality_aimed), limits.min_quality_aimed, passes=1)
    if len(aimed.jpeg) > limits.max_size_bytes:
        return _encode_lower(image, limits)
    if len(aimed.jpeg) * _LEAST_GROWTH > limits.aim_size_bytes[1]:
        return aimed
    return _encode_higher(image, aimed, limits)


def _letterbox(image: Image.Image, shape: Shape) -> Image.Image:
    if not shape.padded_rows:
        return image
    canvas = Image.new(image.mode, (shape.picture_width, shape.height), _BAR_COLOURS[image.mode])
    canvas.paste(image, (0, shape.padded_rows // 2))
    return canvas


def _encode_higher(image: Image.Image, aimed: Encoding, limits: Limits) -> Encoding:
    better = _compress(image, limits.best_quality)
    if len(better) <= min(limits.aim_size_bytes[1], limits.max_size_bytes):
        return Encoding(better, limits.best_quality, passes=2)
    return Encoding(aimed.jpeg, aimed.quality, passes=2)


def _encode_lower(image: Image.Image, limits: Limits) -> Encoding:
    """Find the best quality that fits: each pass halves the range."""
    qualities = range(limits.floor_quality, limits.min_quality_aimed)
    jpegs: dict[int, bytes] = {}

    def measure(quality: int) -> int:
        jpegs[quality] = _compress(image, quality)
        return len(jpegs[quality])

    fitting = bisect_right(qualities, limits.max_size_bytes, key=measure)
    if not fitting:
        raise PhotoError(
            PhotoErrorCode.INCOMPRESSIBLE,
            f"The photo, scaled to {image.width} x {image.height} pixels, exceeds {limits.max_size_bytes} "
            f"bytes even at JPEG quality {limits.floor_quality}.",
        )
    quality = qualities[fitting - 1]
    return Encoding(jpegs[quality], quality, passes=1 + len(jpegs))


def _compress(image: Image.Image, quality: int) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=_SUBSAMPLING)
    return buffer.getvalue()
