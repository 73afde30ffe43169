import pytest

from facematch.domain.comparison import PhotoKind, StoredPhoto
from facematch.domain.errors import InvalidInputError, RejectedPhotoError
from facematch.domain.inbox import InboxKey
from facematch.domain.provider import InlinePicture, PictureUrl
from facematch.domain.verdict import Role
from facematch.use_cases.collect_photos import InlinePhoto, LinkedPhoto, UploadedPhoto, parse_upload_key
from tests.factories import COMPARISON_ID, make_portrait
from tests.fakes.photo_store import make_etag
from tests.fakes.world import make_world

SOURCE, TARGET = Role.SOURCE, Role.TARGET
UPLOAD_KEY = "inbox/singapore/pair-1/source.jpg"
URL = "https://photos.com/a.jpg?signature=SIGNED"


def test_photos_in_the_request_are_prepared_and_placed_but_not_stored_yet() -> None:
    world = make_world()
    contents = {role: make_portrait(role) for role in Role}

    collected = world.collector.collect(
        {role: InlinePhoto(content) for role, content in contents.items()}, COMPARISON_ID
    )

    for role in Role:
        assert collected.prepared[role].picture == InlinePicture(contents[role])
        assert collected.stored[role].key.startswith(f"requests/{COMPARISON_ID}/{role}-")
        assert collected.to_store[collected.stored[role].key] == contents[role]
    assert world.photos.writes == []


def test_the_key_of_a_photo_is_made_from_its_bytes() -> None:
    collector = make_world().collector

    def place(content: bytes) -> StoredPhoto:
        return collector.collect({SOURCE: InlinePhoto(content)}, COMPARISON_ID).stored[SOURCE]

    assert place(make_portrait("one")) == place(make_portrait("one"))
    assert place(make_portrait("one")) != place(make_portrait("another"))


def test_a_photo_in_the_inbox_is_read_as_it_stands_and_not_stored_again() -> None:
    world = make_world()
    world.photos.write(UPLOAD_KEY, make_portrait())

    collected = world.collector.collect({SOURCE: UploadedPhoto(UPLOAD_KEY)}, COMPARISON_ID)

    assert collected.stored[SOURCE] == StoredPhoto(key=UPLOAD_KEY, etag=make_etag(make_portrait()))
    assert collected.prepared[SOURCE].picture == InlinePicture(make_portrait())
    assert collected.to_store == {}


def test_a_url_is_handed_on_and_stored_as_one() -> None:
    world = make_world()

    collected = world.collector.collect({TARGET: LinkedPhoto(URL)}, COMPARISON_ID)

    stored = collected.stored[TARGET]
    assert collected.prepared[TARGET].picture == PictureUrl(URL)
    assert (stored.kind, stored.etag) == (PhotoKind.URL, None)
    assert collected.to_store == {stored.key: URL.encode()}
    assert "photos.com" not in stored.key
    assert world.photos.reads == []


def test_the_three_ways_mix() -> None:
    world = make_world()
    world.photos.write(UPLOAD_KEY, make_portrait())

    collected = world.collector.collect(
        {SOURCE: UploadedPhoto(UPLOAD_KEY), TARGET: LinkedPhoto(URL)}, COMPARISON_ID
    )

    assert collected.prepared.keys() == collected.stored.keys() == set(Role)
    assert len(collected.to_store) == 1


@pytest.mark.parametrize(
    ("url", "code"), [("http://169.254.169.254/", "forbidden_url"), ("ftp://photos.com/", "invalid_url")]
)
def test_a_url_that_may_not_be_handed_on_names_its_field(url: str, code: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        make_world().collector.collect({TARGET: LinkedPhoto(url)}, COMPARISON_ID)

    assert (refusal.value.code, refusal.value.field) == (code, "target.url")


def test_a_photo_that_is_not_in_the_inbox_names_its_field() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        make_world().collector.collect({SOURCE: UploadedPhoto(UPLOAD_KEY)}, COMPARISON_ID)

    assert (refusal.value.code, refusal.value.field) == ("photo_not_found", "source.upload_key")


@pytest.mark.parametrize("act", ["removed", "replaced"])
def test_a_photo_that_goes_from_the_inbox_while_it_is_fetched_is_not_there(act: str) -> None:
    world = make_world()
    world.photos.write(UPLOAD_KEY, make_portrait())
    acts = {
        "removed": world.photos.objects.clear,
        "replaced": lambda: world.photos.write(UPLOAD_KEY, make_portrait("another")),
    }
    world.photos.interludes.before("read", acts[act])

    with pytest.raises(InvalidInputError) as refusal:
        world.collector.collect({SOURCE: UploadedPhoto(UPLOAD_KEY)}, COMPARISON_ID)

    assert (refusal.value.code, refusal.value.field) == ("photo_not_found", "source.upload_key")


def test_a_photo_that_can_not_be_made_acceptable_is_named() -> None:
    photos = {SOURCE: InlinePhoto(make_portrait()), TARGET: InlinePhoto(b"not an image")}

    with pytest.raises(RejectedPhotoError) as refusal:
        make_world().collector.collect(photos, COMPARISON_ID)

    assert (refusal.value.code, refusal.value.field) == ("not_an_image", "target")


def test_an_upload_key_says_where_it_belongs() -> None:
    assert parse_upload_key(SOURCE, UploadedPhoto(UPLOAD_KEY)) == InboxKey("singapore", "pair-1", SOURCE)


@pytest.mark.parametrize("key", ["", "photo.jpg", "requests/abc/source-0123", "inbox/singapore/source.jpg"])
def test_a_key_outside_the_inbox_is_refused(key: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        parse_upload_key(TARGET, UploadedPhoto(key))

    assert (refusal.value.code, refusal.value.field) == ("invalid_upload_key", "target.upload_key")


def test_nothing_of_a_photo_shows_when_it_is_printed() -> None:
    collected = make_world().collector.collect({SOURCE: LinkedPhoto(URL)}, COMPARISON_ID)

    printed = repr([InlinePhoto(b"FACE"), LinkedPhoto(URL), collected])

    for secret in ("FACE", "SIGNED"):
        assert secret not in printed
