"""Reads pairs of photo files from a folder with one subfolder per pair, or from a CSV manifest."""

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
"""The number of files that a message names."""


@dataclass(frozen=True, slots=True)
class PairFiles:
    """The photo files of a pair. A photo may be missing. `region` is the user's text.

    `line` is the pair's line in a manifest. `missing_hint` is a sentence for a missing photo. `problem` is a
    sentence that says why the pair cannot be used.
    """

    pair_id: str
    region: str | None
    files: Mapping[Role, Path]
    line: int | None = None
    missing_hint: str = ""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class PairSource:
    """A folder or manifest with pairs.

    `names` are the names of the photos in a pair's folder, without extension. `encoding` is the manifest's.
    """

    path: Path
    names: Mapping[Role, str] = field(default_factory=lambda: DEFAULT_NAMES)
    encoding: str | None = None

    def read(self) -> Iterator[PairFiles]:
        """Yield the pairs, in the order of the manifest or of the folder names.

        Raises
        ------
        CommandError
            The folder or manifest does not exist, or cannot be read.
        """
        if self.path.is_dir():
            return self._read_folder()
        if self.path.is_file():
            return self._read_manifest()
        raise CommandError(f"There is no folder or manifest {self.path}.", ExitCode.REFUSED)

    def describe_ignored_photos(self) -> str:
        """Return a sentence about photos outside the pairs' folders, empty if there are none."""
        if not self.path.is_dir():
            return ""
        formats = frozenset(_PHOTO_FORMATS.split())
        ignored = sorted(
            entry.name
            for entry in self.path.iterdir()
            if entry.suffix.casefold().lstrip(".") in formats and _is_visible(entry) and entry.is_file()
        )
        if not ignored:
            return ""
        return (
            f"{len(ignored)} photo{'s' if len(ignored) > 1 else ''} outside the pairs' folders ignored: "
            f"{_list_names(ignored)}. Put each pair into its own folder."
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
        duplicates = [
            entry.name for candidates in found.values() if len(candidates) > 1 for entry in candidates
        ]
        problem = (
            f"The folder has more than one photo with the same name: {_list_names(duplicates)}."
            if duplicates
            else None
        )
        return PairFiles(
            folder.name, None, files, missing_hint=self._explain_missing(folder, entries), problem=problem
        )

    def _explain_missing(self, folder: Path, entries: list[Path]) -> str:
        content = _list_names([entry.name for entry in entries]) if entries else "nothing"
        expected = " and ".join(f"{name}.*" for name in self.names.values())
        return (
            f"The folder {clean(folder.name)} needs {expected}; it has {content}. "
            "For other names use --source-name and --target-name."
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
                missing_hint="The manifest does not name its file.",
            )


def _is_visible(path: Path) -> bool:
    return not path.name.startswith(".")


def _list_names(names: list[str]) -> str:
    listed = ", ".join(clean(name) for name in islice(names, _NAMED))
    return listed if len(names) <= _NAMED else f"{listed} and {len(names) - _NAMED} more"
