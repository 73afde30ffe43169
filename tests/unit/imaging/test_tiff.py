"""TIFFs of scanners and cameras: the right picture or a refusal by name, and never a wrong picture."""

import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from harness.photos import (
    CORNERS,
    is_near,
    make_file,
    make_noise,
    make_picture,
    open_jpeg,
    read_corners,
    show_same_corners,
)
from imaging import PhotoError, PhotoErrorCode, normalise
from tests.unit.imaging.tiffs import (
    BLACK_IS_ZERO,
    CMYK,
    DEFLATED,
    PALETTE,
    RGB,
    UNCOMPRESSED,
    WHITE_IS_ZERO,
    YCBCR,
    make_directory_file,
    make_samples,
    make_tiff,
)

type Order = Literal["<", ">"]

LAYOUTS = list(product("<>", [UNCOMPRESSED, DEFLATED], [False, True]))


def _refuse(data: bytes) -> PhotoError:
    with pytest.raises(PhotoError) as caught:
        normalise(data)
    return caught.value


def _show_same_grey(jpeg: bytes) -> bool:
    expected = read_corners(make_picture().convert("L"))
    found = read_corners(open_jpeg(jpeg))
    return all(is_near(found[corner], grey, 4) for corner, grey in expected.items())


@pytest.mark.parametrize(("order", "compression", "in_planes"), LAYOUTS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("photometric", [RGB, CMYK])
def test_colours_of_any_layout_are_read(
    photometric: int,
    dtype: type,
    order: Order,
    compression: int,
    in_planes: bool,  # noqa: FBT001
) -> None:
    samples = make_samples(photometric, dtype)
    data = make_tiff(samples, photometric, order=order, compression=compression, in_planes=in_planes)
    assert show_same_corners(normalise(data).jpeg, 20)


@pytest.mark.parametrize(("order", "compression"), list(product("<>", [UNCOMPRESSED, DEFLATED])))
@pytest.mark.parametrize(
    ("photometric", "dtype"),
    list(product([WHITE_IS_ZERO, BLACK_IS_ZERO], [np.uint8, np.uint16, np.float32, np.uint32])),
)
def test_grey_is_right_or_refused(photometric: int, dtype: type, order: Order, compression: int) -> None:
    samples = make_samples(photometric, dtype)
    if dtype is np.uint32:
        samples = samples // 65_537
    data = make_tiff(samples, photometric, order=order, compression=compression)
    try:
        photo = normalise(data)
    except PhotoError as error:
        assert error.code is PhotoErrorCode.UNSUPPORTED_FORMAT  # noqa: PT017 - either outcome is right
        assert np.dtype(dtype).itemsize == 4
        return
    assert _show_same_grey(photo.jpeg)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("dtype", "name"), [(np.float32, "floating-point"), (np.int16, "signed")])
@pytest.mark.parametrize("photometric", [RGB, CMYK])
def test_colours_that_are_no_whole_numbers_are_refused_by_name(
    photometric: int, dtype: type, name: str, order: Order
) -> None:
    error = _refuse(make_tiff(make_samples(photometric, dtype), photometric, order=order))
    assert error.code is PhotoErrorCode.UNSUPPORTED_FORMAT
    assert name in error.message


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(
    ("bits", "photometric"), [(12, BLACK_IS_ZERO), (10, BLACK_IS_ZERO), (12, RGB), (24, RGB)]
)
def test_an_uncommon_depth_is_refused_by_name(bits: int, photometric: int, order: Order) -> None:
    error = _refuse(make_tiff(make_samples(photometric), photometric, order=order, bits=bits))
    assert error.code is PhotoErrorCode.UNSUPPORTED_FORMAT
    assert f"{bits} bits" in error.message


@pytest.mark.parametrize(
    ("compression", "name"),
    [(50001, "WebP"), (50002, "JPEG XL"), (34712, "JPEG 2000"), (34887, "LERC"), (12345, "12345")],
)
def test_an_uncommon_compression_is_refused_by_name(compression: int, name: str) -> None:
    error = _refuse(make_tiff(make_samples(RGB), RGB, compression=compression))
    assert error.code is PhotoErrorCode.UNSUPPORTED_FORMAT
    assert name in error.message


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("factor", [1, 257])
def test_a_colour_map_of_bytes_is_read_as_one_of_16_bits(factor: int, order: Order) -> None:
    indices = np.zeros((640, 480, 1), np.uint8)
    indices[:320, 240:], indices[320:, :240], indices[320:, 240:] = 1, 2, 3
    colours = [*CORNERS.values(), *[(0, 0, 0)] * 252]
    colour_map = tuple(colour[channel] * factor for channel in range(3) for colour in colours)
    data = make_tiff(indices, PALETTE, order=order, tags={320: ("H", colour_map)})
    assert show_same_corners(normalise(data).jpeg)


