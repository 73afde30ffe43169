"""Submits 10,000 generated pairs with `facematch submit` to a local stack: `python -m bench.submit [PAIRS]`.

It prints the rate and the command's peak memory after a tenth, half and all of the pairs. It fails if memory
grows during the run. The functions of the stack are disabled, because they would use the measured cores.
"""

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Final

from PIL import ExifTags, Image, ImageDraw

from local.processes import LOCAL, Ports
from local.stack import Stack, run_stack

_PAIRS: Final = 10_000
_PHOTOS: Final = 40
_PHOTO_SIZE: Final = (1280, 960)
_CHECK_INTERVAL_S: Final = 0.05
_GROWTH_LIMIT: Final = 0.1
"""The allowed growth of memory from a tenth of the pairs to the end. The command stores the pairs' names."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The measurements at one point of the run."""

    pairs: int
    elapsed_s: float
    peak_bytes: int


def run_benchmark(pairs: int) -> list[Reading]:
    """Submit generated pairs; return the measurements at a tenth, at half and at the end."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        run_stack(Ports(cloud=0, emulator=0), LOCAL / "bench-submit") as stack,
    ):
        folder = Path(scratch)
        _disable_functions(stack)
        manifest = write_manifest(folder, pairs)
        (folder / ".local").mkdir()
        stack.save(folder / ".local" / "stack.json")
        with _start_submit(folder, manifest) as process:
            return list(_watch(process, folder, [pairs // 10, pairs // 2, pairs]))


def write_manifest(folder: Path, pairs: int) -> Path:
    """Write some photos, and a manifest with different pairs of them."""
    for number in range(_PHOTOS):
        (folder / f"{number}.jpg").write_bytes(_draw_photo(number))
    manifest = folder / "pairs.csv"
    with manifest.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("pair_id", "source", "target"))
        for number in range(pairs):
            source, step = number % _PHOTOS, 1 + number // _PHOTOS % (_PHOTOS - 1)
            rows.writerow((f"pair-{number:06d}", f"{source}.jpg", f"{(source + step) % _PHOTOS}.jpg"))
    return manifest


def _draw_photo(seed: int) -> bytes:
    """Draw a photo that is stored on its side, like a phone's. It must be rotated and scaled."""
    photo = Image.effect_noise(_PHOTO_SIZE, 4 + seed % 4).convert("RGB")
    ImageDraw.Draw(photo).ellipse((300, 150, 1000, 850), fill=(5 * seed, 90, 120))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    file = BytesIO()
    photo.save(file, "JPEG", quality=80, exif=exif.tobytes())
    return file.getvalue()


def _disable_functions(stack: Stack) -> None:
    functions = stack.client("lambda")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


@contextmanager
def _start_submit(folder: Path, manifest: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "facematch_cli", "submit", str(manifest), "--local", "--region", "singapore"],
        cwd=folder,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _watch(process: subprocess.Popen[bytes], folder: Path, points: list[int]) -> Iterator[Reading]:
    journal = folder / "pairs.csv.facematch-local.journal"
    started_at = time.monotonic()
    peak_bytes = 0
    for point in points:
        while process.poll() is None:
            # The peak cannot be read after the process has ended.
            peak_bytes = _read_peak(process) or peak_bytes
            if _count_lines(journal) - 1 >= point:
                break
            time.sleep(_CHECK_INTERVAL_S)
        if process.poll():
            sys.exit("The submission failed.")
        yield Reading(_count_lines(journal) - 1, time.monotonic() - started_at, peak_bytes)


def _count_lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def _read_peak(process: subprocess.Popen[bytes]) -> int | None:
    """Return the peak memory of a process, or None if it has ended."""
    try:
        status = Path(f"/proc/{process.pid}/status").read_text()
    except OSError:
        return None
    peak = next((line for line in status.splitlines() if line.startswith("VmHWM:")), None)
    return int(peak.split()[1]) * 1024 if peak else None


def main() -> None:
    """Run the benchmark and print the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pairs", type=int, nargs="?", default=_PAIRS, help="number of pairs (%(default)s)")
    readings = run_benchmark(parser.parse_args().pairs)
    print(f"\n{'pairs':>8} {'seconds':>9} {'pairs/s':>9} {'peak MB':>9}")
    for reading in readings:
        rate = reading.pairs / reading.elapsed_s
        peak_mb = reading.peak_bytes / 1_000_000
        print(f"{reading.pairs:>8} {reading.elapsed_s:>9.1f} {rate:>9.1f} {peak_mb:>9.1f}")
    growth = readings[-1].peak_bytes / readings[0].peak_bytes - 1
    print(f"Memory from the first reading to the last: {growth:+.1%}")
    if growth > _GROWTH_LIMIT:
        sys.exit(
            f"Memory grew by more than {_GROWTH_LIMIT:.0%}: the command keeps submitted pairs in memory."
        )


if __name__ == "__main__":
    main()
