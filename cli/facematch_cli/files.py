"""Photo files on this machine."""

from pathlib import Path

from facematch.domain.errors import InvalidInputError


def read_photo(path: Path, size_limit_bytes: int) -> bytes:
    """Return a file's bytes, at the most one more than `size_limit_bytes` of them.

    Raises
    ------
    InvalidInputError
        `unreadable_file`: it is not there, or can't be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(size_limit_bytes + 1)
    except OSError as error:
        raise InvalidInputError(
            "unreadable_file", f"The file {path} can't be read: {error.strerror}.", field=str(path)
        ) from None
