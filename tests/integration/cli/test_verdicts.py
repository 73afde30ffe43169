import csv
from pathlib import Path
from typing import Any

import pytest

from facematch.domain.comparison import StoredPhoto
from facematch.domain.inbox import make_inbox_key
from facematch.domain.pair import ArrivedPhoto, Pair, identify_pair
from facematch.domain.verdict import Decision, Role, Verdict
from facematch_client.errors import ExitCode
from tests.factories import make_comparison, make_ended, make_verdict
from tests.factories.command import write_pair
from tests.factories.photos import make_portrait
from tests.fakes.clock import FakeClock
from tests.integration.cli.environment import CliEnvironment


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A manifest of three pairs, in no order of names."""
    for number in range(3):
        write_pair(
            tmp_path, {f"s{number}.jpg": make_portrait(number), f"t{number}.jpg": make_portrait(-number)}
        )
    manifest = tmp_path / "pairs.csv"
    manifest.write_text("pair_id,source,target\n" + "".join(f"c-{n},s{n}.jpg,t{n}.jpg\n" for n in (2, 0, 1)))
    return manifest


def notice(cli: CliEnvironment, pair_id: str) -> str:
    """Have the ledger know the photos of a pair that are in the bucket; return their comparison's id."""
    for role in Role:
        key = make_inbox_key("singapore", pair_id, role, "jpg")
        etag = cli.s3.head_object(Bucket=cli.bucket, Key=key)["ETag"].strip('"')
        arrived = ArrivedPhoto(
            photo=StoredPhoto(key=key, etag=etag),
            # Later notices have larger ones.
            sequencer=f"{cli.clock.now_ms():020}",
            arrived_at_ms=cli.clock.now_ms(),
        )
        pair = cli.ledger.put_photo("singapore", pair_id, role, arrived)
    comparison_id = identify_pair("singapore", pair_id, pair.photos)
    assert cli.ledger.take_pair(pair, comparison_id)
    return comparison_id


def end(cli: CliEnvironment, pair_id: str, verdict: Verdict | None = None) -> None:
    ended = make_ended(verdict, id=notice(cli, pair_id), pair_id=pair_id)
    cli.ledger.register(ended)


def read(manifest: Path) -> list[dict[str, str]]:
    with manifest.with_name("pairs.csv.verdicts.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_verdicts_of_a_batch_are_written_beside_it_in_its_order(
    cli: CliEnvironment, manifest: Path
) -> None:
    cli.run("submit", manifest)
    end(cli, "c-2")
    end(cli, "c-0", make_verdict(Decision.PHOTO_REJECTED, photo=Role.TARGET))
    end(cli, "c-1", make_verdict(Decision.NO_MATCH))

    ran = cli.run("verdicts", manifest)

    assert ran.exit_code == ExitCode.DONE
    rows = [
        (row["line"], row["pair_id"], row["verdict"], row["score"], row["photo"]) for row in read(manifest)
    ]
    assert rows == [
        ("2", "c-2", "match", "52.57", ""),
        ("3", "c-0", "photo_rejected", "", "target"),
        ("4", "c-1", "no_match", "52.57", ""),
    ]
    assert cli.depth(cli.results) == 0
    assert "pairs.csv.verdicts.csv" in ran.out


def test_pairs_without_a_verdict_say_why(cli: CliEnvironment, manifest: Path) -> None:
    cli.run("submit", manifest)
    end(cli, "c-2")
    cli.ledger.register(make_comparison(id=notice(cli, "c-0"), pair_id="c-0"))

    ran = cli.run("verdicts", manifest, "--json")

    assert ran.exit_code == ExitCode.PARTIAL
    assert ran.document["counts"] == {"match": 1, "waiting": 2}
    assert [row["state"] for row in read(manifest)] == ["completed", "waiting", "waiting"]


def test_a_batch_that_was_never_submitted_has_no_verdicts(cli: CliEnvironment, manifest: Path) -> None:
    ran = cli.run("verdicts", manifest)

    assert ran.exit_code == ExitCode.NO_VERDICT
    assert {row["state"] for row in read(manifest)} == {"not_submitted"}


