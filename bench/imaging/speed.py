"""
The benchmark of the normaliser: `python -m bench.imaging`. `--quick` only checks that it runs.

All ratios come from one run in which the implementations alternate, so that load on the machine affects all
of them. The ratios are of processor time (user and system), which other processes hardly change. Only the
gain of two threads is measured in elapsed time. Each photo has its own process, because memory of an earlier
photo would change the time of the next one.
"""

import argparse
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from PIL import Image, ImageOps
from skimage.metrics import structural_similarity

from bench.imaging.contenders import (
    LONG_SIDE,
    SHORT_SIDE,
    Contender,
    make_libjpeg_turbo_limit,
    run_facematch,
    run_libvips,
    run_libvips_shrink_4,
    run_libvips_to_srgb,
    run_plain_pillow,
    run_plain_pillow_to_srgb,
    save_jpeg,
)
from bench.imaging.fuzz import FuzzOutcome, count_cases, fuzz_every_kind
from bench.imaging.memory import measure_peak_mb
from bench.imaging.photos import Photo, make_photos, make_workshop_photo
from bench.imaging.report import draw_ratios, make_table
from facematch.domain.verdict import Role
from facematch.use_cases.prepare_photos import PhotoPreparer

CHART: Final = Path(__file__).parents[2] / "docs" / "imaging-speed.svg"

PILLOW, LIBVIPS, TURBO, OURS = "plain Pillow", "libvips", "libjpeg-turbo alone", "facematch"
_RIVALS: Final = (PILLOW, LIBVIPS, TURBO)


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run. `shrink` divides the sides of the photos."""

    shrink: int = 1
    rounds: int = 15
    slow_rounds: int = 9
    fuzz_cases: int = 20_500


QUICK: Final = Plan(shrink=4, rounds=2, slow_rounds=2, fuzz_cases=190)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmark, print the tables, and write the chart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small photos, few rounds, no chart in docs/")
    parser.add_argument("--chart", type=Path, help="file of the chart")
    options = parser.parse_args(arguments)
    plan = QUICK if options.quick else Plan()
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        photos = pool.submit(_make_all, plan).result()
        speeds = list(pool.map(partial(measure_speed, plan=plan), photos))
        threads = pool.submit(tabulate_threads, photos[:2], plan).result()

    _print("Time", *tabulate_speeds(speeds))
    _print("Two threads", *threads)
    _print("Likeness", *tabulate_likeness([*photos[:3], make_workshop_photo(plan.shrink)]))
    _print("Peak memory", *tabulate_memory(photos[:2] + photos[4:6]))
    _print("Damaged files", *tabulate_fuzz(fuzz_every_kind(plan.fuzz_cases)))

    chart = options.chart or (None if options.quick else CHART)
    if chart:
        chart.write_text(draw_speeds(speeds), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Speed:
    """The seconds of processor time of each implementation for one photo, by round."""

    photo: Photo
    times_s: Mapping[str, Sequence[float]]

    def take_ms(self, name: str) -> float | None:
        """Return the median in milliseconds, or None if the implementation did not run."""
        return median(self.times_s[name]) * 1000 if name in self.times_s else None

    def compare(self, name: str) -> float | None:
        """Return the median of an implementation's time divided by facematch's in the same round."""
        if name not in self.times_s:
            return None
        rounds = zip(self.times_s[name], self.times_s[OURS], strict=True)
        return median(theirs / ours for theirs, ours in rounds)


def measure_speed(photo: Photo, plan: Plan) -> Speed:
    """Normalise a photo with all implementations, alternately."""
    is_fast = photo.name in {"JPEG 12 MP", "progressive JPEG 12 MP"}
    rounds = plan.rounds if is_fast else plan.slow_rounds
    contenders = _choose_contenders(photo)
    tasks = {name: _bind(run, photo) for name, run in contenders.items()}
    return Speed(photo, take_turns(tasks, rounds, time.process_time))


def take_turns(
    tasks: Mapping[str, Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> dict[str, list[float]]:
    """Return the seconds of every task in each round. A first round does not count."""
    times_s: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(rounds + 1):
        for name, task in tasks.items():
            started = clock()
            task()
            times_s[name].append(clock() - started)
    return {name: taken[1:] for name, taken in times_s.items()}


def tabulate_speeds(speeds: Sequence[Speed]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return the table of milliseconds and ratios."""
    everyone = (*_RIVALS, OURS)
    ratios = ["plain Pillow ÷ facematch", "libvips ÷ facematch", "facematch ÷ libjpeg-turbo"]
    rows = []
    for speed in speeds:
        limit = speed.compare(TURBO)
        rows.append(
            [
                speed.photo.name,
                f"{len(speed.photo.data) / 1e6:.1f}",
                *(_show(speed.take_ms(name), ".0f") for name in everyone),
                *(_show(speed.compare(name), ".2f") for name in (PILLOW, LIBVIPS)),
                _show(limit and 1 / limit, ".2f"),
            ]
        )
    return ["photo", "MB", *(f"{name}, ms" for name in everyone), *ratios], rows


def draw_speeds(speeds: Sequence[Speed]) -> str:
    """Return the chart of the ratios."""
    return draw_ratios(
        "Processor time to normalise one photo, as a multiple of facematch's",
        "over 1 is slower than facematch",
        _RIVALS,
        [(speed.photo.name, [speed.compare(name) for name in _RIVALS]) for speed in speeds],
    )


