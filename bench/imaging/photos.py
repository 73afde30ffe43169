"""Photos like those of a phone: with the size and the noise of a sensor, stored on the side."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
import pillow_heif
from PIL import Image
from skimage import data as bundled

from harness.photos import make_display_p3_profile, make_exif

SENSOR_12_MP: Final = (4032, 3024)
SENSOR_48_MP: Final = (8064, 6048)
_TURNED_RIGHT: Final = 6
_STRIP_ROWS: Final = 1008
"""The height of the noise, which is repeated. It divides the sides of both sensors."""

pillow_heif.register_heif_opener()


@dataclass(frozen=True, slots=True)
class Photo:
    """A file, and its name in the tables."""

    name: str
    data: bytes


def make_photos(shrink: int = 1) -> Iterator[Photo]:
    """Yield the photos, with sides `shrink` times shorter than a phone's."""
    portrait = make_sensor_image(make_portrait(), _shorten(SENSOR_12_MP, shrink))
    profile = make_display_p3_profile()
    yield Photo("JPEG 12 MP", _save(portrait, "JPEG", quality=94))
    yield make_48_mp_photo(shrink)
    yield Photo("progressive JPEG 12 MP", _save(portrait, "JPEG", quality=94, progressive=True))
    yield Photo("JPEG 12 MP in Display P3", _save(portrait, "JPEG", quality=94, icc_profile=profile))
    clean = make_sensor_image(make_portrait(), _shorten(SENSOR_12_MP, shrink), noise=2)
    yield Photo("PNG 12 MP", _save(clean, "PNG"))
    yield Photo("WebP 12 MP", _save(portrait, "WEBP", quality=85, method=1))
    yield Photo("AVIF 12 MP", _save(portrait, "AVIF", quality=65, speed=10))
    fast = {"preset": "ultrafast"}
    yield Photo("HEIC 12 MP", _save(portrait, "HEIF", quality=40, enc_params=fast))


def make_48_mp_photo(shrink: int = 1) -> Photo:
    """Make the largest photo."""
    image = make_sensor_image(make_portrait(), _shorten(SENSOR_48_MP, shrink))
    return Photo("JPEG 48 MP", _save(image, "JPEG", quality=92))


def make_workshop_photo(shrink: int = 1) -> Photo:
    """Make a photo with much fine detail."""
    motorcycle = Image.fromarray(bundled.stereo_motorcycle()[0])
    sideways = motorcycle.crop((37, 0, 704, 500))
    return Photo("workshop 12 MP", _save(make_sensor_image(sideways, _shorten(SENSOR_12_MP, shrink)), "JPEG"))


def make_portrait() -> Image.Image:
    """Crop the astronaut's portrait from scikit-image's photograph, and rotate it onto its side."""
    upright = Image.fromarray(bundled.astronaut()).crop((64, 0, 448, 512))
    return upright.transpose(Image.Transpose.ROTATE_90)


def make_sensor_image(photograph: Image.Image, size: tuple[int, int], noise: float = 4) -> Image.Image:
    """Enlarge a photograph and add noise: per pixel to luma, coarser and half as strong to colour."""
    pixels = np.array(photograph.resize(size, Image.Resampling.BICUBIC))
    strip = _make_noise(size[0], noise)
    for top in range(0, size[1], _STRIP_ROWS):
        rows = pixels[top : top + _STRIP_ROWS]
        rows[:] = (rows + strip[: len(rows)]).clip(0, 255)
    return Image.fromarray(pixels)


def _make_noise(width: int, strength: float) -> np.ndarray:
    random = np.random.default_rng(7)
    luma = random.normal(0, strength, (_STRIP_ROWS, _STRIP_ROWS, 1))
    colour = random.normal(0, strength / 2, (_STRIP_ROWS // 2, _STRIP_ROWS // 2, 3))
    tile = (luma + colour.repeat(2, 0).repeat(2, 1)).astype(np.int16)
    return np.tile(tile, (1, -(-width // _STRIP_ROWS), 1))[:, :width]


def _shorten(size: tuple[int, int], shrink: int) -> tuple[int, int]:
    return size[0] // shrink, size[1] // shrink


def _save(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, **{"exif": make_exif(_TURNED_RIGHT).tobytes(), "quality": 93, **options})
    return buffer.getvalue()