def test_an_erased_pair_has_no_verdict_any_more(cli: CliEnvironment, manifest: Path) -> None:
    cli.run("submit", manifest)
    for number in range(3):
        end(cli, f"c-{number}")
    pair = cli.ledger.find_pair("singapore", "c-1")
    assert pair is not None
    assert pair.comparison_id is not None
    cli.erase(pair.comparison_id)
    # As the API does, which leaves no pair id.
    assert cli.ledger.forget_pair(pair)

    ran = cli.run("verdicts", manifest)

    assert ran.exit_code == ExitCode.DONE
    assert [row["verdict"] or row["state"] for row in read(manifest)] == ["match", "match", "erased"]


def put_photo(cli: CliEnvironment, role: Role, etag: str) -> Pair:
    """Have the ledger know a photo of the pair `c-1`, later than those before it."""
    cli.clock.advance(1)
    now_ms = cli.clock.now_ms()
    photo = StoredPhoto(key=make_inbox_key("singapore", "c-1", role, "jpg"), etag=etag)
    arrived = ArrivedPhoto(photo=photo, sequencer=f"{now_ms:020}", arrived_at_ms=now_ms)
    return cli.ledger.put_photo("singapore", "c-1", role, arrived)


def test_a_pair_whose_other_photo_never_arrived_has_failed(cli: CliEnvironment, manifest: Path) -> None:
    pair = put_photo(cli, Role.SOURCE, "etag")
    verdict = make_verdict(Decision.FAILED, reason="pair_incomplete")
    ended = make_ended(verdict, pair_id="c-1", photos=pair.photos)
    assert cli.ledger.register(ended, pair=pair, takes_photos=False)

    cli.run("verdicts", manifest)

    assert (read(manifest)[2]["state"], read(manifest)[2]["reason"]) == ("failed", "pair_incomplete")
    assert cli.run("show", "singapore/c-1", "--json").document["result"]["reason"] == "pair_incomplete"


def test_photos_that_came_after_the_last_comparison_wait_for_their_own(
    cli: CliEnvironment, manifest: Path
) -> None:
    put_photo(cli, Role.SOURCE, "old")
    assert cli.ledger.register(make_ended(pair_id="c-1"), pair=put_photo(cli, Role.TARGET, "old"))
    cli.run("verdicts", manifest)
    before = read(manifest)[2]["state"]
    for role in Role:
        put_photo(cli, role, "new")

    cli.run("verdicts", manifest)

    assert (before, read(manifest)[2]["state"]) == ("completed", "waiting")


def test_the_verdict_on_a_photo_that_was_corrected_since_is_not_the_pairs(
    cli: CliEnvironment, manifest: Path
) -> None:
    cli.run("submit", manifest)
    for number in range(3):
        end(cli, f"c-{number}")
    (manifest.parent / "t1.jpg").write_bytes(make_portrait("corrected"))
    cli.run("submit", manifest)

    before = cli.run("verdicts", manifest, "--json").document
    cli.clock.advance(1)
    end(cli, "c-1", make_verdict(Decision.NO_MATCH))
    after = cli.run("verdicts", manifest, "--json").document

    assert before["counts"] == {"match": 2, "waiting": 1}
    assert after["counts"] == {"match": 2, "no_match": 1}


class ClockThatCompares(FakeClock):
    """Has the stack end the comparisons while the command sleeps."""

    def __init__(self, cli: CliEnvironment) -> None:
        super().__init__()
        self.cli = cli
        self.sleeps = 0

    def sleep(self, duration_s: float) -> None:
        super().sleep(duration_s)
        end(self.cli, f"c-{self.sleeps}")
        self.sleeps += 1


@pytest.mark.parametrize("command", [("submit",), ("verdicts",)])
def test_verdicts_are_waited_for(cli: CliEnvironment, manifest: Path, command: tuple[Any, ...]) -> None:
    cli.run("submit", manifest)
    clock = ClockThatCompares(cli)

    ran = cli.run(*command, manifest, "--wait", "60", clock=clock)

    assert (ran.exit_code, clock.sleeps) == (ExitCode.DONE, 3)
    assert [row["verdict"] for row in read(manifest)] == ["match"] * 3
