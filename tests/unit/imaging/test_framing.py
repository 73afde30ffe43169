"""The photo is cropped around its face; nothing of it ever costs the photo."""

import subprocess
import sys
from dataclasses import asdict, replace
from functools import cache
from io import BytesIO
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter, ImageOps

from harness.photos import make_exif, make_file, make_noise, make_picture, open_jpeg
from imaging import FaceReport, Limits, NormalisedPhoto, find_warnings, normalise
from imaging.faces import Box, find_faces
from imaging.framing import Framing, frame_face, measure_share
from local.portraits import make_portraits
from tests.factories.photos import turn

FRAMING = Limits(frame_faces=True)


@cache
def make_upright_portrait(width: int = 1512) -> Image.Image:
    """Take a drawn portrait in which the detector finds a face."""
    portrait = ImageOps.exif_transpose(Image.open(BytesIO(next(iter(make_portraits())))))
    return portrait.convert("RGB").resize((width, width * 4 // 3))


def make_scene(size: tuple[int, int], faces: list[tuple[float, float, float]]) -> Image.Image:
    """Put portraits on a plain ground: by left, top and width, as parts of the ground's width."""
    scene = Image.new("RGB", size, (90, 110, 100))
    for left, top, width in faces:
        portrait = make_upright_portrait().resize((round(width * size[0]), round(width * size[0] * 4 / 3)))
        scene.paste(portrait, (round(left * size[0]), round(top * size[0])))
    return scene


@cache
def make_scene_to_turn() -> tuple[Image.Image, NormalisedPhoto, FaceReport]:
    scene = make_scene((1120, 840), [(0.5, 0.1, 0.35)])
    return scene, *frame(scene)


@cache
def frame_landscape() -> tuple[NormalisedPhoto, FaceReport]:
    return frame(make_scene((4000, 3000), [(0.4, 0.1, 0.3)]))


def frame(
    image: Image.Image, file_format: str = "JPEG", **options: object
) -> tuple[NormalisedPhoto, FaceReport]:
    photo = normalise(make_file(image, file_format, **options), FRAMING)
    assert photo.report.face is not None
    return photo, photo.report.face


def test_a_face_in_a_landscape_fills_an_upright_photo() -> None:
    photo, face = frame_landscape()
    assert photo.width * 4 == photo.height * 3
    assert photo.report.padded_rows == 0
    assert face.faces == 1
    assert face.share_before is not None
    assert face.share_after is not None
    assert face.share_before < 0.2
    assert 0.6 <= face.share_after <= 0.65
    assert find_faces(open_jpeg(photo.jpeg).convert("L"))


@pytest.mark.parametrize(
    "file_format",
    ["JPEG", "PNG", *(pytest.param(name, marks=pytest.mark.verify) for name in ("WEBP", "TIFF"))],
)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_same_part_is_kept_of_a_photo_stored_any_way_round(orientation: int, file_format: str) -> None:
    scene, upright, face = make_scene_to_turn()
    stored = turn(scene, orientation)
    photo, found = frame(stored, file_format, exif=make_exif(orientation), quality=95)
    assert found.crop is not None
    assert face.crop is not None
    for name, value in asdict(face.crop).items():
        assert abs(getattr(found.crop, name) - value) <= 40
    assert abs(photo.width - upright.width) <= 40
    assert find_faces(open_jpeg(photo.jpeg).convert("L"))


def test_a_small_face_of_a_large_photo_keeps_its_pixels() -> None:
    scene = make_scene((4000, 3000), [(0.45, 0.3, 0.14)])
    photo, face = frame(scene, quality=92)
    assert face.crop is not None
    assert photo.report.scale == pytest.approx(photo.width / face.crop.width)
    whole = normalise(make_file(scene, quality=92))
    assert photo.report.scale > 3 * whole.report.scale


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_part_is_the_same_whether_or_not_the_rows_below_it_are_decoded(orientation: int) -> None:
    scene = make_scene((1920, 1440), [(0.3, 0.1, 0.35)])
    stored = turn(scene, orientation)
    by_rows, face = frame(stored, exif=make_exif(orientation))
    whole, _ = frame(stored, exif=make_exif(orientation), progressive=True)
    assert face.crop is not None
    assert by_rows.jpeg == whole.jpeg


def test_a_part_of_a_jpeg_without_its_end_is_kept_as_of_a_whole_one() -> None:
    data = make_file(make_scene((4000, 3000), [(0.4, 0.1, 0.3)]))
    assert normalise(data[:-2], FRAMING).jpeg == frame_landscape()[0].jpeg


def test_the_part_has_the_minimum_size_at_least() -> None:
    photo, face = frame(make_scene((1000, 800), [(0.4, 0.2, 0.2)]))
    assert (photo.width, photo.height, photo.report.scale) == (480, 640, 1.0)
    assert face.share_after is not None
    assert face.share_after < 0.6


def test_of_several_faces_the_clearly_largest_is_kept() -> None:
    _, face = frame(make_scene((3000, 2000), [(0.0, 0.05, 0.58), (0.62, 0.1, 0.34)]))
    assert face.faces == 2
    assert face.crop is not None
    assert face.crop.left + face.crop.width < 0.6 * 3000


def test_with_faces_of_about_one_size_the_photo_stays_whole() -> None:
    scene = make_scene((3000, 2000), [(0.05, 0.1, 0.35), (0.55, 0.1, 0.35)])
    photo, face = frame(scene)
    assert (face.faces, face.crop, face.share_after) == (2, None, None)
    assert photo.jpeg == normalise(make_file(scene)).jpeg


@pytest.mark.parametrize("image", [make_picture(1600, 1200), make_noise(480, 640)], ids=["picture", "noise"])
def test_without_a_face_the_photo_stays_whole(image: Image.Image) -> None:
    photo, face = frame(image)
    assert face == FaceReport(faces=0)
    assert photo.jpeg == normalise(make_file(image)).jpeg


def test_what_was_framed_once_stays_untouched() -> None:
    once, _ = frame_landscape()
    again = normalise(once.jpeg, FRAMING)
    assert again.report.untouched
    assert again.report.face is not None
    assert again.report.face.crop is None


def test_without_framing_no_face_is_looked_for() -> None:
    assert normalise(make_file(make_upright_portrait())).report.face is None


@pytest.mark.parametrize(
    ("size", "faces"),
    [((3000, 2000), [(0.02, 0.05, 0.5), (0.6, 0.1, 0.34)]), ((3200, 1800), [(0.3, 0.02, 0.35)])],
    ids=["two", "letterboxed"],
)
def test_faces_can_be_found_without_cropping(
    size: tuple[int, int], faces: list[tuple[float, float, float]]
) -> None:
    scene = make_file(make_scene(size, faces))
    whole = normalise(scene)
    photo = normalise(scene, Limits(find_faces=True))
    face = photo.report.face
    assert photo.jpeg == whole.jpeg
    assert face is not None
    assert face.crop is None
    assert face.faces == len(photo.faces) == len(faces)
    for box, found in zip(photo.faces, find_faces(open_jpeg(photo.jpeg).convert("L")), strict=True):
        assert (box.left, box.top) == pytest.approx((found.left, found.top), abs=30)
        assert (box.right, box.bottom) == pytest.approx((found.right, found.bottom), abs=30)


def test_a_face_is_found_where_the_cropped_photo_has_it() -> None:
    photo, _ = frame_landscape()
    (box,) = photo.faces
    found = find_faces(open_jpeg(photo.jpeg).convert("L"))[0]
    assert (box.left, box.top) == pytest.approx((found.left, found.top), abs=30)
    assert (box.right, box.bottom) == pytest.approx((found.right, found.bottom), abs=30)


@pytest.mark.parametrize("missing", ["dlib", "numpy"])
def test_neither_dlib_nor_numpy_is_loaded_before_a_face_is_looked_for(missing: str) -> None:
    program = f"""
import io, sys
from PIL import Image
from imaging import Limits, normalise
file = io.BytesIO()
Image.new("RGB", (800, 1000)).save(file, "JPEG")
normalise(file.getvalue())
assert {missing!r} not in sys.modules
sys.modules[{missing!r}] = None
assert normalise(file.getvalue(), Limits(frame_faces=True)).report.face is None
"""
    subprocess.run([sys.executable, "-c", program], check=True)


# Geometry.

sides = st.integers(1, 8000)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(width=sides, height=sides, left=st.integers(-200, 8000), top=st.integers(-200, 8000), side=sides)
def test_the_part_lies_in_the_photo_and_holds_the_face(
    width: int, height: int, left: int, top: int, side: int
) -> None:
    face = Box(left, top, left + side, top + side)
    framing = frame_face((face,), width, height, FRAMING)
    crop = framing.crop
    if crop is None:
        return
    assert 0 <= crop.left <= face.left
    assert 0 <= crop.top <= face.top
    assert face.right <= crop.right <= width
    assert face.bottom <= crop.bottom <= height
    assert crop.width >= 480
    assert crop.height >= 640
    assert abs(crop.width / crop.height - 3 / 4) < 0.002
    assert framing.head is not None
    if crop.width < min(width, height * 3 / 4) - 1:  # not held back by the borders
        assert measure_share(framing.head, crop) <= 0.66


@pytest.mark.parametrize(("x", "y"), list(product([0.2, 0.5, 0.8], repeat=2)))
def test_a_face_anywhere_fills_what_it_should_where_borders_allow(x: float, y: float) -> None:
    centre = (4000 * x, 3000 * y)
    face = Box(centre[0] - 250, centre[1] - 250, centre[0] + 250, centre[1] + 250)
    framing = frame_face((face,), 4000, 3000, FRAMING)
    assert framing.crop is not None
    assert framing.head is not None
    assert 0.6 <= measure_share(framing.head, framing.crop) <= 0.65


def test_a_face_too_wide_for_an_upright_part_is_not_cut() -> None:
    assert frame_face((Box(100, 100, 1000, 1000),), 1600, 1100, FRAMING).crop is None


def test_without_faces_nothing_is_framed() -> None:
    assert frame_face((), 4000, 3000, FRAMING) == Framing((), None, None, None)


# Warnings.

GOOD = FaceReport(1, 0.2, 0.62, None, 120.0, 20.0, head_cut_off=False)


@pytest.mark.parametrize(
    ("face", "warnings"),
    [
        (None, []),
        (GOOD, []),
        (FaceReport(0), ["no_face"]),
        (FaceReport(2), ["several_faces"]),
        (replace(GOOD, faces=2), ["several_faces"]),
        (replace(GOOD, share_after=0.1), ["face_too_small"]),
        (replace(GOOD, sharpness=2.0), ["blurred"]),
        (replace(GOOD, brightness=30.0), ["dark"]),
        (replace(GOOD, head_cut_off=True), ["head_cut_off"]),
    ],
)
def test_a_report_gives_its_warnings(face: FaceReport | None, warnings: list[str]) -> None:
    assert find_warnings(face) == warnings


def test_a_blurred_a_dark_and_a_cut_portrait_are_noticed() -> None:
    portrait = make_upright_portrait()
    _, sound = frame(portrait)
    assert find_warnings(sound) == []
    _, blurred = frame(portrait.filter(ImageFilter.GaussianBlur(8)))
    assert "blurred" in find_warnings(blurred)
    _, dark = frame(portrait.point(lambda value: value * 0.25))
    assert "dark" in find_warnings(dark)
    _, cut = frame(portrait.crop((430, 0, 1512, 2016)))
    assert "head_cut_off" in find_warnings(cut)
