import pytest

from facematch.domain.comparison import Origin, StoredPhoto
from facematch.domain.verdict import Role
from tests.factories import make_answer, make_comparison, make_portrait
from tests.fakes.photo_store import make_etag
from tests.fakes.world import World, make_world

SOURCE, TARGET = Role.SOURCE, Role.TARGET
PAIR = ("singapore", "pair-1")
SOURCE_KEY, TARGET_KEY = (f"inbox/singapore/pair-1/{role}.jpg" for role in Role)


def make_compared() -> tuple[World, str]:
    world = make_world(make_answer())
    comparison_id = world.upload_pair()
    world.compare(comparison_id)
    return world, comparison_id


@pytest.mark.parametrize("uploads_too", [True, False])
def test_what_a_request_brought_with_it_goes_in_any_case(uploads_too: bool) -> None:  # noqa: FBT001 - a row
    world = make_world()
    photos = {role: StoredPhoto(key=f"requests/x/{role}-0") for role in Role}
    for photo in photos.values():
        world.photos.write(photo.key, b"photo")

    world.disposal.discard(make_comparison(photos=photos), uploads_too=uploads_too)

    assert world.photos.objects == {}


def test_a_pair_in_the_inbox_goes_and_is_remembered() -> None:
    world, comparison_id = make_compared()

    world.disposal.discard(world.comparison(comparison_id), uploads_too=True)

    pair = world.ledger.pairs[PAIR]
    assert world.photos.objects == {}
    assert pair.over
    assert pair.arrived.keys() == set(Role)


def test_a_pair_in_the_inbox_stays_where_it_shall() -> None:
    world, comparison_id = make_compared()

    world.disposal.discard(world.comparison(comparison_id), uploads_too=False)

    assert world.photos.objects.keys() == {SOURCE_KEY, TARGET_KEY}
    assert not world.ledger.pairs[PAIR].over


def test_discarding_twice_is_as_good_as_once() -> None:
    world, comparison_id = make_compared()
    for _ in range(2):
        world.disposal.discard(world.comparison(comparison_id), uploads_too=True)

    assert world.photos.objects == {}


def test_a_pair_with_a_newer_photo_keeps_both_for_its_own_comparison() -> None:
    world, comparison_id = make_compared()
    newer = world.upload(SOURCE, make_portrait("newer"))
    assert newer is not None
    world.provider.follow(make_answer())

    world.disposal.discard(world.comparison(comparison_id), uploads_too=True)

    assert world.photos.objects.keys() == {SOURCE_KEY, TARGET_KEY}
    world.compare(newer)
    world.disposal.discard(world.comparison(newer), uploads_too=True)
    assert world.photos.objects == {}


def test_a_photo_that_arrives_while_its_pair_is_discarded_keeps_both() -> None:
    world, comparison_id = make_compared()
    world.ledger.interludes.before("retire_pair", lambda: world.upload(SOURCE, make_portrait("newer")))

    world.disposal.discard(world.comparison(comparison_id), uploads_too=True)

    assert world.photos.objects.keys() == {SOURCE_KEY, TARGET_KEY}
    assert not world.ledger.pairs[PAIR].over


def test_a_photo_that_landed_but_was_not_told_of_yet_stays_and_so_does_the_one_it_needs() -> None:
    world, comparison_id = make_compared()
    world.photos.write(SOURCE_KEY, make_portrait("newer"))

    world.disposal.discard(world.comparison(comparison_id), uploads_too=True)

    assert world.photos.objects == {SOURCE_KEY: make_portrait("newer"), TARGET_KEY: make_portrait(TARGET)}
    assert world.tell(SOURCE_KEY) not in {None, comparison_id}


def test_photos_whose_pair_the_ledger_has_forgotten_go_all_the_same() -> None:
    world, comparison_id = make_compared()
    world.ledger.pairs.clear()

    world.disposal.discard(world.comparison(comparison_id), uploads_too=True)

    assert world.photos.objects == {}


def test_half_a_pair_keeps_its_photo_but_not_when_it_is_erased() -> None:
    world = make_world()
    world.upload(SOURCE)
    world.clock.advance(600)
    comparison_id = world.intake.expire(*PAIR)
    assert comparison_id is not None

    world.disposal.discard(world.comparison(comparison_id), uploads_too=True)
    assert world.photos.objects.keys() == {SOURCE_KEY}

    world.disposal.erase(world.comparison(comparison_id))
    assert world.photos.objects == {}


def test_a_photo_lent_to_a_request_stays_while_its_own_pair_still_needs_it() -> None:
    world = make_world()
    world.upload_pair()
    lent = StoredPhoto(key=SOURCE_KEY, etag=make_etag(make_portrait(SOURCE)))
    brought = StoredPhoto(key="requests/x/target-0")
    world.photos.write(brought.key, b"photo")

    comparison = make_comparison(origin=Origin.API, photos={SOURCE: lent, TARGET: brought})

    world.disposal.discard(comparison, uploads_too=True)

    assert world.photos.objects.keys() == {SOURCE_KEY, TARGET_KEY}


def test_half_a_pair_that_was_lent_to_a_request_still_waits_for_its_other_half() -> None:
    world = make_world()
    world.upload(SOURCE)
    lent = StoredPhoto(key=SOURCE_KEY, etag=make_etag(make_portrait(SOURCE)))
    brought = StoredPhoto(key="requests/x/target-0")
    world.photos.write(brought.key, b"photo")
    comparison = make_comparison(origin=Origin.API, photos={SOURCE: lent, TARGET: brought})

    world.disposal.discard(comparison, uploads_too=True)

    assert world.photos.objects.keys() == {SOURCE_KEY}
    assert world.upload(TARGET) is not None


def test_nothing_is_left_to_delete_of_what_was_erased() -> None:
    world, comparison_id = make_compared()
    world.ledger.erase(comparison_id, now_ms=0)

    world.disposal.discard(world.comparison(comparison_id), uploads_too=True)

    assert len(world.photos.objects) == 2
