"""The journal of a submission: an append-only file, so that a later run continues an interrupted one.

The journal has one line of JSON per submitted pair. Each line is written with one call, after the photos are
in the bucket. If the process dies, no line is lost. If the machine dies, the last lines may be lost, and
those pairs are uploaded again. They are not billed again, because the same bytes are the same comparison.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from facematch.domain.verdict import Role
from facematch_client.errors import CommandError, ExitCode

_KIND: Final = "facematch submit"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Identifies the photos of a pair, to detect changes.

    `digest` is a hash of the bytes. `stamp` is a hash of the file status, such as size and time. If the stamp
    is the same, the files are not read.
    """

    digest: str
    stamp: str


def digest_photos(photos: Mapping[Role, bytes]) -> str:
    """Return a digest of the bytes of a pair's photos."""
    digest = hashlib.sha256()
    for role in Role:
        digest.update(hashlib.sha256(photos[role]).digest())
    return digest.hexdigest()[:32]


def stamp_files(files: Mapping[Role, Path]) -> str | None:
    """Return a hash of the status of a pair's files, None if a file is missing."""
    try:
        statuses = [files[role].stat() for role in Role]
    except (KeyError, OSError):
        return None
    facts = [
        (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        for status in statuses
    ]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


@dataclass(slots=True)
class Journal:
    """An open journal. `done` has the pairs that it contained when it was opened, with their photos."""

    _file: IO[bytes]
    done: Mapping[str, Fingerprint] = field(default_factory=dict)

    def record(self, key: str, fingerprint: Fingerprint, etags: Mapping[Role, str]) -> None:
        """Record a submitted pair, with the ETags of its photos."""
        self._file.write(
            _encode(
                {
                    "pair": key,
                    "digest": fingerprint.digest,
                    "stamp": fingerprint.stamp,
                    "etags": {role.value: etag for role, etag in etags.items()},
                }
            )
        )


@contextmanager
def open_journal(path: Path, stack_id: str, *, again: bool = False) -> Iterator[Journal]:
    """Open the journal of a submission, locked for this process. `again` empties it first.

    Raises
    ------
    CommandError
        Another process has locked it, it belongs to another stack, or it is not a journal.
    """
    with path.open("a+b", buffering=0) as file:
        _lock(file, path)
        if again:
            file.truncate(0)
        _remove_partial_line(file)
        file.seek(0)
        if os.fstat(file.fileno()).st_size == 0:
            file.write(_encode({"journal": _KIND, "stack": stack_id}))
        else:
            _check_header(file.readline(), path, stack_id)
        try:
            yield Journal(file, _read_done(file, path))
        finally:
            os.fsync(file.fileno())


def read_etags(path: Path, stack_id: str) -> dict[str, dict[Role, str]]:
    """Return the ETags of the last submitted photos of each pair, none if there is no journal.

    Raises
    ------
    CommandError
        It belongs to another stack, or it is not a journal.
    """
    if not path.exists():
        return {}
    with path.open("rb") as file:
        _check_header(file.readline(), path, stack_id)
        return {
            line["pair"]: {Role(role): etag for role, etag in line["etags"].items()}
            for line in _read_lines(file, path)
        }


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CommandError(
            f"Another submit is using the journal {path}. Wait for it, or name another with --journal.",
            ExitCode.REFUSED,
        ) from None


def _remove_partial_line(file: IO[bytes]) -> None:
    """Remove the last line if it was not written completely."""
    size = file.seek(0, os.SEEK_END)
    tail_start = max(size - 65_536, 0)
    file.seek(tail_start)
    tail = file.read()
    if tail and not tail.endswith(b"\n"):
        file.truncate(tail_start + tail.rfind(b"\n") + 1)


def _check_header(line: bytes, path: Path, stack_id: str) -> None:
    try:
        header = json.loads(line)
    except ValueError:
        header = None
    if not isinstance(header, dict) or header.get("journal") != _KIND:
        raise CommandError(
            f"The file {path} is not a journal of submit. Name another with --journal.", ExitCode.REFUSED
        )
    if header.get("stack") != stack_id:
        raise CommandError(
            f"The journal {path} belongs to another stack or to a deleted one. Submit everything with "
            "--again, or name another journal with --journal.",
            ExitCode.REFUSED,
        )


def _read_done(file: IO[bytes], path: Path) -> dict[str, Fingerprint]:
    with os.fdopen(os.dup(file.fileno()), "rb") as buffered:
        buffered.seek(file.tell())
        lines = _read_lines(buffered, path)
        return {line["pair"]: Fingerprint(line["digest"], line["stamp"]) for line in lines}


def _read_lines(file: IO[bytes], path: Path) -> Iterator[dict[str, Any]]:
    for line in file:
        # The last line may still be in writing.
        if not line.endswith(b"\n"):
            return
        try:
            record = json.loads(line)
            yield {name: record[name] for name in ("pair", "digest", "stamp", "etags")}
        except (ValueError, KeyError, TypeError):
            raise CommandError(
                f"The journal {path} is damaged. Submit everything with --again. No pair is billed twice.",
                ExitCode.REFUSED,
            ) from None


def _encode(record: Mapping[str, object]) -> bytes:
    return f"{json.dumps(record, ensure_ascii=False)}\n".encode()
