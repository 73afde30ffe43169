"""The rules of the API page for photos, and the interface of the judges, which compare them."""

from dataclasses import dataclass
from io import BytesIO
from typing import Final, Protocol

from PIL import Image

from .answers import Refusal

PASS_SCORE: Final = 70.0
"""`Passed` is `Y` from this score on. It is the emulator's own: the provider publishes no threshold."""

# The page states height x width, and only advises against wide photos. So the longer side is the height.
LONGER_SIDE_PX: Final = range(640, 1920 + 1)
SHORTER_SIDE_PX: Final = range(480, 1080 + 1)

FORMATS: Final = ("JPEG", "PNG")
_FORMAT_NAMES: Final = {
    "JPEG": "JPEG",
    "MPO": "JPEG",
    "PNG": "PNG",
}  # MPO is the JPEG with an appendix of many phones
_METADATA: Final = {"exif", "xmp", "photoshop", "comment", "Raw profile type exif", "XML:com.adobe.xmp"}


@dataclass(frozen=True, slots=True)
class Box:
    """The box of a face, in pixels of the photo. It can extend beyond the photo's borders."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What the call log contains about a photo, never the photo. Only `FaceJudge` counts faces."""

    format: str
    width: int
    height: int
    size_bytes: int
    has_metadata: bool
    faces: int | None = None
    face_box: Box | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """Scores of one photo, 0 to 100. They have the provider's names, but not its meaning."""

    overall: float
    illumination: float
    sharpness: float
    occlusion: float
    key_area_occlusion: float


@dataclass(frozen=True, slots=True)
class Face:
    """What a judge needs to compare a photo. Only the judge that made the `features` can compare them."""

    features: tuple[float, ...]
    quality: Quality
    count: int | None = None
    box: Box | None = None


class JudgeError(Exception):
    """A judge cannot start. The message is a sentence that says what to do."""


class Judge(Protocol):
    """Finds the face in a photo, and scores two faces."""

    @property
    def name(self) -> str:
        """The value of ``--judge``."""
        ...

    @property
    def about(self) -> str:
        """One or two sentences on what the scores mean."""
        ...

    async def start(self) -> None:
        """Prepare the judge; raise a `JudgeError` if that fails."""
        ...

    async def stop(self) -> None:
        """Release the resources of `start`."""
        ...

    async def find_face(self, photo: bytes) -> Face:
        """Return the face in a photo, or raise the provider's `Refusal`."""
        ...

    def make_face_from_url(self, url: str) -> Face:
        """Return a face that depends only on the text of the URL."""
        ...

    def score(self, source: Face, target: Face) -> float:
        """Return the score of two faces, from 0 to 100."""
        ...


def read_facts(data: bytes) -> PhotoFacts | None:
    """Return the facts from the header of a photo, or None if it is not a JPEG or PNG."""
    try:
        with Image.open(BytesIO(data), formats=FORMATS) as image:
            return PhotoFacts(
                _FORMAT_NAMES[image.format or "JPEG"],
                image.width,
                image.height,
                len(data),
                bool(_METADATA & {str(name) for name in image.info}) or bool(getattr(image, "text", None)),
            )
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None


def check_resolution(facts: PhotoFacts | None) -> None:
    """Raise the provider's `Refusal` unless a photo can be read and has a permitted resolution."""
    if facts is None:
        raise Refusal("UnqualifiedPhoto")
    shorter_px, longer_px = sorted((facts.width, facts.height))
    if longer_px not in LONGER_SIDE_PX or shorter_px not in SHORTER_SIDE_PX:
        raise Refusal("UnqualifiedPhoto")
