import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from facematch.use_cases.prepare_photos import PhotoPreparer
from facematch_cli.pairs import PairFiles
from facematch_cli.submission import (
    PlacedPair,
    Refusal,
    Sieve,
    Submitter,
    estimate_rest,
    estimate_verdicts_s,
    submit_all,
)
from tests.factories import make_policy, make_portrait
from tests.unit.cli.factories import make_pair, make_placed, write_pair

POLICY = make_policy(Region.SINGAPORE, Region.INDONESIA, default=Region.SINGAPORE)


def sift(*pairs: PairFiles, region: str | None = None, done: frozenset[str] = frozenset()) -> list[str]:
    """Return what became of pairs: their keys, or why they were refused."""
    sieve = Sieve(POLICY, region, done)
    return [one.key if isinstance(one, PlacedPair) else one.reason for one in sieve.sift(pairs)]


def place(folder: Path, pair_id: str = "pair-1") -> PlacedPair:
    files = {Role(file.stem): file for file in folder.iterdir()}
    return PlacedPair(PairFiles(pair_id, None, files), Region.SINGAPORE)


def test_a_pair_goes_where_it_says_else_where_the_run_says_else_where_the_stack_says() -> None:
    assert sift(make_pair("1", "indonesia")) == ["indonesia/1"]
    assert sift(make_pair("1", "indonesia"), region="singapore") == ["indonesia/1"]
    assert sift(make_pair("1"), region="indonesia") == ["indonesia/1"]
    assert sift(make_pair("1")) == ["singapore/1"]


def test_pairs_that_can_have_no_place_are_refused() -> None:
    flawed = PairFiles("3", None, {}, flaw="There is more than one source photo.")

    reasons = sift(make_pair("a/b"), make_pair("1", "atlantis"), make_pair("2", "malaysia"), flawed)

    assert reasons == ["invalid_pair_id", "unknown_region", "region_not_allowed", "ambiguous_photo"]


def test_a_pair_id_that_comes_twice_is_refused_so_that_no_two_pairs_mix() -> None:
    assert sift(make_pair("1"), make_pair("1"), make_pair("1", "indonesia")) == [
        "singapore/1",
        "repeated_pair_id",
        "indonesia/1",
    ]


def test_what_is_done_is_skipped() -> None:
    assert sift(make_pair("1"), make_pair("2"), done=frozenset({"singapore/1"})) == ["singapore/2"]


def test_both_photos_of_a_good_pair_are_uploaded_as_they_are(tmp_path: Path) -> None:
    photos = {"source.jpg": make_portrait(1), "target.jpeg": make_portrait(2)}
    write_pair(tmp_path, photos)
    uploads: dict[str, bytes] = {}

    refusal = Submitter(uploads.__setitem__, PhotoPreparer()).submit(place(tmp_path))

    assert refusal is None
    assert uploads == {
        "inbox/singapore/pair-1/source.jpg": photos["source.jpg"],
        "inbox/singapore/pair-1/target.jpeg": photos["target.jpeg"],
    }


@pytest.mark.parametrize(
    ("target", "reason"),
    [(b"Dear Sir or Madam", "not_an_image"), (b"", "empty"), (None, "photo_missing")],
    ids=["not an image", "empty", "missing"],
)
def test_a_bad_photo_costs_no_upload(tmp_path: Path, target: bytes | None, reason: str) -> None:
    photos = {"source.jpg": make_portrait(1)} | ({} if target is None else {"target.jpg": target})
    write_pair(tmp_path, photos)
    uploads: dict[str, bytes] = {}

    refusal = Submitter(uploads.__setitem__, PhotoPreparer()).submit(place(tmp_path))

    assert refusal is not None
    assert (refusal.reason, refusal.photo, refusal.pair_id) == (reason, "target", "pair-1")
    assert refusal.file == (None if target is None else tmp_path / "target.jpg")
    assert uploads == {}


