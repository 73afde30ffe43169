from dataclasses import replace
from itertools import permutations

import pytest

from facematch.domain.comparison import Options, Origin, State
from facematch.domain.inbox import InboxKey
from facematch.domain.regions import Region
from facematch.domain.verdict import Bounds, Role
from tests.factories import make_policy, make_portrait
from tests.fakes.clock import START_MS
from tests.fakes.interludes import Crash, crash
from tests.fakes.world import World, make_world

SOURCE, TARGET = Role.SOURCE, Role.TARGET
PAIR = ("singapore", "pair-1")
DEADLINE_S = 600


def make_half(role: Role = SOURCE) -> World:
    world = make_world(pair_deadline_s=DEADLINE_S)
    world.upload(role)
    return world


@pytest.mark.parametrize("order", [(SOURCE, TARGET), (TARGET, SOURCE)], ids=str)
def test_a_pair_is_registered_and_enqueued_once_both_photos_are_there_in_either_order(
    order: tuple[Role, Role],
) -> None:
    world = make_world(options=Options(bounds=Bounds(80, 40), face_quality_check=True))

    assert world.upload(order[0]) is None
    assert world.comparisons.sent == []
    world.clock.advance(60)
    comparison_id = world.upload(order[1])

    assert comparison_id is not None
    assert world.comparisons.sent == [(comparison_id, 0)]
    comparison = world.comparison(comparison_id)
    assert (comparison.region, comparison.pair_id, comparison.origin) == (*PAIR, Origin.UPLOAD)
    assert (comparison.state, comparison.caller) == (State.REGISTERED, None)
    assert comparison.created_at_ms == START_MS + 60_000
    assert comparison.options == Options(bounds=Bounds(80, 40), face_quality_check=True)
    assert {role: photo.key for role, photo in comparison.photos.items()} == {
        role: f"inbox/singapore/pair-1/{role}.jpg" for role in Role
    }


def test_both_orders_make_the_same_comparison() -> None:
    worlds = [make_world(), make_world()]
    ids = {
        [world.upload(role) for role in order][-1]
        for world, order in zip(worlds, permutations(Role), strict=True)
    }

    assert len(ids) == 1


@pytest.mark.parametrize("pair_id", ["two words", "1+1", "100%", "Ümläut", "顔写真", "x" * 128])
@pytest.mark.parametrize("region", Region)
def test_a_pair_of_any_name_in_any_region_is_taken(region: Region, pair_id: str) -> None:
    world = make_world()

    comparison = world.comparison(world.upload_pair(region=region, pair_id=pair_id))

    assert (comparison.region, comparison.pair_id, comparison.ended) == (region, pair_id, False)


def test_pairs_of_one_name_in_two_regions_are_two_pairs() -> None:
    world = make_world()

    ids = {world.upload_pair(region=region) for region in Region}

    assert len(ids) == len(Region)


def test_an_event_told_many_times_makes_one_comparison() -> None:
    world = make_world()
    world.upload(SOURCE, sequencer=1)
    comparison_id = world.upload(TARGET, sequencer=2)

    for _ in range(50):
        assert world.tell("inbox/singapore/pair-1/source.jpg", sequencer=1) == comparison_id
        assert world.tell("inbox/singapore/pair-1/target.jpg", sequencer=2) == comparison_id

    assert len(world.ledger.comparisons) == 1
    assert {sent for sent, _ in world.comparisons.sent} == {comparison_id}


def test_an_event_repeated_after_the_verdict_enqueues_nothing() -> None:
    world = make_world()
    comparison_id = world.upload_pair(source=b"not an image")
    world.compare(comparison_id)
    world.comparisons.sent.clear()

    assert world.tell("inbox/singapore/pair-1/source.jpg", sequencer=1) == comparison_id

    assert world.comparisons.sent == []


def test_two_photos_at_the_same_instant_make_one_comparison_whoever_is_first() -> None:
    world = make_world()
    ids: list[str | None] = []
    # The target's worker does all of its work between the source's write and its look at the pair.
    world.ledger.interludes.before("put_photo", lambda: ids.append(world.upload(TARGET)))

    ids.append(world.upload(SOURCE))

    assert [made is None for made in ids] == [True, False]
    assert len(world.ledger.comparisons) == 1
    assert len(world.comparisons.sent) == 1


def test_two_workers_that_both_see_the_whole_pair_make_one_comparison() -> None:
    world = make_world()
    world.upload(SOURCE, sequencer=1)
    ids: list[str | None] = []
    world.ledger.interludes.before(
        "register", lambda: ids.append(world.tell("inbox/singapore/pair-1/source.jpg", sequencer=1))
    )

    ids.append(world.upload(TARGET, sequencer=2))

    assert ids[0] == ids[1]
    assert len(world.ledger.comparisons) == 1


