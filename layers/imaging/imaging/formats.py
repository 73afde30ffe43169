"""Which format a file is in, by its first bytes, and who decodes it."""

from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import cast

from PIL import features
from PIL.ImageFile import ImageFile

from imaging.contents import Contents
from imaging.errors import PhotoError, PhotoErrorCode, decoding, refuse_format

JPEG, PNG, WEBP, AVIF, HEIC = "JPEG", "PNG", "WebP", "AVIF", "HEIC"
GIF, BMP, TIFF, JPEG_2000 = "GIF", "BMP", "TIFF", "JPEG 2000"
RAW = "raw photo"

_UNKNOWN_LAYOUT = "unknown pixel mode"
"""Pillow's words for a sound TIFF that it does not decode."""
_SUPPORTED = "JPEG, PNG, WebP, AVIF, HEIC, GIF, BMP, TIFF and JPEG 2000"


@dataclass(frozen=True, slots=True)
class _Decoder:
    """Where a format's decoder is, and the Pillow feature without which it is not."""

    module: str
    name: str
    feature: str | None = None


# Named one by one: `Image.open` would import every plugin, try them all, and warn by process-wide settings.
_DECODERS = {
    JPEG: _Decoder("imaging.jpeg", "JpegPhoto"),
    PNG: _Decoder("PIL.PngImagePlugin", "PngImageFile"),
    WEBP: _Decoder("PIL.WebPImagePlugin", "WebPImageFile", "webp"),
    AVIF: _Decoder("PIL.AvifImagePlugin", "AvifImageFile", "avif"),
    HEIC: _Decoder("pillow_heif", "HeifImageFile"),
    GIF: _Decoder("PIL.GifImagePlugin", "GifImageFile"),
    BMP: _Decoder("PIL.BmpImagePlugin", "BmpImageFile"),
    TIFF: _Decoder("PIL.TiffImagePlugin", "TiffImageFile"),
    JPEG_2000: _Decoder("PIL.Jpeg2KImagePlugin", "Jpeg2KImageFile", "jpg_2000"),
}

# What parts a file of a format before its decoder sees it; imported when it is needed.
_PARTERS = {
    JPEG: ("imaging.jpeg", "read_jpeg"),
    PNG: ("imaging.png", "read_png"),
    AVIF: ("imaging.iso_media", "read_iso_media"),
    HEIC: ("imaging.iso_media", "read_iso_media"),
    BMP: ("imaging.bmp", "read_bmp"),
    TIFF: ("imaging.tiff", "read_tiff"),
    JPEG_2000: ("imaging.jpeg_2000", "read_jpeg_2000"),
}

_SIGNATURES = {
    b"\xff\xd8\xff": JPEG,
    b"\x89PNG\r\n\x1a\n": PNG,
    b"GIF87a": GIF,
    b"GIF89a": GIF,
    b"BM": BMP,
    b"II*\0": TIFF,
    b"MM\0*": TIFF,
    b"II+\0": TIFF,
    b"MM\0+": TIFF,
    # Known so that they can be refused by name.
    b"%PDF": "PDF",
    b"8BPS": "Photoshop",
    b"\0\0\1\0": "Windows icon",
    **dict.fromkeys((b"FUJIFILMCCD-RAW", b"II\x1a\0\0\0HEAPCCDR", b"\0MRM", b"FOVb"), RAW),
    **dict.fromkeys((b"IIU\0", b"IIRO", b"IIRS", b"MMOR"), RAW),
    b"II\xbc\x01": "JPEG XR",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x4f\xff\x51": JPEG_2000,
    b"\0\0\0\x0cjP  ": JPEG_2000,
}

_BRAND_END = 12
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def recognise_format(data: bytes) -> str:
    """Name the format of a file, be it supported or not."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return WEBP
    if data[4:8] == b"ftyp" and len(data) >= _BRAND_END:
        return _recognise_brand(data)
    for signature, name in _SIGNATURES.items():
        if data.startswith(signature):
            return name
    raise PhotoError(
        PhotoErrorCode.NOT_AN_IMAGE,
        f"The file is not an image: its first bytes are of none of {_SUPPORTED}.",
    )


def read_contents(data: bytes, source_format: str) -> Contents:
    """
    Part a file into what its decoder needs and what is said about it.

    Raises
    ------
    PhotoError
        `unsupported_format`, for a kind that is not decoded; `unreadable`, for a file without a beginning.
    """
    if source_format not in _PARTERS:
        return Contents(data)
    module, name = _PARTERS[source_format]
    return cast("Contents", getattr(import_module(module), name)(data))


def open_image(data: bytes, source_format: str) -> ImageFile:
    """Open a file with its format's decoder: the header is read, pixels are not."""
    decoder = _load_decoder(source_format)
    with decoding(source_format):
        try:
            return decoder(BytesIO(data))
        except SyntaxError as error:
            if error.msg == _UNKNOWN_LAYOUT:
                raise refuse_format(f"{source_format} of an uncommon layout of pixels") from error
            raise


def _recognise_brand(data: bytes) -> str:
    """Tell AVIF from HEIC and from video: all three are ISO media files, by the brands in their first box."""
    box_bytes = min(int.from_bytes(data[:4]), 256)
    brands = {data[8:12]} | {data[position : position + 4] for position in range(16, box_bytes, 4)}
    if brands & _AVIF_BRANDS:
        return AVIF
    if brands & _HEIC_BRANDS:
        return HEIC
    return RAW if b"crx " in brands else "ISO media, such as video"


def _load_decoder(source_format: str) -> type[ImageFile]:
    decoder = _DECODERS.get(source_format)
    if decoder is None or (decoder.feature and not features.check(decoder.feature)):
        raise refuse_format(source_format)
    try:
        module = import_module(decoder.module)
    except ImportError as error:
        raise refuse_format(source_format) from error
    return cast("type[ImageFile]", getattr(module, decoder.name))