def test_uncompressed_ycbcr_is_read_where_its_chroma_is_whole() -> None:
    samples = make_samples(YCBCR)
    assert show_same_corners(normalise(make_tiff(samples, YCBCR, tags={530: ("H", (1, 1))})).jpeg)
    assert _refuse(make_tiff(samples, YCBCR)).code is PhotoErrorCode.UNSUPPORTED_FORMAT


def test_a_layout_that_pillow_does_not_know_is_refused_as_such() -> None:
    grey_with_alpha = make_samples(BLACK_IS_ZERO, np.uint16).repeat(2, 2)
    data = make_tiff(grey_with_alpha, BLACK_IS_ZERO, tags={338: ("H", (2,))})
    assert _refuse(data).code is PhotoErrorCode.UNSUPPORTED_FORMAT


def test_inks_that_are_not_cmyk_are_refused() -> None:
    data = make_tiff(make_samples(CMYK), CMYK, tags={332: ("H", (2,))})
    assert _refuse(data).code is PhotoErrorCode.UNSUPPORTED_FORMAT


@pytest.mark.parametrize(
    "mark", [{50706: ("B", (1, 4, 0, 0))}, {262: ("H", (32803,))}, {262: ("H", (34892,))}]
)
def test_a_raw_photo_is_refused_as_one_whatever_its_thumbnail(
    mark: dict[int, tuple[str, tuple[int, ...]]],
) -> None:
    small = make_samples(RGB, width=160, height=120)
    error = _refuse(make_tiff(small, RGB, tags=mark))
    assert error.code is PhotoErrorCode.UNSUPPORTED_FORMAT
    assert "raw" in error.message


@pytest.mark.parametrize("order", "<>")
def test_a_raw_photo_below_a_thumbnail_is_found(order: Order) -> None:
    sensor = make_tiff(make_samples(BLACK_IS_ZERO, np.uint16), 32803, order=order)
    below = int.from_bytes(sensor[4:8], "little" if order == "<" else "big")
    first = {
        254: ("I", (1,)),
        256: ("I", (160,)),
        257: ("I", (120,)),
        262: ("H", (RGB,)),
        330: ("I", (below,)),
    }
    error = _refuse(make_directory_file(sensor[8:], first, order))
    assert error.code is PhotoErrorCode.UNSUPPORTED_FORMAT
    assert "raw" in error.message


@pytest.mark.parametrize(
    "start",
    [
        b"II*\0\x10\0\0\0CR\x02\0" + bytes(100),
        b"FUJIFILMCCD-RAW 0201",
        b"IIU\0\x08\0\0\0",
        b"IIRO\x08\0\0\0",
        b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom",
    ],
)
def test_raw_photos_of_other_makes_are_refused_as_such(start: bytes) -> None:
    error = _refuse(start)
    assert error.code is PhotoErrorCode.UNSUPPORTED_FORMAT
    assert "raw" in error.message


def test_directories_that_point_at_each_other_come_to_an_end() -> None:
    data = bytearray(make_tiff(make_samples(RGB), RGB, tags={330: ("I", (8,) * 100)}))
    start = int.from_bytes(data[4:8], "little")
    data[-4:] = start.to_bytes(4, "little")
    assert show_same_corners(normalise(bytes(data)).jpeg)


def test_planes_that_are_not_all_there_are_refused() -> None:
    data = make_tiff(make_samples(RGB, np.uint16), RGB, in_planes=True, tags={279: ("I", (10,) * 21)})
    assert _refuse(data).code is PhotoErrorCode.UNREADABLE


def test_libtiff_writes_nothing_to_stderr(tmp_path: Path) -> None:
    paths = []
    for compression in ("tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits"):
        whole = make_file(make_noise(480, 640, 30), "TIFF", compression=compression)
        middle = len(whole) // 2
        paths.append(tmp_path / f"{compression}.tif")
        paths[-1].write_bytes(whole[: middle - 2000] + bytes(2000) + whole[middle:])
    program = (
        "import sys; from imaging import PhotoError, normalise\n"
        "for path in sys.argv[1:]:\n"
        "    try: normalise(open(path, 'rb').read())\n"
        "    except PhotoError as error: print(error.code)"
    )
    reported = subprocess.run(
        [sys.executable, "-c", program, *paths],
        check=True,
        capture_output=True,
        text=True,
    )
    assert not reported.stderr
    assert set(reported.stdout.split()) <= {"unreadable"}


def test_metadata_that_no_pixel_depends_on_does_no_harm() -> None:
    broken = {34665: ("I", (7,)), 700: ("I", (1,)), 34377: ("B", (1, 2, 3)), 282: ("H", (0, 0))}
    assert show_same_corners(normalise(make_tiff(make_samples(RGB), RGB, tags=broken)).jpeg)


def test_a_picture_of_pillows_own_stays_as_it_is() -> None:
    assert show_same_corners(normalise(make_file(make_picture(), "TIFF")).jpeg)
    assert normalise(make_file(Image.new("1", (480, 640), 1), "TIFF")).width == 480
