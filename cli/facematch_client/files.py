"""Photo files on this machine."""

import stat
from pathlib import Path

from facematch.domain.errors import InvalidInputError
from facematch.domain.reasons import Reason


def read_photo(path: Path, size_limit_bytes: int) -> bytes:
    """Return a file's bytes.

    Raises
    ------
    InvalidInputError
        `unreadable_file`: the file does not exist or cannot be read. `file_too_large`: it exceeds the limit.
    """
    try:
        with path.open("rb") as file:
            status = path.stat()
            # The size of a pipe is unknown until it is read.
            size_bytes = status.st_size if stat.S_ISREG(status.st_mode) else None
            if size_bytes is not None and size_bytes > size_limit_bytes:
                raise _make_size_error(path, size_limit_bytes, size_bytes)
            content = file.read(size_limit_bytes + 1)
    except OSError as error:
        raise InvalidInputError(
            "unreadable_file", f"Cannot read the file {path}: {error.strerror}.", field=str(path)
        ) from None
    if len(content) > size_limit_bytes:
        raise _make_size_error(path, size_limit_bytes, None)
    return content


def explain_too_large(
    size_limit_bytes: int, size_bytes: int | None = None, *, path: Path | None = None
) -> str:
    """Return why a photo is too large. `size_bytes` is its size, None if unknown."""
    file = f"The file {path}" if path else "The file"
    size = f"more than {size_limit_bytes:,}" if size_bytes is None else f"{size_bytes:,}"
    return f"{file} has {size} bytes. The limit is {size_limit_bytes:,} bytes."


def _make_size_error(path: Path, size_limit_bytes: int, size_bytes: int | None) -> InvalidInputError:
    message = explain_too_large(size_limit_bytes, size_bytes, path=path)
    return InvalidInputError(Reason.FILE_TOO_LARGE, message, field=str(path))
