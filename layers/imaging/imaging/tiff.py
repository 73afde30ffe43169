# ruff: noqa: PLR2004 - the numbers are those of the format
"""A TIFF of one plain directory, which Pillow decodes rightly; what it would get wrong is mended or refused.

Tags and their values: TIFF 6.0, with Adobe's supplements; BigTIFF.
"""

import ctypes
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

from PIL import _imaging

from imaging.contents import Contents
from imaging.errors import refuse_damaged, refuse_format
from imaging.exif import TURNS, UPRIGHT

_KIND, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_SIZES = 273, 277, 278, 279
_ORIENTATION, _PLANAR, _COLOUR_MAP, _SUB_DIRECTORIES, _INK_SET = 274, 284, 320, 330, 332
_TILE_OFFSETS = 324
_SUBSAMPLING, _PROFILE, _SAMPLE_FORMAT, _EXTRA_SAMPLES = 530, 34675, 339, 338
_DNG_VERSION = 50706
_NEEDED = {
    *(_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, 266, _STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP),
    *(_STRIP_SIZES, _PLANAR, 292, 293, 317, _COLOUR_MAP, 322, 323, _TILE_OFFSETS, 325, _EXTRA_SAMPLES),
    *(_SAMPLE_FORMAT, 347, *range(512, 522), 529, _SUBSAMPLING, 531, 532),
}
"""The tags that say how pixels are stored; all others are left out."""
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR, _LAB = 0, 1, 2, 3, 5, 6, 8
_GREY = {_WHITE_IS_ZERO, _BLACK_IS_ZERO}
_RAW_PHOTOMETRICS = {32803, 34892}
_UNCOMPRESSED = 1
_COMPRESSIONS = {_UNCOMPRESSED, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32946, 34925, 50000}
_COMPRESSION_NAMES = {
    **dict.fromkeys((34712, 33003, 33005), "JPEG 2000"),
    **dict.fromkeys((50001, 34927), "WebP"),
    **dict.fromkeys((50002, 52546), "JPEG XL"),
    34887: "LERC",
    34892: "lossy JPEG",
}
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_FORMAT_NAMES = {_SIGNED: "signed", _FLOAT: "floating-point"}
_DEPTHS = {_RGB: {8, 16}, _PALETTE: {1, 2, 4, 8}, _CMYK: {8, 16}, _YCBCR: {8}, _LAB: {8}}
_GREY_DEPTHS = {1, 2, 4, 8, 16}
_SEPARATE_PLANES = 2
_MAX_DIRECTORIES = 32
_TYPES = {1: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 16: "Q"}
_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}


@dataclass(frozen=True)
class _Layout:
    """How the file's numbers are stored."""

    data: bytes

    @cached_property
    def order(self) -> str:
        return "<" if self.data.startswith(b"II") else ">"

    @cached_property
    def is_big(self) -> bool:
        return 43 in self.data[2:4]

    @property
    def entry_bytes(self) -> int:
        return 20 if self.is_big else 12

    def read(self, letter: str, position: int) -> int:
        """Read one number, by its letter in `struct`; `struct.error` where the file ends before it."""
        return int(struct.unpack_from(self.order + letter, self.data, position)[0])

    @property
    def first_directory(self) -> int:
        return self.read("Q", 8) if self.is_big else self.read("I", 4)


