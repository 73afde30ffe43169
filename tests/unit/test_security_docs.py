"""Holds `docs/security.md`: each line of its table names tests, and each named test exists."""

import ast
import re
from functools import cache

import pytest

from harness.template import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)+)`", PAGE)))
KINDS = {
    "S": "spoofing",
    "T": "tampering",
    "R": "repudiation",
    "I": "information disclosure",
    "D": "denial of service",
    "E": "elevation of privilege",
}


def read_threats() -> list[list[str]]:
    lines = PAGE.split("| threat |", 1)[1].splitlines()[2:]
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


@cache
def list_tests(file: str) -> set[str]:
    """Return the tests of a file, those of a class as `Class::test`."""
    found: set[str] = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return found


@pytest.mark.parametrize("name", NAMED)
def test_every_test_that_the_page_names_exists(name: str) -> None:
    file, _, test = name.partition("::")
    assert test in list_tests(file)


def test_every_threat_is_held_by_a_test() -> None:
    threats = read_threats()
    assert len(threats) > len(KINDS)
    assert [row[1] for row in threats if len(row) != 4 or "::test_" not in row[3]] == []


def test_no_kind_of_threat_is_left_out() -> None:
    assert {row[0] for row in read_threats()} == KINDS.keys()


def test_no_name_of_a_test_is_written_in_a_way_that_is_not_looked_up() -> None:
    assert PAGE.count("::test_") == len(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)+)`", PAGE))
