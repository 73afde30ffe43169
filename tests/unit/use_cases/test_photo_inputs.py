import pytest

from facematch.domain.errors import InvalidInputError
from facematch.domain.inbox import InboxKey
from facematch.domain.verdict import Role
from facematch.use_cases.photo_inputs import (
    InlinePhoto,
    LinkedPhoto,
    PhotoInput,
    UploadedPhoto,
    digest_photo,
    parse_upload_key,
)

UPLOAD_KEY = "inbox/singapore/pair-1/source.jpg"


def test_an_upload_key_names_region_pair_and_role() -> None:
    photo = UploadedPhoto(UPLOAD_KEY)

    assert parse_upload_key(Role.SOURCE, photo) == InboxKey("singapore", "pair-1", Role.SOURCE)


@pytest.mark.parametrize(
    "key", ["", "photo.jpg", "comparisons/abc/source-0123", "inbox/singapore/source.jpg"]
)
def test_a_key_outside_the_inbox_is_refused(key: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        parse_upload_key(Role.TARGET, UploadedPhoto(key))

    assert (refusal.value.code, refusal.value.field) == ("invalid_upload_key", "target.upload_key")


def test_each_way_of_giving_a_photo_has_its_own_digest() -> None:
    text = "https://photos.com/a.jpg"
    photos: list[PhotoInput] = [
        InlinePhoto(text.encode()),
        UploadedPhoto(text),
        LinkedPhoto(text),
        LinkedPhoto(text + "?"),
    ]

    assert len({digest_photo(photo) for photo in photos}) == len(photos)
    assert digest_photo(LinkedPhoto(text)) == digest_photo(LinkedPhoto(text))


@pytest.mark.parametrize(
    "photo", [LinkedPhoto("https://a/\ud83d"), UploadedPhoto("inbox/\ud83d")], ids=["url", "upload"]
)
def test_half_a_surrogate_pair_has_a_digest(photo: LinkedPhoto | UploadedPhoto) -> None:
    assert digest_photo(photo)


def test_nothing_of_a_photo_shows_when_it_is_printed() -> None:
    printed = repr([InlinePhoto(b"FACE"), LinkedPhoto("https://photos.com/a.jpg?signature=SIGNED")])

    assert "FACE" not in printed
    assert "SIGNED" not in printed
