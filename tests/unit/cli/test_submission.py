import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from facematch.use_cases.prepare_photos import PhotoPreparer
from facematch_cli.journal import Fingerprint, digest_photos, stamp_files
from facematch_cli.pairs import PairFiles
from facematch_cli.submission import (
    Finding,
    PairFilter,
    PairOutcome,
    RefusedPair,
    RoutedPair,
    SubmittedPair,
    Submitter,
    estimate_remaining,
    estimate_verdicts_s,
    submit_all,
)
from tests.factories import make_policy
from tests.factories.command import make_pair, make_routed_pair, make_submitted, write_pair
from tests.factories.photos import make_portrait

POLICY = make_policy(Region.SINGAPORE, Region.INDONESIA, default=Region.SINGAPORE)


def filter_pairs(
    *pairs: PairFiles, region: str | None = None, done: Mapping[str, Fingerprint] | None = None
) -> list[str]:
    """Return what became of pairs: their keys, or why they were refused."""
    pair_filter = PairFilter(POLICY, region, done or {})
    return [
        one.key if isinstance(one, RoutedPair) else one.refusals[0].reason
        for one in pair_filter.select(pairs)
    ]


class Inbox(dict[str, bytes]):
    """What is uploaded, by key."""

    def upload(self, key: str, photo: bytes) -> str:
        self[key] = photo
        return f"etag-of-{key}"


def make_routed_photos(folder: Path, pair_id: str = "pair-1") -> RoutedPair:
    files = {Role(file.stem): file for file in folder.iterdir()}
    return RoutedPair(PairFiles(pair_id, None, files), Region.SINGAPORE)


def test_a_pair_goes_where_it_says_else_where_the_run_says_else_where_the_stack_says() -> None:
    assert filter_pairs(make_pair("1", "indonesia")) == ["indonesia/1"]
    assert filter_pairs(make_pair("1", "indonesia"), region="singapore") == ["indonesia/1"]
    assert filter_pairs(make_pair("1"), region="indonesia") == ["indonesia/1"]
    assert filter_pairs(make_pair("1")) == ["singapore/1"]


def test_pairs_that_can_have_no_place_are_refused() -> None:
    flawed = PairFiles("3", None, {}, problem="The folder has more than one photo of a role.")

    reasons = filter_pairs(make_pair("a/b"), make_pair("1", "atlantis"), make_pair("2", "malaysia"), flawed)

    assert reasons == ["invalid_pair_id", "unknown_region", "region_not_allowed", "ambiguous_photo"]


def test_a_pair_id_that_comes_twice_is_refused_so_that_no_two_pairs_mix() -> None:
    assert filter_pairs(make_pair("1"), make_pair("1"), make_pair("1", "indonesia")) == [
        "singapore/1",
        "repeated_pair_id",
        "indonesia/1",
    ]


def test_a_repeated_pair_id_names_the_line_that_has_it_first() -> None:
    pairs = [replace(make_pair("1"), line=2), replace(make_pair("1"), line=7)]

    _, refused = PairFilter(POLICY, None, {}).select(pairs)

    assert isinstance(refused, RefusedPair)
    assert refused.refusals[0].line == 7
    assert "in line 2" in refused.refusals[0].message


def test_a_region_that_resembles_one_is_answered_with_it() -> None:
    (refused,) = PairFilter(POLICY, None, {}).select([make_pair("1", "Singapore")])

    assert isinstance(refused, RefusedPair)
    assert refused.refusals[0].message.endswith("Did you mean singapore?")


def test_pairs_whose_files_are_as_they_were_submitted_are_skipped(tmp_path: Path) -> None:
    write_pair(tmp_path, {"source.jpg": make_portrait(1), "target.jpg": make_portrait(2)})
    pair = make_routed_photos(tmp_path).pair
    stamp = stamp_files(pair.files)
    assert stamp is not None

    assert filter_pairs(pair, make_pair("2"), done={"singapore/pair-1": Fingerprint("any", stamp)}) == [
        "singapore/2"
    ]
    assert filter_pairs(pair, done={"singapore/pair-1": Fingerprint("any", "another")}) == [
        "singapore/pair-1"
    ]


