import numpy as np
import pytest
from PIL import Image, ImageCms

from harness.photos import (
    is_near,
    make_display_p3_profile,
    make_file,
    make_noise,
    make_picture,
    make_srgb_profile,
    make_swapped_profile,
    open_jpeg,
    read_corners,
    read_pixel,
    show_same_corners,
)
from imaging import normalise


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_profile_that_matters_is_applied(file_format: str) -> None:
    photo = normalise(make_file(make_picture(), file_format, icc_profile=make_swapped_profile()))
    assert photo.report.profile_converted
    red, green, blue = read_corners(open_jpeg(photo.jpeg))["top left"]
    assert blue > red
    assert blue > green
    assert "icc_profile" not in open_jpeg(photo.jpeg).info


@pytest.mark.parametrize("file_format", ["JPEG", "HEIF"])
def test_a_phones_display_p3_becomes_srgb(file_format: str) -> None:
    muted = Image.new("RGB", (480, 640), (180, 80, 60))
    photo = normalise(make_file(muted, file_format, quality=95, icc_profile=make_display_p3_profile()))
    assert photo.report.profile_converted
    # By the two spaces' matrices: the same light in sRGB's narrower primaries is a stronger red.
    assert is_near(read_pixel(open_jpeg(photo.jpeg), 240, 320), (194, 75, 52), 4)


def test_a_profile_met_before_gives_the_same_photo() -> None:
    data = make_file(make_noise(480, 640, 20), icc_profile=make_display_p3_profile())
    assert normalise(data) == normalise(data)


def test_a_profile_is_applied_below_alpha_and_palette() -> None:
    profile = make_swapped_profile()
    for image in (make_picture().convert("RGBA"), make_picture().quantize(4, Image.Quantize.FASTOCTREE)):
        red, _, blue = read_corners(open_jpeg(normalise(make_file(image, "PNG", icc_profile=profile)).jpeg))[
            "top left"
        ]
        assert blue > red


def test_srgb_by_any_name_is_left_alone() -> None:
    photo = normalise(make_file(make_picture(), icc_profile=make_srgb_profile()))
    assert not photo.report.profile_converted
    assert show_same_corners(photo.jpeg)


@pytest.mark.parametrize("profile", [b"nonsense", b"\0" * 128, make_srgb_profile()[:300]])
def test_a_broken_profile_is_ignored(profile: bytes) -> None:
    photo = normalise(make_file(make_picture(), icc_profile=profile))
    assert not photo.report.profile_converted
    assert show_same_corners(photo.jpeg)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_profile_of_another_colour_space_is_ignored(mode: str) -> None:
    photo = normalise(make_file(make_picture().convert(mode), icc_profile=make_swapped_profile()))
    assert not photo.report.profile_converted


def test_lab_becomes_rgb() -> None:
    lab = ImageCms.applyTransform(
        make_picture(),
        ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"),
    )
    assert lab is not None
    assert show_same_corners(normalise(make_file(lab, "TIFF")).jpeg, tolerance=20)


def test_the_bars_of_a_landscape_are_grey_and_its_picture_is_whole() -> None:
    photo = normalise(make_file(make_picture(1280, 720)))
    image = open_jpeg(photo.jpeg)
    assert image.size == (1080, 640)
    assert photo.report.padded_rows == 32
    assert is_near(image.convert("RGB").getpixel((20, 5)), (128, 128, 128), 4)  # type: ignore[arg-type]
    assert is_near(image.convert("RGB").getpixel((1060, 634)), (128, 128, 128), 4)  # type: ignore[arg-type]
    picture = image.crop((0, 16, 1080, 624))
    assert show_same_corners(make_file(picture, quality=95))


def test_a_grey_landscape_gets_grey_bars() -> None:
    photo = normalise(make_file(Image.new("L", (640, 480), 255)))
    image = open_jpeg(photo.jpeg)
    assert (image.mode, image.size) == ("L", (640, 640))
    assert image.getpixel((5, 5)) == pytest.approx(128, abs=3)


@pytest.mark.verify
@pytest.mark.parametrize("size", [(900, 1200), (1440, 1920), (1512, 2016), (2700, 3600)])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG"])
def test_reduction_keeps_to_the_full_size_lanczos(size: tuple[int, int], file_format: str) -> None:
    smooth = make_noise(90, 120, 50).resize(size, Image.Resampling.BICUBIC)
    data = make_file(smooth, file_format, quality=95)
    ours = np.asarray(open_jpeg(normalise(data).jpeg).convert("L")).astype(float)
    reference = np.asarray(open_jpeg(data).resize((720, 960), Image.Resampling.LANCZOS).convert("L")).astype(
        float
    )
    assert np.sqrt(np.mean((ours - reference) ** 2)) < 1.5
