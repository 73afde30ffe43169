"""Hostile bytes: `normalise` answers with a photo within the limits or a `PhotoError`, and nothing else."""

from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imaging import Limits, PhotoError, normalise
from imaging.jpeg import is_plain
from tests.unit.imaging.factories import make_exif, make_file, make_noise, make_srgb_profile

# Small, so that hundreds of cases take seconds.
LIMITS = Limits(
    min_height=64,
    min_width=48,
    max_height=192,
    max_width=108,
    target_short_side=72,
    max_source_pixels=1_000_000,
)
KINDS: dict[str, dict[str, Any]] = {
    "JPEG": {"exif": make_exif(6), "icc_profile": make_srgb_profile()},
    "progressive": {"progressive": True},
    "plain": {},
    "PNG": {"exif": make_exif(3)},
    "palette": {},
    "WEBP": {"exif": make_exif(8)},
    "AVIF": {"speed": 10},
    "GIF": {},
    "BMP": {},
    "TIFF": {"exif": make_exif(5)},
    "LZW": {"compression": "tiff_lzw"},
}
FORMATS = {"progressive": "JPEG", "plain": "JPEG", "palette": "PNG", "LZW": "TIFF"}

bounded = settings(
    derandomize=True,
    deadline=None,
    max_examples=30,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@cache
def _make_seed(kind: str) -> bytes:
    image = make_noise(60, 80, 30)
    if kind == "palette":
        image = image.quantize(32)
    return make_file(image, FORMATS.get(kind, kind), **KINDS[kind])


def _require_photo_or_refusal(data: bytes) -> None:
    try:
        photo = normalise(data, LIMITS)
    except PhotoError as error:
        assert error.message  # noqa: PT017 - either outcome is right
        return
    assert is_plain(photo.jpeg)
    assert 48 <= photo.width <= 108
    assert 64 <= photo.height <= 192


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
@bounded
@given(data=st.data())
def test_a_mutated_file_is_a_photo_or_refused(kind: str, data: st.DataObject) -> None:
    mutated = bytearray(_make_seed(kind))
    for _ in range(data.draw(st.integers(1, 6))):
        # Headers are where the damage is interesting.
        reach = data.draw(st.sampled_from([64, 700, len(mutated)]))
        position = data.draw(st.integers(0, min(reach, len(mutated)) - 1))
        piece = data.draw(st.binary(max_size=4))
        mutated[position : position + data.draw(st.integers(0, 4))] = piece
        mutated = mutated or bytearray(b"\0")
    _require_photo_or_refusal(bytes(mutated))


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_off_at_every_point_is_refused_or_whole(kind: str) -> None:
    seed = _make_seed(kind)
    for cut in range(1, len(seed), max(1, len(seed) // 60)):
        _require_photo_or_refusal(seed[:cut])


@bounded
@given(head=st.sampled_from([_make_seed(kind)[:16] for kind in KINDS]), tail=st.binary(max_size=300))
def test_a_right_beginning_and_a_wrong_end_are_refused(head: bytes, tail: bytes) -> None:
    _require_photo_or_refusal(head + tail)


@bounded
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    _require_photo_or_refusal(data)