def test_both_photos_of_a_good_pair_are_uploaded_as_they_are(tmp_path: Path) -> None:
    photos = {"source.jpg": make_portrait(1), "target.jpeg": make_portrait(2)}
    write_pair(tmp_path, photos)
    inbox = Inbox()

    submitted = Submitter(inbox.upload, PhotoPreparer()).submit(make_routed_photos(tmp_path))

    assert isinstance(submitted, SubmittedPair)
    assert submitted.etags == {
        Role.SOURCE: "etag-of-inbox/singapore/pair-1/source.jpg",
        Role.TARGET: "etag-of-inbox/singapore/pair-1/target.jpeg",
    }
    assert inbox == {
        "inbox/singapore/pair-1/source.jpg": photos["source.jpg"],
        "inbox/singapore/pair-1/target.jpeg": photos["target.jpeg"],
    }


def test_photos_that_were_submitted_before_are_not_uploaded_and_corrected_ones_are(tmp_path: Path) -> None:
    photos = [make_portrait(1), make_portrait(2)]
    write_pair(tmp_path, {"source.jpg": photos[0], "target.jpg": photos[1]})
    digest = digest_photos(dict(zip(Role, photos, strict=True)))
    routed, inbox = replace(make_routed_photos(tmp_path), submitted=Fingerprint(digest, "another")), Inbox()
    submitter = Submitter(inbox.upload, PhotoPreparer())

    before = submitter.submit(routed)
    assert isinstance(before, SubmittedPair)
    assert (before.is_unchanged, before.is_changed, inbox) == (True, False, {})

    (tmp_path / "target.jpg").write_bytes(make_portrait("corrected"))
    corrected = submitter.submit(routed)
    assert isinstance(corrected, SubmittedPair)
    assert (corrected.is_unchanged, corrected.is_changed, len(inbox)) == (False, True, 2)


@pytest.mark.parametrize(
    ("target", "reason"),
    [(b"Dear Sir or Madam", "not_an_image"), (b"", "empty"), (None, "photo_missing")],
    ids=["not an image", "empty", "missing"],
)
def test_a_bad_photo_costs_no_upload(tmp_path: Path, target: bytes | None, reason: str) -> None:
    photos = {"source.jpg": make_portrait(1)} | ({} if target is None else {"target.jpg": target})
    write_pair(tmp_path, photos)
    inbox = Inbox()

    (refusal,) = refuse(Submitter(inbox.upload, PhotoPreparer()), make_routed_photos(tmp_path))

    assert (refusal.reason, refusal.photo, refusal.pair_id) == (reason, "target", "pair-1")
    assert refusal.file == (None if target is None else tmp_path / "target.jpg")
    assert inbox == {}


@pytest.mark.parametrize(
    ("source", "target", "reasons"),
    [
        (b"Dear Sir", b"", [("source", "not_an_image"), ("target", "empty")]),
        (None, None, [("source", "photo_missing"), ("target", "photo_missing")]),
        (None, b"", [("source", "photo_missing"), ("target", "empty")]),
    ],
)
def test_every_bad_photo_of_a_pair_is_named(
    tmp_path: Path, source: bytes | None, target: bytes | None, reasons: list[tuple[str, str]]
) -> None:
    photos = {"source.jpg": source, "target.jpg": target}
    write_pair(tmp_path, {name: photo for name, photo in photos.items() if photo is not None})

    refusals = refuse(Submitter(Inbox().upload, PhotoPreparer()), make_routed_photos(tmp_path))

    assert [(refusal.photo, refusal.reason) for refusal in refusals] == reasons


def refuse(submitter: Submitter, routed: RoutedPair) -> tuple[Finding, ...]:
    refused = submitter.submit(routed)
    assert isinstance(refused, RefusedPair)
    return refused.refusals


def test_a_file_that_cannot_be_read_is_the_fault_of_its_photo(tmp_path: Path) -> None:
    write_pair(tmp_path, {"source.jpg": make_portrait(1)})
    (tmp_path / "target.jpg").mkdir()

    (refusal,) = refuse(Submitter(Inbox().upload, PhotoPreparer()), make_routed_photos(tmp_path))

    assert (refusal.reason, refusal.photo) == ("unreadable_file", "target")


def test_a_file_over_the_limit_is_refused_by_its_real_size(tmp_path: Path) -> None:
    write_pair(tmp_path, {"source.jpg": make_portrait(1), "target.jpg": b""})
    with (tmp_path / "target.jpg").open("wb") as file:
        file.truncate(28_821_707)

    (refusal,) = refuse(Submitter(Inbox().upload, PhotoPreparer()), make_routed_photos(tmp_path))

    assert (refusal.reason, refusal.photo) == ("file_too_large", "target")
    assert refusal.message == (
        f"The file {tmp_path / 'target.jpg'} has 28,821,707 bytes. The limit is 20,000,000 bytes."
    )


