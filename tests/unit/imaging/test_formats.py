import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageChops

from harness.photos import (
    CORNERS,
    is_near,
    make_file,
    make_mode,
    make_noise,
    make_picture,
    make_png_chunk,
    make_ramp,
    normalise_small,
    open_jpeg,
    read_corners,
    read_pixel,
    remove_segment,
    show_same_corners,
)
from imaging import Limits, normalise
from imaging.jpeg import is_plain
from tests.unit.imaging.rare_jpegs import RARE_JPEGS

FILES = {
    "baseline JPEG": ("JPEG", {"quality": 95}),
    "progressive JPEG": ("JPEG", {"quality": 95, "progressive": True}),
    "4:4:4 JPEG": ("JPEG", {"quality": 95, "subsampling": "4:4:4"}),
    "4:2:2 JPEG": ("JPEG", {"quality": 95, "subsampling": "4:2:2"}),
    "RGB JPEG": ("JPEG", {"quality": 95, "keep_rgb": True}),
    "MPO": ("MPO", {"save_all": True, "append_images": [Image.new("RGB", (64, 64))]}),
    "PNG": ("PNG", {}),
    "APNG": ("PNG", {"save_all": True, "append_images": [Image.new("RGB", (96, 128))]}),
    "lossy WebP": ("WEBP", {"quality": 95}),
    "lossless WebP": ("WEBP", {"lossless": True}),
    "animated WebP": ("WEBP", {"save_all": True, "append_images": [Image.new("RGB", (168, 224))]}),
    "AVIF": ("AVIF", {"quality": 95, "speed": 10}),
    "HEIC": ("HEIF", {"quality": 90}),
    "GIF": ("GIF", {}),
    "animated GIF": ("GIF", {"save_all": True, "append_images": [Image.new("RGB", (96, 128))]}),
    "BMP": ("BMP", {}),
    "TIFF": ("TIFF", {}),
    "LZW TIFF": ("TIFF", {"compression": "tiff_lzw"}),
    "JPEG TIFF": ("TIFF", {"compression": "jpeg"}),
    "big TIFF": ("TIFF", {"big_tiff": True}),
    "JP2": ("JPEG2000", {}),
    "lossy JP2": ("JPEG2000", {"irreversible": True, "quality_layers": [30]}),
    "tiled JP2": ("JPEG2000", {"tile_size": (60, 60)}),
    "JPEG 2000 codestream": ("JPEG2000", {"no_jp2": True}),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_becomes_a_baseline_jpeg_of_the_same_picture(name: str) -> None:
    file_format, options = FILES[name]
    photo = normalise_small(make_file(make_picture(168, 224), file_format, **options))  # type: ignore[arg-type]
    assert (photo.width, photo.height) == open_jpeg(photo.jpeg).size == (72, 96)
    assert is_plain(photo.jpeg)
    assert show_same_corners(photo.jpeg, tolerance=20)


@pytest.mark.parametrize("name", RARE_JPEGS)
def test_a_jpeg_of_a_rare_kind_is_read(name: str) -> None:
    photo = normalise(RARE_JPEGS[name])
    assert (photo.width, photo.height) == (480, 640)
    assert is_plain(photo.jpeg)
    assert show_same_corners(photo.jpeg)
    assert photo.report.untouched == (name in {"4:1:1", "4:4:0"})


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize("size", [(48, 64), (144, 192)])
def test_every_heic_mode_is_read(mode: str, size: tuple[int, int]) -> None:
    photo = normalise_small(make_file(make_picture(*size).convert(mode), "HEIF", quality=90))
    assert (photo.report.source_mode, photo.report.alpha_flattened) == (mode, mode == "RGBA")
    assert open_jpeg(photo.jpeg).mode == ("L" if mode == "L" else "RGB")


@pytest.mark.parametrize(
    ("file_format", "name"),
    [
        ("JPEG", "JPEG"),
        ("PNG", "PNG"),
        ("WEBP", "WebP"),
        ("AVIF", "AVIF"),
        ("HEIF", "HEIC"),
        ("GIF", "GIF"),
        ("BMP", "BMP"),
        ("TIFF", "TIFF"),
        ("JPEG2000", "JPEG 2000"),
    ],
)
def test_the_report_has_the_format_of_the_source(file_format: str, name: str) -> None:
    data = make_file(make_picture(80, 100), file_format)
    report = normalise_small(data).report
    assert report.source_format == name
    assert (report.source_width, report.source_height) == (80, 100)
    assert report.source_size_bytes == len(data)
    assert report.source_mode == ("P" if file_format == "GIF" else "RGB")
    assert report.scale == pytest.approx(0.9)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("size", [(48, 64), (144, 192)])
def test_every_png_mode_is_read(mode: str, size: tuple[int, int]) -> None:
    image = make_mode(mode, *size)
    photo = normalise_small(make_file(image, "PNG"))
    assert photo.report.source_mode == mode
    assert open_jpeg(photo.jpeg).mode == ("L" if mode in {"1", "L", "LA", "I;16"} else "RGB")


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"]
)
def test_every_tiff_mode_is_read(mode: str) -> None:
    image = make_mode(mode)
    photo = normalise(make_file(image, "TIFF"))
    assert open_jpeg(photo.jpeg).size == (480, 640)
    if mode in {"P", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"}:
        assert show_same_corners(photo.jpeg, tolerance=20)


def test_a_grey_jpeg_stays_grey() -> None:
    photo = normalise(make_file(make_picture(960, 1280).convert("L")))
    assert open_jpeg(photo.jpeg).mode == "L"


def test_interlaced_png_is_read() -> None:
    # Adam7 of one colour: seven passes of equal rows, written here since Pillow writes none.
    passes = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ]
    rows = b"".join(
        (b"\0" + bytes((200, 50, 50)) * len(range(left, 480, right))) * len(range(top, 640, down))
        for left, top, right, down in passes
    )
    header = make_png_chunk(b"IHDR", struct.pack(">IIBBBBB", 480, 640, 8, 2, 0, 0, 1))
    data = (
        b"\x89PNG\r\n\x1a\n"
        + header
        + make_png_chunk(b"IDAT", zlib.compress(rows))
        + make_png_chunk(b"IEND", b"")
    )
    assert is_near(read_pixel(open_jpeg(normalise(data).jpeg), 240, 320), (200, 50, 50), 4)


