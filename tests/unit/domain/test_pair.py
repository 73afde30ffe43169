from facematch.domain.pair import ArrivedPhoto, Pair, identify_pair
from facematch.domain.verdict import Role
from tests.factories import make_uploads
from tests.fakes.clock import START_MS

SOURCE, TARGET = Role.SOURCE, Role.TARGET
UPLOADS = make_uploads()


def make_pair(**taken: bool) -> Pair:
    """Make a pair of the roles given, and say of each whether a comparison took it."""
    arrived = {
        Role(role): ArrivedPhoto(
            photo=UPLOADS[Role(role)], sequencer="1", arrived_at_ms=START_MS + number, taken=is_taken
        )
        for number, (role, is_taken) in enumerate(taken.items())
    }
    return Pair("singapore", "pair-1", arrived)


def test_a_pair_is_complete_when_two_photos_wait_and_taken_when_none_does() -> None:
    pairs = {
        "half": make_pair(source=False),
        "complete": make_pair(source=False, target=False),
        "taken": make_pair(source=True, target=True),
        "one sent again": make_pair(source=True, target=False),
    }

    assert {name for name, pair in pairs.items() if pair.is_complete} == {"complete"}
    assert {name for name, pair in pairs.items() if pair.is_taken} == {"taken"}
    assert pairs["one sent again"].photos == {TARGET: UPLOADS[TARGET]}


def test_a_pair_waits_from_the_arrival_of_its_latest_photo() -> None:
    assert make_pair(target=False, source=False).arrived_at_ms == START_MS + 1


def test_a_pair_is_identified_by_region_folder_and_bytes() -> None:
    known = identify_pair("singapore", "pair-1", UPLOADS)

    others = [
        identify_pair("malaysia", "pair-1", UPLOADS),
        identify_pair("singapore", "pair-2", UPLOADS),
        identify_pair("singapore", "pair-1", {SOURCE: UPLOADS[TARGET], TARGET: UPLOADS[SOURCE]}),
        identify_pair("singapore", "pair-1", {SOURCE: UPLOADS[SOURCE]}),
        # Names that read alike: `inbox/singapore/a#b` and `inbox/singapore#a/b`.
        identify_pair("singapore", "a#b", UPLOADS),
        identify_pair("singapore#a", "b", UPLOADS),
    ]

    assert known == identify_pair("singapore", "pair-1", dict(reversed(UPLOADS.items())))
    assert len({known, *others}) == len(others) + 1
