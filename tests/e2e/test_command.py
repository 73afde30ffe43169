"""The command `facematch` against the deployed stack: what the newcomer does not come to."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.processes import ROOT
from tests.e2e.driver import LONGEST_WAIT_S, Driver

ROOT_USER = "arn:aws:iam::000000000000:root"
"""Whom the local cloud takes for the holder of its own key."""
PATH = os.pathsep.join(str(ROOT / part) for part in ("cli", "src", "layers/imaging"))


@dataclass(frozen=True)
class Command:
    """Runs the command in a folder that knows of the stack."""

    folder: Path

    def run(self, *arguments: str) -> Any:
        told = subprocess.run(
            [sys.executable, "-m", "facematch_cli", *arguments, "--local", "--json"],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": PATH},
            stdout=subprocess.PIPE,
            timeout=LONGEST_WAIT_S,
            check=True,
        )
        return json.loads(told.stdout)


@pytest.fixture
def command(driver: Driver, tmp_path: Path) -> Command:
    (tmp_path / ".local").mkdir()
    driver.stack.save(tmp_path / ".local" / "stack.json")
    return Command(tmp_path)


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
