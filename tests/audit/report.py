"""The reports that are printed at the end of the audit."""

from collections.abc import Iterable

REPORTS: dict[str, list[str]] = {}


def add_to_report(title: str, lines: Iterable[str]) -> None:
    """Add lines to the report with this title."""
    REPORTS.setdefault(title, []).extend(lines)
