from dataclasses import asdict
from io import BytesIO
from typing import Any

import pytest
from PIL import ExifTags, Image

from facematch_client.photo_summary import PhotoHeader, describe_changes, read_header
from imaging import normalise
from tests.factories.photos import make_portrait

CROP = {"left": 0, "top": 0, "width": 600, "height": 800}


def make_photo(**tags: Any) -> bytes:
    exif = Image.Exif()
    for name, value in tags.items():
        exif[ExifTags.Base[name]] = value
    file = BytesIO()
    Image.new("RGB", (1280, 960), "teal").save(file, "JPEG", exif=exif.tobytes())
    return file.getvalue()


def make_report(photo: bytes | None = None, **changes: Any) -> dict[str, Any]:
    normalised = normalise(photo or make_photo(Orientation=6))
    return {
        **asdict(normalised.report),
        "width": normalised.width,
        "height": normalised.height,
        **changes,
    }


def test_a_photo_that_is_stored_on_its_side_is_shown_as_stored() -> None:
    facts = read_header(make_photo(Orientation=6))

    assert facts.orientation_text == "as stored: lying on its side, EXIF\N{NO-BREAK SPACE}6"
    lines = describe_changes(make_report(), facts)
    assert "Turned upright: it was lying on its side (EXIF orientation 6)" in lines
    assert "Scaled down from 960 x 1280 px to 720 x 960 px, to 75 % of each side" in lines


def test_what_a_photo_gives_away_is_named() -> None:
    photo = make_photo(Make="Maker", Model="Maker 7", DateTime="2026:01:02 03:04:05")

    facts = read_header(photo)

    assert facts.metadata == ('camera "Maker 7"', "date 2026:01:02 03:04:05")
    assert f"Metadata removed: {', '.join(facts.metadata)}" in describe_changes(make_report(photo), facts)


def test_a_photo_without_metadata_is_described_as_such() -> None:
    assert "Sent without metadata (no camera, date or location was found)" in describe_changes(
        make_report(), PhotoHeader()
    )


@pytest.mark.parametrize("photo", [b"", b"no photo", make_photo()[:100], make_photo(Orientation=9)])
def test_what_cannot_be_read_is_taken_for_upright(photo: bytes) -> None:
    assert read_header(photo) == PhotoHeader()
    assert PhotoHeader().orientation_text == "as stored: upright"


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        ({"padded_rows": 32}, "Letterboxed: 32 grey rows added above and below"),
        ({"profile_converted": True}, "Colours converted from the embedded profile to sRGB"),
        ({"alpha_flattened": True}, "Transparency replaced with white"),
        ({"source_mode": "CMYK"}, "Pixels converted from CMYK to a mode that a baseline JPEG supports"),
        ({"scale": 1.0}, "Not scaled: 960 x 1280 px before, 720 x 960 px after"),
        ({"scale": 1.5}, "Enlarged from 960 x 1280 px to 720 x 960 px, to 150 % of each side"),
        (
            {"face": {"crop": CROP}},
            "Cropped around the face, to 600 x 800 of 960 x 1280 px",
        ),
        (
            {"face": {"faces": 1, "share_before": 0.12, "share_after": 0.62, "crop": CROP}},
            "1 face found: with its hair it fills 12 % of the photo, and 62 % after cropping",
        ),
        (
            {"face": {"faces": 2, "share_before": 0.4, "share_after": 0.4, "crop": None}, "untouched": True},
            "2 faces found; the largest counts: with its hair it fills 40 % of the photo",
        ),
        ({"quality": 93, "passes": 2}, "Encoded at JPEG quality 93, in 2 passes"),
    ],
)
def test_each_change_in_the_report_is_described(changes: dict[str, Any], reported: str) -> None:
    assert reported in describe_changes(make_report(**changes), PhotoHeader())


def test_a_photo_that_complies_is_shown_as_unchanged() -> None:
    lines = describe_changes(make_report(make_portrait()), PhotoHeader())

    assert lines[0] == "Unchanged: it already meets the provider's requirements."
    assert lines[1].endswith(" kB, 480 x 640 px")


def test_the_size_is_shown_in_a_suitable_unit() -> None:
    large = make_report(source_size_bytes=2_400_000, size_bytes=1_500)

    assert describe_changes(large, PhotoHeader())[0] == "JPEG, 2.4 MB → baseline JPEG, 1.5 kB"


def test_unknown_values_are_not_shown() -> None:
    assert describe_changes({}, PhotoHeader()) == []
    assert describe_changes({"url": True}, PhotoHeader()) == [
        "Fetched by the provider from a URL; not changed here."
    ]
