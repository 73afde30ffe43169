import io

import pytest
from PIL import ExifTags, Image
from pillow_heif import register_heif_opener

from console.photos import ExaminedPhoto, PhotoCache, examine
from facematch_client.faces import read_warnings
from tests.factories.command import make_settings
from tests.factories.photos import encode, make_portrait, make_scene

register_heif_opener()  # so that Pillow writes HEIC


def make_photo(size_bytes: int) -> ExaminedPhoto:
    return ExaminedPhoto(bytes(size_bytes))


def make_sideways_photo() -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    return encode(Image.new("RGB", (1280, 960), "teal"), exif=exif.tobytes())


def test_a_photo_is_shown_with_the_changes_to_it() -> None:
    photo = examine(make_sideways_photo(), make_settings())

    assert photo.report is not None
    assert (photo.report["orientation"], photo.report["width"], photo.report["height"]) == (6, 720, 960)
    assert photo.jpeg is not None
    assert Image.open(io.BytesIO(photo.jpeg)).size == (720, 960)
    assert (photo.extension, photo.refusal) == ("jpeg", None)


def test_a_photo_that_the_stack_would_refuse_is_shown_with_the_reason() -> None:
    photo = examine(make_portrait(width=239), make_settings())

    assert photo.refusal is not None
    assert photo.refusal["code"] == "too_small"
    assert (photo.jpeg, photo.report, photo.extension) == (None, None, "dat")


def test_the_stacks_own_limit_is_the_one_that_counts() -> None:
    photo = examine(make_portrait(), make_settings(PHOTO_SIZE_LIMIT_BYTES="100"))

    assert photo.refusal is not None
    assert photo.refusal["code"] == "file_too_large"


@pytest.mark.parametrize(("reads_heic", "code"), [("true", None), ("false", "unsupported_format")])
def test_heic_is_read_where_the_stack_does(reads_heic: str, code: str | None) -> None:
    heic = encode(Image.new("RGB", (720, 960), "teal"), "HEIF")

    photo = examine(heic, make_settings(HEIC_PHOTOS=reads_heic))

    assert (photo.refusal and photo.refusal["code"]) == code


def test_a_photo_is_found_by_its_id_alone() -> None:
    cache = PhotoCache()
    photo = make_photo(1)

    assert cache.find(cache.add(photo)) is photo
    assert cache.find("another") is None


def test_the_oldest_photos_are_dropped_first() -> None:
    cache = PhotoCache(limit_bytes=100)
    ids = [cache.add(make_photo(40)) for _ in range(3)]

    assert [cache.find(photo_id) is not None for photo_id in ids] == [False, True, True]


def test_the_latest_photo_is_kept_however_large() -> None:
    cache = PhotoCache(limit_bytes=100)

    assert cache.find(cache.add(make_photo(101))) is not None


def test_faces_are_found_in_what_would_be_sent_whether_the_stack_crops_or_not() -> None:
    for framing, warnings in (("false", ["face_too_small"]), ("true", [])):
        photo = examine(encode(make_scene()), make_settings(FACE_FRAMING=framing))

        assert photo.report is not None
        assert photo.faces is not None
        assert (photo.faces.width, photo.faces.height) == (photo.report["width"], photo.report["height"])
        assert len(photo.faces.rectangles) == 1
        assert read_warnings(photo.report) == warnings
        assert (photo.report["face"]["crop"] is not None) == (framing == "true")
