"""One photo, normalised for face comparison, and an account of what was done to it."""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from math import ceil, log
from threading import Lock

from PIL import Image

from imaging.decode import (
    Decoded,
    Opened,
    Picture,
    Source,
    decode,
    learn_source,
    load_whole,
    open_photo,
    read_luma,
    read_picture,
)
from imaging.encode import Encoding, encode
from imaging.exif import UPRIGHT
from imaging.faces import SEARCHED_SIDE, Box, find_faces, is_available, measure_brightness, measure_sharpness
from imaging.formats import JPEG
from imaging.framing import Framing, frame_face, is_cut_off, measure_share
from imaging.jpeg import is_plain
from imaging.limits import PROVIDER_LIMITS, Limits
from imaging.shape import Shape, plan_shape

_HEAVY_WORK = Lock()
_MAX_DECODED_PIXELS = 64_000_000
_NEARLY = 0.999
# Mid-grey: no edge against the bars is as strong as black or white would make it.
_BAR_COLOURS: dict[str, int | tuple[int, ...]] = {"L": 128, "RGB": (128, 128, 128)}


@dataclass(frozen=True, slots=True)
class Crop:
    """The part of the upright photo that was kept, in its pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class FaceReport:
    """
    What was found of faces in the upright photo, and what was done about it.

    Attributes
    ----------
    faces
        How many faces were found.
    share_before, share_after
        The part, 0 to 1, of the photo and of the normalised photo that the face fills with its hair; None
        without a face, or with several of about one size. The head is estimated from the detector's box.
    crop
        The part that was kept; None for all of it.
    brightness
        Mean luma of the face, 0 to 255; None as above, as are the next two.
    sharpness
        Deviation of the Laplacian of the face, scaled to 128 pixels.
    head_cut_off
        Whether the photo's borders cut the head.
    """

    faces: int
    share_before: float | None = None
    share_after: float | None = None
    crop: Crop | None = None
    brightness: float | None = None
    sharpness: float | None = None
    head_cut_off: bool | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """
    What a photo was and what was done to it; `dataclasses.asdict` makes it JSON-ready.

    Attributes
    ----------
    source_format
        "JPEG", "PNG", "WebP", "AVIF", "HEIC", "GIF", "BMP", "TIFF" or "JPEG 2000".
    source_size_bytes
        Size of the file.
    source_width, source_height
        Size in pixels as stored, before the photo is turned upright.
    source_mode
        Pillow's name of the pixel format, such as "RGB", "CMYK" or "I;16".
    orientation
        By EXIF, 1 to 8; 1 is upright, as is every HEIC photo, which its decoder turns.
    scale
        Length in the normalised picture of one pixel of the source; above 1 where it was enlarged.
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
    face
        What was found of faces; None where they were not looked for.
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
    face: FaceReport | None = None


@dataclass(frozen=True, slots=True)
class NormalisedPhoto:
    """
    A baseline JPEG within the limits, upright and without metadata, and how it came about.

    Attributes
    ----------
    faces
        The faces in the normalised photo, in its pixels, from the brows to the chin, the largest first; none
        where they were not looked for.
    """

    jpeg: bytes
    width: int
    height: int
    report: Report
    faces: tuple[Box, ...] = ()


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


@dataclass(frozen=True, slots=True)
class _Search:
    """What was found of faces: the photo's pixels for it, its luma, the faces, and the part to keep."""

    decoded: Decoded
    luma: Image.Image
    faces: list[Box]
    framing: Framing


def _normalise(opened: Opened, data: bytes, limits: Limits) -> NormalisedPhoto:
    source = learn_source(opened)
    whole = Box(0, 0, *source.upright_size)
    shape = plan_shape(*source.upright_size, limits)
    is_searched = limits.find_faces or limits.frame_faces
    search = _search_face(source, shape, limits) if is_searched and is_available() else None
    crop = search.framing.crop if search else None
    if crop is None and _is_already_normalised(source, data, shape, limits):
        face = _report_face(search.framing, whole, whole, search.luma, shape) if search else None
        return _pass_untouched(source, data, face, _place_faces(search, whole, shape))
    if crop:
        shape = plan_shape(int(crop.width), int(crop.height), limits)
    decoded = _decode(source, shape, crop or whole, search)
    picture = read_picture(source, decoded, shape, crop)
    face = None
    if search:
        face = _report_face(search.framing, whole, crop or whole, picture.image.convert("L"), shape)
    encoding = encode(_letterbox(picture.image, shape), limits)
    report = _report(source, data, shape, picture, encoding, kept=crop or whole, face=face)
    faces = _place_faces(search, crop or whole, shape)
    return NormalisedPhoto(encoding.jpeg, shape.picture_width, shape.height, report, faces)


