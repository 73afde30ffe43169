"""What of a submission is done, in an append-only file, so that a later run goes on where one stopped.

One line of JSON a submitted pair. Each is written by one call, after its photos are in the bucket: a process
that dies loses no line, a machine that dies perhaps the last ones. Their pairs are then uploaded once more,
and not paid for once more, since the same bytes are the same comparison.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from facematch_cli.errors import CommandError, ExitCode

_KIND: Final = "facematch submit"


@dataclass(slots=True)
class Journal:
    """An open journal, with the keys of the pairs that it names as submitted when it was opened."""

    done: frozenset[str]
    _file: IO[bytes]

    def note(self, key: str) -> None:
        """Write down that a pair is submitted."""
        self._file.write(_encode({"pair": key}))


@contextmanager
def open_journal(path: Path, stack_id: str, *, again: bool = False) -> Iterator[Journal]:
    """Have the journal of a submission to a stack, for this process alone; `again` forgets what it holds.

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
            yield Journal(_read_done(file, path), file)
        finally:
            os.fsync(file.fileno())


def _lock(file: IO[bytes], path: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CommandError(
            f"Another submit is at work on this: wait for it, or name another journal than {path}.",
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
            f"The file {path} is no journal of submit: name another with --journal.", ExitCode.REFUSED
        )
    if header.get("stack") != stack_id:
        raise CommandError(
            f"The journal {path} is of another stack, or of one that is gone: submit everything anew with "
            "--again, or name another with --journal.",
            ExitCode.REFUSED,
        )


def _read_done(file: IO[bytes], path: Path) -> frozenset[str]:
    try:
        return frozenset(json.loads(line)["pair"] for line in _read_lines(file))
    except (ValueError, KeyError, TypeError):
        raise CommandError(
            f"The journal {path} is damaged: submit everything anew with --again; no pair is paid for twice.",
            ExitCode.REFUSED,
        ) from None


def _read_lines(file: IO[bytes]) -> Iterator[bytes]:
    with os.fdopen(os.dup(file.fileno()), "rb") as buffered:
        buffered.seek(file.tell())
        yield from buffered


def _encode(record: dict[str, str]) -> bytes:
    return f"{json.dumps(record, ensure_ascii=False)}\n".encode()
