"""What becomes of a photo: the part that is kept, and the size it gets."""

from dataclasses import dataclass

from imaging.decode import Decoded, decode_preview
from imaging.faces import SEARCHED_SIDE, Box, find_faces, is_available
from imaging.formats import JPEG
from imaging.framing import Framing, frame_face
from imaging.inspect import Photo
from imaging.jpeg import is_plain
from imaging.limits import Limits
from imaging.shape import Shape, plan_shape


@dataclass(frozen=True, slots=True)
class Plan:
    """
    The part of the upright photo that is kept, in its pixels, and the size it gets.

    Attributes
    ----------
    framing
        What was found of faces; None where they were not looked for.
    preview
        The photo as it was decoded to look for faces.
    is_untouched
        Whether the file already is as it should be.
    """

    kept: Box
    shape: Shape
    framing: Framing | None
    preview: Decoded | None
    is_untouched: bool

    @property
    def scale(self) -> float:
        """Length in the normalised picture of one pixel of the photo."""
        return self.shape.picture_width / self.kept.width


def plan_photo(photo: Photo, limits: Limits) -> Plan:
    """
    Plan what becomes of a photo.

    Raises
    ------
    PhotoError
        `too_small`, or `unreadable` where the search for faces decodes the photo.
    """
    width, height = photo.upright_size
    shape = plan_shape(width, height, limits)
    preview, framing = None, None
    if (limits.find_faces or limits.frame_faces) and is_available():
        preview, luma = decode_preview(photo, shape, SEARCHED_SIDE)
        faces = tuple(face.scale(width / luma.width) for face in find_faces(luma))
        framing = frame_face(faces, width, height, limits)
    if framing and framing.crop:
        shape = plan_shape(int(framing.crop.width), int(framing.crop.height), limits)
        return Plan(framing.crop, shape, framing, preview, is_untouched=False)
    is_untouched = _is_already_normalised(photo, shape, limits)
    return Plan(Box(0, 0, width, height), shape, framing, preview, is_untouched)


def _is_already_normalised(photo: Photo, shape: Shape, limits: Limits) -> bool:
    return (
        photo.format == JPEG
        and photo.mode in {"L", "RGB"}
        and len(photo.data) <= limits.max_size_bytes
        and shape.keeps(photo.width, photo.height)
        and is_plain(photo.data)
    )