@dataclass(frozen=True, slots=True)
class _Directory:
    """One picture's tags: the kind, the number and the place of each one's values."""

    layout: _Layout
    entries: dict[int, tuple[int, int, int]]
    following: int

    def read(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return a tag's values, where they are whole numbers that are there."""
        kind, count, position = self.entries.get(tag, (0, 0, 0))
        letter = _TYPES.get(kind)
        if letter is None or count == 0 or position + count * _SIZES[kind] > len(self.layout.data):
            return default
        return struct.unpack_from(f"{self.layout.order}{count}{letter}", self.layout.data, position)

    def read_first(self, tag: int, default: int) -> int:
        return self.read(tag, (default,))[0]

    def read_bytes(self, tag: int) -> bytes | None:
        _, count, position = self.entries.get(tag, (0, 0, 0))
        return self.layout.data[position : position + count] or None


@cache
def silence_libtiff() -> None:
    """Keep libtiff from writing to stderr what it finds wrong; Pillow silences its warnings alone."""
    # Looked up through Pillow's own module, in the library that it was linked with, whatever its file's name.
    library = ctypes.CDLL(_imaging.__file__)
    if hasattr(library, "TIFFSetErrorHandler"):
        library.TIFFSetErrorHandler(None)


def read_tiff(data: bytes) -> Contents:
    """
    Part a TIFF into one directory of what its decoder needs, and what is said about it.

    Raises
    ------
    PhotoError
        `unsupported_format`, with the kind's name, for what Pillow does not decode, or not rightly;
        `unreadable` without a directory.
    """
    silence_libtiff()
    layout = _Layout(data)
    try:
        directory = _read_directory(layout, layout.first_directory)
    except struct.error as error:
        raise refuse_damaged("TIFF") from error
    _require_no_raw_photo(layout, directory)
    _require_supported_pixels(directory)
    orientation = directory.read_first(_ORIENTATION, UPRIGHT)
    is_negative = (
        directory.read_first(_PHOTOMETRIC, _WHITE_IS_ZERO) == _WHITE_IS_ZERO
        and directory.read_first(_BITS, 1) > 8
    )
    return Contents(
        _rewrite(directory, is_negative=is_negative),
        orientation=orientation if orientation in TURNS else UPRIGHT,
        colours=directory.read_bytes(_PROFILE),
        is_negative=is_negative,
    )


def _read_directory(layout: _Layout, position: int) -> _Directory:
    count_letter, offset_letter = ("Q", "Q") if layout.is_big else ("H", "I")
    count = layout.read(count_letter, position)
    start = position + struct.calcsize("<" + count_letter)
    end = start + count * layout.entry_bytes
    entries: dict[int, tuple[int, int, int]] = {}
    for entry in range(start, min(end, len(layout.data)), layout.entry_bytes):
        tag, kind = layout.read("H", entry), layout.read("H", entry + 2)
        number = layout.read(offset_letter, entry + 4)
        values = entry + 4 + struct.calcsize("<" + offset_letter)
        if number * _SIZES.get(kind, 1) > struct.calcsize("<" + offset_letter):
            values = layout.read(offset_letter, values)
        entries.setdefault(tag, (kind, number, values))
    try:
        following = layout.read(offset_letter, end)
    except struct.error:
        following = 0
    return _Directory(layout, entries, following)


def _walk_directories(layout: _Layout, first: _Directory) -> Iterator[_Directory]:
    """Yield a file's directories and those below them, a bounded number."""
    waiting = [*first.read(_SUB_DIRECTORIES), first.following]
    yield first
    for _ in range(_MAX_DIRECTORIES):
        if not waiting:
            return
        position = waiting.pop(0)
        try:
            directory = _read_directory(layout, position) if position else None
        except struct.error:
            continue
        if directory:
            yield directory
            waiting += [*directory.read(_SUB_DIRECTORIES), directory.following][:_MAX_DIRECTORIES]


def _require_no_raw_photo(layout: _Layout, first: _Directory) -> None:
    """Refuse a camera's raw photo, of which Pillow would take the thumbnail."""
    is_thumbnail = bool(first.read_first(_KIND, 0) & 1) and _SUB_DIRECTORIES in first.entries
    is_raw = _DNG_VERSION in first.entries or layout.data[8:10] == b"CR"
    photometrics = {one.read_first(_PHOTOMETRIC, 0) for one in _walk_directories(layout, first)}
    if is_raw or is_thumbnail or photometrics & _RAW_PHOTOMETRICS:
        raise refuse_format("raw photo")


def _require_supported_pixels(directory: _Directory) -> None:
    compression = directory.read_first(_COMPRESSION, _UNCOMPRESSED)
    if compression not in _COMPRESSIONS:
        name = _COMPRESSION_NAMES.get(compression, f"compression {compression}")
        raise refuse_format(f"TIFF with {name}")
    photometric = directory.read_first(_PHOTOMETRIC, _WHITE_IS_ZERO)
    if photometric not in _DEPTHS.keys() | _GREY or directory.read_first(_INK_SET, 1) != 1:
        raise refuse_format("TIFF of uncommon colours")
    _require_supported_samples(directory, photometric, compression)


def _require_supported_samples(directory: _Directory, photometric: int, compression: int) -> None:
    depths, formats = set(directory.read(_BITS, (1,))), set(directory.read(_SAMPLE_FORMAT, (_UNSIGNED,)))
    samples_format = formats.pop() if len(formats) == 1 else 0
    if photometric == _BLACK_IS_ZERO and depths == {32} and samples_format in {_UNSIGNED, *_FORMAT_NAMES}:
        is_swapped = directory.layout.order == ">"
        if is_swapped and (compression != _UNCOMPRESSED or samples_format == _UNSIGNED):
            raise refuse_format("big-endian TIFF of 32 bits")
        return
    if samples_format != _UNSIGNED:
        raise refuse_format(f"TIFF of {_FORMAT_NAMES.get(samples_format, 'uncommon')} numbers")
    if len(depths) > 1 or not depths <= _DEPTHS.get(photometric, _GREY_DEPTHS):
        raise refuse_format(f"TIFF of {max(depths)} bits")
    is_plain_ycbcr = photometric == _YCBCR and compression == _UNCOMPRESSED
    if is_plain_ycbcr and directory.read(_SUBSAMPLING, (2, 2)) != (1, 1):
        raise refuse_format("TIFF of uncompressed YCbCr")


def _rewrite(directory: _Directory, *, is_negative: bool) -> bytes:
    """Put a directory behind the file that holds the needed tags alone, and point the header to it."""
    layout = directory.layout
    data = bytearray(layout.data)
    changed: dict[int, tuple[int, ...]] = {}
    if is_negative:
        changed[_PHOTOMETRIC] = (_BLACK_IS_ZERO,)
    colour_map = directory.read(_COLOUR_MAP)
    if colour_map and max(colour_map) < 256:  # some writers store bytes where 16 bits are meant
        changed[_COLOUR_MAP] = tuple(value * 257 for value in colour_map)
    if _has_deep_planes(directory):
        changed |= _interleave_planes(directory, data)
    return _append_directory(directory, data, changed)


def _has_deep_planes(directory: _Directory) -> bool:
    """Tell whether Pillow would take 16 bits of one plane for two pixels of eight."""
    return (
        directory.read_first(_PLANAR, 1) == _SEPARATE_PLANES
        and directory.read_first(_COMPRESSION, _UNCOMPRESSED) == _UNCOMPRESSED
        and directory.read_first(_BITS, 1) == 16
        and directory.read_first(_SAMPLES, 1) > 1
    )


def _interleave_planes(directory: _Directory, data: bytearray) -> dict[int, tuple[int, ...]]:
    """Store 16-bit planes pixel by pixel behind the file; return the tags that say so."""
    if _TILE_OFFSETS in directory.entries:
        raise refuse_format("TIFF of tiled planes of 16 bits")
    samples = directory.read_first(_SAMPLES, 1)
    height = directory.read_first(_HEIGHT, 0)
    plane_bytes = directory.read_first(_WIDTH, 0) * height * 2
    strips = list(zip(directory.read(_STRIP_OFFSETS), directory.read(_STRIP_SIZES), strict=False))
    per_plane = len(strips) // samples
    strip_bytes = sum(size for _, size in strips)
    if not 0 < plane_bytes * samples <= len(data) or strip_bytes > len(data) + len(strips):
        raise refuse_damaged("TIFF")
    pixels = bytearray(plane_bytes * samples)
    for sample in range(samples):
        own = strips[sample * per_plane : (sample + 1) * per_plane]
        plane = b"".join(data[start : start + size] for start, size in own)[:plane_bytes]
        if len(plane) < plane_bytes:
            raise refuse_damaged("TIFF")
        for half in (0, 1):
            pixels[2 * sample + half :: 2 * samples] = plane[half::2]
    start = len(data)
    data += pixels
    return {
        _STRIP_OFFSETS: (start,),
        _STRIP_SIZES: (len(pixels),),
        _ROWS_PER_STRIP: (height,),
        _PLANAR: (1,),
    }


def _append_directory(directory: _Directory, data: bytearray, changed: dict[int, tuple[int, ...]]) -> bytes:
    layout = directory.layout
    offset_letter = "Q" if layout.is_big else "I"
    room = struct.calcsize("<" + offset_letter)
    entries = []
    for tag in sorted((directory.entries.keys() & _NEEDED) | changed.keys()):
        if tag in changed:
            kind, count = (4 if max(changed[tag]) > 65_535 else 3), len(changed[tag])
            position = len(data)
            data += struct.pack(f"{layout.order}{count}{_TYPES[kind]}", *changed[tag])
        else:
            kind, count, position = directory.entries[tag]
        size = count * _SIZES.get(kind, 0)
        if not 0 < size <= len(data) - position:
            continue
        value = (
            bytes(data[position : position + size]).ljust(room, b"\0")
            if size <= room
            else struct.pack(layout.order + offset_letter, position)
        )
        entries.append(struct.pack(f"{layout.order}HH{offset_letter}", tag, kind, count) + value)
    start = len(data)
    data += struct.pack(layout.order + ("Q" if layout.is_big else "H"), len(entries))
    data += b"".join(entries) + bytes(room)
    header = 8 if layout.is_big else 4
    data[header : header + room] = struct.pack(layout.order + offset_letter, start)
    return bytes(data)
