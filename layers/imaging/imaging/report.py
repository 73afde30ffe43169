"""What a photo was, what was done to it, and what was found of faces."""

from dataclasses import dataclass

from imaging.colour import Picture
from imaging.encode import Encoding
from imaging.faces import Box, measure_brightness, measure_sharpness
from imaging.framing import Framing, is_cut_off, measure_share
from imaging.inspect import Photo
from imaging.plan import Plan


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


def describe(photo: Photo, plan: Plan, picture: Picture, encoding: Encoding) -> NormalisedPhoto:
    """Put the account of a photo beside its JPEG."""
    shape = plan.shape
    report = Report(
        source_format=photo.format,
        source_size_bytes=len(photo.data),
        source_width=photo.width,
        source_height=photo.height,
        source_mode=photo.mode,
        orientation=photo.orientation,
        scale=plan.scale,
        padded_rows=shape.padded_rows,
        alpha_flattened=picture.alpha_flattened,
        profile_converted=picture.profile_converted,
        quality=encoding.quality,
        passes=encoding.passes,
        size_bytes=len(encoding.jpeg),
        untouched=plan.is_untouched,
        face=_describe_face(photo, plan, plan.framing, picture) if plan.framing else None,
    )
    return NormalisedPhoto(encoding.jpeg, shape.picture_width, shape.height, report, _place_faces(plan))


def _describe_face(photo: Photo, plan: Plan, framing: Framing, picture: Picture) -> FaceReport:
    face, head, kept = framing.face, framing.head, plan.kept
    if face is None or head is None:
        return FaceReport(len(framing.faces))
    width, height = photo.upright_size
    luma = picture.image.convert("L")
    shown = face.move(-kept.left, -kept.top).scale(plan.scale)
    crop = Crop(int(kept.left), int(kept.top), int(kept.width), int(kept.height))
    return FaceReport(
        faces=len(framing.faces),
        share_before=round(measure_share(head, Box(0, 0, width, height)), 4),
        share_after=round(measure_share(head, kept) * plan.shape.picture_height / plan.shape.height, 4),
        crop=crop if framing.crop else None,
        brightness=round(measure_brightness(luma, shown), 1),
        sharpness=round(measure_sharpness(luma, shown), 1),
        head_cut_off=is_cut_off(head, width, height),
    )


def _place_faces(plan: Plan) -> tuple[Box, ...]:
    """Return the faces of the kept part where they are in the normalised photo."""
    faces, kept, shape = plan.framing.faces if plan.framing else (), plan.kept, plan.shape
    bar = shape.padded_rows // 2
    placed = (face.move(-kept.left, -kept.top).scale(plan.scale).move(0, bar) for face in faces)
    shown = (face.clip(shape.picture_width, shape.height) for face in placed)
    return tuple(face for face in shown if face.area)