def make_refused(pair_id: str = "bad") -> RefusedPair:
    pair = make_pair(pair_id)
    refusal = Finding(
        line=None, pair_id=pair_id, region=None, photo=None, file=None, reason="empty", message="It is empty."
    )
    return RefusedPair(pair, (refusal,))


def name_settled(settled: PairOutcome) -> str:
    return settled.routed.pair.pair_id if isinstance(settled, SubmittedPair) else settled.pair.pair_id


def test_each_pair_is_settled_once_in_the_order_in_which_they_came() -> None:
    settled: list[str] = []
    first_may_end = threading.Event()

    def submit(routed: RoutedPair) -> PairOutcome:
        if routed.pair.pair_id == "0":
            first_may_end.wait(10)
        first_may_end.set()
        return make_refused("7") if routed.pair.pair_id == "7" else make_submitted(routed)

    pairs = [make_routed_pair(str(number)) for number in range(50)]
    submit_all(
        [pairs[0], make_refused(), *pairs[1:]],
        submit,
        lambda one: settled.append(name_settled(one)),
        workers=3,
    )

    assert settled == ["0", "bad", *(str(number) for number in range(1, 50))]


def test_no_more_pairs_are_taken_than_are_worked_on() -> None:
    taken = 0
    settled = 0
    furthest_ahead = 0

    def take() -> Iterator[RoutedPair]:
        nonlocal taken, furthest_ahead
        for number in range(200):
            taken += 1
            furthest_ahead = max(furthest_ahead, taken - settled)
            yield make_routed_pair(str(number))

    def settle(_: object) -> None:
        nonlocal settled
        settled += 1

    submit_all(take(), make_submitted, settle, workers=4)

    assert settled == 200
    assert furthest_ahead <= 2 * 4 + 1


class CloudGoneError(Exception):
    pass


def test_a_fault_ends_the_run_and_what_was_under_way_is_settled() -> None:
    second_done = threading.Event()
    settled: list[str] = []

    def submit(routed: RoutedPair) -> PairOutcome:
        if routed.pair.pair_id == "0":
            second_done.wait(10)
            raise CloudGoneError
        second_done.set()
        return make_submitted(routed)

    def settle(one: PairOutcome) -> None:
        settled.append(name_settled(one))

    with pytest.raises(CloudGoneError):
        submit_all([make_routed_pair("0"), make_routed_pair("1")], submit, settle, workers=2)

    assert settled == ["1"]


def test_an_interrupt_lets_what_is_under_way_come_to_its_end() -> None:
    under_way, interrupted = threading.Event(), threading.Event()
    settled: list[str] = []

    def take() -> Iterator[RoutedPair]:
        yield make_routed_pair("0")
        under_way.wait(10)
        interrupted.set()
        raise KeyboardInterrupt

    def submit(routed: RoutedPair) -> PairOutcome:
        under_way.set()
        interrupted.wait(10)
        return make_submitted(routed)

    def settle(one: PairOutcome) -> None:
        settled.append(name_settled(one))

    with pytest.raises(KeyboardInterrupt):
        submit_all(take(), submit, settle, workers=2)

    assert settled == ["0"]


def test_verdicts_take_as_long_as_the_slowest_region() -> None:
    pairs = {Region.SINGAPORE: 970, Region.INDONESIA: 582, None: 5}

    assert estimate_verdicts_s(pairs, {Region.SINGAPORE: 9.7, Region.INDONESIA: 2.91}) == pytest.approx(200)
    assert estimate_verdicts_s({}, {}) == 0


@pytest.mark.parametrize(
    ("elapsed_s", "done", "reported"),
    [
        (0, 0, (100, "quota")),
        (40, 80, (60, "quota")),
        (40, 20, (160, "upload")),
        (120, 100, (0, "quota")),
    ],
)
def test_the_last_verdict_waits_for_the_slower_of_quota_and_upload(
    elapsed_s: float, done: int, reported: tuple[float, str]
) -> None:
    assert estimate_remaining(quota_s=100, elapsed_s=elapsed_s, done=done, left=100 - done) == reported