def _search_face(source: Source, shape: Shape, limits: Limits) -> _Search:
    """Look for faces in the photo as it is decoded for the whole of it."""
    width, height = source.upright_size
    decoded = decode(source, (shape.picture_width, shape.picture_height))
    luma = read_luma(source, decoded, SEARCHED_SIDE)
    faces = [face.scale(width / luma.width) for face in find_faces(luma)]
    framing = frame_face(faces, width, height, limits)
    if not limits.frame_faces:
        framing = replace(framing, crop=None)
    return _Search(decoded, luma, faces, framing)


def _place_faces(search: _Search | None, kept: Box, shape: Shape) -> tuple[Box, ...]:
    """Return the faces of the kept part where they are in the normalised photo."""
    if search is None:
        return ()
    scale, bar = shape.picture_width / kept.width, shape.padded_rows // 2
    placed = (face.move(-kept.left, -kept.top).scale(scale).move(0, bar) for face in search.faces)
    shown = (face.clip(shape.picture_width, shape.height) for face in placed)
    return tuple(face for face in shown if face.area)


def _decode(source: Source, shape: Shape, kept: Box, search: _Search | None) -> Decoded:
    """Decode the photo at the scale that the kept part needs, unless the search has done so."""
    width, height = source.upright_size
    # A part of a huge JPEG gets no more pixels than other photos may have.
    halvings = max(0, ceil(log(width * height / _MAX_DECODED_PIXELS, 4)))
    needed = min(shape.picture_width / kept.width, 1 / 2**halvings)
    if search and search.decoded.extent[2] >= source.width * needed * _NEARLY:
        return search.decoded
    return decode(source, (int(width * needed), int(height * needed)))


def _report_face(framing: Framing, whole: Box, kept: Box, luma: Image.Image, shape: Shape) -> FaceReport:
    """Describe the face in `luma`, which shows the kept part of the photo."""
    face, head = framing.face, framing.head
    if face is None or head is None:
        return FaceReport(framing.faces)
    shown = face.move(-kept.left, -kept.top).scale(luma.width / kept.width)
    crop = Crop(int(kept.left), int(kept.top), int(kept.width), int(kept.height))
    return FaceReport(
        faces=framing.faces,
        share_before=round(measure_share(head, whole), 4),
        share_after=round(measure_share(head, kept) * shape.picture_height / shape.height, 4),
        crop=crop if framing.crop else None,
        brightness=round(measure_brightness(luma, shown), 1),
        sharpness=round(measure_sharpness(luma, shown), 1),
        head_cut_off=is_cut_off(head, int(whole.width), int(whole.height)),
    )


def _is_already_normalised(source: Source, data: bytes, shape: Shape, limits: Limits) -> bool:
    return (
        source.format == JPEG
        and source.mode in {"L", "RGB"}
        and len(data) <= limits.max_size_bytes
        and shape.keeps(source.width, source.height)
        and is_plain(data)
    )


def _pass_untouched(
    source: Source, data: bytes, face: FaceReport | None, faces: tuple[Box, ...]
) -> NormalisedPhoto:
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
        face=face,
    )
    return NormalisedPhoto(data, source.width, source.height, report, faces)


def _letterbox(image: Image.Image, shape: Shape) -> Image.Image:
    if not shape.padded_rows:
        return image
    canvas = Image.new(image.mode, (shape.picture_width, shape.height), _BAR_COLOURS[image.mode])
    canvas.paste(image, (0, shape.padded_rows // 2))
    return canvas


def _report(
    source: Source,
    data: bytes,
    shape: Shape,
    picture: Picture,
    encoding: Encoding,
    *,
    kept: Box,
    face: FaceReport | None,
) -> Report:
    return Report(
        source_format=source.format,
        source_size_bytes=len(data),
        source_width=source.width,
        source_height=source.height,
        source_mode=source.mode,
        orientation=source.orientation,
        scale=shape.picture_width / kept.width,
        padded_rows=shape.padded_rows,
        alpha_flattened=picture.alpha_flattened,
        profile_converted=picture.profile_converted,
        quality=encoding.quality,
        passes=encoding.passes,
        size_bytes=len(encoding.jpeg),
        untouched=False,
        face=face,
    )
