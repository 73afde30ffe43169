"""Photos: the API page's rules on them, and what a judge finds in one."""

from dataclasses import dataclass
from io import BytesIO
from typing import Final, Protocol

from PIL import Image

from .answers import Refusal

PASS_SCORE: Final = 70.0
"""`Passed` is `Y` from this score on. It is the emulator's own: the provider publishes no such score."""

# The page names height x width, and only advises against wide photos: so the longer side counts as height.
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
    """Where a face is, in pixels of the photo; it may reach beyond the photo's borders."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What the call log shows of a photo; never the photo. A judge of pixels counts no faces."""

    format: str
    width: int
    height: int
    size_bytes: int
    has_metadata: bool
    faces: int | None = None
    face_box: Box | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """Scores of one photo, 0 to 100: the provider's form without its meaning."""

    overall: float
    illumination: float
    sharpness: float
    occlusion: float
    key_area_occlusion: float


@dataclass(frozen=True, slots=True)
class Face:
    """What a comparison needs of a photo; `features` are compared by the judge that made them."""

    features: tuple[float, ...]
    quality: Quality
    count: int | None = None
    box: Box | None = None


class JudgeError(Exception):
    """A judge cannot start; the message is a sentence that says what to do."""


class Judge(Protocol):
    """Finds the face in a photo and scores two of them."""

    @property
    def name(self) -> str:
        """What ``--judge`` calls it."""
        ...

    @property
    def about(self) -> str:
        """One sentence: what its scores mean."""
        ...

    async def start(self) -> None:
        """Get ready; raise a `JudgeError` where that fails."""
        ...

    async def stop(self) -> None:
        """Release what `start` acquired."""
        ...

    async def find_face(self, photo: bytes) -> Face:
        """Return the face in a photo, or raise the provider's `Refusal`."""
        ...

    def imagine_face(self, url: str) -> Face:
        """Return a face made from a URL's text alone, the same for the same text."""
        ...

    def score(self, source: Face, target: Face) -> float:
        """Return the score of two faces, from 0 to 100."""
        ...


def read_facts(data: bytes) -> PhotoFacts | None:
    """Return what the header of a photo says, or None where it is not a JPEG or PNG."""
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
