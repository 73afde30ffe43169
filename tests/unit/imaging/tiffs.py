"""TIFFs as scanners and cameras write them, which Pillow itself does not write."""

import struct
import zlib
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from harness.photos import make_picture

type Tags = Mapping[int, tuple[str, tuple[int, ...]]]

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
UNCOMPRESSED, DEFLATED = 1, 8
_KINDS = {"B": 1, "H": 3, "I": 4}


def make_samples(photometric: int, dtype: Any = np.uint8, width: int = 480, height: int = 640) -> np.ndarray:
    """Return the four quarters as a TIFF stores them: rows, columns, samples; white is the dtype's most."""
    picture = make_picture(width, height)
    mode = {RGB: "RGB", CMYK: "CMYK", YCBCR: "YCbCr"}.get(photometric, "L")
    values = np.asarray(picture.convert(mode)).reshape(height, width, -1)
    if photometric == WHITE_IS_ZERO:
        values = 255 - values
    if np.dtype(dtype).kind == "f":
        return (values / 255).astype(dtype)
    return np.asarray(values.astype(dtype) * dtype(np.iinfo(dtype).max // 255))


def make_tiff(
    samples: np.ndarray,
    photometric: int,
    *,
    order: Literal["<", ">"] = "<",
    compression: int = UNCOMPRESSED,
    in_planes: bool = False,
    rows_per_strip: int = 100,
    bits: int | None = None,
    tags: Tags | None = None,
) -> bytes:
    """Write a TIFF in strips; `tags` are added or replace."""
    height, width, count = samples.shape
    stored = samples.astype(samples.dtype.newbyteorder(order))
    planes = [stored[..., [sample]] for sample in range(count)] if in_planes else [stored]
    strips = [
        plane[top : top + rows_per_strip].tobytes()
        for plane in planes
        for top in range(0, height, rows_per_strip)
    ]
    if compression == DEFLATED:
        strips = [zlib.compress(strip) for strip in strips]
    start = 8
    offsets = tuple(start + sum(len(strip) for strip in strips[:number]) for number in range(len(strips)))
    own: Tags = {
        256: ("I", (width,)),
        257: ("I", (height,)),
        258: ("H", (bits or samples.dtype.itemsize * 8,) * count),
        259: ("H", (compression,)),
        262: ("H", (photometric,)),
        273: ("I", offsets),
        277: ("H", (count,)),
        278: ("I", (rows_per_strip,)),
        279: ("I", tuple(len(strip) for strip in strips)),
        284: ("H", (2 if in_planes else 1,)),
        339: ("H", ({"u": 1, "i": 2, "f": 3}[samples.dtype.kind],) * count),
    }
    return make_directory_file(b"".join(strips), {**own, **(tags or {})}, order)


def make_directory_file(body: bytes, tags: Tags, order: Literal["<", ">"] = "<") -> bytes:
    """Write a TIFF's header, what it holds, and its one directory."""
    data = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4) + body)
    entries = []
    for tag, (letter, values) in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(values)}{letter}", *values)
        if len(packed) > 4:
            position, packed_value = len(data), b""
            data += packed
            packed_value = struct.pack(order + "I", position)
        else:
            packed_value = packed.ljust(4, b"\0")
        entries.append(struct.pack(order + "HHI", tag, _KINDS[letter], len(values)) + packed_value)
    data[4:8] = struct.pack(order + "I", len(data))
    return bytes(data) + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)
