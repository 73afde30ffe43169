"""What the command prints: answers on stdout, for a person or as JSON; progress and notes on stderr."""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich import box
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from facematch_client.text import clean

_PIPE_WIDTH: Final = 140
"""Columns where nobody's window says how many there are."""
_STYLES: Final = {
    "match": "bold green",
    "no_match": "bold yellow",
    "review": "bold cyan",
    "photo_rejected": "bold red",
    "failed": "bold red",
}


@dataclass(frozen=True, slots=True)
class Output:
    """Where answers, progress and notes go."""

    as_json: bool
    answers: Console
    notes: Console

    def print_document(self, document: object) -> None:
        """Print an answer as indented JSON."""
        self._write(json.dumps(document, indent=2, ensure_ascii=False))

    def print_line(self, document: object) -> None:
        """Print one of several answers as a line of JSON."""
        self._write(json.dumps(document, ensure_ascii=False))

    def print(self, *renderables: RenderableType) -> None:
        """Print an answer for a person."""
        self.answers.print(*renderables)

    def note(self, text: str) -> None:
        """Print a sentence beside the answer."""
        self.notes.print(Text(text, style="dim"))

    def flush(self) -> None:
        """Return once all that was printed has left this process."""
        self.answers.file.flush()

    def _write(self, text: str) -> None:
        self.answers.file.write(f"{text}\n")
        self.flush()


def make_output(*, as_json: bool) -> Output:
    """Return the output of this process."""
    return Output(as_json, _make_console(stderr=False), _make_console(stderr=True))


def _make_console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    # Nothing of what is shown was written by us alone, so none of it is read as markup.
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def style_verdict(decision: str) -> Text:
    """Return a verdict in its colour."""
    return Text(clean(decision), style=_STYLES.get(decision, ""))


def make_table(*headings: str, right: Iterable[str] = ()) -> Table:
    """Return an empty table; columns named in `right` hold figures."""
    figures = set(right)
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in figures else "left", overflow="fold")
    return table


def make_facts(facts: Mapping[str, RenderableType | None]) -> Table:
    """Return facts in two columns; those that are None are left out."""
    table = Table.grid(padding=(0, 3))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        if fact is not None:
            table.add_row(name, fact)
    return table


def summarise_photo(report: Mapping[str, Any]) -> str:
    """Return in one line what was done to a photo, by its report."""
    if report.get("url"):
        return "fetched by the provider itself"
    before = f"{report['source_width']}x{report['source_height']} {report['source_format']}"
    if report["untouched"]:
        return f"{before}, {report['size_bytes'] / 1000:.0f} KB, sent as it came"
    turned = "" if report["orientation"] == 1 else f" (EXIF orientation {report['orientation']})"
    sizes = f"{report['source_size_bytes'] / 1000:.0f} KB to {report['size_bytes'] / 1000:.0f} KB"
    return f"{before}{turned} to {report['width']}x{report['height']} JPEG, {sizes}"
