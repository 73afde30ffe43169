"""One photo, normalised for face comparison, and an account of what was done to it."""

from contextlib import nullcontext
from dataclasses import dataclass
from threading import Lock

from PIL import Image

from imaging.decode import Opened, Picture, Source, learn_source, load_whole, open_photo, read_picture
from imaging.encode import Encoding, encode
from imaging.exif import UPRIGHT
from imaging.formats import JPEG
from imaging.jpeg import is_plain
from imaging.limits import PROVIDER_LIMITS, Limits
from imaging.shape import Shape, plan_shape

_HEAVY_WORK = Lock()
# Mid-grey: no edge against the bars is as strong as black or white would make it.
_BAR_COLOURS: dict[str, int | tuple[int, ...]] = {"L": 128, "RGB": (128, 128, 128)}


@dataclass(frozen=True, slots=True)
class Report:
    """
    What a photo was and what was done to it; `dataclasses.asdict` makes it JSON-ready.

    Attributes
    ----------
    source_format
        "JPEG", "PNG", "WebP", "AVIF", "HEIC", "GIF", "BMP" or "TIFF".
    source_size_bytes
        Size of the file.
    source_width, source_height
        Size in pixels as stored, before the photo is turned upright.
    source_mode
        Pillow's name of the pixel format, such as "RGB", "CMYK" or "I;16".
    orientation
        By EXIF, 1 to 8; 1 is upright, as is every HEIC photo, which its decoder turns.
    scale
        Length in the normalised picture of one pixel of the source; never above 1.
    padded_rows
        Rows of bars, above and below together.
    alpha_flattened
        Whether transparency was put on white.
    profile_converted
        Whether colours were converted from an embedded ICC profile to sRGB.
    quality
        JPEG quality; None when the photo is untouched.
    passes
        How many times the encoder ran.
    size_bytes
        Size of the normalised photo.
    untouched
        Whether the source was already as it should be, and is returned as it is.
    """

    source_format: str
    source_size_bytes: int
    source_width: int
    source_height: int
    source_mode: str
    orientation: int
    scale: float
    padded_rows: int
    alpha_flattened: bool
    profile_converted: bool
    quality: int | None
    passes: int
    size_bytes: int
    untouched: bool


@dataclass(frozen=True, slots=True)
class NormalisedPhoto:
    """A baseline JPEG within the limits, upright and without metadata, and how it came about."""

    jpeg: bytes
    width: int
    height: int
    report: Report


def normalise(data: bytes, limits: Limits = PROVIDER_LIMITS) -> NormalisedPhoto:
    """
    Make a photo fit for comparison: a baseline JPEG, upright, within the limits, without metadata.

    Threads may call it at once; photos that take much memory are worked on one after another. A JPEG damaged
    among its pixels, but whole at its end, is normalised as libjpeg mends it, for Pillow does not pass on
    libjpeg's warnings.

    Raises
    ------
    PhotoError
        When the photo cannot be used; nothing else is raised for any bytes.
    """
    opened = open_photo(data, limits)
    with _HEAVY_WORK if opened.is_heavy else nullcontext():
        return _normalise(opened, data, limits)


def _normalise(opened: Opened, data: bytes, limits: Limits) -> NormalisedPhoto:
    source = learn_source(opened)
    shape = plan_shape(*source.upright_size, limits)
    if _is_already_normalised(source, data, shape, limits):
        return _pass_untouched(source, data)
    picture = read_picture(source, shape)
    encoding = encode(_letterbox(picture.image, shape), limits)
    report = _report(source, data, shape, picture, encoding)
    return NormalisedPhoto(encoding.jpeg, shape.picture_width, shape.height, report)


def _is_already_normalised(source: Source, data: bytes, shape: Shape, limits: Limits) -> bool:
    return (
        source.format == JPEG
        and source.mode in {"L", "RGB"}
        and len(data) <= limits.max_size_bytes
        and shape.keeps(source.width, source.height)
        and is_plain(data)
    )


def _pass_untouched(source: Source, data: bytes) -> NormalisedPhoto:
    load_whole(source)
    report = Report(
        source_format=source.format,
        source_size_bytes=len(data),
        source_width=source.width,
        source_height=source.height,
        source_mode=source.mode,
        orientation=UPRIGHT,
        scale=1.0,
        padded_rows=0,
        alpha_flattened=False,
        profile_converted=False,
        quality=None,
        passes=0,
        size_bytes=len(data),
        untouched=True,
    )
    return NormalisedPhoto(data, source.width, source.height, report)


def _letterbox(image: Image.Image, shape: Shape) -> Image.Image:
    if not shape.padded_rows:
        return image
    canvas = Image.new(image.mode, (shape.picture_width, shape.height), _BAR_COLOURS[image.mode])
    canvas.paste(image, (0, shape.padded_rows // 2))
    return canvas


def _report(source: Source, data: bytes, shape: Shape, picture: Picture, encoding: Encoding) -> Report:
    return Report(
        source_format=source.format,
        source_size_bytes=len(data),
        source_width=source.width,
        source_height=source.height,
        source_mode=source.mode,
        orientation=source.orientation,
        scale=shape.picture_width / source.upright_size[0],
        padded_rows=shape.padded_rows,
        alpha_flattened=picture.alpha_flattened,
        profile_converted=picture.profile_converted,
        quality=encoding.quality,
        passes=encoding.passes,
        size_bytes=len(encoding.jpeg),
        untouched=False,
    )
