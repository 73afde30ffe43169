"""The command `facematch` against the deployed stack, as a person would run it."""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from local.processes import ROOT
from tests.e2e.driver import LONGEST_WAIT_S, Driver, make_photo

PAIRS = 200
ROOT_USER = "arn:aws:iam::000000000000:root"
"""Whom the local cloud takes for the holder of its own key."""
PATH = os.pathsep.join(str(ROOT / part) for part in ("cli", "src", "layers/imaging"))


@dataclass(frozen=True)
class Command:
    """Runs the command in a folder that knows of the stack."""

    folder: Path

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "facematch_cli", *arguments, "--local"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": PATH},
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> Any:
        with self.start(*arguments, "--json") as process:
            out, _ = process.communicate(timeout=LONGEST_WAIT_S)
        assert process.returncode == 0, out
        return json.loads(out)


@pytest.fixture
def command(driver: Driver, tmp_path: Path) -> Command:
    (tmp_path / ".local").mkdir()
    driver.stack.save(tmp_path / ".local" / "stack.json")
    return Command(tmp_path)


def write_manifest(folder: Path) -> None:
    for number in range(10):
        (folder / f"{number}.jpg").write_bytes(make_photo(number))
    with (folder / "pairs.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("pair_id", "source", "target"))
        rows.writerows((f"many-{i}", f"{i % 10}.jpg", f"{(i + 1) % 10}.jpg") for i in range(PAIRS))


def list_verdicts(driver: Driver, pair_id: str) -> list[Mapping[str, Any]]:
    """Return the verdicts on a pair; a crash between its photos may also have failed it as half a pair."""
    return [event for event in driver.events.get(pair_id, []) if event["type"].endswith(".completed")]


def any_came(driver: Driver, pair_ids: list[str]) -> bool:
    return any(list_verdicts(driver, pair_id) for pair_id in pair_ids)


def test_two_hundred_pairs_survive_a_crash_in_the_middle(driver: Driver, command: Command) -> None:
    write_manifest(command.folder)
    journal = command.folder / "pairs.csv.facematch-local.journal"
    deadline = time.monotonic() + LONGEST_WAIT_S
    with command.start("submit", "pairs.csv") as crashing:
        while not journal.exists() or journal.read_bytes().count(b"\n") < PAIRS // 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        crashing.kill()

    summary = command.run("submit", "pairs.csv")

    assert summary["submitted_before"] >= PAIRS // 3 - 1
    assert summary["submitted"] + summary["submitted_before"] == PAIRS
    pair_ids = [f"many-{i}" for i in range(PAIRS)]
    while missing := [pair_id for pair_id in pair_ids if not list_verdicts(driver, pair_id)]:
        driver.wait_until(partial(any_came, driver, missing))
    verdicts = [list_verdicts(driver, pair_id) for pair_id in pair_ids]
    assert {len({event["id"] for event in events}) for events in verdicts} == {1}
    assert sum(len(driver.list_calls(events[0])) for events in verdicts) == PAIRS


def test_the_story_of_a_pair_is_told_by_its_own_name(driver: Driver, command: Command) -> None:
    driver.put_pair("told")
    event = driver.wait_for_event("told")

    story = command.run("show", "singapore/told")

    assert story["id"] == event["id"]
    told = [chapter["what"] for chapter in story["story"]]
    assert told[:4] == ["source landed", "target landed", "registered", "attempt 1"]


def test_the_story_of_a_pair_that_came_by_upload_forms_is_told_to_who_names_its_caller(
    driver: Driver, command: Command
) -> None:
    driver.upload_pair("told-by-form", seed=40)
    driver.wait_for_event("told-by-form")

    story = command.run("show", "singapore/told-by-form", "--caller", ROOT_USER)

    landed, first = [chapter["what"] for chapter in story["story"]][:2], story["story"][2]
    assert landed == ["source landed", "target landed"]
    assert (first["what"], first["details"]) == ("registered", f"by the bucket, uploaded by {ROOT_USER}")


def test_a_pair_is_compared_through_the_api(command: Command) -> None:
    for number in range(2):
        (command.folder / f"{number}.jpg").write_bytes(make_photo(number))

    first, again = (command.run("compare", "0.jpg", "1.jpg", "--region", "malaysia") for _ in range(2))

    assert first["result"]["region"] == "malaysia"
    assert again["result"] == first["result"]


def test_dead_letters_are_put_back(driver: Driver, command: Command) -> None:
    url = driver.stack.comparisons_dead_letters_url
    driver.stack.client("sqs").send_message(QueueUrl=url, MessageBody=json.dumps({"comparison_id": "gone"}))

    told = command.run("redrive", "--queue", "comparisons", "--yes")["comparisons"]

    assert told["put_back"] == 1
    assert "no such comparison" in told["letters"][0]["why"]
    assert driver.count_messages(url) == 0


def test_the_stack_tells_how_it_is(driver: Driver, command: Command) -> None:
    driver.put_pair("counted")
    driver.wait_for_event("counted")

    told = command.run("status")

    assert sum(told["verdicts_today"].values()) >= 1
    assert told["dead_letters"] == {"uploads": 0, "comparisons": 0, "outbox": 0}
