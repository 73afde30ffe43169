"""Finds faces with dlib's frontal detector, which comes with its wheel and needs no model file."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from threading import Lock
from typing import Protocol, cast

from PIL import Image, ImageFilter, ImageStat

SEARCHED_SIDE = 1280
_COPY_SIDES = (320, 640, SEARCHED_SIDE)
"""Longer sides of the copies that are searched, one after another until a face is found."""
_SURELY_LARGEST = 113
"""Of a copy's pixels, the side of a face beside which one of half its area, 80 pixels wide, is found too."""
_LEAST_SCORE = 0.2
"""What is no face scores up to 0.13 in photographs, small faces 0.23 and more."""
_FACE_SIDE = 128
_EDGES = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)
_DETECTION = Lock()
"""The detector keeps its working memory between calls."""


class _Rectangle(Protocol):
    def left(self) -> int: ...
    def top(self) -> int: ...
    def right(self) -> int: ...
    def bottom(self) -> int: ...


class _Detector(Protocol):
    def run(
        self, pixels: object, doublings: int, least_score: float
    ) -> tuple[Iterable[_Rectangle], object, object]: ...


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the upright photo; it may reach over the photo's borders."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Height in pixels."""
        return self.bottom - self.top

    @property
    def area(self) -> float:
        """Area in pixels."""
        return self.width * self.height

    def scale(self, factor: float) -> "Box":
        """Return the box in a picture that is `factor` times as large."""
        return Box(*(side * factor for side in (self.left, self.top, self.right, self.bottom)))

    def move(self, right: float, down: float) -> "Box":
        """Return the box moved."""
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def clip(self, width: float, height: float) -> "Box":
        """Return the part that lies in a picture of this size."""
        return Box(
            min(max(self.left, 0), width),
            min(max(self.top, 0), height),
            min(max(self.right, 0), width),
            min(max(self.bottom, 0), height),
        )


def is_available() -> bool:
    """Tell whether the detector is installed."""
    return _load_detector() is not None


def find_faces(image: Image.Image) -> list[Box]:
    """
    Find the faces in an upright L picture, the largest first.

    Small copies are searched first, which takes a few milliseconds. A larger one follows where nothing was
    found, and after the first also where a face half as large as the one found could have been missed. A face
    is found from about 80 pixels of a copy on, a 16th of the longest copy's longer side.

    Returns
    -------
    list of Box
        The faces from the brows to the chin, in pixels of `image`.
    """
    detector = _load_detector()
    if detector is None:
        return []
    faces: list[Box] = []
    longer_side = max(image.size)
    for side in _COPY_SIDES:
        factor = min(1.0, side / longer_side)
        copy = image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))))
        found = sorted(_detect(detector, copy), key=lambda box: box.area, reverse=True)
        faces = [box.scale(image.width / copy.width) for box in found] or faces
        if factor == 1 or (found and (side > _COPY_SIDES[0] or found[0].width >= _SURELY_LARGEST)):
            break
    return faces


def measure_brightness(image: Image.Image, face: Box) -> float:
    """Return the mean luma of a face in an L picture, 0 to 255."""
    return float(ImageStat.Stat(_cut(image, face)).mean[0])


def measure_sharpness(image: Image.Image, face: Box) -> float:
    """Return the deviation of the Laplacian of a face, scaled to 128 pixels, in an L picture."""
    cut = _cut(image, face).resize((_FACE_SIDE, _FACE_SIDE), Image.Resampling.BILINEAR)
    edges = cut.filter(_EDGES).crop((1, 1, _FACE_SIDE - 1, _FACE_SIDE - 1))  # the border is not filtered
    return float(ImageStat.Stat(edges).stddev[0])


def _cut(image: Image.Image, face: Box) -> Image.Image:
    inside = face.clip(image.width, image.height)
    left, top = int(inside.left), int(inside.top)
    return image.crop((left, top, max(left + 1, int(inside.right)), max(top + 1, int(inside.bottom))))


def _detect(detector: _Detector, image: Image.Image) -> list[Box]:
    pixels = import_module("numpy").asarray(image)
    with _DETECTION:
        rectangles, _, _ = detector.run(pixels, 0, _LEAST_SCORE)
    return [Box(one.left(), one.top(), one.right(), one.bottom()) for one in rectangles]


@cache
def _load_detector() -> _Detector | None:
    """Load the detector, which takes 0.2 s; None where it is not installed."""
    try:
        import_module("numpy")
        return cast("_Detector", import_module("dlib").get_frontal_face_detector())
    except ImportError:
        return None
