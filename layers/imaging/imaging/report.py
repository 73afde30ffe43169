"""The report on a photo: its properties, the changes, and the faces that were found."""

from dataclasses import dataclass

from imaging.colour import ConvertedImage
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
    The faces in the upright photo, and the crop.

    Without a face, or with several faces of similar size, all fields except `faces` are None.

    Attributes
    ----------
    faces
        How many faces were found.
    share_before, share_after
        The part, 0 to 1, of the photo and of the normalised photo that face and hair fill. The head is
        estimated from the detector's box.
    crop
        The part that was kept; None for the whole photo.
    brightness
        Mean luma of the face, 0 to 255.
    sharpness
        Standard deviation of the Laplacian of the face, scaled to 128 pixels.
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
    The properties of a photo and the changes to it. `dataclasses.asdict` makes it JSON-ready.

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
        The EXIF orientation, 1 to 8. 1 is upright, also for every HEIC photo, which its decoder turns.
    scale
        The length of one pixel of the source in the normalised image; above 1 if it was enlarged.
    padded_rows
        Rows of bars, above and below together.
    alpha_flattened
        Whether transparent pixels became white.
    profile_converted
        Whether colours were converted to sRGB.
    quality
        JPEG quality; None if the photo is untouched.
    passes
        How many times the encoder ran.
    size_bytes
        Size of the normalised photo.
    untouched
        Whether the source already complied and is returned unchanged.
    face
        The faces; None if they were not searched.
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
    A baseline JPEG within the limits, upright and without metadata, and its report.

    Attributes
    ----------
    faces
        The faces in pixels of the normalised photo, from the brows to the chin, the largest first. Empty if
        they were not searched.
    """

    jpeg: bytes
    width: int
    height: int
    report: Report
    faces: tuple[Box, ...] = ()


def describe(photo: Photo, plan: Plan, converted: ConvertedImage, encoding: Encoding) -> NormalisedPhoto:
    """Return the normalised photo with its report."""
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
        alpha_flattened=converted.alpha_flattened,
        profile_converted=converted.profile_converted,
        quality=encoding.quality,
        passes=encoding.passes,
        size_bytes=len(encoding.jpeg),
        untouched=plan.is_untouched,
        face=_describe_face(photo, plan, plan.framing, converted) if plan.framing else None,
    )
    return NormalisedPhoto(encoding.jpeg, shape.image_width, shape.height, report, _place_faces(plan))


def _describe_face(photo: Photo, plan: Plan, framing: Framing, converted: ConvertedImage) -> FaceReport:
    face, head, kept = framing.face, framing.head, plan.kept
    if face is None or head is None:
        return FaceReport(len(framing.faces))
    width, height = photo.upright_size
    luma = converted.image.convert("L")
    shown = face.move(-kept.left, -kept.top).scale(plan.scale)
    crop = Crop(int(kept.left), int(kept.top), int(kept.width), int(kept.height))
    return FaceReport(
        faces=len(framing.faces),
        share_before=round(measure_share(head, Box(0, 0, width, height)), 4),
        share_after=round(measure_share(head, kept) * plan.shape.image_height / plan.shape.height, 4),
        crop=crop if framing.crop else None,
        brightness=round(measure_brightness(luma, shown), 1),
        sharpness=round(measure_sharpness(luma, shown), 1),
        head_cut_off=is_cut_off(head, width, height),
    )


def _place_faces(plan: Plan) -> tuple[Box, ...]:
    """Return the faces of the kept part, in pixels of the normalised photo."""
    faces, kept, shape = plan.framing.faces if plan.framing else (), plan.kept, plan.shape
    bar = shape.padded_rows // 2
    placed = (face.move(-kept.left, -kept.top).scale(plan.scale).move(0, bar) for face in faces)
    shown = (face.clip(shape.image_width, shape.height) for face in placed)
    return tuple(face for face in shown if face.area)