@pytest.mark.parametrize(
    "dtype_and_white",
    [
        ("uint16", 65_535),
        ("int32", 65_535),
        ("int32", 255),
        ("float32", 1),
        ("float32", 255),
        ("float32", 4000),
    ],
)
@pytest.mark.parametrize("size", [(480, 640), (960, 1280)])
def test_deep_grey_is_scaled_and_not_clipped(
    dtype_and_white: tuple[str, float], size: tuple[int, int]
) -> None:
    photo = normalise(make_file(make_ramp(*dtype_and_white, *size), "TIFF"))
    row = np.asarray(open_jpeg(photo.jpeg))[300].astype(int)
    expected = np.linspace(0, 255, photo.width) * (4000 / 65_535 if dtype_and_white[1] == 4000 else 1)
    assert np.abs(row - expected).max() <= 4


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "I;16", "F", "CMYK"])
def test_a_reduction_so_large_that_it_is_done_in_two_steps_does_no_harm(mode: str) -> None:
    limits = Limits(min_height=64, min_width=48, target_short_side=80)
    ramp = make_ramp("uint8", 255, 960, 1280).convert(mode) if mode != "I;16" else make_mode(mode, 960, 1280)
    row = np.asarray(open_jpeg(normalise(make_file(ramp, "TIFF"), limits).jpeg).convert("L"))[50].astype(int)
    assert np.abs(row - np.linspace(1, 254, 80)).max() <= 5


