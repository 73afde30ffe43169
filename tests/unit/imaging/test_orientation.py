import struct

import pytest
from PIL import ImageOps

from harness.photos import (
    ORIENTATION,
    insert_png_chunk,
    insert_segment,
    make_exif,
    make_file,
    make_picture,
    normalise_small,
    show_same_corners,
)
from imaging import normalise
from imaging.exif import read_orientation
from tests.factories.photos import ORIENTATIONS, turn


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize(
    ("file_format", "size"),
    [
        ("JPEG", (48, 64)),
        ("JPEG", (84, 112)),
        ("PNG", (48, 64)),
        ("WEBP", (48, 64)),
        ("TIFF", (48, 64)),
        ("TIFF", (84, 112)),
        ("AVIF", (48, 64)),
    ],
)
def test_every_orientation_ends_upright(orientation: int, file_format: str, size: tuple[int, int]) -> None:
    stored = turn(make_picture(*size), orientation)
    options = {"speed": 10} if file_format == "AVIF" else {}
    photo = normalise_small(make_file(stored, file_format, exif=make_exif(orientation), **options))
    assert photo.report.orientation == orientation
    assert (photo.report.source_width, photo.report.source_height) == stored.size
    assert (photo.width, photo.height) == (min(size[0], 72), min(size[1], 96))
    assert show_same_corners(photo.jpeg, tolerance=20)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_heic_is_turned_by_its_decoder(orientation: int) -> None:
    stored = turn(make_picture(48, 64), orientation)
    photo = normalise_small(make_file(stored, "HEIF", quality=90, exif=make_exif(orientation).tobytes()))
    assert photo.report.orientation == 1
    assert (photo.width, photo.height) == (48, 64)
    assert show_same_corners(photo.jpeg, tolerance=20)


def test_a_landscape_turned_to_portrait_gets_no_bars() -> None:
    photo = normalise(make_file(turn(make_picture(720, 1280), 6), exif=make_exif(6)))
    assert (photo.width, photo.height, photo.report.padded_rows) == (720, 1280, 0)


def test_a_portrait_turned_to_landscape_gets_bars() -> None:
    photo = normalise(make_file(turn(make_picture(1280, 720), 8), exif=make_exif(8)))
    assert (photo.width, photo.height, photo.report.padded_rows) == (1080, 640, 32)


def test_a_png_may_keep_its_exif_behind_its_pixels() -> None:
    png = make_file(turn(make_picture(), 6), "PNG")
    exif = make_exif(6).tobytes().removeprefix(b"Exif\0\0")
    photo = normalise(insert_png_chunk(png, b"eXIf", exif, before=b"IEND"))
    assert photo.report.orientation == 6
    assert show_same_corners(photo.jpeg)


def test_orientation_agrees_with_pillows_own_reading() -> None:
    for orientation in range(1, 9):
        image = turn(make_picture(), orientation)
        image.getexif()[ORIENTATION] = orientation
        assert ImageOps.exif_transpose(image).size == (480, 640)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "letter"), [(3, "H2x"), (4, "I")])
def test_exif_of_either_byte_order_and_width_is_read(order: str, kind: int, letter: str) -> None:
    start = b"II*\0" if order == "<" else b"MM\0*"
    directory = struct.pack(f"{order}IHHHI{letter}", 8, 1, ORIENTATION, kind, 1, 6)
    assert read_orientation(b"Exif\0\0" + start + directory) == 6
    assert read_orientation(b"Exif\0\0Exif\0\0" + start + directory) == 6


@pytest.mark.parametrize("orientation", [0, 9, 255, 65_535])
def test_an_orientation_that_is_none_means_upright(orientation: int) -> None:
    assert normalise(make_file(make_picture(), exif=make_exif(orientation))).report.orientation == 1


@pytest.mark.parametrize(
    "exif",
    [
        b"",
        b"II",
        b"II*\0",
        b"II*\0\xff\xff\xff\xff",
        b"MM\0*\0\0\0\x08\xff\xff",
        b"MM\0*\0\0\0\x08\0\x01\x01\x12",
        b"garbage that is no TIFF at all",
    ],
)
def test_broken_exif_means_upright_and_breaks_nothing(exif: bytes) -> None:
    assert read_orientation(exif) == 1
    data = insert_segment(make_file(make_picture()), 0xE1, b"Exif\0\0" + exif)
    assert normalise(data).report.orientation == 1
