"""The one error of this package: a photo that cannot be used, and why."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from PIL.Image import DecompressionBombError

_DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, RuntimeError, MemoryError),
    *(ArithmeticError, IndexError, struct.error),
)
"""What Pillow, libheif and libavif raise for files that are damaged, cut off, or made to break them."""


class PhotoErrorCode(StrEnum):
    """Why a photo cannot be used. The values are stable: they travel in results and logs."""

    EMPTY = "empty"
    NOT_AN_IMAGE = "not_an_image"
    UNSUPPORTED_FORMAT = "unsupported_format"
    UNREADABLE = "unreadable"
    """Damaged or cut off: what is there does not decode to a whole picture."""
    TOO_SMALL = "too_small"
    """Too few pixels on a side, or so long and narrow that it ends up so."""
    TOO_MANY_PIXELS = "too_many_pixels"
    FILE_TOO_LARGE = "file_too_large"
    """The file has too many bytes to be looked at."""
    INCOMPRESSIBLE = "incompressible"
    """The normalised photo does not fit the size limit at any acceptable quality."""


class PhotoError(Exception):
    """
    A photo that cannot be used.

    Attributes
    ----------
    code
        The stable reason.
    message
        A sentence for a person. It holds figures and format names, never anything from the photo.
    """

    def __init__(self, code: PhotoErrorCode, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message


def refuse_format(kind: str) -> PhotoError:
    """Make the error for a sound file of a kind that is not decoded; the sentence names the kind."""
    return PhotoError(
        PhotoErrorCode.UNSUPPORTED_FORMAT,
        f"The file's format, {kind}, is not supported. Save the photo as JPEG or PNG.",
    )


def refuse_damaged(source_format: str) -> PhotoError:
    """Make the error for a file whose pixels are not there."""
    return PhotoError(
        PhotoErrorCode.UNREADABLE,
        f"The file begins as {source_format}, but is damaged or cut off: it does not decode to a "
        "whole picture.",
    )


@contextmanager
def decoding(source_format: str) -> Iterator[None]:
    """
    Turn what decoders raise for bad files into a `PhotoError`; the decoder's own words stay in its cause.

    All other errors are bugs, and pass.
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
