"""A self-contained HTML page that shows photos before and after."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from facematch_client.faces import Drawing
from facematch_client.labels import WARNINGS
from facematch_client.page import load_template, shrink_photo
from facematch_client.photo_summary import describe_changes, read_header

_TEMPLATE: Final = Path(__file__).with_name("sheet.html")


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetEntry:
    """A photo: `after` and `report` if it was accepted, otherwise the reason in `refusal`.

    `crop` is drawn over the photo before, `faces` over the photo after.
    """

    name: str
    before: bytes
    after: bytes | None = None
    report: Mapping[str, Any] | None = None
    refusal: str | None = None
    warnings: Sequence[str] = ()
    crop: Drawing | None = None
    faces: Drawing | None = None


def render_sheet(entries: Sequence[SheetEntry]) -> str:
    """Return the sheet as HTML."""
    return load_template(_TEMPLATE).render(photos=[_describe(entry) for entry in entries])


def _describe(entry: SheetEntry) -> dict[str, Any]:
    facts = read_header(entry.before)
    return {
        "entry": entry,
        "before": shrink_photo(entry.before),
        "after": shrink_photo(entry.after or b""),
        "orientation_text": "as received" if entry.refusal else facts.orientation_text,
        "warnings": [WARNINGS[warning] for warning in entry.warnings],
        "changes": describe_changes(entry.report or {}, facts),
    }
