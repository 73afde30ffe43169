"""Self-contained HTML pages with photos: templates, and images small enough to embed."""

import base64
import warnings
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from PIL import Image

_SIDES_PX: Final = (640, 480, 320, 200, 120)
_QUALITY: Final = 82
_SIZE_LIMIT_BYTES: Final = 150_000


@dataclass(frozen=True, slots=True)
class EmbeddedImage:
    """A small JPEG as a `data:` URI, with its size in pixels."""

    uri: str
    width: int
    height: int


def load_template(file: Path) -> Template:
    """Return the template of a page. It may import `figure.html`. Values are escaped."""
    environment = Environment(
        loader=FileSystemLoader([file.parent, Path(__file__).parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(file.name)


def shrink_photo(photo: bytes, limit_bytes: int = _SIZE_LIMIT_BYTES) -> EmbeddedImage | None:
    """Return a photo as a small image, in its stored orientation, or None if it cannot be decoded."""
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(BytesIO(photo)) as image,
        ):
            image.draft("RGB", (_SIDES_PX[0], _SIDES_PX[0]))
            return _fit(_flatten(image), limit_bytes)
    except Exception:  # noqa: BLE001 - decoders raise any exception for damaged files
        return None


def _flatten(image: Image.Image) -> Image.Image:
    """Return an image in RGB, with 8 bits per channel and transparency on white."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256) + 0).convert("L").convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _fit(image: Image.Image, limit_bytes: int) -> EmbeddedImage:
    jpeg = b""
    for side in _SIDES_PX:
        image.thumbnail((side, side))
        file = BytesIO()
        image.save(file, "JPEG", quality=_QUALITY)
        jpeg = file.getvalue()
        if len(jpeg) <= limit_bytes:
            break
    uri = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return EmbeddedImage(uri, image.width, image.height)
