"""Faces in photos: warnings, and frames to draw over the photos."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from imaging import PROVIDER_LIMITS, FaceReport, Limits, NormalisedPhoto, find_warnings
from imaging.faces import is_available
from imaging.warnings import PhotoWarning

_SWAPPED: Final = frozenset({5, 6, 7, 8})
_FLIPPED_ACROSS: Final = frozenset({2, 3, 7, 8})
_FLIPPED_DOWN: Final = frozenset({3, 4, 6, 7})
"""EXIF orientations that swap width and height, flip left and right, or flip top and bottom."""
_INSTALL: Final = "In the clone of facematch, run `pip install './cli[faces]'`."


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle in pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """Rectangles to draw over an image of `width` by `height` pixels."""

    width: int
    height: int
    rectangles: tuple[Rectangle, ...]


def enable_face_detection(limits: Limits = PROVIDER_LIMITS) -> Limits:
    """Return limits that also detect faces, for warnings. They do not change the prepared photos."""
    return replace(limits, find_faces=True)


def explain_missing_detector(limits: Limits) -> str | None:
    """Return a sentence if the face detector is not installed, otherwise None."""
    if is_available():
        return None
    if limits.frame_faces:
        return f"Photos are not cropped around faces, because the face detector is not installed. {_INSTALL}"
    return f"Photos are not checked for faces, because the face detector is not installed. {_INSTALL}"


def read_warnings(report: Mapping[str, Any]) -> list[PhotoWarning]:
    """Return the warnings about a photo from its report, none if faces were not detected."""
    face = report.get("face")
    return find_warnings(FaceReport(**face) if face else None)


def mark_crop(report: Mapping[str, Any]) -> Drawing | None:
    """Return the crop box, in pixels of the photo as stored, or None if the photo was not cropped."""
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
    """Return the detected faces, in pixels of the normalised photo, or None if there are none."""
    faces = tuple(
        Rectangle(round(face.left), round(face.top), round(face.width), round(face.height))
        for face in photo.faces
    )
    return Drawing(photo.width, photo.height, faces) if faces else None
