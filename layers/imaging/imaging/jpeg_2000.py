# ruff: noqa: PLR2004 - the numbers are those of the format
"""Reads JPEG 2000, the format of portraits on passport chips: JP2 files and codestreams (ISO/IEC 15444-1)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from imaging.contents import Contents
from imaging.errors import PhotoError, PhotoErrorCode
from imaging.exif import UPRIGHT
from imaging.iso_media import read_jp2_profile

MAX_DECODED_PIXELS = 16_000_000
"""Decoding takes 20 bytes per pixel."""
_ENOUGH_SHORT_SIDE = 1440
_CODESTREAM = b"\xff\x4f\xff\x51"
_SIZE, _CODING, _TILE = 0x51, 0x52, 0x90


@dataclass(frozen=True, slots=True)
class Codestream:
    """The size of a codestream in pixels, and how many times its decoder can halve it."""

    width: int
    height: int
    levels: int

    def choose_reduction(self) -> int:
        """
        Return how many times to halve it. The shorter side keeps at least 1440 pixels.

        Raises
        ------
        PhotoError
            `too_many_pixels`: even after all possible halvings, decoding takes too much memory.
        """
        reduction, short_side = 0, min(self.width, self.height)
        while reduction < self.levels and short_side >> (reduction + 1) >= _ENOUGH_SHORT_SIDE:
            reduction += 1
        pixels = self.width * self.height >> 2 * reduction
        if pixels > MAX_DECODED_PIXELS:
            raise PhotoError(
                PhotoErrorCode.TOO_MANY_PIXELS,
                f"The JPEG 2000 photo has {self.width * self.height} pixels ({self.width} x {self.height}). "
                f"It decodes to at least {pixels} pixels, and at most {MAX_DECODED_PIXELS} are accepted.",
            )
        return reduction


def read_jpeg_2000(data: bytes) -> Contents:
    """Split a JPEG 2000 file into pixels and metadata."""
    is_bare = data.startswith(_CODESTREAM)
    return Contents(data, orientation=UPRIGHT, colours=None if is_bare else read_jp2_profile(data))


def read_codestream(data: bytes) -> Codestream:
    """
    Read the main header of the codestream.

    Raises
    ------
    PhotoError
        `unreadable`: there is none.
    """
    size, levels = (0, 0), 0
    for marker, body in _walk_markers(data):
        if marker == _SIZE and len(body) >= 18:
            right, bottom, left, top = struct.unpack_from(">4I", body, 2)
            size = right - left, bottom - top
        elif marker == _CODING and len(body) > 5:
            levels = body[5]
    if min(size) <= 0:
        raise PhotoError(PhotoErrorCode.UNREADABLE, "The JPEG 2000 file is damaged: it states no size.")
    return Codestream(*size, min(levels, 32))


def _walk_markers(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = data.find(_CODESTREAM) + 2
    while 2 <= position <= len(data) - 4 and data[position] == 0xFF and data[position + 1] != _TILE:
        end = position + 2 + max(2, int.from_bytes(data[position + 2 : position + 4]))
        yield data[position + 1], data[position + 4 : end]
        position = end
