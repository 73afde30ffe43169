# ruff: noqa: PLR2004 - the numbers are those of the format
"""What a JPEG's segments tell, beyond what Pillow says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from itertools import pairwise
from typing import cast, override

from PIL.JpegImagePlugin import JpegImageFile

from imaging.contents import Contents
from imaging.errors import PhotoError, PhotoErrorCode, decoding, refuse_format
from imaging.exif import read_orientation

MAX_SCANS = 100
"""A camera's progressive JPEG has about ten; each one costs a pass over all pixels."""

_JFIF, _EXIF, _PROFILE, _ADOBE = 0xE0, 0xE1, 0xE2, 0xEE
_METADATA = {*range(0xE0, 0xF0), 0xFE}
_NEEDED_START = {_JFIF: (b"JFIF\0", 14), _ADOBE: (b"Adobe", 12)}
"""The start and the least bytes of the segments that say how colours are stored."""
_PROFILE_START, _EXIF_START, _EXIF_START_BYTES = b"ICC_PROFILE\0", b"Exif\0", 6
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = {0xC0, 0xC1, 0xC9}
_UNSUPPORTED_FRAMES = {
    **dict.fromkeys((0xC3, 0xCB), "lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical JPEG"),
    0xF7: "JPEG-LS",
}
_BASELINE = 0xC0
_HUFFMAN = 0xC4
_QUANTISATION = 0xDB
_RESTART_INTERVAL = 0xDD
_SCAN = 0xDA
_END = 0xD9
_PLAIN = {_JFIF, _BASELINE, _HUFFMAN, _QUANTISATION, _RESTART_INTERVAL, _SCAN, _END}
_BARE_JFIF_BYTES = 18
_START_BYTES = 2
_END_MARKER = b"\xff\xd9"
_LARGE_PIXELS = 16_000_000
# Nothing, and two kinds of noise: enough for many blocks, and without a marker.
_ENDINGS = tuple(noise * 2000 + _END_MARKER for noise in (b"", b"\x5a\xc3", b"\xb6\xd2"))
_EIGHTH, _QUARTER = 8, 4
_COARSE_SHAPES = (1, 8, 9)
"""Places of the coefficients that 2 x 2 pixels are made of, beside DC."""
_FINE_STEP = 3
"""About quality 86; measured, Y-SSIM falls by less than 0.001 there."""
_ONE_COMPONENT_BYTES = 6
_FROM_BIT_1_TO_BIT_0 = 0x10
# As libjpeg looks for it, over junk and fill bytes: 0xFF 0x00 is data, and a few markers stand alone.
_SEGMENT_MARKER = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])")


class JpegPhoto(JpegImageFile):
    """A JPEG that is opened and decoded with less work than Pillow takes; made from a `BytesIO`."""

    @override
    def _read_dpi_from_exif(self) -> None:
        """Leave EXIF alone: Pillow would parse all of it for a resolution."""

    @override
    def load_read(self, read_bytes: int) -> bytes:
        """Hand the decoder the whole file at once: by Pillow's blocks it takes a tenth longer."""
        return cast("BytesIO", self.fp).read()

    @override
    def draft(
        self, mode: str | None, size: tuple[int, int] | None
    ) -> tuple[str, tuple[int, int, float, float]] | None:
        """Choose the scale to decode at, and leave out of a progressive file what does not show at it."""
        drafted = super().draft(mode, size)
        if drafted and "progressive" in self.info:
            self._leave_out_last_bits(scale=self.decoderconfig[0])
        return drafted

    def _leave_out_last_bits(self, scale: int) -> None:
        """
        Drop the last bits of luma's AC coefficients where they do not show.

        At an eighth, a block of 8 x 8 becomes one pixel, which is made of the DC coefficient alone. At a
        quarter it becomes 2 x 2, averages of 16 pixels in which half a small quantisation step is lost.
        """
        luma, _, _, table = self.layer[0]
        steps = self.quantization.get(table)
        is_fine = steps is not None and max(steps[place] for place in _COARSE_SHAPES) <= _FINE_STEP
        if scale == _EIGHTH or (scale == _QUARTER and is_fine):
            self.fp = BytesIO(omit_last_bits(cast("BytesIO", self.fp).getvalue(), luma))


def read_jpeg(data: bytes) -> Contents:
    """
    Part a JPEG into what libjpeg needs and what is said about it.

    Raises
    ------
    PhotoError
        `unsupported_format`, for a kind of JPEG that is not decoded.
    """
    kept: list[bytes | memoryview] = [data[:_START_BYTES]]
    exif, profile, position = [], [], _START_BYTES
    for segment in _walk_segments(data):
        body = data[segment.start + 4 : segment.end]
        if segment.marker == _SCAN:
            break
        _require_supported_frame(segment.marker, body)
        if segment.marker == _EXIF and body.startswith(_EXIF_START):
            exif.append(body[_EXIF_START_BYTES:])
        elif segment.marker == _PROFILE and body.startswith(_PROFILE_START):
            profile.append(body[len(_PROFILE_START) :])
        if _is_needed(segment.marker, body):
            kept.append(data[segment.start : segment.end])
        position = segment.end
    return Contents(
        b"".join([*kept, memoryview(data)[position:]]),
        orientation=read_orientation(b"".join(exif)),
        colours=_join_profile(profile),
    )


