"""Reads a manifest of pairs: a CSV file from a spreadsheet, with any usual delimiter."""

import codecs
import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Final

from facematch_client.errors import CommandError, ExitCode
from facematch_client.text import clean

MANIFEST_COLUMNS: Final = ("pair_id", "source", "target")
_REGION: Final = "region"
_KEYS: Final = {name.replace("_", ""): name for name in (*MANIFEST_COLUMNS, _REGION)}
"""The columns by their simplified names, without case, spaces and punctuation: `Pair ID` is `pair_id`."""
_DELIMITERS: Final = (",", ";", "\t", "|")
_BYTE_ORDER_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""The first bytes of spreadsheet files: an archive (XLSX, ODS), and a compound file (XLS)."""
_OTHER_ENCODINGS: Final = ("gbk", "big5", "windows-1252")
"""Encodings other than UTF that spreadsheets use. A program cannot distinguish them."""
_PREVIEW_LENGTH: Final = 40
_HEAD_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class Row:
    """A row: its first line, counted from 1, and its values. A missing value is empty."""

    line: int
    pair_id: str
    source: str
    target: str
    region: str


def read_rows(path: Path, encoding: str | None = None) -> Iterator[Row]:
    """Yield the rows of a manifest.

    Parameters
    ----------
    encoding
        The encoding of the file. Default: detected from the first bytes, otherwise UTF-8.

    Raises
    ------
    CommandError
        The file is not a manifest, or has another encoding.
    """
    encoding = encoding or _detect_encoding(path)
    try:
        with path.open(encoding=encoding, newline="") as file:
            yield from _read_rows(path, file)
    except UnicodeError:
        raise CommandError(_explain_encoding(path, encoding), ExitCode.REFUSED) from None
    except csv.Error as error:
        raise CommandError(f"The manifest {path} is not valid CSV: {error}.", ExitCode.REFUSED) from None


def _read_rows(path: Path, file: Iterable[str]) -> Iterator[Row]:
    lines = iter(file)
    head = list(islice(lines, 2))
    # Excel may write the delimiter on a separate first line.
    skipped = 1 if head and head[0].strip().casefold().startswith("sep=") else 0
    header = head[skipped] if len(head) > skipped else ""
    delimiter = max(_DELIMITERS, key=lambda candidate: len(_find_columns(header, candidate)))
    columns = _find_columns(header, delimiter)
    _check_columns(path, header, columns, delimiter)
    rows = csv.reader(chain(head[skipped + 1 :], lines), delimiter=delimiter, strict=True)
    for values in rows:
        if not values:
            continue
        # `line_num` is the last line of the row.
        ends_on = skipped + 1 + rows.line_num
        found = {
            name: values[index].strip() if index < len(values) else "" for name, index in columns.items()
        }
        yield Row(
            line=ends_on - sum(value.count("\n") for value in values),
            pair_id=found["pair_id"],
            source=found["source"],
            target=found["target"],
            region=found.get(_REGION, ""),
        )


def _split_header(header: str, delimiter: str) -> list[str]:
    return next(csv.reader([header.strip("\r\n")], delimiter=delimiter), [])


def _find_columns(header: str, delimiter: str) -> dict[str, int]:
    names = [_KEYS.get(_simplify(name)) for name in _split_header(header, delimiter)]
    return {name: names.index(name) for name in names if name}


def _simplify(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _check_columns(path: Path, header: str, columns: dict[str, int], delimiter: str) -> None:
    names = [name for name in _split_header(header, delimiter) if name]
    missing = [name for name in MANIFEST_COLUMNS if name not in columns]
    if missing:
        found = f"its first line has {', '.join(clean(name) for name in names)}" if names else "it is empty"
        raise CommandError(
            f"The manifest {path} lacks the column {' and '.join(missing)}: {found}. "
            "A manifest needs the columns pair_id, source and target; region is optional.",
            ExitCode.REFUSED,
        )
    simple = [_KEYS.get(_simplify(name)) for name in names]
    repeated = next((name for name in columns if simple.count(name) > 1), None)
    if repeated:
        raise CommandError(f"The manifest {path} has the column {repeated} twice.", ExitCode.REFUSED)


def _detect_encoding(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(_WORKBOOKS):
        raise CommandError(
            f"The file {path} is a workbook of a spreadsheet program, not CSV. Save it as CSV UTF-8.",
            ExitCode.REFUSED,
        )
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if head.startswith(mark):
            return encoding
    # In UTF-16 each Latin letter has a zero byte. Text in other encodings has none.
    if b"\0" in head[1::2]:
        return "utf-16-le"
    return "utf-16-be" if b"\0" in head[::2] else "utf-8"


def _explain_encoding(path: Path, encoding: str) -> str:
    if not encoding.startswith("utf-8"):
        return f"Cannot read the manifest {path} as {encoding}. Save it as UTF-8, or name its encoding."
    with path.open("rb") as file:
        number, line = next((number, line) for number, line in enumerate(file, 1) if not _is_utf_8(line))
    readings = [
        f"--encoding {other} (line {number} reads {clean(text.strip())[:_PREVIEW_LENGTH]!r})"
        for other in _OTHER_ENCODINGS
        if (text := _decode(line, other)) is not None
    ]
    choice = f" Or choose the encoding that reads correctly: {', '.join(readings)}." if readings else ""
    return f"The manifest {path} is not UTF-8 (line {number}). Save it as UTF-8.{choice}"


def _is_utf_8(line: bytes) -> bool:
    return _decode(line, "utf-8") is not None


def _decode(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None
