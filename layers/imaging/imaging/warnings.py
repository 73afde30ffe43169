"""What a person should know of a photo before it is compared."""

from enum import StrEnum

from imaging.report import FaceReport

SMALL_SHARE = 0.3
"""Half of what the page on FaceCompare asks for."""
DARK = 60
BLURRED = 5


class PhotoWarning(StrEnum):
    """Why a photo may be compared badly. The values are stable."""

    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    FACE_TOO_SMALL = "face_too_small"
    BLURRED = "blurred"
    DARK = "dark"
    HEAD_CUT_OFF = "head_cut_off"


def find_warnings(face: FaceReport | None) -> list[PhotoWarning]:
    """
    Return what speaks against a photo, by its report's `face`; it is compared nevertheless.

    None, where no faces were looked for, gives no warning. `several_faces` is given beside others where
    one face is clearly the largest and was kept, and alone where none is.
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