def is_plain(data: bytes) -> bool:
    """Tell whether a JPEG is baseline, grey or YCbCr, and holds a picture and nothing else."""
    segments = list(_walk_segments(data))
    return (
        {segment.marker for segment in segments} <= _PLAIN
        and _starts_with_bare_jfif(data, segments)
        and _leaves_no_gaps(data, segments)
    )


def is_decoded_by_rows(data: bytes) -> bool:
    """Tell whether libjpeg decodes a JPEG row by row: sequential, with all components in one scan."""
    components = 0
    for segment in _walk_segments(data):
        body = data[segment.start + 4 : segment.end]
        if segment.marker in _FRAMES:
            if segment.marker not in _SEQUENTIAL:
                return False
            components = body[5] if len(body) > 5 else 0
        elif segment.marker == _SCAN:
            return bool(components) and body[:1] == bytes((components,))
    return False


def cut_off_rows(data: bytes, rows: int) -> bytes:
    """Return a JPEG that states fewer rows where its decoder then stops after them; the others stay whole."""
    frame = next((segment for segment in _walk_segments(data) if segment.marker in _FRAMES), None)
    if frame is None or not is_decoded_by_rows(data):
        return data
    place = frame.start + 5
    fewer = min(rows, int.from_bytes(data[place : place + 2]))
    return data[:place] + fewer.to_bytes(2) + data[place + 2 :]


def mend_end(data: bytes) -> bytes:
    """
    Return a JPEG with its end marker, put there where it is missing but every pixel is there.

    A download that broke off, or left zeros, would otherwise decode to a picture that is grey from there on.

    Raises
    ------
    PhotoError
        `unreadable`, where pixels are missing.
    """
    scan = next((segment.start for segment in _walk_segments(data) if segment.marker == _SCAN), 0)
    if data.rfind(_END_MARKER, scan) >= 0:
        return data
    rest = data.rstrip(b"\0\xff")
    mended = rest + _END_MARKER
    # What is behind the last pixel changes none. Where pixels are missing, it is taken for them.
    if not _has_every_scan(data) or len({_decode(rest + ending) for ending in _ENDINGS}) > 1:
        raise PhotoError(PhotoErrorCode.UNREADABLE, "The JPEG is cut off: its end is missing.")
    return mended


def _decode(data: bytes) -> bytes:
    """Decode all pixels, of a large photo that allows it at an eighth; return a digest of them."""
    with decoding("JPEG"):
        image = JpegPhoto(BytesIO(data))
    if image.width * image.height > _LARGE_PIXELS and is_decoded_by_rows(data):
        image.draft(None, (1, 1))
    with decoding("JPEG"):
        image.load()
    return sha256(image.tobytes()).digest()


def _has_every_scan(data: bytes) -> bool:
    """Tell whether the scans bring every component's every coefficient to its last bit."""
    components: dict[int, set[int]] = {}
    for segment in _walk_segments(data):
        body = data[segment.start + 4 : segment.end]
        if segment.marker in _FRAMES:
            components = {component: set() for component in body[6::3][: body[5] if len(body) > 5 else 0]}
        elif segment.marker == _SCAN and body and len(body) == 4 + 2 * body[0]:
            first, last, bits = body[-3:]
            if bits & 15 == 0:
                for component in body[1:-3:2]:
                    components.setdefault(component, set()).update(range(first, last + 1))
    return bool(components) and all(len(found) >= 64 for found in components.values())


def _require_supported_frame(marker: int, body: bytes) -> None:
    if marker in _UNSUPPORTED_FRAMES:
        raise refuse_format(_UNSUPPORTED_FRAMES[marker])
    if marker in _FRAMES and body[:1] not in {b"\x08", b""}:
        raise refuse_format(f"JPEG of {body[0]} bits")


def _is_needed(marker: int, body: bytes) -> bool:
    if marker not in _METADATA:
        return True
    start, size = _NEEDED_START.get(marker, (b"", 0))
    return bool(start) and body.startswith(start) and len(body) >= size


def _join_profile(parts: list[bytes]) -> bytes | None:
    """Join an ICC profile of numbered parts: each starts with its number and how many there are."""
    numbered = {part[0]: part[2:] for part in parts if len(part) > 2}
    total = parts[0][1] if parts and len(parts[0]) > 2 else 0
    if total == 0 or sorted(numbered) != list(range(1, total + 1)):
        return None
    return b"".join(numbered[number] for number in sorted(numbered))


def has_too_many_scans(data: bytes) -> bool:
    """Tell whether a progressive JPEG asks for more work than any camera's does."""
    return sum(segment.marker == _SCAN for segment in _walk_segments(data)) > MAX_SCANS


def omit_last_bits(data: bytes, component: int) -> bytes:
    """
    Leave out of a progressive JPEG the scans that only refine a component's AC coefficients by one bit.

    Of luma that is about half of the file, and a third of the time to decode it.
    """
    kept, position = [], 0
    for scan, next_one in pairwise(_walk_segments(data)):
        if scan.marker == _SCAN and _refines_last_bits(data[scan.start + 4 : scan.end], component):
            kept.append(data[position : scan.start])
            position = next_one.start
    return b"".join([*kept, data[position:]])


def _refines_last_bits(header: bytes, component: int) -> bool:
    """Read a scan's header: how many components, which, their table; first and last coefficient; bits."""
    return (
        len(header) == _ONE_COMPONENT_BYTES
        and header.startswith(bytes((1, component)))
        and header[3] > 0
        and header[5] == _FROM_BIT_1_TO_BIT_0
    )


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
