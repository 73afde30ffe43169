from dataclasses import asdict
from io import BytesIO
from typing import Any

import pytest
from PIL import ExifTags, Image, ImageChops, ImageOps, ImageStat

from facematch_client.faces import mark_crop, mark_faces, read_warnings
from imaging import Limits, NormalisedPhoto, normalise
from tests.factories.photos import ORIENTATIONS, encode, make_portrait, make_scene, turn


def store(picture: Image.Image, orientation: int) -> bytes:
    """Store a picture another way round than upright."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = turn(picture, orientation)
    return encode(stored, quality=95, exif=exif.tobytes())


def prepare(photo: bytes, **limits: Any) -> tuple[NormalisedPhoto, dict[str, Any]]:
    prepared = normalise(photo, Limits(**limits))
    return prepared, {**asdict(prepared.report), "width": prepared.width, "height": prepared.height}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_crop_is_drawn_over_the_photo_as_it_is_stored(orientation: int) -> None:
    photo = store(make_scene(), orientation)
    prepared, report = prepare(photo, frame_faces=True)

    drawing = mark_crop(report)

    assert drawing is not None
    (kept,) = drawing.rectangles
    stored = Image.open(BytesIO(photo))
    assert (drawing.width, drawing.height) == stored.size
    part = stored.crop((kept.left, kept.top, kept.left + kept.width, kept.top + kept.height))
    part.getexif()[ExifTags.Base.Orientation] = orientation
    upright = ImageOps.exif_transpose(part).resize((prepared.width, prepared.height))
    difference = ImageChops.difference(upright.convert("L"), Image.open(BytesIO(prepared.jpeg)).convert("L"))
    assert ImageStat.Stat(difference).mean[0] < 3


def test_a_photo_that_is_kept_whole_has_no_crop_to_draw() -> None:
    for limits in ({}, {"find_faces": True}):
        _, report = prepare(encode(make_scene()), **limits)
        assert mark_crop(report) is None


def test_the_faces_are_drawn_over_the_photo_that_is_sent() -> None:
    prepared, _ = prepare(encode(make_scene()), find_faces=True)

    drawing = mark_faces(prepared)

    assert drawing is not None
    assert (drawing.width, drawing.height, len(drawing.rectangles)) == (prepared.width, prepared.height, 1)
    assert mark_faces(prepare(make_portrait(), find_faces=True)[0]) is None


def test_a_report_has_warnings_only_where_faces_were_looked_for() -> None:
    photo = encode(make_scene())

    assert read_warnings(prepare(photo)[1]) == []
    assert read_warnings(prepare(photo, find_faces=True)[1]) == ["face_too_small"]
    assert read_warnings(prepare(photo, frame_faces=True)[1]) == []
    assert read_warnings(prepare(make_portrait(), find_faces=True)[1]) == ["no_face"]
    assert read_warnings({"url": True}) == []
