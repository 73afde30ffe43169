"""The facts of an opened photo."""

from dataclasses import dataclass
from typing import Any, cast

from PIL import Image

from imaging.colour import expand_mode, invert_grey
from imaging.colour_space import ColourSpace
from imaging.errors import decoding, refuse_damaged
from imaging.exif import read_orientation, turn_size
from imaging.formats import GIF, JPEG, JPEG_2000
from imaging.jpeg_2000 import read_codestream
from imaging.open import Opened


@dataclass(frozen=True, slots=True)
class Photo:
    """
    A photo's facts as its file states them, and its pixels.

    Attributes
    ----------
    data
        The file.
    pixels
        The file as its decoder is given it.
    image
        Decoded, except that a JPEG is decoded later, at the scale that is needed.
    """

    data: bytes
    pixels: bytes
    image: Image.Image
    format: str
    width: int
    height: int
    mode: str
    orientation: int
    colours: bytes | ColourSpace | None
    is_inverted: bool

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height once turned upright."""
        return turn_size((self.width, self.height), self.orientation)


def inspect_photo(opened: Opened) -> Photo:
    """Learn a photo's facts, and decode all but a JPEG."""
    image, mode, size = opened.image, opened.image.mode, opened.image.size
    decoded = image if opened.format == JPEG else _load(opened)
    return Photo(
        opened.data,
        opened.contents.pixels,
        decoded,
        opened.format,
        *size,
        mode,
        opened.contents.orientation or read_orientation(image.info.get("exif") or b""),
        colours=image.info.get("icc_profile") or opened.contents.colours,
        # Pillow takes every CMYK JPEG to be inverted, as Adobe's are.
        is_inverted=opened.format == JPEG and mode == "CMYK" and "adobe" not in image.info,
    )


def _load(opened: Opened) -> Image.Image:
    """Decode all pixels, and correct what the decoder does not know."""
    image = opened.image
    if opened.format == JPEG_2000:
        cast("Any", image).reduce = read_codestream(opened.contents.pixels).choose_reduction()
    covered = image.tile[0][1] if image.tile else None
    with decoding(opened.format):
        image.load()
    if image.mode == "P" and image.palette is None:
        raise refuse_damaged(opened.format)
    if opened.contents.is_negative:
        return invert_grey(image)
    if opened.format == GIF and covered and covered != (0, 0, *image.size):
        return _cover_canvas(image, covered)
    return image


def _cover_canvas(image: Image.Image, covered: tuple[int, int, int, int]) -> Image.Image:
    """Put white where a GIF's first frame does not reach, which its decoder leaves in some colour."""
    expanded = expand_mode(image)
    canvas = Image.new(expanded.mode, expanded.size, "white")
    canvas.paste(expanded.crop(covered), covered)
    return canvas
