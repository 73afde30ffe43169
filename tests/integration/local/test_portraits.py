from io import BytesIO

import pytest
from PIL import ExifTags, Image, ImageStat

from imaging import normalise
from local.portraits import CAMERA_MAKE, CAMERA_MODEL, make_portraits, make_stranger

ROLES = ("source", "target", "stranger")


@pytest.fixture(scope="module")
def portraits() -> dict[str, bytes]:
    return dict(zip(ROLES, (*make_portraits(), make_stranger()), strict=True))


def measure_brightness(image: Image.Image, box: tuple[float, float, float, float]) -> float:
    left, top, right, bottom = box
    width, height = image.size
    part = image.convert("L").crop(
        (round(left * width), round(top * height), round(right * width), round(bottom * height))
    )
    return ImageStat.Stat(part).mean[0]


@pytest.mark.parametrize(("role", "orientation"), [("source", 6), ("target", 8), ("stranger", 6)])
def test_a_portrait_is_as_a_phone_makes_it(portraits: dict[str, bytes], role: str, orientation: int) -> None:
    with Image.open(BytesIO(portraits[role])) as image:
        exif = image.getexif()
        assert image.format == "JPEG"
        assert image.size == (4032, 3024)
    assert exif[ExifTags.Base.Orientation] == orientation
    assert exif[ExifTags.Base.Make] == CAMERA_MAKE
    assert exif[ExifTags.Base.Model] == CAMERA_MODEL
    assert ExifTags.Base.DateTime in exif
    assert "drawing" in exif[ExifTags.Base.ImageDescription]
    assert 1_000_000 < len(portraits[role]) <= 2_000_000


@pytest.mark.parametrize("role", ["source", "target"])
def test_a_portrait_is_upright_once_normalised(portraits: dict[str, bytes], role: str) -> None:
    photo = normalise(portraits[role])
    assert (photo.width, photo.height) == (720, 960)
    with Image.open(BytesIO(photo.jpeg)) as image:
        hair = measure_brightness(image, (0.45, 0.12, 0.6, 0.2))
        background_above = measure_brightness(image, (0.05, 0.02, 0.95, 0.08))
        clothes = measure_brightness(image, (0.3, 0.9, 0.7, 0.98))
    assert hair < background_above - 60
    assert clothes < background_above - 60


def test_nothing_of_the_camera_is_left_once_normalised(portraits: dict[str, bytes]) -> None:
    for portrait in portraits.values():
        assert CAMERA_MODEL.encode() in portrait
        assert CAMERA_MODEL.encode() not in normalise(portrait).jpeg


def test_the_same_bytes_come_out_each_time(portraits: dict[str, bytes]) -> None:
    assert make_portraits() == (portraits["source"], portraits["target"])
