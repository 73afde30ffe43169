"""Geometry: which part of a photo shows its face well. No pixels here."""

from dataclasses import dataclass

from imaging.faces import Box
from imaging.limits import Limits

_ASPECT = 3 / 4
_FACE_SHARE = 0.625
"""The middle of 60 to 65 %; the page on FaceCompare asks for a face of more than 60 % of the image."""
# The head with its hair around dlib's box, which reaches from the brows to the chin: parts of its side.
_HAIR_ABOVE, _CHIN_BELOW, _EARS_BESIDE = 0.45, 0.25, 0.15
_CLEARLY_LARGER = 2.0
"""In area, than the second largest face."""
_WORTHWHILE = 0.97
"""A part as large as this gains nothing over the whole photo."""


@dataclass(frozen=True, slots=True)
class Framing:
    """What was found of faces in an upright photo, and the part that is kept; None for all of it."""

    faces: tuple[Box, ...]
    head: Box | None
    face: Box | None
    crop: Box | None


def frame_face(faces: tuple[Box, ...], width: int, height: int, limits: Limits) -> Framing:
    """
    Choose the part of an upright photo that its face and hair fill to 60 to 65 %.

    The part is upright, three to four, and lies in the photo; it has the minimum size or more. The photo
    stays whole without a face, with several of about one size, and where the part would cut the face.

    Parameters
    ----------
    faces
        As `find_faces` returns them, the largest first, in pixels of the photo.
    width, height
        Size in pixels of the upright photo.
    """
    if not faces or (len(faces) > 1 and faces[0].area < _CLEARLY_LARGER * faces[1].area):
        return Framing(faces, None, None, None)
    face = faces[0]
    head = _enclose_head(face)
    crop = _place_crop(head, width, height, limits) if limits.frame_faces else None
    return Framing(faces, head, face, crop if crop and _holds(crop, face) else None)


def measure_share(head: Box, whole: Box) -> float:
    """Return the part of a picture that a head fills, 0 to 1."""
    inside = Box(
        max(head.left, whole.left),
        max(head.top, whole.top),
        min(head.right, whole.right),
        min(head.bottom, whole.bottom),
    )
    return max(0.0, inside.width) * max(0.0, inside.height) / whole.area


def is_cut_off(head: Box, width: int, height: int) -> bool:
    """Tell whether a photo's borders cut the head; some hair at the top may be missing."""
    slack = 0.1 * head.height
    return head.left < 0 or head.right > width or head.top < -slack or head.bottom > height


def _enclose_head(face: Box) -> Box:
    return Box(
        face.left - _EARS_BESIDE * face.width,
        face.top - _HAIR_ABOVE * face.height,
        face.right + _EARS_BESIDE * face.width,
        face.bottom + _CHIN_BELOW * face.height,
    )


def _place_crop(head: Box, width: int, height: int, limits: Limits) -> Box | None:
    """Place the part around the head, moved into the photo where it reaches over a border."""
    wanted = (head.area / _FACE_SHARE * _ASPECT) ** 0.5
    least = max(limits.min_width, limits.min_height * _ASPECT)
    unit = int(min(max(wanted, least), width, height * _ASPECT) / 3)  # three of these by four
    crop_width, crop_height = 3 * unit, 4 * unit
    if crop_width < least or crop_width * crop_height >= width * height * _WORTHWHILE:
        return None
    left = round((head.left + head.right - crop_width) / 2)
    top = round((head.top + head.bottom - crop_height) / 2)
    left, top = min(max(left, 0), width - crop_width), min(max(top, 0), height - crop_height)
    return Box(left, top, left + crop_width, top + crop_height)


def _holds(crop: Box, face: Box) -> bool:
    return (
        crop.left <= face.left
        and crop.top <= face.top
        and crop.right >= face.right
        and crop.bottom >= face.bottom
    )
