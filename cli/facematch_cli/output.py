"""The output of the command: results on stdout, as text or JSON; progress and notes on stderr."""

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
"""The width if the output is not a terminal."""
_STYLES: Final = {
    "match": "bold green",
    "no_match": "bold yellow",
    "review": "bold cyan",
    "photo_rejected": "bold red",
    "failed": "bold red",
}


@dataclass(frozen=True, slots=True)
class Output:
    """The output of a run: results, progress and notes."""

    as_json: bool
    results: Console
    notes: Console

    def print_document(self, document: object) -> None:
        """Print a result as indented JSON."""
        self._write(json.dumps(document, indent=2, ensure_ascii=False))

    def print_line(self, document: object) -> None:
        """Print one of several results as a line of JSON."""
        self._write(json.dumps(document, ensure_ascii=False))

    def print(self, *renderables: RenderableType) -> None:
        """Print a result as text."""
        self.results.print(*renderables)

    def note(self, text: str) -> None:
        """Print a note to stderr."""
        self.notes.print(Text(text, style="dim"))

    def flush(self) -> None:
        """Flush stdout."""
        self.results.file.flush()

    def _write(self, text: str) -> None:
        self.results.file.write(f"{text}\n")
        self.flush()


def make_output(*, as_json: bool) -> Output:
    """Return the output of this process."""
    return Output(as_json, _make_console(stderr=False), _make_console(stderr=True))


def _make_console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _PIPE_WIDTH
    # The output contains data from outside, so markup is off.
    return Console(stderr=stderr, width=width, markup=False, emoji=False, highlight=False)


def style_verdict(decision: str) -> Text:
    """Return a verdict in its colour."""
    return Text(clean(decision), style=_STYLES.get(decision, ""))


def make_table(*headings: str, right: Iterable[str] = ()) -> Table:
    """Return an empty table. Columns named in `right` contain numbers."""
    figures = set(right)
    table = Table(box=box.SIMPLE_HEAD, header_style="bold", show_edge=False, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right" if heading in figures else "left", overflow="fold")
    return table


def make_facts(facts: Mapping[str, RenderableType | None]) -> Table:
    """Return facts in two columns, without those that are None."""
    table = Table.grid(padding=(0, 3))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, fact in facts.items():
        if fact is not None:
            table.add_row(name, fact)
    return table


def summarise_photo(report: Mapping[str, Any]) -> str:
    """Return the changes of a photo from its report, in one line."""
    if report.get("url"):
        return "fetched by the provider from a URL"
    before = f"{report['source_width']}x{report['source_height']} {report['source_format']}"
    if report["untouched"]:
        return f"{before}, {report['size_bytes'] / 1000:.0f} KB, sent unchanged"
    turned = "" if report["orientation"] == 1 else f" (EXIF orientation {report['orientation']})"
    sizes = f"{report['source_size_bytes'] / 1000:.0f} KB to {report['size_bytes'] / 1000:.0f} KB"
    return f"{before}{turned} to {report['width']}x{report['height']} JPEG, {sizes}"
