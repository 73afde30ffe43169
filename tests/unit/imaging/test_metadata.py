"""Faults in what no pixel depends on: the photo is accepted, and that piece is ignored."""

import struct
import time
import zlib
from functools import cache
from itertools import product
from random import Random

import pytest
from PIL import Image

from harness.photos import (
    insert_png_chunk,
    insert_segment,
    is_near,
    make_display_p3_profile,
    make_exif,
    make_file,
    make_picture,
    make_swapped_profile,
    normalise_small,
    open_jpeg,
    show_same_corners,
)
from imaging import normalise

EXIF_TURNED = make_exif(6).tobytes().removeprefix(b"Exif\0\0")


def _replace_header(jpeg: bytes, segment: bytes) -> bytes:
    """Put a segment in the place of JFIF's."""
    return jpeg[:2] + segment + jpeg[20:]


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize(
    "payload", [b"", b"\0", b"JFIF\0", b"JFIF\0\1\1\0\0\1", b"JFXX\0", b"AVI1", b"\xff" * 9]
)
def test_a_jfif_segment_that_is_short_or_none_is_ignored(payload: bytes, mode: str) -> None:
    jpeg = make_file(make_picture().convert(mode))
    segment = b"\xff\xe0" + (len(payload) + 2).to_bytes(2) + payload
    photo = normalise(_replace_header(jpeg, segment))
    assert mode == "L" or show_same_corners(photo.jpeg)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"Adobe",
        b"Adobe\0",
        b"Adobe\0\x64\0\0\0",
        b"ICC_PROFILE\0",
        b"ICC_PROFILE\0\1",
        b"ICC_PROFILE\0\1\0",
        b"ICC_PROFILE\0\2\1" + bytes(200),
        b"ICC_PROFILE\0\0\0" + bytes(200),
        b"Exif\0\0",
        b"Exif\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"MPF\0II*\0",
        b"Photoshop 3.0\0",
        b"Photoshop 3.0\x008BIM",
        b"Photoshop 3.0\x008BIM\x03\xed",
        b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0\0\x10\0\x48",
        b"http://ns.adobe.com/xap/1.0/\0<x",
    ],
)
def test_a_jpegs_metadata_that_is_short_or_cut_is_ignored(payload: bytes) -> None:
    jpeg = make_file(make_picture(96, 128))
    for marker in (*range(0xE1, 0xF0), 0xFE):
        photo = normalise_small(insert_segment(jpeg, marker, payload))
        assert show_same_corners(photo.jpeg), marker
        assert not photo.report.profile_converted, marker


@pytest.mark.parametrize("length", [0, 1, 2, 3])
def test_a_segment_of_a_wrong_length_is_skipped_as_libjpeg_skips_it(length: int) -> None:
    jpeg = make_file(make_picture())
    data = jpeg[:20] + b"\xff\xed" + length.to_bytes(2) + b"Photoshop 3.0\0" + jpeg[20:]
    assert show_same_corners(normalise(data).jpeg)


def test_a_profile_in_parts_is_joined_in_their_order() -> None:
    profile = make_swapped_profile()
    parts = [b"ICC_PROFILE\0\1\2" + profile[:300], b"ICC_PROFILE\0\2\2" + profile[300:]]
    jpeg = make_file(make_picture())
    for first, last in (parts, reversed(parts)):
        data = insert_segment(insert_segment(jpeg, 0xE2, last), 0xE2, first)
        assert normalise(data).report.profile_converted
    assert not normalise(insert_segment(jpeg, 0xE2, parts[0])).report.profile_converted


@pytest.mark.parametrize("ending", [b"\0", b"\1", b"\xff"])
def test_exif_with_another_byte_behind_its_name_is_read(ending: bytes) -> None:
    stored = make_picture().transpose(Image.Transpose.ROTATE_90)
    photo = normalise(insert_segment(make_file(stored), 0xE1, b"Exif\0" + ending + EXIF_TURNED))
    assert photo.report.orientation == 6
    assert show_same_corners(photo.jpeg)


def test_a_damaged_profile_never_costs_the_photo() -> None:
    sound = make_display_p3_profile()
    random = Random(7)  # noqa: S311 - chance, not secrecy
    jpeg = make_file(make_picture(48, 64), quality=95)
    for _ in range(300):
        profile = bytearray(sound)
        for _ in range(random.randint(1, 8)):
            profile[random.randrange(len(profile) if random.random() < 0.5 else 300)] = random.randrange(256)
        photo = normalise_small(insert_segment(jpeg, 0xE2, b"ICC_PROFILE\0\1\1" + bytes(profile)))
        assert (photo.width, photo.height) == (48, 64)


@pytest.mark.parametrize("place", [12, 16, 20, 36])
def test_a_profile_whose_header_is_no_text_is_ignored(place: int) -> None:
    profile = bytearray(make_swapped_profile())
    profile[place : place + 4] = b"\xb5\xff\0\x80"
    photo = normalise(make_file(make_picture(), icc_profile=bytes(profile)))
    assert not photo.report.profile_converted
    assert show_same_corners(photo.jpeg)


def test_a_profile_under_which_white_is_dark_is_ignored() -> None:
    profile = bytearray(make_swapped_profile())
    count = struct.unpack_from(">I", profile, 128)[0]
    for entry in range(132, 132 + 12 * count, 12):
        if bytes(profile[entry : entry + 4]) in {b"rXYZ", b"gXYZ", b"bXYZ"}:
            start = struct.unpack_from(">I", profile, entry + 4)[0] + 8
            profile[start : start + 12] = bytes(12)
    photo = normalise(make_file(make_picture(), icc_profile=bytes(profile)))
    assert show_same_corners(photo.jpeg)


