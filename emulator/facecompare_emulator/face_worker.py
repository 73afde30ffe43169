"""The worker process of `faces`: finds the largest face of each photo on standard input.

A photo is sent as 4 bytes with its length, and its bytes. The answer is one line of JSON. The process ends
at the end of its input.
"""

import json
import signal
import sys
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

from PIL import Image, ImageFilter, ImageStat

from .photos import FORMATS, Box, JudgeError, Quality

LANDMARKS: Final = "shape_predictor_5_face_landmarks.dat"
DESCRIPTORS: Final = "dlib_face_recognition_resnet_model_v1.dat"

# The detector finds faces of 80 px or more; with the photo enlarged to twice its size, 40 px or more.
_ENLARGEMENTS: Final = (0, 1)
# The detector's own threshold is 0. Tilted and blurred faces have at least this score, other objects
# less than -0.3.
_LOWEST_SCORE: Final = -0.25
# The input size of the descriptor network.
_FACE_PX: Final = 150
_GOOD_SHARE: Final = 0.6
"""The API page requires that a face fills more than 60 % of the photo."""


class FaceFinder:
    """dlib's detector, landmarks and descriptor network."""

    def __init__(self, models: Path) -> None:
        try:
            import dlib  # noqa: PLC0415 - only this judge needs it
            import numpy as np  # noqa: PLC0415 - as dlib
        except ImportError:
            raise JudgeError(
                "dlib is not installed: run `pip install dlib-bin numpy`, or choose --judge pixels."
            ) from None
        for name in (LANDMARKS, DESCRIPTORS):
            if not (models / name).is_file():
                raise JudgeError(
                    f"The model {name} is not in {models}: run `make .local/faces/ready`, "
                    "set the folder with --models, or choose --judge pixels."
                )
        self._to_array = np.asarray
        self._detector = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(models / LANDMARKS))
        self._descriptors = dlib.face_recognition_model_v1(str(models / DESCRIPTORS))

    def find(self, photo: bytes) -> dict[str, Any]:
        """Return the largest face in JSON types, or the `code` of the provider's refusal."""
        try:
            with Image.open(BytesIO(photo), formats=FORMATS) as opened:
                image = opened.convert("RGB")
        except (OSError, SyntaxError, ValueError):
            return {"code": "UnqualifiedPhoto"}
        pixels = self._to_array(image)
        faces = self._detect(image)
        if not faces:
            return {"code": "NoFaceDetected"}
        largest = max(faces, key=lambda face: face.area())
        shape = self._landmarks(pixels, largest)
        box = Box(largest.left(), largest.top(), largest.width(), largest.height())
        points = [(part.x, part.y) for part in shape.parts()]
        return {
            "features": list(self._descriptors.compute_face_descriptor(pixels, shape)),
            "quality": asdict(measure_quality(image, box, points)),
            "count": len(faces),
            "box": asdict(box),
        }

    def _detect(self, image: Image.Image) -> list[Any]:
        """Return all faces above the detector's threshold, or the one with the highest score below it."""
        grey = self._to_array(image.convert("L"))
        uncertain: list[tuple[float, Any]] = []
        for enlargement in _ENLARGEMENTS:
            faces, scores, _ = self._detector.run(grey, enlargement, _LOWEST_SCORE)
            scored = list(zip(scores, faces, strict=True))
            if certain := [face for score, face in scored if score >= 0]:
                return certain
            uncertain += scored
        return [max(uncertain, key=lambda entry: entry[0])[1]] if uncertain else []


def measure_quality(image: Image.Image, box: Box, points: list[tuple[int, int]]) -> Quality:
    """Return the scores of a face: size, sharpness, brightness, and the part that is cut off.

    `points` are the corners of the eyes and the base of the nose, in pixels of the photo.
    """
    inside = _clip(box, image.size)
    face = image.crop(inside).convert("L")
    area_px = box.width * box.height
    cut_off = 1 - (inside[2] - inside[0]) * (inside[3] - inside[1]) / area_px
    hidden = sum(not (0 <= x < image.width and 0 <= y < image.height) for x, y in points) / len(points)
    size = min(1.0, area_px / (image.width * image.height) / _GOOD_SHARE)
    illumination = 1 - abs(ImageStat.Stat(face).mean[0] - 127.5) / 127.5
    edges = face.resize((_FACE_PX, _FACE_PX)).filter(ImageFilter.FIND_EDGES)
    sharpness = min(1.0, ImageStat.Stat(edges).mean[0] / 25)
    overall = (size + illumination + sharpness + 1 - cut_off) / 4
    scores = (overall, illumination, sharpness, cut_off, hidden)
    return Quality(*(round(100 * score, 2) for score in scores))


def _clip(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    return (
        max(0, box.left),
        max(0, box.top),
        min(size[0], box.left + box.width),
        min(size[1], box.top + box.height),
    )


def _serve(finder: FaceFinder, source: BinaryIO) -> None:
    while length := source.read(4):
        _write(finder.find(source.read(int.from_bytes(length))))


def _write(document: dict[str, Any]) -> None:
    print(json.dumps(document), flush=True)


def main() -> int:
    """Answer until the input ends."""
    for number in (signal.SIGINT, signal.SIGTERM):  # only the emulator ends this process
        signal.signal(number, signal.SIG_IGN)
    try:
        finder = FaceFinder(Path(sys.argv[1]))
    except JudgeError as error:
        _write({"error": str(error)})
        return 1
    _write({"ready": True})
    _serve(finder, sys.stdin.buffer)
    return 0


if __name__ == "__main__":
    sys.exit(main())
