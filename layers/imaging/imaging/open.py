"""Opens a photo and checks it before it is decoded."""

from dataclasses import dataclass, replace

from PIL.ImageFile import ImageFile

from imaging.contents import Contents
from imaging.errors import PhotoError, PhotoErrorCode, refuse_format
from imaging.formats import HEIC, JPEG, JPEG_2000, open_image, read_contents, recognise_format
from imaging.jpeg import has_too_many_scans, is_decoded_by_rows, repair_end
from imaging.jpeg_2000 import read_codestream
from imaging.limits import Limits

_HEAVY_PIXELS = 16_000_000
"""All formats except JPEG are decoded in full size: WebP takes 16 bytes per pixel, AVIF 9."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A photo whose header has been read."""

    data: bytes
    image: ImageFile
    format: str
    contents: Contents

    @property
    def is_heavy(self) -> bool:
        """Whether decoding two such photos at once may take more memory than a function has."""
        width, height = self.image.size
        return self.format != JPEG and width * height > _HEAVY_PIXELS


def open_photo(data: bytes, limits: Limits) -> Opened:
    """
    Open a photo, and check it before it is decoded.

    Raises
    ------
    PhotoError
        The photo must not or cannot be decoded.
    """
    _require_reasonable_file(data, limits)
    source_format = recognise_format(data)
    if source_format == HEIC and not limits.read_heic:
        raise refuse_format(HEIC)
    contents = read_contents(data, source_format)
    image = open_image(contents.pixels, source_format)
    _require_reasonable_pixels(image, source_format, data, limits)
    if source_format == JPEG_2000:
        _require_stated_size(image, contents.pixels)
    if source_format == JPEG:
        repaired = _require_complete_jpeg(image, contents.pixels)
        image = image if repaired is contents.pixels else open_image(repaired, JPEG)
        contents = replace(contents, pixels=repaired)
    return Opened(data, image, source_format, contents)


def _require_reasonable_file(data: bytes, limits: Limits) -> None:
    if not data:
        raise PhotoError(PhotoErrorCode.EMPTY, "The file is empty.")
    if len(data) > limits.max_source_size_bytes:
        raise PhotoError(
            PhotoErrorCode.FILE_TOO_LARGE,
            f"The file has {len(data)} bytes, and at most {limits.max_source_size_bytes} are accepted.",
        )


def _require_reasonable_pixels(image: ImageFile, source_format: str, data: bytes, limits: Limits) -> None:
    """Refuse a decompression bomb before any pixel is decoded."""
    width, height = image.size
    pixels, accepted = width * height, limits.max_source_pixels
    if pixels > accepted and source_format == JPEG and is_decoded_by_rows(data):
        accepted = limits.max_jpeg_pixels
    if pixels > accepted:
        raise PhotoError(
            PhotoErrorCode.TOO_MANY_PIXELS,
            f"The photo has {pixels} pixels ({width} x {height}), and at most {accepted} are accepted.",
        )


def _require_stated_size(image: ImageFile, pixels: bytes) -> None:
    """Refuse a JPEG 2000 whose codestream has another size than its header, which was checked."""
    codestream = read_codestream(pixels)
    if (codestream.width, codestream.height) != image.size:
        raise PhotoError(PhotoErrorCode.UNREADABLE, "The JPEG 2000 file is damaged: it states two sizes.")


def _require_complete_jpeg(image: ImageFile, pixels: bytes) -> bytes:
    """Refuse a JPEG that is incomplete or takes minutes to decode; return it with its end marker."""
    if "progressive" in image.info and has_too_many_scans(pixels):
        raise PhotoError(
            PhotoErrorCode.UNREADABLE,
            "The progressive JPEG has too many scans.",
        )
    return repair_end(pixels)