def test_big_endian_deep_grey_is_read() -> None:
    ramp = make_ramp("uint16", 65_535)
    big_endian = Image.frombytes("I;16B", ramp.size, np.asarray(ramp).astype(">u2").tobytes())
    row = np.asarray(open_jpeg(normalise(make_file(big_endian, "TIFF")).jpeg))[300].astype(int)
    assert np.abs(row - np.linspace(0, 255, 480)).max() <= 4


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf"), -7.0])
def test_odd_floats_do_no_harm(odd: float) -> None:
    image = make_ramp("float32", 1)
    image.putpixel((5, 5), odd)
    assert normalise(make_file(image, "TIFF")).width == 480


@pytest.mark.parametrize("size", [(480, 640), (960, 1280)])
def test_cmyk_as_adobe_writes_it_keeps_its_colours(size: tuple[int, int]) -> None:
    data = make_file(make_picture(*size).convert("CMYK"), quality=95)
    assert b"Adobe" in data
    photo = normalise(data)
    assert photo.report.source_mode == "CMYK"
    assert show_same_corners(photo.jpeg)


def test_cmyk_without_adobes_marker_keeps_its_colours() -> None:
    inverted_twice = ImageChops.invert(make_picture().convert("CMYK"))
    data = remove_segment(make_file(inverted_twice, quality=95), 0xEE)
    assert b"Adobe" not in data
    assert show_same_corners(normalise(data).jpeg)


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("size", [(96, 128), (144, 192)])
def test_alpha_goes_on_white(file_format: str, size: tuple[int, int]) -> None:
    image = make_picture(*size).convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1] // 2))
    photo = normalise_small(make_file(image, file_format))
    corners = read_corners(open_jpeg(photo.jpeg))
    assert is_near(corners["top left"], (255, 255, 255))
    assert is_near(corners["top right"], CORNERS["top right"], 20)
    assert photo.report.alpha_flattened


def test_half_alpha_is_half_white() -> None:
    image = Image.new("RGBA", (960, 1280), (0, 0, 0, 128))
    assert is_near(
        read_pixel(open_jpeg(normalise(make_file(image, "PNG")).jpeg), 300, 300), (127, 127, 127), 3
    )


def test_grey_alpha_goes_on_white_and_stays_grey() -> None:
    photo = normalise(make_file(Image.new("LA", (480, 640), (0, 0)), "PNG"))
    assert open_jpeg(photo.jpeg).mode == "L"
    assert is_near(read_pixel(open_jpeg(photo.jpeg), 300, 300), (255, 255, 255), 2)


@pytest.mark.parametrize(
    ("file_format", "transparency"), [("PNG", 0), ("PNG", bytes([0, 255])), ("PNG", bytes([0])), ("GIF", 0)]
)
def test_a_transparent_palette_entry_goes_on_white(file_format: str, transparency: int | bytes) -> None:
    image = Image.new("P", (960, 1280), 0)
    image.putpalette([10, 20, 30, 200, 40, 40])
    image.paste(1, (480, 0, 960, 1280))
    photo = normalise(make_file(image, file_format, transparency=transparency))
    corners = read_corners(open_jpeg(photo.jpeg))
    assert is_near(corners["top left"], (255, 255, 255))
    assert is_near(corners["top right"], (200, 40, 40))


@pytest.mark.parametrize(("mode", "key"), [("RGB", (220, 30, 30)), ("L", 85)])
def test_a_transparent_colour_goes_on_white(mode: str, key: tuple[int, ...] | int) -> None:
    image = make_picture().convert(mode)
    if mode == "L":
        image.paste(85, (0, 0, 240, 320))
    photo = normalise(make_file(image, "PNG", transparency=key))
    assert is_near(read_corners(open_jpeg(photo.jpeg))["top left"], (255, 255, 255))


def test_a_palette_is_expanded_before_it_is_resized() -> None:
    dithered = make_noise(960, 1280, 30).quantize(16, Image.Quantize.FASTOCTREE)
    photo = normalise(make_file(dithered, "PNG"))
    colours = open_jpeg(photo.jpeg).getcolors(1_000_000)
    assert colours is not None
    assert len(colours) > 500
