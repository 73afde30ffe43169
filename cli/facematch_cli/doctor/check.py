"""The result of one check."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """The severity of a finding."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Check:
    """The result of a check. `fix` is a sentence that says how to repair it, None if it passed.

    `name` is stable, for programs. The part before the dot names the part of the stack.
    """

    name: str
    level: Level
    finding: str
    fix: str | None = None


def passed(name: str, finding: str) -> Check:
    """Return a check that passed."""
    return Check(name, Level.OK, finding)


def warned(name: str, finding: str, fix: str) -> Check:
    """Return a check that passed but needs attention."""
    return Check(name, Level.WARNING, finding, fix)


def failed(name: str, finding: str, fix: str) -> Check:
    """Return a check that failed: the stack does not work."""
    return Check(name, Level.ERROR, finding, fix)
