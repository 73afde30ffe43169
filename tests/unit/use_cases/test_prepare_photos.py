import base64
from dataclasses import replace
from urllib.parse import urlencode

import pytest

from facematch.domain.errors import RejectedPhotoError
from facematch.domain.verdict import Role
from facematch.use_cases.prepare_photos import PAIR_SIZE_LIMIT_BYTES, PhotoPreparer
from imaging import Limits, NormalisedPhoto, PhotoError, PhotoErrorCode, normalise
from tests.factories.photos import make_noise, make_portrait

SOURCE, TARGET = Role.SOURCE, Role.TARGET


def test_photos_that_are_acceptable_go_as_they_are() -> None:
    contents = {SOURCE: make_portrait("source"), TARGET: make_portrait("target")}

    photos = PhotoPreparer().prepare(contents)

    assert {role: photo.jpeg for role, photo in photos.items()} == contents
    assert all(photo.report.untouched for photo in photos.values())


def test_two_heavy_photos_fit_into_one_call_together() -> None:
    photos = PhotoPreparer().prepare({SOURCE: make_noise(), TARGET: make_noise()})

    body = urlencode({role.value: base64.b64encode(photo.jpeg) for role, photo in photos.items()})
    assert len(body) < 1_000_000
    assert sum(len(photo.jpeg) for photo in photos.values()) <= PAIR_SIZE_LIMIT_BYTES


def test_a_heavy_photo_alone_may_use_more_than_its_half() -> None:
    photos = PhotoPreparer().prepare({SOURCE: make_noise(), TARGET: make_portrait()})

    assert len(photos[SOURCE].jpeg) > PAIR_SIZE_LIMIT_BYTES // 2
    assert photos[TARGET].report.untouched


def test_each_photo_is_normalised_within_its_fair_share_when_the_pair_is_too_heavy() -> None:
    asked: list[int] = []

    def fill(_: bytes, limits: Limits) -> NormalisedPhoto:
        asked.append(limits.max_size_bytes)
        return make_normalised(limits.max_size_bytes)

    photos = PhotoPreparer(normalise=fill).prepare({SOURCE: b"", TARGET: b""})

    assert asked == [600_000, 600_000, 340_000, 340_000]
    assert [len(photo.jpeg) for photo in photos.values()] == [340_000, 340_000]


def test_a_pair_that_just_fits_is_normalised_once() -> None:
    asked: list[int] = []

    def take_half(_: bytes, limits: Limits) -> NormalisedPhoto:
        asked.append(limits.max_size_bytes)
        return make_normalised(PAIR_SIZE_LIMIT_BYTES // 2)

    PhotoPreparer(normalise=take_half).prepare({SOURCE: b"", TARGET: b""})

    assert len(asked) == 2


@pytest.mark.parametrize("bad_role", Role)
def test_the_error_names_the_photo_at_fault(bad_role: Role) -> None:
    contents = {role: make_portrait(role) for role in Role} | {bad_role: b"not an image"}

    with pytest.raises(RejectedPhotoError) as refusal:
        PhotoPreparer().prepare(contents)

    assert (refusal.value.code, refusal.value.field) == ("not_an_image", bad_role.value)
    assert refusal.value.message.startswith(f"The {bad_role} photo: ")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"not an image", "not_an_image"),
        (make_portrait()[:500], "unreadable"),
        (make_portrait(width=239), "too_small"),
        (b"\xff\xd8\xff" + bytes(25_000_000), "file_too_large"),
    ],
    ids=["0 bytes", "not an image", "truncated", "640 x 239", "25 MB"],
)
def test_a_photo_that_can_not_be_made_acceptable_has_a_stable_code(content: bytes, code: str) -> None:
    with pytest.raises(RejectedPhotoError) as refusal:
        PhotoPreparer().prepare({SOURCE: make_portrait(), TARGET: content})

    assert refusal.value.code == code


def test_a_photo_that_only_fails_at_its_fair_share_is_named_too() -> None:
    def refuse_small(_: bytes, limits: Limits) -> NormalisedPhoto:
        if limits.max_size_bytes < 600_000:
            raise PhotoError(PhotoErrorCode.INCOMPRESSIBLE, "A sentence.")
        return make_normalised(limits.max_size_bytes)

    with pytest.raises(RejectedPhotoError) as refusal:
        PhotoPreparer(normalise=refuse_small).prepare({SOURCE: b"", TARGET: b""})

    assert (refusal.value.code, refusal.value.field) == ("incompressible", "source")


def test_a_single_photo_beside_a_url_is_prepared_alone() -> None:
    assert PhotoPreparer().prepare({TARGET: make_portrait()}).keys() == {TARGET}


def test_no_photos_are_no_work() -> None:
    assert PhotoPreparer().prepare({}) == {}


def test_the_largest_file_worth_reading_is_the_limits() -> None:
    assert PhotoPreparer(Limits(max_source_size_bytes=7)).size_limit_bytes == 7


def make_normalised(size_bytes: int) -> NormalisedPhoto:
    report = replace(normalise(make_portrait()).report, size_bytes=size_bytes)
    return NormalisedPhoto(bytes(size_bytes), 480, 640, report)
