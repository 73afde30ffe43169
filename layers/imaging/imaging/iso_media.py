# ruff: noqa: PLR2004 - the numbers are those of the format
"""Reads the boxes of AVIF, HEIC and JPEG 2000 files: ISO/IEC 14496-12, 23008-12 and 15444-1."""

from collections.abc import Iterator
from dataclasses import dataclass

from imaging.colour_space import ColourSpace, name_colour_space
from imaging.contents import Contents

_MAX_BOXES = 10_000
_LONG_HEADER = 16


@dataclass(frozen=True, slots=True)
class _Box:
    """A box: its kind, and the start and the end of its body in the file."""

    kind: bytes
    start: int
    end: int


def read_iso_media(data: bytes) -> Contents:
    """
    Split an AVIF or HEIC file into pixels and metadata.

    The decoders turn the image by its own properties, not by EXIF, but refuse a photo with damaged EXIF. So
    the EXIF item is renamed. The decoders return an ICC profile, but not colours in numbers (`nclx`).
    """
    meta = _find_box(data, 0, len(data), b"meta")
    if meta is None:
        return Contents(data)
    inside = (meta.start + 4, meta.end)
    return Contents(_hide_exif(data, inside), colours=_read_nclx(data, inside))


def read_jp2_profile(data: bytes) -> bytes | None:
    """Return the ICC profile of a JP2 file."""
    header = _find_box(data, 0, len(data), b"jp2h")
    if header is None:
        return None
    for box in _walk_boxes(data, header.start, header.end):
        if box.kind == b"colr" and data[box.start : box.start + 1] == b"\2":
            return data[box.start + 3 : box.end]
    return None


def _walk_boxes(data: bytes, start: int, end: int) -> Iterator[_Box]:
    for _ in range(_MAX_BOXES):
        size, kind, body = _read_number(data, start, 4), data[start + 4 : start + 8], start + 8
        if size == 1:
            size, body = _read_number(data, body, 8), start + _LONG_HEADER
        box_end = end if size == 0 else start + size
        if len(kind) < 4 or not body <= box_end <= end:
            return
        yield _Box(kind, body, box_end)
        start = box_end


def _find_box(data: bytes, start: int, end: int, kind: bytes) -> _Box | None:
    return next((box for box in _walk_boxes(data, start, end) if box.kind == kind), None)


def _hide_exif(data: bytes, meta: tuple[int, int]) -> bytes:
    """Rename the items of the kind `Exif`."""
    items = _find_box(data, *meta, b"iinf")
    if items is None:
        return data
    kinds = []
    count_bytes = 2 if _read_number(data, items.start, 1) == 0 else 4
    for box in _walk_boxes(data, items.start + 4 + count_bytes, items.end):
        id_bytes = 2 if _read_number(data, box.start, 1) <= 2 else 4
        kind = box.start + 4 + id_bytes + 2
        if box.kind == b"infe" and data[kind : kind + 4] == b"Exif":
            kinds.append(kind)
    if not kinds:
        return data
    hidden = bytearray(data)
    for kind in kinds:
        hidden[kind : kind + 4] = b"skip"
    return bytes(hidden)


def _read_nclx(data: bytes, meta: tuple[int, int]) -> ColourSpace | None:
    """Return the colour space of the main image if it is stated in numbers."""
    properties = _find_box(data, *meta, b"iprp")
    main = _find_box(data, *meta, b"pitm")
    container = properties and _find_box(data, properties.start, properties.end, b"ipco")
    if not (properties and main and container):
        return None
    boxes = list(_walk_boxes(data, container.start, container.end))
    main_id = _read_number(data, main.start + 4, 2 if _read_number(data, main.start, 1) == 0 else 4)
    for association in _walk_boxes(data, properties.start, properties.end):
        if association.kind != b"ipma":
            continue
        for number in _read_associations(data, association, main_id):
            box = boxes[number - 1] if 0 < number <= len(boxes) else None
            if box and box.kind == b"colr" and data[box.start : box.start + 4] == b"nclx":
                return name_colour_space(
                    _read_number(data, box.start + 4, 2), _read_number(data, box.start + 6, 2)
                )
    return None


def _read_associations(data: bytes, box: _Box, item: int) -> list[int]:
    """Return the numbers of an item's properties, counted from 1."""
    version, wide = _read_number(data, box.start, 1), _read_number(data, box.start + 3, 1) & 1
    id_bytes, number_bytes = (2 if version < 1 else 4), (2 if wide else 1)
    position = box.start + 8
    for _ in range(min(_read_number(data, box.start + 4, 4), _MAX_BOXES)):
        item_id = _read_number(data, position, id_bytes)
        count = _read_number(data, position + id_bytes, 1)
        start = position + id_bytes + 1
        position = start + count * number_bytes
        if position > box.end:
            return []
        if item_id == item:
            mask = (1 << (8 * number_bytes - 1)) - 1
            return [
                _read_number(data, at, number_bytes) & mask for at in range(start, position, number_bytes)
            ]
    return []


def _read_number(data: bytes, start: int, size: int) -> int:
    """Read a number. Bytes after the end count as 0."""
    return int.from_bytes(data[start : start + size].ljust(size, b"\0"))