def tabulate_likeness(photos: Sequence[Photo]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return the similarity (SSIM) of the JPEGs' luma with the LANCZOS reduction of the full size."""
    contenders: dict[str, Contender] = {
        "libvips, shrink=4": run_libvips_shrink_4,
        "libvips, thumbnail": run_libvips,
        "the reference itself as JPEG": lambda data: save_jpeg(_reduce_whole(data)),
        OURS: run_facematch,
    }
    rows = [
        [photo.name, *(f"{_measure_likeness(photo, run):.4f}" for run in contenders.values())]
        for photo in photos
    ]
    return ["photo", *contenders], rows


def tabulate_memory(photos: Sequence[Photo]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return the peak memory of each implementation: the median of three new processes."""
    contenders = [run_plain_pillow, run_libvips, run_facematch]
    rows = []
    with TemporaryDirectory() as folder:
        for photo in photos:
            path = Path(folder) / "photo"
            path.write_bytes(photo.data)
            peaks_mb = [median(measure_peak_mb(run.__name__, path) for _ in range(3)) for run in contenders]
            rows.append([photo.name, *(f"{peak_mb:.0f}" for peak_mb in peaks_mb)])
    return ["photo", f"{PILLOW}, MB", f"{LIBVIPS}, MB", f"{OURS}, MB"], rows


def tabulate_threads(photos: Sequence[Photo], plan: Plan) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return the time of a pair in one thread and in two threads like the worker, and that of hashing."""
    tasks = [(photo.name, *_bind_pair(photo)) for photo in photos]
    rows = []
    for name, one_thread, two_threads in [
        *tasks,
        ("SHA-256 of 2 x 32 MB", *_bind_hashing(bytes(32_000_000))),
    ]:
        times_s = take_turns({"one": one_thread, "two": two_threads}, plan.rounds, time.perf_counter)
        ratio = median(one / two for one, two in zip(times_s["one"], times_s["two"], strict=True))
        rows.append([name, *(f"{median(taken) * 1000:.0f}" for taken in times_s.values()), f"{ratio:.2f}"])
    return ["two of", "one thread, ms", "two threads, ms", "ratio"], rows


def tabulate_fuzz(outcomes: Sequence[FuzzOutcome]) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return the outcomes of each kind, and of all."""
    rows = [
        [
            outcome.kind,
            f"{outcome.outcomes.total()}",
            f"{outcome.outcomes['photo']}",
            f"{outcome.outcomes.total() - outcome.outcomes['photo']}",
            f"{outcome.slowest_s * 1000:.0f}",
        ]
        for outcome in outcomes
    ]
    photos = sum(outcome.outcomes["photo"] for outcome in outcomes)
    slowest_ms = max(outcome.slowest_s for outcome in outcomes) * 1000
    total = count_cases(outcomes)
    rows.append(["all", f"{total}", f"{photos}", f"{total - photos}", f"{slowest_ms:.0f}"])
    return ["kind", "cases", "normalised", "refused", "slowest, ms"], rows


def _make_all(plan: Plan) -> list[Photo]:
    return list(make_photos(plan.shrink))


def _bind_pair(photo: Photo) -> tuple[Callable[[], object], Callable[[], object]]:
    pair = {Role.SOURCE: photo.data, Role.TARGET: photo.data}
    return (
        lambda: [run_facematch(data) for data in pair.values()],
        lambda: PhotoPreparer().prepare(pair),
    )


def _bind_hashing(data: bytes) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return hashing in one thread and in two threads, which shows how well the machine scales."""

    def hash_in_two_threads() -> None:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(hashlib.sha256, [data, data]))

    return lambda: [hashlib.sha256(data) for _ in range(2)], hash_in_two_threads


def _choose_contenders(photo: Photo) -> dict[str, Contender]:
    if "P3" in photo.name:
        return {PILLOW: run_plain_pillow_to_srgb, LIBVIPS: run_libvips_to_srgb, OURS: run_facematch}
    contenders: dict[str, Contender] = {PILLOW: run_plain_pillow}
    if "HEIC" not in photo.name:  # the libvips of PyPI has no HEIC decoder
        contenders[LIBVIPS] = run_libvips
    if "JPEG" in photo.name:
        contenders[TURBO] = make_libjpeg_turbo_limit(photo.data)
    return {**contenders, OURS: run_facematch}


def _bind(run: Contender, photo: Photo) -> Callable[[], bytes]:
    return lambda: run(photo.data)


def _measure_likeness(photo: Photo, run: Contender) -> float:
    reference = _read_luma(_reduce_whole(photo.data))
    return float(structural_similarity(reference, _read_luma(Image.open(BytesIO(run(photo.data))))))


def _reduce_whole(data: bytes) -> Image.Image:
    upright = ImageOps.exif_transpose(Image.open(BytesIO(data)))
    return upright.resize((SHORT_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)


def _read_luma(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L"))


def _show(figure: float | None, form: str) -> str:
    return "" if figure is None else f"{figure:{form}}"


def _print(title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    print(f"\n{title}\n\n{make_table(head, rows)}", flush=True)
