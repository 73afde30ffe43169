"""A progressive JPEG is decoded without the last bits of luma where they do not show."""

from functools import cache
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from harness.photos import (
    compare_luma,
    make_file,
    make_noise,
    make_picture,
    normalise_small,
    open_jpeg,
)
from imaging import PhotoError, PhotoErrorCode
from imaging.jpeg import JpegPhoto, omit_last_bits

LUMA = 1
LARGE, QUARTER = (288, 384), (72, 96)
"""Sides within `SMALL_LIMITS`, and four times as long."""


@cache
def _make_detailed(width: int, height: int) -> Image.Image:
    """Edges and texture of every size, and a camera's noise."""
    texture = np.asarray(make_noise(width // 6, height // 6, 40).resize((width, height)))
    grain = np.asarray(make_noise(width, height, 4))
    picture = np.asarray(make_picture(width, height)) * 0.6 + texture * 0.4 + grain - 128.0
    return Image.fromarray(picture.clip(0, 255).astype(np.uint8))


def _decode(data: bytes, size: tuple[int, int]) -> JpegPhoto:
    photo = JpegPhoto(BytesIO(data))
    photo.draft(None, size)
    return photo


def _count_bytes_to_decode(data: bytes, size: tuple[int, int]) -> int:
    photo = _decode(data, size)
    assert isinstance(photo.fp, BytesIO)
    return len(photo.fp.getvalue())


@pytest.mark.parametrize("quality", [88, 92, 95])
def test_a_quarter_without_the_last_bits_looks_the_same(quality: int) -> None:
    picture = _make_detailed(*LARGE)
    progressive = make_file(picture, quality=quality, progressive=True)
    assert _count_bytes_to_decode(progressive, QUARTER) < len(progressive) * 0.75
    whole = normalise_small(make_file(picture, quality=quality))
    shortened = normalise_small(progressive)
    assert compare_luma(open_jpeg(shortened.jpeg), open_jpeg(whole.jpeg)) > 0.98
    reference = picture.resize(QUARTER, Image.Resampling.LANCZOS)
    lost = compare_luma(open_jpeg(whole.jpeg), reference) - compare_luma(open_jpeg(shortened.jpeg), reference)
    assert lost < 0.003


@pytest.mark.parametrize("quality", [50, 75, 95])
def test_an_eighth_without_the_last_bits_is_the_same_to_the_bit(quality: int) -> None:
    data = make_file(_make_detailed(400, 300), quality=quality, progressive=True)
    size = (50, 37)
    assert _count_bytes_to_decode(data, size) < len(data)
    plain = Image.open(BytesIO(data))
    plain.draft(None, size)
    assert _decode(data, size).tobytes() == plain.tobytes()


@pytest.mark.parametrize(
    ("size", "quality"),
    [((400, 300), 95), ((200, 150), 95), ((100, 75), 75)],
    ids=["whole", "half", "coarse quarter"],
)
def test_where_the_last_bits_may_show_they_are_decoded(size: tuple[int, int], quality: int) -> None:
    data = make_file(_make_detailed(400, 300), quality=quality, progressive=True)
    assert _count_bytes_to_decode(data, size) == len(data)


@pytest.mark.parametrize("size", [(400, 300), (200, 150), (100, 75), (50, 37)])
def test_a_baseline_photo_is_decoded_whole(size: tuple[int, int]) -> None:
    data = make_file(_make_detailed(400, 300), quality=95)
    assert omit_last_bits(data, LUMA) == data
    assert _count_bytes_to_decode(data, size) == len(data)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_grey_and_cmyk_are_shortened_and_read(mode: str) -> None:
    picture = _make_detailed(*LARGE).convert(mode)
    data = make_file(picture, quality=95, progressive=True)
    shortened, whole = normalise_small(data), normalise_small(make_file(picture, quality=95))
    assert _count_bytes_to_decode(data, QUARTER) < len(data)
    assert compare_luma(open_jpeg(shortened.jpeg), open_jpeg(whole.jpeg)) > 0.98


def test_damage_in_what_is_left_out_changes_nothing() -> None:
    data = make_file(_make_detailed(*LARGE), quality=95, progressive=True)
    end = data.rindex(b"\xff\xda") + 100
    assert normalise_small(data[:end] + b"\xff\xd9").jpeg == normalise_small(data).jpeg
    with pytest.raises(PhotoError) as caught:
        normalise_small(data[:end])
    assert caught.value.code is PhotoErrorCode.UNREADABLE


def test_a_file_of_last_bits_alone_is_refused() -> None:
    data = make_file(_make_detailed(*LARGE), quality=95, progressive=True)
    hostile = data[: data.index(b"\xff\xda")] + data[data.rindex(b"\xff\xda") :]
    with pytest.raises(PhotoError) as caught:
        normalise_small(hostile)
    assert caught.value.code is PhotoErrorCode.UNREADABLE
