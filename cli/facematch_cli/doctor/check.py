"""The result of one check."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; `fix` is a sentence that says how to repair it, None if it is fine.

    `name` is stable, for programs. Its first part, before the dot, is the part of the stack.
    """

    name: str
    level: Level
    finding: str
    fix: str | None = None


def passed(name: str, finding: str) -> Check:
    """Return a finding that is fine."""
    return Check(name, Level.OK, finding)


def warned(name: str, finding: str, fix: str) -> Check:
    """Return a finding that works but deserves attention."""
    return Check(name, Level.WARNING, finding, fix)


def failed(name: str, finding: str, fix: str) -> Check:
    """Return a finding that keeps the stack from working."""
    return Check(name, Level.ERROR, finding, fix)
