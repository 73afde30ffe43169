import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from PIL import PngImagePlugin

from harness.photos import (
    insert_segment,
    make_display_p3_profile,
    make_exif,
    make_file,
    make_noise,
    make_picture,
    make_srgb_profile,
    normalise_small,
    open_jpeg,
    remove_segment,
    walk_header,
)
from imaging import Limits, NormalisedPhoto, PhotoError, PhotoErrorCode, normalise
from imaging.jpeg import is_plain

PLAIN_MARKERS = {0xE0, 0xDB, 0xC0, 0xC4}


def _require_bare(photo: NormalisedPhoto) -> None:
    assert {marker for marker, _ in walk_header(photo.jpeg)} == PLAIN_MARKERS
    assert photo.jpeg.endswith(b"\xff\xd9")
    assert open_jpeg(photo.jpeg).info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}
    assert is_plain(photo.jpeg)


@pytest.mark.parametrize("size", [(48, 64), (96, 128), (128, 72)])
@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_no_metadata_survives(file_format: str, size: tuple[int, int]) -> None:
    every_option: dict[str, dict[str, Any]] = {
        "JPEG": {"comment": b"secret", "dpi": (300, 300), "xmp": b"<secret/>"},
        "PNG": {"pnginfo": _make_png_text(), "dpi": (300, 300)},
        "WEBP": {"xmp": b"<secret/>"},
        "TIFF": {"description": "secret", "dpi": (300, 300)},
    }
    options = every_option[file_format]
    exif = make_exif(1)
    exif[0x010F] = "secret maker"
    data = make_file(make_picture(*size), file_format, exif=exif, icc_profile=make_srgb_profile(), **options)
    assert b"secret" in data
    photo = normalise_small(data)
    _require_bare(photo)
    assert b"secret" not in photo.jpeg


def _make_png_text() -> PngImagePlugin.PngInfo:
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "secret")
    return text


def test_a_gif_comment_does_not_survive() -> None:
    photo = normalise(make_file(make_picture(), "GIF", comment=b"secret"))
    _require_bare(photo)
    assert b"secret" not in photo.jpeg


def test_a_quiet_photo_gets_the_best_quality() -> None:
    report = normalise(make_file(make_picture(960, 1280))).report
    assert (report.quality, report.passes) == (95, 2)
    assert report.size_bytes <= 100_000


def test_a_photo_over_the_aim_keeps_quality_90() -> None:
    report = normalise(make_file(make_noise(960, 1280, 25), quality=95)).report
    assert 100_000 < report.size_bytes <= 600_000
    assert (report.quality, report.passes) == (90, 1)


def test_a_photo_that_the_best_quality_puts_over_the_aim_keeps_quality_90() -> None:
    data = make_file(make_noise(480, 640, 7), "PNG")
    report = normalise(data).report
    assert 70_000 < report.size_bytes <= 76_000
    assert (report.quality, report.passes) == (90, 2)


def test_a_quality_that_can_not_fit_is_not_tried() -> None:
    report = normalise(make_file(make_noise(480, 640, 8.5), "PNG")).report
    assert 78_000 < report.size_bytes <= 100_000
    assert (report.quality, report.passes) == (90, 1)


def test_a_noisy_photo_gets_the_best_quality_that_fits() -> None:
    picture = make_noise(720, 1900, 90)
    report = normalise(make_file(picture, "PNG")).report
    assert report.quality is not None
    assert 50 < report.quality < 90
    assert report.passes <= 7
    assert report.size_bytes <= 600_000
    assert len(make_file(picture, quality=report.quality + 1, subsampling="4:2:0")) > 600_000


def test_a_photo_that_never_fits_is_too_heavy() -> None:
    with pytest.raises(
        PhotoError, match=r"480 x 640 pixels, exceeds 20000 bytes even at JPEG quality 50"
    ) as caught:
        normalise(make_file(make_noise(480, 640)), Limits(max_size_bytes=20_000))
    assert caught.value.code is PhotoErrorCode.INCOMPRESSIBLE


def test_the_report_becomes_json() -> None:
    photo = normalise(make_file(make_picture(1280, 720), "PNG"))
    assert json.loads(json.dumps(dataclasses.asdict(photo.report))) == {
        "source_format": "PNG",
        "source_size_bytes": photo.report.source_size_bytes,
        "source_width": 1280,
        "source_height": 720,
        "source_mode": "RGB",
        "orientation": 1,
        "scale": 0.84375,
        "padded_rows": 32,
        "alpha_flattened": False,
        "profile_converted": False,
        "quality": 95,
        "passes": 2,
        "size_bytes": len(photo.jpeg),
        "untouched": False,
        "face": None,
    }


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("size", [(480, 640), (720, 1280), (960, 720), (1080, 640)])
def test_a_photo_as_it_should_be_stays_untouched(mode: str, size: tuple[int, int]) -> None:
    data = make_file(make_picture(*size).convert(mode))
    photo = normalise(data)
    assert photo.jpeg is data
    assert photo.report.untouched
    assert (photo.width, photo.height) == size
    assert (photo.report.quality, photo.report.passes, photo.report.size_bytes) == (None, 0, len(data))


@pytest.mark.parametrize("size", [(2000, 3000), (640, 480), (1920, 1080), (700, 2500)])
def test_what_was_normalised_once_stays_untouched(size: tuple[int, int]) -> None:
    once = normalise(make_file(make_picture(*size)))
    assert normalise(once.jpeg).jpeg is once.jpeg


def test_optimised_and_restarted_baseline_jpegs_stay_untouched() -> None:
    for options in ({"optimize": True}, {"restart_marker_rows": 1}, {"subsampling": "4:4:4"}):
        data = make_file(make_noise(480, 640, 20), **options)
        assert normalise(data).jpeg is data


def test_a_photo_with_any_defect_is_encoded_again() -> None:
    picture = make_picture()
    plain = make_file(picture)
    files = {
        "progressive": make_file(picture, progressive=True),
        "too large": make_file(make_picture(721, 961)),
        "bars needed": make_file(make_picture(640, 480)),
        "EXIF": make_file(picture, exif=make_exif(1)),
        "comment": make_file(picture, comment=b"hello"),
        "profile": make_file(picture, icc_profile=make_srgb_profile()),
        "APP13": insert_segment(plain, 0xED, b"Photoshop 3.0\0"),
        "trailing bytes": plain + b"hidden",
        "no JFIF": plain[:2] + plain[20:],
        "too heavy": make_file(make_noise(720, 1280), quality=95),
        "RGB": make_file(picture, keep_rgb=True),
        "CMYK": plain[:20] + remove_segment(make_file(picture.convert("CMYK")), 0xEE)[2:],
        "junk": plain[:20] + b"hidden" + plain[20:],
        "fill bytes": plain[:20] + b"\xff\xff" + plain[20:],
        "thumbnail": insert_segment(plain, 0xE0, b"JFXX\0\x10thumbnail"),
    }
    for change, data in files.items():
        photo = normalise(data)
        assert not photo.report.untouched, change
        assert photo.report.size_bytes <= 600_000, change
        _require_bare(photo)


def test_threads_do_not_disturb_each_other() -> None:
    profile = make_display_p3_profile()
    files = [make_file(make_noise(800, 1000 + 10 * step, 20), icc_profile=profile) for step in range(3)] * 2
    alone = [normalise(data) for data in files]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(normalise, files)) == alone
