"""Which format a file is in, by its first bytes, and who decodes it."""

from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import cast

from PIL import features
from PIL.ImageFile import ImageFile

from imaging.errors import PhotoError, PhotoErrorCode

JPEG = "JPEG"
TIFF = "TIFF"

_SUPPORTED = "JPEG, PNG, WebP, AVIF, HEIC, GIF, BMP and TIFF"


@dataclass(frozen=True, slots=True)
class _Decoder:
    """Where a format's decoder is, and the Pillow feature without which it is not."""

    module: str
    name: str
    feature: str | None = None


# Named one by one: `Image.open` would import every plugin, try them all, and warn by process-wide settings.
_DECODERS = {
    JPEG: _Decoder("imaging.jpeg", "JpegPhoto"),
    "PNG": _Decoder("PIL.PngImagePlugin", "PngImageFile"),
    "WebP": _Decoder("PIL.WebPImagePlugin", "WebPImageFile", "webp"),
    "AVIF": _Decoder("PIL.AvifImagePlugin", "AvifImageFile", "avif"),
    "HEIC": _Decoder("pillow_heif", "HeifImageFile"),
    "GIF": _Decoder("PIL.GifImagePlugin", "GifImageFile"),
    "BMP": _Decoder("PIL.BmpImagePlugin", "BmpImageFile"),
    TIFF: _Decoder("PIL.TiffImagePlugin", "TiffImageFile"),
}

_SIGNATURES = {
    b"\xff\xd8\xff": JPEG,
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"BM": "BMP",
    b"II*\0": TIFF,
    b"MM\0*": TIFF,
    b"II+\0": TIFF,
    b"MM\0+": TIFF,
    # Known so that they can be refused by name.
    b"%PDF": "PDF",
    b"8BPS": "Photoshop",
    b"\0\0\1\0": "Windows icon",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
}

_BRAND_END = 12
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def recognise_format(data: bytes) -> str:
    """Name the format of a file, be it supported or not."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WebP"
    if data[4:8] == b"ftyp" and len(data) >= _BRAND_END:
        return _recognise_brand(data)
    for signature, name in _SIGNATURES.items():
        if data.startswith(signature):
            return name
    raise PhotoError(
        PhotoErrorCode.NOT_AN_IMAGE,
        f"The file is not an image: its first bytes are of none of {_SUPPORTED}.",
    )


def open_image(data: bytes, source_format: str) -> ImageFile:
    """Open a file with its format's decoder: the header is read, pixels are not."""
    return _load_decoder(source_format)(BytesIO(data))


def _recognise_brand(data: bytes) -> str:
    """Tell AVIF from HEIC and from video: all three are ISO media files, by the brands in their first box."""
    box_bytes = min(int.from_bytes(data[:4]), 256)
    brands = {data[8:12]} | {data[position : position + 4] for position in range(16, box_bytes, 4)}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIC" if brands & _HEIC_BRANDS else "ISO media, such as video"


def _load_decoder(source_format: str) -> type[ImageFile]:
    decoder = _DECODERS.get(source_format)
    if decoder is None or (decoder.feature and not features.check(decoder.feature)):
        raise _refuse_format(source_format)
    try:
        module = import_module(decoder.module)
    except ImportError as error:
        raise _refuse_format(source_format) from error
    return cast("type[ImageFile]", getattr(module, decoder.name))


def _refuse_format(source_format: str) -> PhotoError:
    return PhotoError(
        PhotoErrorCode.UNSUPPORTED_FORMAT,
        f"The file is {source_format}, which is not decoded here; save the photo as JPEG or PNG.",
    )
