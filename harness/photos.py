"""Test photos, made here: nothing of a real person."""

import struct
import zlib
from collections.abc import Iterator
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pillow_heif
from PIL import Image, ImageCms, ImageDraw

from imaging import Limits, NormalisedPhoto, normalise

pillow_heif.register_heif_opener()  # so that Pillow writes HEIC

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 160, 60), (40, 60, 200), (255, 255, 255)
CORNERS = {"top left": RED, "top right": GREEN, "bottom left": BLUE, "bottom right": WHITE}

ORIENTATION = 0x0112

DISPLAY_P3_PRIMARIES = {
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}
"""Display P3's red, green and blue as an ICC profile states them: X, Y and Z under D50."""

SMALL_LIMITS = Limits(
    min_height=64,
    min_width=48,
    max_height=192,
    max_width=108,
    target_short_side=72,
    max_source_pixels=1_000_000,
)
"""So small that thousands of cases take seconds."""


def normalise_small(data: bytes) -> NormalisedPhoto:
    return normalise(data, SMALL_LIMITS)


def make_picture(width: int = 480, height: int = 640) -> Image.Image:
    """Four quarters, each of its own colour, so that turns, flips and colour faults show."""
    picture = Image.new("RGB", (width, height), RED)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((width // 2, 0, width, height // 2), GREEN)
    draw.rectangle((0, height // 2, width // 2, height), BLUE)
    draw.rectangle((width // 2, height // 2, width, height), WHITE)
    return picture


@cache
def make_noise(width: int, height: int, strength: float = 80) -> Image.Image:
    pixels = np.random.default_rng(7).normal(128, strength, (height, width, 3)).clip(0, 255)
    return Image.fromarray(pixels.astype(np.uint8))


def make_ramp(dtype: str, brightest: float, width: int = 480, height: int = 640) -> Image.Image:
    """Black on the left, `brightest` on the right."""
    row = np.linspace(0, brightest, width).astype(dtype)
    return Image.fromarray(np.tile(row, (height, 1)))


def make_mode(mode: str, width: int = 480, height: int = 640) -> Image.Image:
    """Make a picture in any of Pillow's modes."""
    ramps: dict[str, tuple[str, float]] = {
        "I;16": ("uint16", 65_535),
        "I": ("int32", 65_535),
        "F": ("float32", 1),
    }
    if mode in ramps:
        return make_ramp(*ramps[mode], width, height)
    if mode == "LAB":
        return Image.new("LAB", (width, height), (128, 128, 128))
    picture = make_picture(width, height)
    return picture.quantize(8, Image.Quantize.FASTOCTREE) if mode == "P" else picture.convert(mode)


def make_file(image: Image.Image, file_format: str = "JPEG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def make_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def make_swapped_profile() -> bytes:
    """Make an RGB profile that takes red for blue, by exchanging two of sRGB's primaries."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", profile, 128)[0]
    entries = {bytes(profile[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    profile[entries[b"rXYZ"] : entries[b"rXYZ"] + 4] = b"bXYZ"
    profile[entries[b"bXYZ"] : entries[b"bXYZ"] + 4] = b"rXYZ"
    return bytes(profile)


def make_display_p3_profile() -> bytes:
    """Make the profile that phones embed: sRGB's curve, wider primaries."""
    profile = bytearray(make_srgb_profile())
    count = struct.unpack_from(">I", profile, 128)[0]
    for entry in range(132, 132 + 12 * count, 12):
        primary = DISPLAY_P3_PRIMARIES.get(bytes(profile[entry : entry + 4]))
        if primary:
            start = struct.unpack_from(">I", profile, entry + 4)[0] + 8
            struct.pack_into(">iii", profile, start, *(round(value * 65_536) for value in primary))
    return bytes(profile)


def make_srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def make_png_chunk(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def make_png_bomb(width: int, height: int) -> bytes:
    """Make a file of a few bytes whose header promises a huge picture."""
    header = make_png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    pixels = make_png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + header + pixels + make_png_chunk(b"IEND", b"")


def insert_png_chunk(
    png: bytes, name: bytes, payload: bytes, before: bytes, *, is_sound: bool = True
) -> bytes:
    position = png.index(before) - 4
    chunk = make_png_chunk(name, payload)
    checksum = chunk[-4:] if is_sound else bytes(byte ^ 255 for byte in chunk[-4:])
    return png[:position] + chunk[:-4] + checksum + png[position:]


def insert_segment(jpeg: bytes, marker: int, payload: bytes) -> bytes:
    """Put a segment behind the JFIF header."""
    position = 4 + int.from_bytes(jpeg[4:6])
    segment = bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2) + payload
    return jpeg[:position] + segment + jpeg[position:]


def remove_segment(jpeg: bytes, marker: int) -> bytes:
    kept = b"".join(segment for found, segment in walk_header(jpeg) if found != marker)
    return b"\xff\xd8" + kept + jpeg[jpeg.index(b"\xff\xda") :]


def walk_header(jpeg: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and bytes of every segment before the first scan."""
    position = 2
    while jpeg[position + 1] != 0xDA:
        end = position + 2 + int.from_bytes(jpeg[position + 2 : position + 4])
        yield jpeg[position + 1], jpeg[position:end]
        position = end


def open_jpeg(jpeg: bytes) -> Image.Image:
    image = Image.open(BytesIO(jpeg))
    image.load()
    return image


def read_corners(image: Image.Image) -> dict[str, tuple[int, ...]]:
    """Read a pixel well inside each quarter."""
    rgb = image.convert("RGB")
    left, right, top, bottom = rgb.width // 6, rgb.width * 5 // 6, rgb.height // 6, rgb.height * 5 // 6
    places = {
        "top left": (left, top),
        "top right": (right, top),
        "bottom left": (left, bottom),
        "bottom right": (right, bottom),
    }
    return {corner: read_pixel(rgb, *place) for corner, place in places.items()}


def read_pixel(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    pixel = image.convert("RGB").getpixel((x, y))
    assert isinstance(pixel, tuple)
    return tuple(int(value) for value in pixel)


def is_near(one: tuple[int, ...], other: tuple[int, ...], tolerance: int = 12) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(one, other, strict=True))


def show_same_corners(jpeg: bytes, tolerance: int = 12) -> bool:
    """Tell whether a photo shows the four quarters of `make_picture` in their places."""
    corners = read_corners(open_jpeg(jpeg))
    return all(is_near(corners[corner], colour, tolerance) for corner, colour in CORNERS.items())


def compare_luma(one: Image.Image, other: Image.Image) -> float:
    """Return the structural similarity (SSIM) of luma, averaged over blocks of 8 x 8; 1 is equality."""
    first, second = (_cut_into_blocks(image) for image in (one, other))
    means, other_means = first.mean(1), second.mean(1)
    covariance = (first * second).mean(1) - means * other_means
    steady, steady_variance = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (
        (2 * means * other_means + steady)
        * (2 * covariance + steady_variance)
        / ((means**2 + other_means**2 + steady) * (first.var(1) + second.var(1) + steady_variance))
    )
    return float(similarity.mean())


def _cut_into_blocks(image: Image.Image) -> np.ndarray:
    luma = np.asarray(image.convert("L")).astype(float)
    rows, columns = luma.shape[0] // 8, luma.shape[1] // 8
    whole = luma[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8)
    return whole.swapaxes(1, 2).reshape(rows * columns, 64)


@cache
def make_fuzz_seeds() -> dict[str, bytes]:
    """Make a small sound file of every kind, to be damaged."""
    noise = make_noise(60, 80, 30)
    palette = noise.quantize(32)
    rest = {"save_all": True, "append_images": [make_noise(60, 80, 20)]}
    return {
        "baseline JPEG": make_file(noise),
        "JPEG with EXIF and profile": make_file(
            noise, exif=make_exif(6), icc_profile=make_display_p3_profile()
        ),
        "progressive JPEG": make_file(noise, progressive=True),
        "CMYK JPEG": make_file(noise.convert("CMYK")),
        "MPO": make_file(noise, "MPO", **rest),
        "PNG": make_file(noise, "PNG", exif=make_exif(3), icc_profile=make_display_p3_profile()),
        "palette PNG": make_file(palette, "PNG", transparency=3),
        "deep PNG": make_file(make_mode("I;16", 60, 80), "PNG"),
        "APNG": make_file(noise, "PNG", **rest),
        "WebP": make_file(noise, "WEBP", exif=make_exif(8)),
        "lossless WebP": make_file(noise.convert("RGBA"), "WEBP", lossless=True),
        "animated WebP": make_file(noise, "WEBP", **rest),
        "AVIF": make_file(noise, "AVIF", speed=10, exif=make_exif(6)),
        "HEIC": make_file(noise, "HEIF", exif=make_exif(6).tobytes()),
        "JP2": make_file(noise, "JPEG2000", quality_mode="rates", quality_layers=[20]),
        "JPEG 2000 codestream": make_file(noise.convert("L"), "JPEG2000", no_jp2=True),
        "GIF": make_file(noise, "GIF", **rest),
        "BMP": make_file(noise, "BMP"),
        "TIFF": make_file(noise, "TIFF", exif=make_exif(5)),
        "LZW TIFF": make_file(palette, "TIFF", compression="tiff_lzw"),
        "JPEG TIFF": make_file(noise, "TIFF", compression="jpeg"),
    }
