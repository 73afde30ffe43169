"""Splits a PNG into pixels and metadata."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from struct import error as struct_error
from struct import unpack

from imaging.colour_space import ColourSpace, name_colour_space
from imaging.contents import Contents
from imaging.exif import read_orientation

_SIGNATURE_BYTES = 8
_HEADER_BYTES, _CHECKSUM_BYTES = 8, 4
_END = bytes.fromhex("00000000 49454e44 ae426082")
_MAX_PROFILE_BYTES = 4_000_000
"""Profiles of printers have up to 3 MB."""
_GREY, _RGB, _PALETTE = 0, 2, 3
_TRANSPARENCY_BYTES = {_GREY: 2, _RGB: 6}
_CODING_BYTES = 4
_EXPONENTS = range(10_000, 1_000_001)
"""Of gAMA, times 100,000: an exponent of 0.1 to 10."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk: its name and body, and its start and end in the file."""

    name: bytes
    body: bytes
    start: int
    end: int
    is_sound: bool


def read_png(data: bytes) -> Contents:
    """
    Split a PNG into pixels and metadata.

    The decoder gets only the chunks that pixels depend on. As in browsers, damaged metadata is ignored. The
    size of inflated metadata is limited.
    """
    kept, position = [data[:_SIGNATURE_BYTES]], _SIGNATURE_BYTES
    said: dict[bytes, bytes] = {}
    pixels_start = pixels_end = 0
    for chunk in _walk_chunks(data):
        position = chunk.end
        if chunk.name == b"IDAT":
            pixels_start = pixels_start or chunk.start
            if not pixels_end or pixels_end == chunk.start:
                pixels_end = chunk.end
        elif chunk.name in {b"IHDR", b"PLTE"} or _is_transparency(chunk, said):
            kept.append(data[chunk.start : chunk.end])
        if chunk.is_sound and chunk.name != b"IDAT":
            said.setdefault(chunk.name, chunk.body)
    end = pixels_end or position
    pixels = data[pixels_start or position : end]
    return Contents(
        b"".join([*kept, pixels, _END]),
        orientation=read_orientation(said.get(b"eXIf", b"")),
        colours=_read_colours(said),
    )


def _walk_chunks(data: bytes) -> Iterator[_Chunk]:
    """Yield the chunks up to the end. A chunk of pixels may be cut off."""
    position = _SIGNATURE_BYTES
    while position + _HEADER_BYTES <= len(data):
        start, body_start = position, position + _HEADER_BYTES
        name = data[position + 4 : body_start]
        body_end = body_start + int.from_bytes(data[position : position + 4])
        position = body_end + _CHECKSUM_BYTES
        if name == b"IDAT":
            yield _Chunk(name, b"", start, position, is_sound=True)
            continue
        body = data[body_start:body_end]
        is_sound = zlib.crc32(name + body) == int.from_bytes(data[body_end:position])
        yield _Chunk(name, body, start, position, is_sound)
        if name == b"IEND":
            return


def _is_transparency(chunk: _Chunk, said: dict[bytes, bytes]) -> bool:
    """Return whether a chunk is a valid definition of transparent colours."""
    kind = said.get(b"IHDR", b"")[9:10]
    if chunk.name != b"tRNS" or not chunk.is_sound or not kind:
        return False
    if kind[0] == _PALETTE:
        return 0 < len(chunk.body) <= len(said.get(b"PLTE", b"")) // 3
    return len(chunk.body) == _TRANSPARENCY_BYTES.get(kind[0])


def _read_colours(said: dict[bytes, bytes]) -> bytes | ColourSpace | None:
    """Return the colour space from the chunk with the highest priority: PNG, third edition, clause 4.3."""
    coding = said.get(b"cICP", b"")
    if len(coding) == _CODING_BYTES:
        return name_colour_space(coding[0], coding[1])
    profile = _inflate_profile(said.get(b"iCCP", b""))
    if profile or b"sRGB" in said:
        return profile
    return _read_gamma(said)


def _inflate_profile(body: bytes) -> bytes | None:
    _, _, compressed = body.partition(b"\0")
    try:
        return zlib.decompressobj().decompress(compressed[1:], _MAX_PROFILE_BYTES) or None
    except zlib.error:
        return None


def _read_gamma(said: dict[bytes, bytes]) -> ColourSpace | None:
    """Read gAMA and cHRM, which has white, red, green and blue as x and y, times 100,000."""
    try:
        (gamma,) = unpack(">I", said.get(b"gAMA", b""))
    except struct_error:
        return None
    if gamma not in _EXPONENTS:
        return None
    space = ColourSpace(gamma=100_000 / gamma)
    try:
        points = unpack(">8I", said.get(b"cHRM", b""))
    except struct_error:
        return space
    white, *colours = ((x / 100_000, y / 100_000) for x, y in zip(points[::2], points[1::2], strict=True))
    return ColourSpace((*colours, white), gamma=space.gamma)
