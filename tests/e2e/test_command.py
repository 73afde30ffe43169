"""The command `facematch` with the deployed stack: what `test_documented_commands.py` does not run."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.driver import LONGEST_WAIT_S, Driver, make_photo

ROOT_USER = "arn:aws:iam::000000000000:root"
"""The owner of the local cloud's key."""


@dataclass(frozen=True)
class Command:
    """Runs the command in a folder with the stack's addresses."""

    folder: Path

    def run(self, *arguments: str) -> Any:
        result = subprocess.run(
            [sys.executable, "-m", "facematch_cli", *arguments, "--local", "--json"],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            timeout=LONGEST_WAIT_S,
            check=True,
        )
        return json.loads(result.stdout)


@pytest.fixture
def command(driver: Driver, tmp_path: Path) -> Command:
    (tmp_path / ".local").mkdir()
    driver.stack.save(tmp_path / ".local" / "stack.json")
    return Command(tmp_path)


def test_the_story_of_a_pair_is_found_by_its_own_name(driver: Driver, command: Command) -> None:
    driver.put_pair("shown")
    event = driver.wait_for_event("shown")

    story = command.run("show", "singapore/shown")

    assert story["id"] == event["id"]
    entries = [entry["what"] for entry in story["story"]]
    assert entries[:4] == ["source landed", "target landed", "registered", "attempt 1"]


def test_the_story_of_a_pair_from_upload_forms_is_shown_with_its_caller(
    driver: Driver, command: Command
) -> None:
    driver.upload_pair("shown-by-form", seed=40)
    driver.wait_for_event("shown-by-form")

    story = command.run("show", "singapore/shown-by-form", "--caller", ROOT_USER)

    landed, first = [entry["what"] for entry in story["story"]][:2], story["story"][2]
    assert landed == ["source landed", "target landed"]
    assert (first["what"], first["details"]) == ("registered", f"by the bucket, uploaded by {ROOT_USER}")


def test_a_batch_is_submitted_corrected_looked_up_and_erased(driver: Driver, command: Command) -> None:
    pairs = command.folder / "pairs"
    for number in range(2):
        folder = pairs / f"batch-{number}"
        folder.mkdir(parents=True)
        (folder / "source.jpg").write_bytes(make_photo(70 + number))
        (folder / "target.jpg").write_bytes(make_photo(80 + number))
    command.run("submit", str(pairs))
    first = command.run("verdicts", str(pairs), "--wait", str(LONGEST_WAIT_S))
    (pairs / "batch-1" / "target.jpg").write_bytes(make_photo(71))
    changed = command.run("submit", str(pairs))
    second = command.run("verdicts", str(pairs), "--wait", str(LONGEST_WAIT_S))

    assert (changed["submitted"], changed["changed"]) == (1, 1)
    assert [one["state"] for one in first["verdicts"]] == ["completed"] * 2
    ids = [[one["comparison_id"] for one in batch["verdicts"]] for batch in (first, second)]
    assert (ids[0][0] == ids[1][0], ids[0][1] == ids[1][1]) == (True, False)

    found = command.run("find", "batch-1")["comparisons"]
    assert [one["id"] for one in found] == [ids[1][1], ids[0][1]]
    erased = command.run("erase", "batch-1", "--yes")["comparisons"]
    assert erased == dict.fromkeys((ids[1][1], ids[0][1]), "erased")
    assert command.run("show", ids[1][1])["pair_id"] is None
    # The events of both pairs are still on the queue for their consumer.
    assert driver.wait_for_event("batch-0")["id"] == ids[0][0]
