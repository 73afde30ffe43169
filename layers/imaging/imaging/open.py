"""Opens a photo by its header, and refuses what is not to be decoded."""

from dataclasses import dataclass, replace

from PIL.ImageFile import ImageFile

from imaging.contents import Contents
from imaging.errors import PhotoError, PhotoErrorCode, refuse_format
from imaging.formats import HEIC, JPEG, JPEG_2000, open_image, read_contents, recognise_format
from imaging.jpeg import has_too_many_scans, is_decoded_by_rows, mend_end
from imaging.jpeg_2000 import read_codestream
from imaging.limits import Limits

_HEAVY_PIXELS = 16_000_000
"""All but JPEGs are decoded whole: WebP takes 16 bytes a pixel, AVIF 9."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A photo of which only the header has been read."""

    data: bytes
    image: ImageFile
    format: str
    contents: Contents

    @property
    def is_heavy(self) -> bool:
        """Whether decoding takes so much memory that two at once may take more than a function has."""
        width, height = self.image.size
        return self.format != JPEG and width * height > _HEAVY_PIXELS


def open_photo(data: bytes, limits: Limits) -> Opened:
    """Open a photo by its header, and refuse what is not to be decoded."""
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
        mended = _require_sound_jpeg(image, contents.pixels)
        image = image if mended is contents.pixels else open_image(mended, JPEG)
        contents = replace(contents, pixels=mended)
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
    """Refuse a bomb from its header, before a pixel is decoded."""
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
    """Refuse a JPEG 2000 whose pixels have another size than the header that was found reasonable."""
    codestream = read_codestream(pixels)
    if (codestream.width, codestream.height) != image.size:
        raise PhotoError(PhotoErrorCode.UNREADABLE, "The JPEG 2000 file is damaged: it states two sizes.")


def _require_sound_jpeg(image: ImageFile, pixels: bytes) -> bytes:
    """Refuse what Pillow would decode to half a picture, or for minutes; return it with its end."""
    if "progressive" in image.info and has_too_many_scans(pixels):
        raise PhotoError(
            PhotoErrorCode.UNREADABLE,
            "The progressive JPEG has so many scans that it is made to waste time.",
        )
    return mend_end(pixels)
