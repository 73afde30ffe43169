"""Photos: the API page's rules on them, and a score from their pixels.

The score is the correlation of two small grey pictures. It recognises no one: two photos of one person may
score low, and two people before the same wall may score high. `PASS_SCORE` is the emulator's own and says
nothing about people, nor about the provider, which publishes no such score.
"""

import hashlib
import random
import statistics
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from PIL import Image, ImageFilter, ImageStat

from .answers import Refusal

PASS_SCORE: Final = 70.0
# A picture with less variation than this has nothing that could be a face: NoFaceDetected.
MIN_GREY_DEVIATION: Final = 6.0

# The page names height x width, and only advises against wide photos: so the longer side counts as height.
LONGER_SIDE_PX: Final = range(640, 1920 + 1)
SHORTER_SIDE_PX: Final = range(480, 1080 + 1)

_GRID_PX: Final = 32
_ENOUGH_PX: Final = (160, 160)
_FORMATS: Final = {
    "JPEG": "JPEG",
    "MPO": "JPEG",
    "PNG": "PNG",
}  # MPO is the JPEG with an appendix of many phones
_METADATA: Final = {"exif", "xmp", "photoshop", "comment", "Raw profile type exif", "XML:com.adobe.xmp"}


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What the call log tells of a photo; never the photo."""

    format: str
    width: int
    height: int
    size_bytes: int
    has_metadata: bool


@dataclass(frozen=True, slots=True)
class Quality:
    """Scores of one photo, 0 to 100, from its pixels: the provider's form without its meaning."""

    overall: float
    illumination: float
    sharpness: float
    occlusion: float
    key_area_occlusion: float


@dataclass(frozen=True, slots=True)
class Face:
    """What a comparison needs of a photo."""

    grid: tuple[int, ...]
    quality: Quality


def read_facts(data: bytes) -> PhotoFacts | None:
    """Return what the header of a photo says, or None where it is not a JPEG or PNG."""
    try:
        with Image.open(BytesIO(data), formats=("JPEG", "PNG")) as image:
            return PhotoFacts(
                _FORMATS[image.format or "JPEG"],
                image.width,
                image.height,
                len(data),
                bool(_METADATA & {str(name) for name in image.info}) or bool(getattr(image, "text", None)),
            )
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None


def read_face(data: bytes, facts: PhotoFacts | None) -> Face:
    """Decode a photo, or raise the provider's `Refusal`."""
    if facts is None:
        raise Refusal("UnqualifiedPhoto")
    shorter_px, longer_px = sorted((facts.width, facts.height))
    if longer_px not in LONGER_SIDE_PX or shorter_px not in SHORTER_SIDE_PX:
        raise Refusal("UnqualifiedPhoto")
    try:
        with Image.open(BytesIO(data), formats=("JPEG", "PNG")) as image:
            image.draft("L", _ENOUGH_PX)  # a JPEG is decoded at a fraction of its size, many times faster
            grey = image.convert("L")
    except (OSError, SyntaxError, ValueError):
        raise Refusal("UnqualifiedPhoto") from None
    if ImageStat.Stat(grey).stddev[0] < MIN_GREY_DEVIATION:
        raise Refusal("NoFaceDetected")
    grid = grey.resize((_GRID_PX, _GRID_PX), Image.Resampling.BOX)
    return Face(tuple(grid.tobytes()), _measure_quality(grey))


def imagine_face(url: str) -> Face:
    """Return the face behind a URL: made from the URL's text, which is all that is ever looked at."""
    seed = int.from_bytes(hashlib.sha256(url.encode()).digest())
    pixels = random.Random(seed).randbytes(_GRID_PX * _GRID_PX)  # noqa: S311 - no secret, only repeatable
    return Face(tuple(pixels), _measure_quality(Image.frombytes("L", (_GRID_PX, _GRID_PX), pixels)))


def score_faces(source: Face, target: Face) -> float:
    """Return the score of two photos, from 0 to 100; the same photo scores 100."""
    if source.grid == target.grid:
        return 100.0
    if min(len(set(source.grid)), len(set(target.grid))) == 1:  # fine texture only: the small grid is flat
        return 0.0
    return round(100 * max(0.0, statistics.correlation(source.grid, target.grid)), 2)


def _measure_quality(grey: Image.Image) -> Quality:
    mean = ImageStat.Stat(grey).mean[0]
    illumination = 100 * (1 - abs(mean - 127.5) / 127.5)
    edges = ImageStat.Stat(grey.filter(ImageFilter.FIND_EDGES)).mean[0]
    sharpness = min(100.0, 4 * edges)
    return Quality(
        overall=round((illumination + sharpness) / 2, 2),
        illumination=round(illumination, 2),
        sharpness=round(sharpness, 2),
        occlusion=0.0,
        key_area_occlusion=0.0,
    )
