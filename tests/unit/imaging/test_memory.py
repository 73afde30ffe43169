"""How much memory photos take, measured in new processes. Large photos are prepared one after another."""

import subprocess
import sys
from pathlib import Path

from PIL import Image

PROGRAM = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from imaging import normalise

def read_peak_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1000

photo, at_once = Path(sys.argv[1]).read_bytes(), int(sys.argv[2])
normalise(Path(sys.argv[3]).read_bytes())
before_mb = read_peak_mb()
with ThreadPoolExecutor(at_once) as pool:
    list(pool.map(normalise, [photo] * at_once))
print(read_peak_mb() - before_mb)
"""


def make_webp(folder: Path, side: int) -> Path:
    path = folder / f"{side}.webp"
    Image.new("RGB", (side, side), (90, 120, 150)).save(path, "WEBP", method=0)
    return path


def measure_peak_mb(photo: Path, at_once: int, small: Path) -> float:
    command = [sys.executable, "-c", PROGRAM, str(photo), str(at_once), str(small)]
    reported = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(reported.stdout)


def test_two_heavy_photos_at_once_take_hardly_more_memory_than_one(tmp_path: Path) -> None:
    small, heavy = make_webp(tmp_path, 800), make_webp(tmp_path, 4500)

    one_mb, two_mb = (measure_peak_mb(heavy, at_once, small) for at_once in (1, 2))

    assert one_mb > 150
    assert two_mb < 1.4 * one_mb
