"""
Measures framing: `python -m bench.imaging.framing`.

Photographs of faces are pasted into backgrounds of 12 MP, from 5 to 100 % of their area. They are normalised
with and without framing, alternately. Then OpenCV's cascade, an independent detector, searches for the face.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from itertools import product
from pathlib import Path
from statistics import median, quantiles
from typing import Final

import cv2
import numpy as np
from PIL import Image, ImageOps
from skimage import data as bundled

from bench.imaging.photos import SENSOR_12_MP
from bench.imaging.report import make_table
from imaging import PROVIDER_LIMITS, FaceReport, normalise
from local.portraits import make_portraits, make_stranger

FRAMED: Final = replace(PROVIDER_LIMITS, frame_faces=True)
AREAS: Final = (0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
"""The shares of the background that a photograph covers."""
_PLACES: Final = ((0.5, 0.5), (0.1, 0.2), (0.9, 0.4))
_MIN_FACE_SHARE: Final = 0.05
"""The share of a picture's shorter side. A smaller detection is noise."""
_START: Final = """
import json, sys, time
from pathlib import Path
photo, frame = Path(sys.argv[1]).read_bytes(), sys.argv[2] == "framed"
started = time.perf_counter()
from imaging import Limits, normalise
imported = time.perf_counter()
normalise(photo, Limits(frame_faces=frame))
print(json.dumps([imported - started, time.perf_counter() - imported]))
"""


@dataclass(frozen=True, slots=True)
class Trial:
    """One scene: the covered share, the results, and the time with and without framing."""

    area: float
    face: FaceReport
    is_found_before: bool
    is_found_after: bool
    plain_s: float
    framed_s: float


def main() -> None:
    """Print the tables."""
    trials = run_trials()
    for title, table in {
        "Framing": tabulate_framing(trials),
        "Time of framing": tabulate_time(trials),
        "Starts with framing": tabulate_starts(),
    }.items():
        print(f"\n{title}\n\n{make_table(*table)}", flush=True)


def run_trials(shrink: int = 1) -> list[Trial]:
    """Normalise every photograph at every size and position, with sides `shrink` times shorter."""
    return [_try(area, scene) for area, scene in _make_scenes(shrink)]


def tabulate_framing(trials: Sequence[Trial]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return the face's share before and after, and how often OpenCV finds it, by the covered area."""
    rows = []
    for area in [*AREAS, None]:
        chosen = [trial for trial in trials if area in {None, trial.area}]
        before = [trial.face.share_before for trial in chosen if trial.face.share_before is not None]
        after = [trial.face.share_after for trial in chosen if trial.face.share_after is not None]
        rows.append(
            [
                "all" if area is None else f"{area:.0%}",
                f"{len(chosen)}",
                f"{len(after)}",
                _show_share(before),
                _show_share(after),
                f"{sum(trial.is_found_before for trial in chosen)}",
                f"{sum(trial.is_found_after for trial in chosen)}",
            ]
        )
    head = ["photograph covers", "scenes", "face found", "share before", "share after"]
    return [*head, "found by OpenCV, not framed", "found by OpenCV, framed"], rows


def tabulate_time(trials: Sequence[Trial]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return the time that framing adds to one photo."""
    added_ms = [(trial.framed_s - trial.plain_s) * 1000 for trial in trials]
    plain_ms = [trial.plain_s * 1000 for trial in trials]
    last = quantiles(added_ms, n=20)[-1]
    row = [f"{median(plain_ms):.0f}", f"{median(added_ms):+.0f}", f"{last:+.0f}"]
    return ["not framed, median ms", "added, median ms", "added, p95 ms"], [row]


def tabulate_starts(starts: int = 7) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Measure the first photo of a new process, with and without framing, alternately."""
    path = Path(__file__).parents[2] / ".local" / "framing.jpg"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(_save(_paste(_photographs()["astronaut"], 0.2, (0.5, 0.5), 1)))
    times_by_kind: dict[str, list[tuple[float, float]]] = {"plain": [], "framed": []}
    for _, kind in product(range(starts), times_by_kind):
        command = [sys.executable, "-c", _START, str(path), kind]
        result = subprocess.run(command, check=True, capture_output=True, text=True)
        times_by_kind[kind].append(json.loads(result.stdout))
    rows = [
        [kind, *(f"{median(times) * 1000:.0f}" for times in zip(*measured, strict=True))]
        for kind, measured in times_by_kind.items()
    ]
    return ["process", "importing imaging, ms", "first photo, ms"], rows


def _try(area: float, scene: bytes) -> Trial:
    times: Mapping[bool, list[float]] = {False: [], True: []}
    for _ in range(3):
        for is_framed in times:
            started = time.process_time()
            normalise(scene, FRAMED if is_framed else PROVIDER_LIMITS)
            times[is_framed].append(time.process_time() - started)
    framed = normalise(scene, FRAMED)
    return Trial(
        area=area,
        face=framed.report.face or FaceReport(0),
        is_found_before=_finds_face(normalise(scene).jpeg),
        is_found_after=_finds_face(framed.jpeg),
        plain_s=median(times[False]),
        framed_s=median(times[True]),
    )


@cache
def _load_cascade() -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_alt2.xml"))


def _finds_face(jpeg: bytes) -> bool:
    grey = np.asarray(Image.open(BytesIO(jpeg)).convert("L"))
    least = int(min(grey.shape) * _MIN_FACE_SHARE)
    return len(_load_cascade().detectMultiScale(grey, 1.1, 4, minSize=(least, least))) > 0


@cache
def _photographs() -> dict[str, Image.Image]:
    drawn = {f"portrait {number}": data for number, data in enumerate([*make_portraits(), make_stranger()])}
    portraits = {name: ImageOps.exif_transpose(Image.open(BytesIO(data))) for name, data in drawn.items()}
    astronaut = Image.fromarray(bundled.astronaut()).crop((64, 0, 448, 512))
    return {"astronaut": astronaut, **{name: image.convert("RGB") for name, image in portraits.items()}}


def _make_scenes(shrink: int) -> Iterator[tuple[float, bytes]]:
    for photograph in _photographs().values():
        for area, place in product(AREAS, _PLACES):
            if area < 1 or place == _PLACES[0]:
                yield area, _save(_paste(photograph, area, place, shrink))


def _paste(photograph: Image.Image, area: float, place: tuple[float, float], shrink: int) -> Image.Image:
    """Paste a photograph into one without a face, with its centre as close to `place` as possible."""
    height, width = (side // shrink for side in SENSOR_12_MP)
    ground = Image.fromarray(bundled.coffee()).resize((width, height))
    part = photograph.resize((round(width * area**0.5), round(height * area**0.5)), Image.Resampling.BICUBIC)
    free_width, free_height = width - part.width, height - part.height
    left = min(max(0, round(place[0] * width - part.width / 2)), free_width)
    top = min(max(0, round(place[1] * height - part.height / 2)), free_height)
    ground.paste(part, (left, top))
    return ground


def _save(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def _show_share(shares: Sequence[float]) -> str:
    return f"{median(shares):.0%}" if shares else ""


if __name__ == "__main__":
    main()
