"""Finds faces with dlib's frontal detector, which needs no model file."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from threading import Lock
from typing import Protocol, cast

from PIL import Image, ImageFilter, ImageStat

SEARCHED_SIDE = 1280
_COPY_SIDES = (320, 640, SEARCHED_SIDE)
"""The longer sides of the copies that are searched, one after another until a face is found."""
_SURELY_LARGEST = 113
"""In pixels of a copy. Beside a face of this width, a face of half its area (80 pixels wide) is found too."""
_LEAST_SCORE = 0.2
"""Measured in photos: false faces score up to 0.13, small faces 0.23 or more."""
_FACE_SIDE = 128
_EDGES = ImageFilter.Kernel((3, 3), (0, 1, 0, 1, -4, 1, 0, 1, 0), scale=1, offset=128)
_DETECTION = Lock()
"""The detector is not thread-safe."""


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
    """A rectangle in pixels of the upright photo. It may extend beyond the photo."""

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
        """Return the box in an image that is `factor` times as large."""
        return Box(*(side * factor for side in (self.left, self.top, self.right, self.bottom)))

    def move(self, right: float, down: float) -> "Box":
        """Return the moved box."""
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def clip(self, width: float, height: float) -> "Box":
        """Return the part of the box inside an image of this size."""
        return Box(
            min(max(self.left, 0), width),
            min(max(self.top, 0), height),
            min(max(self.right, 0), width),
            min(max(self.bottom, 0), height),
        )


def is_available() -> bool:
    """Return whether the detector is installed."""
    return _load_detector() is not None


def find_faces(image: Image.Image) -> list[Box]:
    """
    Find the faces in an upright L image, the largest first.

    The smallest copy is searched first, which takes a few milliseconds. A larger copy is searched if no face
    was found, or if the first copy may have missed a face half as large as the one found. Faces are found
    from about 80 pixels of a copy, a 16th of the longer side of the largest copy.

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
        boxes = sorted(_detect(detector, copy), key=lambda box: box.area, reverse=True)
        faces = [box.scale(image.width / copy.width) for box in boxes] or faces
        if factor == 1 or (boxes and (side > _COPY_SIDES[0] or boxes[0].width >= _SURELY_LARGEST)):
            break
    return faces


def measure_brightness(image: Image.Image, face: Box) -> float:
    """Return the mean luma of a face in an L image, 0 to 255."""
    return float(ImageStat.Stat(_cut(image, face)).mean[0])


def measure_sharpness(image: Image.Image, face: Box) -> float:
    """Return the standard deviation of the Laplacian of a face in an L image, scaled to 128 pixels."""
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
    return [Box(found.left(), found.top(), found.right(), found.bottom()) for found in rectangles]


@cache
def _load_detector() -> _Detector | None:
    """Load the detector, which takes 0.2 s; return None if it is not installed."""
    try:
        import_module("numpy")
        return cast("_Detector", import_module("dlib").get_frontal_face_detector())
    except ImportError:
        return None
