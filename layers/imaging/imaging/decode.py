"""From a photo's pixels as stored to an upright picture of the planned size."""

from dataclasses import dataclass
from math import ceil, log

from PIL import Image

from imaging.colour import expand_mode, flatten
from imaging.errors import decoding
from imaging.exif import TURNS, turn_size
from imaging.faces import Box
from imaging.formats import JPEG, open_image
from imaging.inspect import Photo
from imaging.jpeg import JpegPhoto, cut_off_rows
from imaging.shape import Shape

_MAX_DECODED_PIXELS = 64_000_000
_NEARLY = 0.999
_MARGIN = 0.1
"""Of the kept part's height: rows below it that filters look at."""
# Whole steps by averages, as a JPEG's decoder takes them, and a filter for what is left.
_REDUCING_GAP = 1.0
_SMALL_REDUCTION = 1.25
"""After a whole step, BICUBIC does as well as LANCZOS up to here (Y-SSIM differs by 0.001), in less time."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A photo's pixels as stored, at the size that its decoder made, and the part that is the photo."""

    image: Image.Image
    extent: tuple[float, float, float, float]


def decode_preview(photo: Photo, shape: Shape, least_side: int) -> tuple[Decoded, Image.Image]:
    """Decode a photo as the whole of it needs it; return also its upright luma, of a longer side or more."""
    decoded = _decode_stored(photo, (shape.picture_width, shape.picture_height), photo.height)
    image = decoded.image
    factor = max(image.size) // least_side
    if factor > 1:
        image = image.resize((image.width // factor, image.height // factor), Image.Resampling.BOX)
    return decoded, flatten(_turn(image, photo.orientation), is_inverted=photo.is_inverted).convert("L")


def decode(photo: Photo, kept: Box, shape: Shape, preview: Decoded | None) -> Image.Image:
    """Decode the kept part of a photo, upright and of the planned size; a preview may have its pixels."""
    width, height = photo.upright_size
    # A part of a huge JPEG gets no more pixels than other photos may have.
    halvings = max(0, ceil(log(width * height / _MAX_DECODED_PIXELS, 4)))
    needed = min(shape.picture_width / kept.width, 1 / 2**halvings)
    stored = _to_stored(kept, photo)
    if preview and preview.extent[2] >= photo.width * needed * _NEARLY:
        decoded = preview
    else:
        rows = ceil(stored.bottom + _MARGIN * stored.height)
        decoded = _decode_stored(photo, (int(width * needed), int(height * needed)), rows)
    size = turn_size((shape.picture_width, shape.picture_height), photo.orientation)
    return _turn(_reduce(photo, decoded, stored, size), photo.orientation)


def _decode_stored(photo: Photo, upright_size: tuple[int, int], rows: int) -> Decoded:
    """
    Decode a photo.

    A JPEG is decoded at the smallest scale (of 1, 2, 4 and 8) that has an upright size's pixels, and, once
    its pixels are known to be there, without the rows below those that are asked for.
    """
    if not isinstance(photo.image, JpegPhoto):
        return Decoded(expand_mode(photo.image), (0, 0, *photo.image.size))
    image = photo.image if photo.image.tile else open_image(cut_off_rows(photo.pixels, rows), JPEG)
    width, height = turn_size(upright_size, photo.orientation)
    draft = image.draft(None, (width, max(1, height * image.height // photo.height)))
    with decoding(JPEG):
        image.load()
    factor = draft[1][2] / photo.width if draft else 1
    return Decoded(expand_mode(image), (0, 0, photo.width * factor, photo.height * factor))


def _reduce(photo: Photo, decoded: Decoded, stored: Box, size: tuple[int, int]) -> Image.Image:
    """Let a filter do what the decoder has left, in whole steps first."""
    image, (_, _, width, height) = decoded.image, decoded.extent
    extent = (
        max(0, stored.left * width / photo.width),
        max(0, stored.top * height / photo.height),
        min(image.width, stored.right * width / photo.width),
        min(image.height, stored.bottom * height / photo.height),
    )
    if image.size == size and extent == (0, 0, *size):
        return image  # Pillow would copy it
    gap = None if image.mode == "I;16" else _REDUCING_GAP  # Pillow averages no 16-bit pixels
    method = _choose_filter(stored.width / size[0], (extent[2] - extent[0]) / size[0])
    return image.resize(size, method, extent, gap)


def _to_stored(box: Box, photo: Photo) -> Box:
    """Return a box of the upright photo in pixels of the stored one."""
    width, height = photo.upright_size
    turned_left, turned_top = width - box.right, height - box.bottom
    turned_right, turned_bottom = width - box.left, height - box.top
    across = {
        1: (box.left, box.top, box.right, box.bottom),
        2: (turned_left, box.top, turned_right, box.bottom),
        3: (turned_left, turned_top, turned_right, turned_bottom),
        4: (box.left, turned_top, box.right, turned_bottom),
        5: (box.top, box.left, box.bottom, box.right),
        6: (box.top, turned_left, box.bottom, turned_right),
        7: (turned_top, turned_left, turned_bottom, turned_right),
        8: (turned_top, box.left, turned_bottom, box.right),
    }
    return Box(*across[photo.orientation])


def _choose_filter(reduction: float, decoded: float) -> Image.Resampling:
    """Choose by the whole reduction, and by what of it is left once the file is decoded."""
    left = decoded / max(1, int(decoded))
    has_whole_step = left <= reduction / 2
    return (
        Image.Resampling.BICUBIC if has_whole_step and left <= _SMALL_REDUCTION else Image.Resampling.LANCZOS
    )


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
