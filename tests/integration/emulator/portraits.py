"""Test photos, drawn here: nobody's face."""

import base64
from io import BytesIO

import numpy as np
from PIL import Image


def draw_portrait(width: int = 720, height: int = 960, seed: int = 1) -> Image.Image:
    """Soft blotches, other ones for each seed: structure enough for a face that is none."""
    blotches = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    return Image.fromarray(blotches).resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image, image_format: str = "JPEG", **options: object) -> bytes:
    file = BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


PORTRAIT = to_base64(encode(draw_portrait()))
STRANGER = to_base64(encode(draw_portrait(seed=2)))
