"""Warnings about a photo before it is compared."""

from enum import StrEnum

from imaging.report import FaceReport

SMALL_SHARE = 0.3
"""Half of what the page on FaceCompare asks for (60 %)."""
DARK = 60
BLURRED = 5


class PhotoWarning(StrEnum):
    """Why the comparison of a photo may be unreliable. The values are stable."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    FACE_TOO_SMALL = "face_too_small"
    BLURRED = "blurred"
    DARK = "dark"
    HEAD_CUT_OFF = "head_cut_off"


def find_warnings(face: FaceReport | None) -> list[PhotoWarning]:
    """
    Return the warnings for a report's `face`. They do not prevent a comparison.

    There are none if faces were not searched. If one of several faces is clearly the largest, `several_faces`
    may come with other warnings, otherwise alone.
    """
    if face is None:
        return []
    found = {
        PhotoWarning.NO_FACE: face.faces == 0,
        PhotoWarning.SEVERAL_FACES: face.faces > 1,
        PhotoWarning.FACE_TOO_SMALL: face.share_after is not None and face.share_after < SMALL_SHARE,
        PhotoWarning.BLURRED: face.sharpness is not None and face.sharpness < BLURRED,
        PhotoWarning.DARK: face.brightness is not None and face.brightness < DARK,
        PhotoWarning.HEAD_CUT_OFF: bool(face.head_cut_off),
    }
    return [warning for warning, is_found in found.items() if is_found]
