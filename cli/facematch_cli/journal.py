"""What a submission has uploaded, in an append-only file, so that a later run continues where one stopped.

One line of JSON per submitted pair. Each is written by one call, after its photos are in the bucket: if the
process dies no line is lost, if the machine dies perhaps the last ones. Those pairs are uploaded once more.
They are not billed once more, since the same bytes are the same comparison.
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
    """Tells whether a pair's photos are the ones that were submitted.

    `digest` is of the photos' bytes. `stamp` is of what the file system says of the files: while it is the
    same the files need not be read.
    """

    digest: str
    stamp: str


def digest_photos(photos: Mapping[Role, bytes]) -> str:
    """Return a digest of the bytes of a pair's photos."""
    whole = hashlib.sha256()
    for role in Role:
        whole.update(hashlib.sha256(photos[role]).digest())
    return whole.hexdigest()[:32]


def stamp_files(files: Mapping[Role, Path]) -> str | None:
    """Return what the file system says of a pair's files, None if a file is missing."""
    try:
        statuses = [files[role].stat() for role in Role]
    except (KeyError, OSError):
        return None
    facts = [(one.st_dev, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for one in statuses]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


@dataclass(slots=True)
class Journal:
    """An open journal; `done` is what it held when it was opened: pairs and the photos submitted for them."""

    _file: IO[bytes]
    done: Mapping[str, Fingerprint] = field(default_factory=dict)

    def note(self, key: str, fingerprint: Fingerprint, etags: Mapping[Role, str]) -> None:
        """Write down that a pair is submitted, with the ETags that the bucket gave its photos."""
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
    """Open the journal of a submission to a stack, for this process alone; `again` empties it first.

    Raises
    ------
    CommandError
        Another process has it, it is of another stack, or it is no journal.
    """
    with path.open("a+b", buffering=0) as file:
        _lock(file, path)
        if again:
            file.truncate(0)
        _cut_torn_line(file)
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
    """Return the ETags of the photos that were submitted last for each pair; none if there is no journal.

    Raises
    ------
    CommandError
        It is the journal of another stack, or no journal.
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
            f"Another submit is using the journal {path}: wait for it, or name another with --journal.",
            ExitCode.REFUSED,
        ) from None


def _cut_torn_line(file: IO[bytes]) -> None:
    """Drop a last line that was not written to its end."""
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
            f"The file {path} is not a journal of submit: name another with --journal.", ExitCode.REFUSED
        )
    if header.get("stack") != stack_id:
        raise CommandError(
            f"The journal {path} is of another stack or of a deleted one: submit everything with --again, or "
            "name another journal with --journal.",
            ExitCode.REFUSED,
        )


def _read_done(file: IO[bytes], path: Path) -> dict[str, Fingerprint]:
    with os.fdopen(os.dup(file.fileno()), "rb") as buffered:
        buffered.seek(file.tell())
        lines = _read_lines(buffered, path)
        return {line["pair"]: Fingerprint(line["digest"], line["stamp"]) for line in lines}


def _read_lines(file: IO[bytes], path: Path) -> Iterator[dict[str, Any]]:
    for line in file:
        # One that is still being written has no end.
        if not line.endswith(b"\n"):
            return
        try:
            record = json.loads(line)
            yield {name: record[name] for name in ("pair", "digest", "stamp", "etags")}
        except (ValueError, KeyError, TypeError):
            raise CommandError(
                f"The journal {path} is damaged: submit everything with --again. No pair is billed twice.",
                ExitCode.REFUSED,
            ) from None


def _encode(record: Mapping[str, object]) -> bytes:
    return f"{json.dumps(record, ensure_ascii=False)}\n".encode()
