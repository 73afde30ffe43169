"""The error of this package: a photo cannot be used."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from PIL.Image import DecompressionBombError

_DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, RuntimeError, MemoryError),
    *(ArithmeticError, IndexError, struct.error),
)
"""The errors that Pillow, libheif and libavif raise for damaged, incomplete or malicious files."""


class PhotoErrorCode(StrEnum):
    """Why a photo cannot be used. The values are stable: they appear in results and logs."""

    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    UNREADABLE = "unreadable"
    """The file is damaged or cut off."""
    TOO_SMALL = "too_small"
    """Too few pixels, or so long and narrow that a side becomes too short."""
    TOO_MANY_PIXELS = "too_many_pixels"
    FILE_TOO_LARGE = "file_too_large"
    INCOMPRESSIBLE = "incompressible"
    """The normalised photo is too large at any accepted quality."""


class PhotoError(Exception):
    """
    A photo that cannot be used.

    Attributes
    ----------
    code
        The stable reason.
    message
        A sentence for a person. It contains numbers and format names, never content of the photo.
    """

    def __init__(self, code: PhotoErrorCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


def refuse_format(kind: str) -> PhotoError:
    """Return the error for a valid file of an unsupported kind. The message names the kind."""
    return PhotoError(
        PhotoErrorCode.UNSUPPORTED_FORMAT,
        f"The file's format, {kind}, is not supported. Save the photo as JPEG or PNG.",
    )


def refuse_damaged(source_format: str) -> PhotoError:
    """Return the error for a file whose pixels cannot be decoded."""
    return PhotoError(
        PhotoErrorCode.UNREADABLE,
        f"The file begins as {source_format}, but it is damaged or cut off.",
    )


@contextmanager
def decoding(source_format: str) -> Iterator[None]:
    """
    Raise the decoders' errors about bad files as `PhotoError`, with the original error as its cause.

    All other errors are bugs and are raised unchanged.
    """
    try:
        yield
    except DecompressionBombError as error:
        raise PhotoError(
            PhotoErrorCode.TOO_MANY_PIXELS,
            f"The {source_format} photo has more pixels than its decoder accepts.",
        ) from error
    except _DAMAGE as error:
        raise refuse_damaged(source_format) from error