def test_a_replaced_photo_compares_anew() -> None:
    world = make_world()
    first = world.upload_pair()

    second = world.upload(SOURCE, make_portrait("another"))

    assert second not in {None, first}
    assert [sent for sent, _ in world.comparisons.sent] == [first, second]


def test_the_same_bytes_uploaded_again_do_not_compare_again() -> None:
    world = make_world()
    comparison_id = world.upload_pair()

    assert world.upload(SOURCE) == comparison_id
    assert len(world.ledger.comparisons) == 1


def test_of_two_photos_the_later_one_stands_even_if_it_is_told_of_first() -> None:
    world = make_world()
    world.upload(SOURCE, make_portrait("newer"), sequencer=9)
    world.upload(SOURCE, make_portrait("older"), sequencer=3)

    comparison_id = world.upload(TARGET, sequencer=4)

    pair = world.ledger.pairs[PAIR]
    assert comparison_id is not None
    assert pair.arrived[SOURCE].sequencer == f"{9:032x}"
    assert world.comparison(comparison_id).photos == pair.photos


@pytest.mark.parametrize(("pause_s", "standing"), [(1, "png"), (0, "jpg"), (-1, "jpg")])
def test_of_two_photos_under_different_keys_for_one_role_the_later_arrival_stands(
    pause_s: float, standing: str
) -> None:
    world = make_world()
    key = "inbox/singapore/pair-1/source.{}"
    world.photos.write(key.format("jpg"), make_portrait("first"))
    world.photos.write(key.format("png"), make_portrait("second"))
    world.tell(key.format("jpg"), sequencer=5)
    world.clock.advance(pause_s)
    world.tell(key.format("png"), sequencer=1 if pause_s > 0 else 9)

    comparison_id = world.upload(TARGET)

    assert comparison_id is not None
    assert world.comparison(comparison_id).photos[SOURCE].key == key.format(standing)


def test_a_photo_alone_sets_a_deadline() -> None:
    world = make_half()

    assert world.deadlines.sent == [(*PAIR, DEADLINE_S)]


def test_the_second_photo_sets_none() -> None:
    world = make_half()
    world.upload(TARGET)

    assert len(world.deadlines.sent) == 1


@pytest.mark.parametrize(("present", "missing"), [(SOURCE, TARGET), (TARGET, SOURCE)])
def test_half_a_pair_fails_at_its_deadline_and_names_the_missing_half(present: Role, missing: Role) -> None:
    world = make_half(present)
    world.clock.advance(DEADLINE_S)

    comparison_id = world.intake.expire(*PAIR)

    assert comparison_id is not None
    verdict = world.verdict(comparison_id)
    assert (verdict.reason, verdict.photo) == ("pair_incomplete", missing)
    assert world.comparison(comparison_id).state is State.FAILED
    assert world.ledger.pending == {comparison_id}
    assert world.comparisons.sent == []


def test_a_deadline_that_rings_early_is_set_again_for_the_rest() -> None:
    world = make_half()
    world.clock.advance(DEADLINE_S - 90)

    assert world.intake.expire(*PAIR) is None

    assert world.ledger.comparisons == {}
    assert world.deadlines.sent[1:] == [(*PAIR, 90.0)]


def test_a_replaced_half_waits_anew() -> None:
    world = make_half()
    world.clock.advance(DEADLINE_S - 10)
    world.upload(SOURCE, make_portrait("another"))
    world.clock.advance(10)

    assert world.intake.expire(*PAIR) is None
    world.clock.advance(DEADLINE_S - 10)

    assert world.intake.expire(*PAIR) is not None


def test_a_deadline_that_rings_twice_fails_the_pair_once() -> None:
    world = make_half()
    world.clock.advance(DEADLINE_S)

    assert world.intake.expire(*PAIR) is not None
    assert world.intake.expire(*PAIR) is None
    assert len(world.ledger.comparisons) == 1


def test_the_deadline_of_a_whole_pair_does_nothing() -> None:
    world = make_half()
    world.upload(TARGET)
    world.clock.advance(DEADLINE_S)

    assert world.intake.expire(*PAIR) is None
    assert len(world.ledger.comparisons) == 1


def test_the_deadline_of_a_pair_that_nobody_knows_does_nothing() -> None:
    world = make_world()

    assert world.intake.expire("singapore", "unheard-of") is None
    assert world.deadlines.sent == []


def test_a_photo_that_arrives_while_its_pair_expires_wins() -> None:
    world = make_half()
    world.clock.advance(DEADLINE_S)
    world.ledger.interludes.before("register_lone_photo", lambda: world.upload(TARGET))

    assert world.intake.expire(*PAIR) is None

    (comparison,) = world.ledger.comparisons.values()
    assert comparison.state is State.REGISTERED
    assert world.comparisons.sent == [(comparison.id, 0)]


