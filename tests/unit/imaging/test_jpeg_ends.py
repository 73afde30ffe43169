"""A JPEG without its end marker: accepted where every pixel is there, refused where one is missing."""

import struct
from typing import Any

import pytest

from harness.photos import make_file, make_noise, make_picture, normalise_small, open_jpeg, show_same_corners
from imaging import Limits, PhotoError, PhotoErrorCode, normalise
from imaging.jpeg import cut_off_rows

KINDS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "restarted": {"restart_marker_rows": 1},
    "4:4:4": {"subsampling": "4:4:4"},
    "optimised": {"optimize": True},
}


def _refuse(data: bytes) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        normalise(data)
    return caught.value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_that_lacks_its_end_alone_is_accepted(kind: str, mode: str) -> None:
    whole = make_file(make_noise(146, 194, 30).convert(mode), **KINDS[kind])
    assert whole.endswith(b"\xff\xd9")
    pixels = open_jpeg(normalise_small(whole).jpeg).tobytes()
    for ending in (b"", b"\xff", b"\0" * 500, b"\xff" * 20, b"\xff\0\0"):
        assert open_jpeg(normalise_small(whole[:-2] + ending).jpeg).tobytes() == pixels, ending


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("missing", [10, 30, 200, 2000, 20_000])
def test_a_jpeg_that_lacks_pixels_is_refused(kind: str, missing: int) -> None:
    whole = make_file(make_noise(240, 320, 30), **KINDS[kind])
    assert len(whole) > missing
    for filling in (b"", bytes(missing), b"\xff" * missing):
        assert _refuse(whole[:-missing] + filling).code is PhotoErrorCode.UNREADABLE


def test_a_progressive_jpeg_cut_between_scans_is_refused() -> None:
    whole = make_file(make_noise(240, 320, 30), progressive=True)
    position = whole.rindex(b"\xff\xda")
    while position > 0:
        assert _refuse(whole[:position]).code is PhotoErrorCode.UNREADABLE
        position = whole.rfind(b"\xff\xda", 0, position)


@pytest.mark.parametrize("kind", KINDS)
def test_a_jpeg_that_states_fewer_rows_keeps_those(kind: str) -> None:
    whole = make_file(make_noise(146, 194, 30), **KINDS[kind])
    shortened, image = open_jpeg(cut_off_rows(whole, 100)), open_jpeg(whole)
    if kind == "progressive":
        assert shortened.size == image.size
    else:
        assert shortened.size == (146, 100)
        assert shortened.crop((0, 0, 146, 96)).tobytes() == image.crop((0, 0, 146, 96)).tobytes()
    assert cut_off_rows(whole, 1000) == whole


@pytest.mark.verify
@pytest.mark.parametrize("size", [(9000, 12_000), (12_240, 16_320)])
def test_a_baseline_jpeg_of_a_phones_108_or_200_megapixels_is_read(size: tuple[int, int]) -> None:
    photo = normalise(make_file(make_picture(*size)))
    assert (photo.width, photo.height) == (720, 960)
    assert (photo.report.source_width, photo.report.source_height) == size
    assert show_same_corners(photo.jpeg)


def test_a_jpeg_that_cannot_be_decoded_by_rows_has_the_common_limit() -> None:
    limits = Limits(max_source_pixels=1_000_000)
    picture = make_picture(1000, 1200)
    assert normalise(make_file(picture), limits).width == 720
    for data in (make_file(picture, progressive=True), make_file(picture, "PNG")):
        with pytest.raises(PhotoError) as caught:
            normalise(data, limits)
        assert caught.value.code is PhotoErrorCode.TOO_MANY_PIXELS
    with pytest.raises(PhotoError, match="at most 4000000 are accepted"):
        normalise(make_file(make_picture(2000, 2001)), limits)


@pytest.mark.parametrize(
    ("marker", "bits", "name"),
    [
        (0xC1, 12, "12 bits"),
        (0xC3, 8, "lossless"),
        (0xC3, 16, "lossless"),
        (0xC5, 8, "hierarchical"),
        (0xF7, 8, "JPEG-LS"),
    ],
)
def test_a_kind_of_jpeg_that_is_not_decoded_is_refused_by_name(marker: int, bits: int, name: str) -> None:
    data = bytearray(make_file(make_picture()))
    frame = data.index(b"\xff\xc0")
    data[frame + 1 : frame + 5] = struct.pack(">BHB", marker, 17, bits)
    error = _refuse(bytes(data))
    assert error.code is PhotoErrorCode.UNSUPPORTED_FORMAT
    assert name in error.message


@pytest.mark.parametrize(
    ("depth", "compression", "masks"),
    [
        (32, 3, (0x3FF00000, 0xFFC00, 0x3FF)),
        (16, 3, (0xF00, 0xF0, 0xF)),
        (24, 5, (0, 0, 0)),
        (64, 0, (0, 0, 0)),
    ],
)
def test_a_kind_of_bmp_that_is_not_decoded_is_refused_by_name(
    depth: int, compression: int, masks: tuple[int, ...]
) -> None:
    info = struct.pack("<IiiHHIIiiII", 40, 480, 640, 1, depth, compression, 0, 0, 0, 0, 0)
    data = (
        b"BM" + struct.pack("<IHHI", 0, 0, 0, 66) + info + struct.pack("<3I", *masks) + bytes(480 * 640 * 8)
    )
    error = _refuse(data)
    assert error.code is PhotoErrorCode.UNSUPPORTED_FORMAT
    assert "BMP" in error.message
