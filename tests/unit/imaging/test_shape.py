import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaging import Limits, PhotoError, PhotoErrorCode
from imaging.shape import Shape, plan_shape

LIMITS = Limits()


@pytest.mark.parametrize(
    ("source", "picture", "padded_rows"),
    [
        # Portraits.
        ((480, 640), (480, 640), 0),
        ((720, 960), (720, 960), 0),
        ((720, 1280), (720, 1280), 0),
        ((1080, 1920), (720, 1280), 0),
        ((3000, 4000), (720, 960), 0),
        ((6000, 8000), (720, 960), 0),
        ((1081, 1441), (720, 960), 0),
        ((721, 961), (720, 960), 0),
        ((600, 1900), (600, 1900), 0),
        ((480, 1920), (480, 1920), 0),
        ((720, 2880), (480, 1920), 0),
        ((1000, 4000), (480, 1920), 0),
        # Squares.
        ((640, 640), (640, 640), 0),
        ((720, 720), (720, 720), 0),
        ((5000, 5000), (720, 720), 0),
        # Landscapes high enough.
        ((960, 720), (960, 720), 0),
        ((4000, 3000), (960, 720), 0),
        ((1080, 720), (1080, 720), 0),
        ((6000, 4000), (1080, 720), 0),
        ((1080, 640), (1080, 640), 0),
        # Landscapes that get bars.
        ((640, 480), (640, 480), 160),
        ((800, 600), (800, 600), 40),
        ((1280, 720), (1080, 608), 32),
        ((1920, 1080), (1080, 608), 32),
        ((3840, 2160), (1080, 608), 32),
        ((2000, 1000), (1080, 540), 100),
        ((1080, 639), (1080, 639), 1),
        ((1080, 480), (1080, 480), 160),
        ((2250, 1000), (1080, 480), 160),
    ],
)
def test_a_photo_gets_its_size(source: tuple[int, int], picture: tuple[int, int], padded_rows: int) -> None:
    assert plan_shape(*source, LIMITS) == Shape(*picture, padded_rows)


@pytest.mark.parametrize(
    ("source", "picture", "padded_rows"),
    [
        ((240, 320), (480, 640), 0),
        ((479, 640), (480, 641), 0),
        ((480, 639), (481, 640), 0),
        ((413, 531), (498, 640), 0),
        ((480, 600), (512, 640), 0),
        ((500, 500), (640, 640), 0),
        ((300, 900), (480, 1440), 0),
        ((640, 479), (641, 480), 160),
        ((320, 240), (640, 480), 160),
    ],
)
def test_a_small_photo_is_enlarged_to_the_minimum_and_no_further(
    source: tuple[int, int], picture: tuple[int, int], padded_rows: int
) -> None:
    assert plan_shape(*source, LIMITS) == Shape(*picture, padded_rows)


@pytest.mark.parametrize(
    "source",
    [
        (1, 1),
        (239, 320),
        (240, 319),
        (319, 240),
        (320, 239),
        (319, 319),
        (100, 5000),
        (5000, 100),
        (480, 1925),
        (300, 1300),
        (720, 2900),
        (1000, 5000),
        (1100, 480),
        (2300, 1000),
        (8000, 1000),
        (60_000, 1_000),
        (1_000, 60_000),
    ],
)
def test_a_photo_without_enough_pixels_is_too_small(source: tuple[int, int]) -> None:
    with pytest.raises(PhotoError) as caught:
        plan_shape(*source, LIMITS)
    assert caught.value.code is PhotoErrorCode.TOO_SMALL
    assert f"{source[0]} x {source[1]}" in caught.value.message


@pytest.mark.parametrize("source", [(479, 640), (480, 639), (500, 500), (240, 320), (640, 479)])
def test_where_nothing_is_enlarged_a_small_photo_is_too_small(source: tuple[int, int]) -> None:
    with pytest.raises(PhotoError, match=r"480 pixels, and its longer side 640") as caught:
        plan_shape(*source, Limits(enlarge_up_to=1))
    assert caught.value.code is PhotoErrorCode.TOO_SMALL


def test_the_sentence_names_the_figures_that_matter() -> None:
    with pytest.raises(PhotoError, match=r"at least 240 pixels, and its longer side 320"):
        plan_shape(200, 300, LIMITS)
    with pytest.raises(PhotoError, match=r"at least 320 pixels, and its longer side 427"):
        plan_shape(300, 400, Limits(enlarge_up_to=1.5))
    with pytest.raises(
        PhotoError, match=r"too narrow. .* height of 1920 pixels, it is 384 pixels wide, and 480 are"
    ):
        plan_shape(1000, 5000, LIMITS)
    with pytest.raises(
        PhotoError, match=r"too wide. .* width of 1080 pixels, it is 360 pixels high, and 480 are"
    ):
        plan_shape(3000, 1000, LIMITS)


@pytest.mark.parametrize("source", [(1280, 720), (1920, 1080)])
def test_without_bars_a_low_landscape_is_too_small(source: tuple[int, int]) -> None:
    with pytest.raises(PhotoError, match="640 are needed") as caught:
        plan_shape(*source, Limits(letterbox=False))
    assert caught.value.code is PhotoErrorCode.TOO_SMALL


def test_without_bars_a_high_landscape_passes() -> None:
    assert plan_shape(4000, 3000, Limits(letterbox=False)) == Shape(960, 720)
    assert plan_shape(640, 480, Limits(letterbox=False)) == Shape(853, 640)


@settings(derandomize=True, deadline=None, max_examples=250)
@given(width=st.integers(1, 12_000), height=st.integers(1, 12_000))
def test_every_planned_shape_is_within_the_limits_and_keeps_the_aspect(width: int, height: int) -> None:
    try:
        shape = plan_shape(width, height, LIMITS)
    except PhotoError as error:
        assert error.code is PhotoErrorCode.TOO_SMALL  # noqa: PT017 - either outcome is right
        return
    assert LIMITS.min_width <= shape.image_width <= LIMITS.max_width
    assert LIMITS.min_height <= shape.height <= LIMITS.max_height
    if shape.image_width > width:
        assert 480 in {shape.image_width, shape.image_height} or 640 in {
            shape.image_width,
            shape.height,
        }
    assert abs(shape.image_width / width * height - shape.image_height) <= height / width + 1
    assert plan_shape(shape.image_width, shape.height, LIMITS).keeps(shape.image_width, shape.height)