@pytest.mark.parametrize(
    "name",
    (
        b"tEXt zTXt iTXt iCCP gAMA cHRM sRGB pHYs tIME eXIf acTL fcTL fdAT tRNS sBIT bKGD hIST cICP prVt"
    ).split(),
)
def test_a_png_chunk_that_no_pixel_depends_on_does_no_harm(name: bytes) -> None:
    png = make_file(make_picture(48, 64), "PNG")
    payloads = (b"", b"\0", b"name\0\0", b"XML:com.adobe.xmp\0\1", bytes(7))
    for payload, is_sound, before in product(payloads, (True, False), (b"IDAT", b"IEND")):
        photo = normalise_small(insert_png_chunk(png, name, payload, before, is_sound=is_sound))
        assert show_same_corners(photo.jpeg), (payload, is_sound, before)
        assert not photo.report.profile_converted, (payload, is_sound, before)


@pytest.mark.parametrize("chunk", [b"iCCP", b"eXIf", b"tRNS", b"gAMA"])
def test_a_png_chunk_with_a_wrong_checksum_is_not_believed(chunk: bytes) -> None:
    payload = {
        b"iCCP": b"p\0\0" + zlib.compress(make_swapped_profile()),
        b"eXIf": EXIF_TURNED,
        b"tRNS": struct.pack(">3H", 220, 30, 30),
        b"gAMA": struct.pack(">I", 100_000),
    }[chunk]
    png = make_file(make_picture(), "PNG")
    believed = normalise(insert_png_chunk(png, chunk, payload, b"IDAT")).jpeg
    ignored = normalise(insert_png_chunk(png, chunk, payload, b"IDAT", is_sound=False)).jpeg
    assert ignored == normalise(png).jpeg != believed


@cache
def _deflate_200_mb() -> bytes:
    return zlib.compress(bytes(200_000_000), 1)


@pytest.mark.parametrize("name", [b"zTXt", b"iTXt", b"iCCP", b"tEXt"])
@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_what_a_png_says_is_never_inflated_beyond_a_bound(name: bytes, before: bytes) -> None:
    start = {b"iTXt": b"XML:com.adobe.xmp\0\1\0\0\0", b"tEXt": b"Comment\0"}.get(name, b"name\0\0")
    bomb = start + _deflate_200_mb()
    data = insert_png_chunk(make_file(make_picture(), "PNG"), name, bomb, before)
    started = time.process_time()
    assert show_same_corners(normalise(data).jpeg)
    assert time.process_time() - started < 1


def test_chunks_without_number_are_passed_by() -> None:
    png = make_file(make_picture(), "PNG")
    position = png.index(b"IDAT") - 4
    many = insert_png_chunk(png, b"tEXt", b"a\0b", b"IDAT")[position : position + 15] * 100_000
    assert show_same_corners(normalise(png[:position] + many + png[position:]).jpeg)


@pytest.mark.parametrize("file_format", ["AVIF", "HEIF"])
@pytest.mark.parametrize("exif", [b"II", b"no TIFF at all", b"Exif\0\0", bytes(40), b"MM\0*\xff\xff\xff\xff"])
def test_exif_of_avif_and_heic_that_is_no_tiff_does_no_harm(file_format: str, exif: bytes) -> None:
    # Written whole, then damaged in its place: writers refuse to write it so.
    sound = make_exif(1)
    sound[0x010F] = "a maker with a name long enough for all of these"
    data = make_file(make_picture(72, 96), file_format, exif=sound.tobytes(), quality=90)
    start = data.index(b"a maker with") - 40
    tiff = max(data.rfind(b"MM\0*", 0, start + 40), data.rfind(b"II*\0", 0, start + 40))
    photo = normalise_small(data[:tiff] + exif + data[tiff + len(exif) :])
    assert photo.report.orientation == 1
    assert show_same_corners(photo.jpeg, 20)


def _cut_gif(frame: tuple[int, int, int, int], *, transparency: bool = False) -> bytes:
    """Place a GIF's only frame on a canvas of 480 x 640 whose background is another colour."""
    left, top, right, bottom = frame
    picture = make_picture().crop(frame).quantize(4, Image.Quantize.FASTOCTREE)
    gif = bytearray(make_file(picture, "GIF", **({"transparency": 3} if transparency else {})))
    gif[6:10] = struct.pack("<HH", 480, 640)
    start = gif.index(b",\0\0\0\0" + struct.pack("<HH", right - left, bottom - top))
    gif[start + 1 : start + 5] = struct.pack("<HH", left, top)
    return bytes(gif)


@pytest.mark.parametrize("transparency", [True, False])
def test_what_no_frame_of_a_gif_covers_is_white(transparency: bool) -> None:  # noqa: FBT001
    image = open_jpeg(normalise(_cut_gif((0, 0, 480, 320), transparency=transparency)).jpeg).convert("RGB")
    below = image.crop((0, 340, 480, 640)).getextrema()
    assert all(isinstance(extremes, tuple) and extremes[0] >= 250 for extremes in below)
    red = image.getpixel((60, 60))
    assert isinstance(red, tuple)
    assert is_near(red, (220, 30, 30), 40)
