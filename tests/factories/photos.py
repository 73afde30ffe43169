"""Makes photos: of nobody, and of a drawn person in whom the detector finds a face."""

import base64
import random
from functools import cache
from io import BytesIO
from typing import Any, Final

from PIL import Image

from facematch.domain.verdict import Role
from facematch_cli.doctor.sample import read_samples


def draw_portrait(width: int = 720, height: int = 960, seed: object = 1) -> Image.Image:
    """Draw soft blotches, others for each seed: enough structure to distinguish them, and no face."""
    blotches = random.Random(str(seed)).randbytes(9 * 7 * 3)  # noqa: S311 - colours, not secrets
    return Image.frombytes("RGB", (7, 9), blotches).resize((width, height), Image.Resampling.BICUBIC)


@cache
def make_portrait(seed: object = "someone", width: int = 480, height: int = 640) -> bytes:
    """Make a JPEG that is acceptable as it is; another `seed` makes another photo."""
    return encode(draw_portrait(width, height, seed))


@cache
def make_scene(width: int = 1600, height: int = 1200, *, face: float = 0.35) -> Image.Image:
    """Make a picture in which the detector finds a face: a drawn portrait, `face` of the width wide."""
    portrait = Image.open(BytesIO(read_samples()[Role.SOURCE]))
    scene = Image.new("RGB", (width, height), (90, 110, 100))
    side = round(width * face)
    scene.paste(portrait.resize((side, side * 4 // 3)), (width // 2, height // 10))
    return scene


@cache
def make_noise(width: int = 720, height: int = 960) -> bytes:
    """Make a photo that compresses as badly as any can."""
    pixels = random.Random(7).randbytes(width * height * 3)  # noqa: S311 - noise, not a secret
    return encode(Image.frombytes("RGB", (width, height), pixels), "PNG")


TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
ORIENTATIONS: Final = (1, *TURNS)
"""The values of EXIF's orientation."""


def turn(picture: Image.Image, orientation: int) -> Image.Image:
    """Turn an upright picture as a photo with this EXIF orientation is stored."""
    return picture.transpose(TURNS[orientation]) if orientation in TURNS else picture


def encode(picture: Image.Image, file_format: str = "JPEG", **options: Any) -> bytes:
    """Return a picture as a file."""
    buffer = BytesIO()
    picture.save(buffer, file_format, **options)
    return buffer.getvalue()


def to_base64(photo: bytes) -> str:
    return base64.b64encode(photo).decode()


PERSON: Final = encode(draw_portrait())
SAME_PERSON: Final = encode(draw_portrait(), quality=60)
OTHER_PERSON: Final = encode(draw_portrait(seed=2))
PORTRAIT, STRANGER = to_base64(PERSON), to_base64(OTHER_PERSON)
"""Two people to the emulator's judge of pixels, in Base64."""
