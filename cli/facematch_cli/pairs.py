"""Pairs of photo files: from a folder with one sub-folder a pair, or from a manifest in CSV."""

import csv
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from facematch.domain.verdict import Role
from facematch_cli.errors import CommandError, ExitCode

MANIFEST_COLUMNS: Final = ("pair_id", "source", "target")


@dataclass(frozen=True, slots=True)
class PairFiles:
    """The photo files of a pair, as far as there are any; `region` is as the user wrote it.

    `flaw` is a sentence that says why the pair can't be used, where it can't.
    """

    pair_id: str
    region: str | None
    files: Mapping[Role, Path]
    flaw: str | None = None


def read_pairs(path: Path) -> Iterator[PairFiles]:
    """Yield the pairs of a folder or of a manifest one by one; nothing of them is kept.

    Raises
    ------
    CommandError
        There is no such folder or manifest, or it can't be read.
    """
    if path.is_dir():
        return _read_folder(path)
    if path.is_file():
        return _read_manifest(path)
    raise CommandError(f"There is no folder and no manifest {path}.", ExitCode.REFUSED)


def _read_folder(folder: Path) -> Iterator[PairFiles]:
    # `Path.iterdir` makes a list of all names first.
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir() and not entry.name.startswith("."):
                yield _read_pair_folder(Path(entry.path))


def _read_pair_folder(folder: Path) -> PairFiles:
    found: dict[Role, list[Path]] = {role: [] for role in Role}
    for file in folder.iterdir():
        if file.stem in set(Role):
            found[Role(file.stem)].append(file)
    files = {role: candidates[0] for role, candidates in found.items() if candidates}
    twice = [role.value for role, candidates in found.items() if len(candidates) > 1]
    flaw = f"There is more than one {' and '.join(twice)} photo." if twice else None
    return PairFiles(folder.name, None, files, flaw)


def _read_manifest(path: Path) -> Iterator[PairFiles]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            missing = [name for name in MANIFEST_COLUMNS if name not in (rows.fieldnames or ())]
            if missing:
                raise CommandError(
                    f"The manifest {path} lacks the column {missing[0]}: its first line names pair_id, "
                    "source, target and, if you like, region.",
                    ExitCode.REFUSED,
                )
            for row in rows:
                yield _read_row(row, path.parent)
    except (csv.Error, UnicodeDecodeError) as error:
        raise CommandError(f"The manifest {path} is not CSV in UTF-8 ({error}).", ExitCode.REFUSED) from None


def _read_row(row: Mapping[str, str | None], folder: Path) -> PairFiles:
    files = {role: folder / name for role in Role if (name := (row[role] or "").strip())}
    return PairFiles((row["pair_id"] or "").strip(), (row.get("region") or "").strip() or None, files)
