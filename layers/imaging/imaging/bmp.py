# ruff: noqa: PLR2004 - the numbers are those of the format
"""Checks BMP files, because Pillow does not decode all kinds."""

import struct

from imaging.contents import Contents
from imaging.errors import refuse_format

_INFO_HEADER_BYTES = 40
_BIT_FIELDS, _ALPHA_BIT_FIELDS = 3, 6
_COMPRESSION_NAMES = {4: "JPEG", 5: "PNG", _ALPHA_BIT_FIELDS: "alpha bit fields"}
_UNCOMPRESSED_DEPTHS = {1, 4, 8, 16, 24, 32}
# The masks that Pillow accepts: red, green and blue, and alpha for 32 bits.
_MASKS: dict[int, set[tuple[int, ...]]] = {
    16: {(0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)},
    24: {(0xFF0000, 0xFF00, 0xFF)},
    32: {
        (0xFF0000, 0xFF00, 0xFF, 0),
        (0xFF000000, 0xFF0000, 0xFF00, 0),
        (0xFF000000, 0xFF00, 0xFF, 0),
        (0xFF000000, 0xFF0000, 0xFF00, 0xFF),
        (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
        (0xFF0000, 0xFF00, 0xFF, 0xFF000000),
        (0xFF000000, 0xFF00, 0xFF, 0xFF0000),
        (0, 0, 0, 0),
    },
}


def read_bmp(data: bytes) -> Contents:
    """
    Check the header of a BMP.

    Raises
    ------
    PhotoError
        `unsupported_format`. The message names the kind.
    """
    try:
        header_bytes, depth, compression = struct.unpack_from("<I10xHI", data, 14)
        masks = struct.unpack_from("<4I", data, 54)
    except struct.error:
        return Contents(data)
    if header_bytes < _INFO_HEADER_BYTES:
        return Contents(data)
    if compression in _COMPRESSION_NAMES:
        raise refuse_format(f"BMP with {_COMPRESSION_NAMES[compression]}")
    if depth not in _UNCOMPRESSED_DEPTHS:
        raise refuse_format(f"BMP of {depth} bits")
    if compression == _BIT_FIELDS:
        has_alpha_mask = header_bytes > _INFO_HEADER_BYTES + 12
        own = (*masks[:3], masks[3] if has_alpha_mask else 0) if depth == 32 else masks[:3]
        if own not in _MASKS.get(depth, set()):
            raise refuse_format("BMP of uncommon bit fields")
    return Contents(data)
