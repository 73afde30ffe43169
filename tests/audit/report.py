"""What the proofs looked at and found, for the end of the run."""

from collections.abc import Iterable

REPORTS: dict[str, list[str]] = {}


def add_to_report(title: str, lines: Iterable[str]) -> None:
    """Have lines printed under a title once the tests are over."""
    REPORTS.setdefault(title, []).extend(lines)
