"""What a JPEG's segments tell, beyond what Pillow says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import override

from PIL.JpegImagePlugin import JpegImageFile

MAX_SCANS = 100
"""A camera's progressive JPEG has about ten; each one costs a pass over all pixels."""

_JFIF = 0xE0
_BASELINE = 0xC0
_HUFFMAN = 0xC4
_QUANTISATION = 0xDB
_RESTART_INTERVAL = 0xDD
_SCAN = 0xDA
_END = 0xD9
_PLAIN = {_JFIF, _BASELINE, _HUFFMAN, _QUANTISATION, _RESTART_INTERVAL, _SCAN, _END}
_BARE_JFIF_BYTES = 18
_START_BYTES = 2
# As libjpeg looks for it, over junk and fill bytes: 0xFF 0x00 is data, and a few markers stand alone.
_SEGMENT_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")


class JpegPhoto(JpegImageFile):
    """A JPEG whose EXIF is left alone on opening: Pillow would parse all of it for a resolution."""

    @override
    def _read_dpi_from_exif(self) -> None:
        """Do nothing."""


def is_plain(data: bytes) -> bool:
    """Tell whether a JPEG is baseline, grey or YCbCr, and holds a picture and nothing else."""
    segments = list(_walk_segments(data))
    return (
        {segment.marker for segment in segments} <= _PLAIN
        and _starts_with_bare_jfif(data, segments)
        and _leaves_no_gaps(data, segments)
    )


def has_end(data: bytes) -> bool:
    """
    Tell whether the picture of a JPEG comes to its end.

    A download that broke off and left zeros would otherwise decode, grey where it broke off.
    """
    scan = next((segment.start for segment in _walk_segments(data) if segment.marker == _SCAN), 0)
    return data.rfind(b"\xff\xd9", scan) >= 0


def has_too_many_scans(data: bytes) -> bool:
    """Tell whether a progressive JPEG asks for more work than any camera's does."""
    return sum(segment.marker == _SCAN for segment in _walk_segments(data)) > MAX_SCANS


@dataclass(frozen=True, slots=True)
class _Segment:
    """One segment: its marker, where that stands, and where the segment ends; of a scan, its header."""

    marker: int
    start: int
    end: int


def _starts_with_bare_jfif(data: bytes, segments: list[_Segment]) -> bool:
    """Tell whether JFIF says, first and once, that three components are YCbCr, and holds no thumbnail."""
    headers = [segment for segment in segments if segment.marker == _JFIF]
    return (
        headers == segments[:1]
        and data.startswith(b"JFIF\0", headers[0].start + 4)
        and headers[0].end - headers[0].start == _BARE_JFIF_BYTES
    )


def _leaves_no_gaps(data: bytes, segments: list[_Segment]) -> bool:
    """Tell whether nothing stands between segments, but for pixels behind a scan's header, or after them."""
    return (
        segments[0].start == _START_BYTES
        and all(one.end == next_one.start or one.marker == _SCAN for one, next_one in pairwise(segments))
        and segments[-1].marker == _END
        and segments[-1].end == len(data)
    )


def _walk_segments(data: bytes) -> Iterator[_Segment]:
    """Yield the segments one after another, up to the picture's end."""
    position = _START_BYTES
    while found := _SEGMENT_MARKER.search(data, position):
        marker, start = found[1][0], found.start()
        is_end = marker == _END
        position = found.end() + (0 if is_end else int.from_bytes(data[found.end() : found.end() + 2]))
        yield _Segment(marker, start, position)
        if is_end:
            return
