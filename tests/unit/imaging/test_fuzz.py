"""Hostile bytes: `normalise` answers with a photo within the limits or a `PhotoError`, and nothing else."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.photos import SMALL_LIMITS, make_fuzz_seeds
from imaging import PhotoError, normalise
from imaging.jpeg import is_plain

KINDS = list(make_fuzz_seeds())

bounded = settings(
    derandomize=True,
    deadline=None,
    max_examples=25,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def _require_photo_or_refusal(data: bytes) -> None:
    try:
        photo = normalise(data, SMALL_LIMITS)
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
    mutated = bytearray(make_fuzz_seeds()[kind])
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
    seed = make_fuzz_seeds()[kind]
    for cut in range(1, len(seed), max(1, len(seed) // 60)):
        _require_photo_or_refusal(seed[:cut])


@bounded
@given(head=st.sampled_from([make_fuzz_seeds()[kind][:16] for kind in KINDS]), tail=st.binary(max_size=300))
def test_a_right_beginning_and_a_wrong_end_are_refused(head: bytes, tail: bytes) -> None:
    _require_photo_or_refusal(head + tail)


@bounded
@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    _require_photo_or_refusal(data)
