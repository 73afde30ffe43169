"""Pairs of photo files: from a folder with one sub-folder per pair, or from a manifest in CSV."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Final

from facematch.domain.verdict import Role
from facematch_cli.manifest import read_rows
from facematch_client.errors import CommandError, ExitCode
from facematch_client.text import clean

DEFAULT_NAMES: Final[Mapping[Role, str]] = {role: role.value for role in Role}
_PHOTO_FORMATS: Final = "jpg jpeg jfif png webp avif gif bmp tif tiff heic heif jp2 j2k"
_NAMED: Final = 5
"""How many of the files found are named in a message."""


@dataclass(frozen=True, slots=True)
class PairFiles:
    """The photo files of a pair, as far as there are any; `region` is as the user wrote it.

    `line` is where a manifest names the pair. `missing_hint` is a sentence that says why a photo is missing.
    `problem` is a sentence that says why the pair can't be used.
    """

    pair_id: str
    region: str | None
    files: Mapping[Role, Path]
    line: int | None = None
    missing_hint: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class PairSource:
    """Where pairs are read from: a folder or a manifest.

    `names` are how the photos in a pair's folder are called, without extension. `encoding` is the manifest's.
    """

    path: Path
    names: Mapping[Role, str] = field(default_factory=lambda: DEFAULT_NAMES)
    encoding: str | None = None

    def read(self) -> Iterator[PairFiles]:
        """Yield the pairs one by one, in the manifest's order or in that of the folders' names.

        Raises
        ------
        CommandError
            There is no such folder or manifest, or it can't be read.
        """
        if self.path.is_dir():
            return self._read_folder()
        if self.path.is_file():
            return self._read_manifest()
        raise CommandError(f"There is no folder or manifest {self.path}.", ExitCode.REFUSED)

    def describe_ignored_photos(self) -> str:
        """Return a sentence about photos that are in no pair's folder, empty if there are none."""
        if not self.path.is_dir():
            return ""
        formats = frozenset(_PHOTO_FORMATS.split())
        loose = sorted(
            entry.name
            for entry in self.path.iterdir()
            if entry.suffix.casefold().lstrip(".") in formats and _is_visible(entry) and entry.is_file()
        )
        if not loose:
            return ""
        return (
            f"{len(loose)} photo{'s' if len(loose) > 1 else ''} outside any pair's folder ignored: "
            f"{_list_names(loose)}. Put each pair into a folder of its own."
        )

    def _read_folder(self) -> Iterator[PairFiles]:
        for folder in sorted(self.path.iterdir()):
            if folder.is_dir() and _is_visible(folder):
                yield self._read_pair(folder)

    def _read_pair(self, folder: Path) -> PairFiles:
        entries = sorted(entry for entry in folder.iterdir() if _is_visible(entry))
        found = {
            role: [entry for entry in entries if entry.stem.casefold() == name.casefold()]
            for role, name in self.names.items()
        }
        files = {role: candidates[0] for role, candidates in found.items() if candidates}
        twice = [entry.name for candidates in found.values() if len(candidates) > 1 for entry in candidates]
        problem = f"The folder has more than one photo of a role: {_list_names(twice)}." if twice else None
        return PairFiles(
            folder.name, None, files, missing_hint=self._explain_missing(folder, entries), problem=problem
        )

    def _explain_missing(self, folder: Path, entries: list[Path]) -> str:
        holds = _list_names([entry.name for entry in entries]) if entries else "nothing"
        expected = " and ".join(f"{name}.*" for name in self.names.values())
        return (
            f"The folder {clean(folder.name)} needs {expected}; it has {holds}. "
            "If the photos have other names, give them with --source-name and --target-name."
        )

    def _read_manifest(self) -> Iterator[PairFiles]:
        folder = self.path.parent
        for row in read_rows(self.path, self.encoding):
            named = {Role.SOURCE: row.source, Role.TARGET: row.target}
            files = {role: folder / name for role, name in named.items() if name}
            yield PairFiles(
                row.pair_id,
                row.region or None,
                files,
                row.line,
                missing_hint="The manifest names no file for it.",
            )


def _is_visible(path: Path) -> bool:
    return not path.name.startswith(".")


def _list_names(names: list[str]) -> str:
    listed = ", ".join(clean(name) for name in islice(names, _NAMED))
    return listed if len(names) <= _NAMED else f"{listed} and {len(names) - _NAMED} more"
