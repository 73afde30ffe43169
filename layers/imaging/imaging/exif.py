"""The one fact taken from EXIF: which way up the photo is."""

from struct import error as struct_error
from struct import unpack_from

from PIL.Image import Transpose

UPRIGHT = 1

TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What makes a photo of each orientation upright."""

_ORIENTATION_TAG = 0x0112
_LONG = 4
_HEADER_BYTES = 6


def read_orientation(exif: bytes) -> int:
    """
    Read the orientation, 1 to 8, from an EXIF block.

    Pillow's own reader parses every tag and warns about broken ones; a broken or missing block is
    simply an upright photo here.
    """
    while exif.startswith(b"Exif\0"):  # some writers put it twice, or end it in another byte than 0
        exif = exif[_HEADER_BYTES:]
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return UPRIGHT
    try:
        return _find_orientation(exif, order)
    except struct_error:
        return UPRIGHT


def turn_size(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Turn a width and a height of the stored photo into those of the upright one, or back."""
    width, height = size
    return (height, width) if orientation in {5, 6, 7, 8} else size


def _find_orientation(tiff: bytes, order: str) -> int:
    (directory,) = unpack_from(f"{order}I", tiff, 4)
    (entries,) = unpack_from(f"{order}H", tiff, directory)
    for entry in range(entries):
        position = directory + 2 + 12 * entry
        tag, kind = unpack_from(f"{order}HH", tiff, position)
        if tag == _ORIENTATION_TAG:
            (orientation,) = unpack_from(f"{order}I" if kind == _LONG else f"{order}H", tiff, position + 8)
            return orientation if orientation in TURNS else UPRIGHT
    return UPRIGHT