def test_two_deadlines_at_the_same_instant_fail_the_pair_once() -> None:
    world = make_half()
    world.clock.advance(DEADLINE_S)
    ended: list[str | None] = []
    world.ledger.interludes.before("register_lone_photo", lambda: ended.append(world.intake.expire(*PAIR)))

    ended.append(world.intake.expire(*PAIR))

    assert ended[0] is not None
    assert ended[1] is None


def test_the_late_half_starts_a_comparison_of_its_own() -> None:
    world = make_half()
    world.clock.advance(DEADLINE_S)
    incomplete = world.intake.expire(*PAIR)

    comparison_id = world.upload(TARGET)

    assert comparison_id not in {None, incomplete}
    assert [sent for sent, _ in world.comparisons.sent] == [comparison_id]


@pytest.mark.parametrize(
    ("region", "pair_id", "reason"),
    [
        ("mars", "pair-1", "unknown_region"),
        ("Singapore", "pair-1", "unknown_region"),
        ("malaysia", "pair-1", "region_not_allowed"),
        ("singapore", "x" * 129, "invalid_pair_id"),
        ("singapore", "x" * 500, "invalid_pair_id"),
        ("singapore", "a\nb", "invalid_pair_id"),
    ],
)
def test_a_pair_that_can_not_be_compared_fails_once_and_waits_for_no_worker(
    region: str, pair_id: str, reason: str
) -> None:
    world = make_world(regions=make_policy(Region.SINGAPORE))
    comparison_id = world.upload_pair(region=region, pair_id=pair_id)

    world.upload(SOURCE, region=region, pair_id=pair_id)

    comparison = world.comparison(comparison_id)
    assert (comparison.state, world.verdict(comparison_id).reason) == (State.FAILED, reason)
    assert (comparison.region, comparison.pair_id) == (region, pair_id)
    assert world.comparisons.sent == []
    assert world.ledger.pending == {comparison_id}
    assert world.publisher.publish(comparison_id) is not None
    assert world.publisher.publish(comparison_id) is None
    assert len(world.results.sent) == 1


def test_a_worker_that_dies_before_it_enqueues_is_made_up_for_by_the_repeated_event() -> None:
    world = make_half()
    world.ledger.interludes.before("register", crash)
    with pytest.raises(Crash):
        world.upload(TARGET, sequencer=2)

    comparison_id = world.tell("inbox/singapore/pair-1/target.jpg", sequencer=2)

    assert world.comparisons.sent == [(comparison_id, 0)]


@pytest.mark.parametrize("ended", [False, True])
def test_a_pair_that_was_replaced_before_it_was_enqueued_is_enqueued_by_the_repeated_event(
    ended: bool,  # noqa: FBT001 - a row
) -> None:
    world = make_half()
    first = world.upload(TARGET, sequencer=2)
    assert first is not None
    told = world.ledger.pairs[PAIR].arrived[TARGET]
    second = world.upload(TARGET, make_portrait("another"), sequencer=3)
    # As after a worker that died over each of the two.
    world.comparisons.sent.clear()
    if ended:
        world.compare(first)

    world.intake.receive(InboxKey(*PAIR, TARGET), told)

    assert [sent for sent, _ in world.comparisons.sent] == ([] if ended else [first]) + [second]


def test_a_late_repetition_after_the_photos_were_discarded_does_nothing() -> None:
    world = make_world(deletes_uploads=True)
    content = make_portrait(SOURCE)
    comparison_id = world.upload_pair(source=content, target=b"not an image")
    world.compare(comparison_id)
    world.publisher.publish(comparison_id)
    world.comparisons.sent.clear()
    world.deadlines.sent.clear()
    pair = world.ledger.pairs[PAIR]
    assert pair.over

    arrived = replace(pair.arrived[SOURCE], discarded=False)
    assert world.intake.receive(InboxKey(*PAIR, SOURCE), arrived) is None

    assert world.comparisons.sent == []
    assert world.deadlines.sent == []
    assert world.intake.expire(*PAIR) is None


def test_a_new_photo_after_the_photos_were_discarded_is_half_a_pair_again() -> None:
    world = make_world(deletes_uploads=True)
    comparison_id = world.upload_pair(target=b"not an image")
    world.compare(comparison_id)
    world.publisher.publish(comparison_id)

    assert world.upload(TARGET, make_portrait("better")) is None
    world.clock.advance(DEADLINE_S)
    incomplete = world.intake.expire(*PAIR)

    assert incomplete is not None
    assert world.verdict(incomplete).photo is SOURCE
