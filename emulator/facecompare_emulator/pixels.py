"""A judge that compares pixels, not faces. It is fast, and its scores are the same on every machine.

The score is the correlation of two small grey images. Two photos of one person can score low. Two people in
front of the same wall can score high.
"""

import asyncio
import hashlib
import random
import statistics
from io import BytesIO
from typing import Final

from PIL import Image, ImageFilter, ImageStat

from .answers import Refusal
from .photos import FORMATS, Face, Quality

# A photo with less variation than this contains no face: NoFaceDetected.
MIN_GREY_DEVIATION: Final = 6.0

_GRID_PX: Final = 32
_ENOUGH_PX: Final = (160, 160)


class PixelJudge:
    """Scores the similarity of pixels."""

    name: Final = "pixels"
    about: Final = "Scores show how similar the pixels are. No face is detected or compared."

    async def start(self) -> None:
        """Do nothing. No model is needed."""

    async def stop(self) -> None:
        """Do nothing."""

    async def find_face(self, photo: bytes) -> Face:
        """Return the pixels of a photo as its features, or raise the provider's `Refusal`."""
        return await asyncio.to_thread(_shrink, photo)

    def make_face_from_url(self, url: str) -> Face:
        """Return random pixels, seeded by the URL."""
        seed = int.from_bytes(hashlib.sha256(url.encode()).digest())
        pixels = random.Random(seed).randbytes(_GRID_PX * _GRID_PX)  # noqa: S311 - no secret, only repeatable
        return Face(tuple(pixels), measure_quality(Image.frombytes("L", (_GRID_PX, _GRID_PX), pixels)))

    def score(self, source: Face, target: Face) -> float:
        """Return the score of two photos, from 0 to 100; the same photo scores 100."""
        if source.features == target.features:
            return 100.0
        # If a photo has fine texture only, its small grid is flat.
        if min(len(set(source.features)), len(set(target.features))) == 1:
            return 0.0
        return round(100 * max(0.0, statistics.correlation(source.features, target.features)), 2)


def _shrink(photo: bytes) -> Face:
    try:
        with Image.open(BytesIO(photo), formats=FORMATS) as image:
            image.draft("L", _ENOUGH_PX)  # decoding a JPEG at a fraction of its size is much faster
            grey = image.convert("L")
    except (OSError, SyntaxError, ValueError):
        raise Refusal("UnqualifiedPhoto") from None
    if ImageStat.Stat(grey).stddev[0] < MIN_GREY_DEVIATION:
        raise Refusal("NoFaceDetected")
    grid = grey.resize((_GRID_PX, _GRID_PX), Image.Resampling.BOX)
    return Face(tuple(grid.tobytes()), measure_quality(grey))


def measure_quality(grey: Image.Image) -> Quality:
    """Return the scores of a grey image from its brightness and edges."""
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