def test_a_file_that_cannot_be_read_is_the_fault_of_its_photo(tmp_path: Path) -> None:
    write_pair(tmp_path, {"source.jpg": make_portrait(1)})
    (tmp_path / "target.jpg").mkdir()

    refusal = Submitter(lambda _key, _photo: None, PhotoPreparer()).submit(place(tmp_path))

    assert refusal is not None
    assert (refusal.reason, refusal.photo) == ("unreadable_file", "target")


def make_refusal() -> Refusal:
    return Refusal(pair_id="bad", region=None, photo=None, file=None, reason="empty", message="It is empty.")


def test_each_pair_is_settled_once_and_refusals_too() -> None:
    settled: list[str] = []

    def settle(one: PlacedPair | Refusal) -> None:
        settled.append(one.key if isinstance(one, PlacedPair) else one.reason)

    pairs = [make_placed(str(number)) for number in range(50)]
    submit_all(
        [make_refusal(), *pairs],
        lambda pair: make_refusal() if pair.pair.pair_id == "7" else None,
        settle,
        workers=3,
    )

    expected = [pair.key for pair in pairs if pair.pair.pair_id != "7"]
    assert sorted(settled) == sorted([*expected, "empty", "empty"])


def test_no_more_pairs_are_taken_than_are_worked_on() -> None:
    taken = 0
    settled = 0
    furthest_ahead = 0

    def take() -> Iterator[PlacedPair]:
        nonlocal taken, furthest_ahead
        for number in range(200):
            taken += 1
            furthest_ahead = max(furthest_ahead, taken - settled)
            yield make_placed(str(number))

    def settle(_: object) -> None:
        nonlocal settled
        settled += 1

    submit_all(take(), lambda _pair: None, settle, workers=4)

    assert settled == 200
    assert furthest_ahead <= 2 * 4 + 1


class CloudGoneError(Exception):
    pass


def test_a_fault_ends_the_run_and_what_was_under_way_is_settled() -> None:
    second_done = threading.Event()
    settled: list[str] = []

    def submit(pair: PlacedPair) -> None:
        if pair.pair.pair_id == "0":
            second_done.wait(10)
            raise CloudGoneError
        second_done.set()

    def settle(one: PlacedPair | Refusal) -> None:
        settled.append(one.pair_id if isinstance(one, Refusal) else one.pair.pair_id)

    with pytest.raises(CloudGoneError):
        submit_all([make_placed("0"), make_placed("1")], submit, settle, workers=2)

    assert settled == ["1"]


def test_an_interrupt_lets_what_is_under_way_come_to_its_end() -> None:
    under_way, interrupted = threading.Event(), threading.Event()
    settled: list[str] = []

    def take() -> Iterator[PlacedPair]:
        yield make_placed("0")
        under_way.wait(10)
        interrupted.set()
        raise KeyboardInterrupt

    def submit(_: PlacedPair) -> None:
        under_way.set()
        interrupted.wait(10)

    def settle(one: PlacedPair | Refusal) -> None:
        settled.append("refused" if isinstance(one, Refusal) else one.pair.pair_id)

    with pytest.raises(KeyboardInterrupt):
        submit_all(take(), submit, settle, workers=2)

    assert settled == ["0"]


def test_verdicts_take_as_long_as_the_slowest_region() -> None:
    pairs = {Region.SINGAPORE: 970, Region.INDONESIA: 582, None: 5}

    assert estimate_verdicts_s(pairs, {Region.SINGAPORE: 9.7, Region.INDONESIA: 2.91}) == pytest.approx(200)
    assert estimate_verdicts_s({}, {}) == 0


@pytest.mark.parametrize(
    ("elapsed_s", "done", "told"),
    [
        (0, 0, (100, "quota")),
        (40, 80, (60, "quota")),
        (40, 20, (160, "upload")),
        (120, 100, (0, "quota")),
    ],
)
def test_the_last_verdict_waits_for_the_slower_of_quota_and_upload(
    elapsed_s: float, done: int, told: tuple[float, str]
) -> None:
    assert estimate_rest(quota_s=100, elapsed_s=elapsed_s, done=done, left=100 - done) == told
