from threading import Event, Semaphore, Thread

import pytest

from facematch.domain.comparison import StoredPhoto
from facematch.domain.deadline import Deadline
from facematch.domain.errors import NoSlotError, PhotoMissingError, RejectedPhotoError
from facematch.domain.photo_url import URL_LENGTH_LIMIT
from facematch.domain.provider import InlinePicture, PictureUrl
from facematch.domain.stopwatch import Stopwatch
from facematch.domain.verdict import Role
from facematch.use_cases.load_photos import PhotoLoader, PreparedPhoto, prepare_url
from facematch.use_cases.prepare_photos import PhotoPreparer
from imaging import Limits, NormalisedPhoto, normalise
from tests.factories import make_link, make_photos
from tests.factories.photos import make_portrait
from tests.fakes.clock import FakeClock
from tests.fakes.photo_store import InMemoryPhotoStore

SOURCE, TARGET = Role.SOURCE, Role.TARGET
URL = "https://photos.com/a.jpg?signature=SIGNED"
PHOTOS = make_photos()


def make_loader(*, target: bytes | None = None) -> PhotoLoader:
    contents = {SOURCE: make_portrait(SOURCE), TARGET: target or make_portrait(TARGET)}
    store = InMemoryPhotoStore({PHOTOS[role].key: content for role, content in contents.items()})
    return PhotoLoader(store, PhotoPreparer())


def load(loader: PhotoLoader, photos: dict[Role, StoredPhoto] | None = None) -> dict[Role, PreparedPhoto]:
    clock = FakeClock()
    return loader.load(photos or PHOTOS, Deadline.after(40, clock), Stopwatch(clock))


def test_photos_are_read_and_prepared_with_a_report() -> None:
    prepared = load(make_loader())

    assert {role: photo.picture for role, photo in prepared.items()} == {
        role: InlinePicture(make_portrait(role)) for role in Role
    }
    assert (prepared[SOURCE].report["width"], prepared[SOURCE].report["height"]) == (480, 640)


def test_a_stored_url_is_handed_on_beside_a_photo() -> None:
    loader, link = make_loader(), make_link(TARGET)
    loader.photos.write(link.key, URL.encode())

    prepared = load(loader, {SOURCE: PHOTOS[SOURCE], TARGET: link})

    assert prepared[TARGET] == prepare_url(URL) == PreparedPhoto(PictureUrl(URL), {"url": True})
    assert prepared[SOURCE].picture == InlinePicture(make_portrait(SOURCE))


def test_no_more_is_read_than_can_be_accepted() -> None:
    loader, link = make_loader(), make_link(SOURCE)
    loader.photos.write(link.key, b"x" * 1_000_000)
    loader.photos.write(PHOTOS[TARGET].key, b"x" * 30_000_000)

    assert len(loader.read(link)) == URL_LENGTH_LIMIT + 1
    assert len(loader.read(PHOTOS[TARGET])) == loader.preparer.size_limit_bytes + 1


def test_no_photo_is_decoded_after_the_deadline() -> None:
    loader, clock = make_loader(target=b"not a photo"), FakeClock()

    with pytest.raises(NoSlotError):
        loader.load(PHOTOS, Deadline.after(0, clock), Stopwatch(clock))


@pytest.mark.parametrize("gone", Role)
def test_a_photo_that_is_gone_is_named(gone: Role) -> None:
    loader = make_loader()
    loader.photos.delete(PHOTOS[gone])

    with pytest.raises(PhotoMissingError) as missing:
        load(loader)

    assert missing.value.field == gone.value


def test_a_photo_that_cannot_be_made_acceptable_is_named_and_the_next_pair_is_loaded() -> None:
    loader = make_loader(target=b"not an image")

    with pytest.raises(RejectedPhotoError) as rejected:
        load(loader)
    loader.photos.write(PHOTOS[TARGET].key, make_portrait())

    assert (rejected.value.code, rejected.value.field) == ("not_an_image", "target")
    assert load(loader).keys() == set(Role)


def test_of_several_pairs_two_are_in_memory_at_a_time() -> None:
    loader = make_loader()
    store = loader.photos
    assert isinstance(store, InMemoryPhotoStore)
    is_reading, may_read = Semaphore(0), Event()

    def stop() -> None:
        is_reading.release()
        assert may_read.wait(10)

    store.hooks.before("read", *[stop] * 4)
    threads = [Thread(target=load, args=(loader,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert all(is_reading.acquire(timeout=10) for _ in range(4))
    threads[-1].join(0.05)

    assert len(store.hooks.steps) == 4
    may_read.set()
    for thread in threads:
        thread.join(10)
    assert len(store.reads) == 6


def test_of_several_pairs_one_is_decoded_at_a_time() -> None:
    store = InMemoryPhotoStore({photo.key: make_portrait() for photo in PHOTOS.values()})
    is_decoding, may_decode = Semaphore(0), Event()

    def stop(content: bytes, limits: Limits) -> NormalisedPhoto:
        is_decoding.release()
        assert may_decode.wait(10)
        return normalise(content, limits)

    loader = PhotoLoader(store, PhotoPreparer(normalise=stop))
    threads = [Thread(target=load, args=(loader,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert all(is_decoding.acquire(timeout=10) for _ in Role)
    threads[-1].join(0.05)

    assert not is_decoding.acquire(blocking=False)
    may_decode.set()
    for thread in threads:
        thread.join(10)
    assert all(is_decoding.acquire(blocking=False) for _ in Role)


def test_nothing_of_a_photo_shows_when_it_is_printed() -> None:
    assert "SIGNED" not in repr(prepare_url(URL))
    assert "JFIF" not in repr(load(make_loader()))
