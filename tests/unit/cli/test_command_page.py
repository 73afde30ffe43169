"""Holds `docs/command.md` to the command."""

import re
from pathlib import Path

import pytest

from facematch_cli.main import cli
from facematch_client.errors import ExitCode

PAGE = (Path(__file__).parents[3] / "docs" / "command.md").read_text()


def test_the_page_lists_every_command() -> None:
    assert set(re.findall(r"^\| `facematch ([a-z]+)", PAGE, re.MULTILINE)) == set(cli.commands)


def test_the_page_lists_every_exit_code() -> None:
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)} == set(ExitCode)


@pytest.mark.parametrize("name", sorted(set(cli.commands) - {"completion"}))
def test_the_page_shows_every_command_at_work(name: str) -> None:
    assert re.search(rf"^facematch {name} ", PAGE, re.MULTILINE)
