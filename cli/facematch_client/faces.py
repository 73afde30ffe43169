"""Faces in photos: what a person should know of them, and where they are drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from imaging import PROVIDER_LIMITS, FaceReport, Limits, NormalisedPhoto, find_warnings
from imaging.faces import is_available
from imaging.warnings import PhotoWarning

_SWAPPED: Final = frozenset({5, 6, 7, 8})
_FLIPPED_ACROSS: Final = frozenset({2, 3, 7, 8})
_FLIPPED_DOWN: Final = frozenset({3, 4, 6, 7})
"""EXIF orientations by how the stored pixels differ from the upright ones: first swapped, then flipped."""
_INSTALL: Final = "in the clone of facematch, `pip install './cli[faces]'`."


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """Rectangles to draw over a picture of `width` by `height` pixels."""

    width: int
    height: int
    rectangles: tuple[Rectangle, ...]


def enable_face_detection(limits: Limits = PROVIDER_LIMITS) -> Limits:
    """Return limits that also look for faces, for warnings; photos become the same."""
    return replace(limits, find_faces=True)


def explain_missing_detector(limits: Limits) -> str | None:
    """Return a sentence if faces can't be looked for because the detector is not installed."""
    if is_available():
        return None
    if limits.frame_faces:
        return f"Photos should be cropped around their faces, but the detector is not installed: {_INSTALL}"
    return f"Photos are not checked for faces, because the detector is not installed: {_INSTALL}"


def read_warnings(report: Mapping[str, Any]) -> list[PhotoWarning]:
    """Return the warnings about a photo, by its report; none if faces were not looked for."""
    face = report.get("face")
    return find_warnings(FaceReport(**face) if face else None)


def mark_crop(report: Mapping[str, Any]) -> Drawing | None:
    """Return the part of a photo that was kept, over the photo as it is stored; None if all of it was."""
    crop = (report.get("face") or {}).get("crop")
    if not crop:
        return None
    width, height, orientation = report["source_width"], report["source_height"], report["orientation"]
    kept = Rectangle(**crop)
    if orientation in _SWAPPED:
        kept = Rectangle(kept.top, kept.left, kept.height, kept.width)
    if orientation in _FLIPPED_ACROSS:
        kept = replace(kept, left=width - kept.left - kept.width)
    if orientation in _FLIPPED_DOWN:
        kept = replace(kept, top=height - kept.top - kept.height)
    return Drawing(width, height, (kept,))


def mark_faces(photo: NormalisedPhoto) -> Drawing | None:
    """Return the faces that were found, over the normalised photo; None without any."""
    faces = tuple(
        Rectangle(round(face.left), round(face.top), round(face.width), round(face.height))
        for face in photo.faces
    )
    return Drawing(photo.width, photo.height, faces) if faces else None
