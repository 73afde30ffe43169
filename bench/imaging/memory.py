"""Measures the peak memory of an implementation in a new process."""

import re
import subprocess
import sys
from pathlib import Path

from bench.imaging import contenders

_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


def measure_peak_mb(contender: str, photo: Path) -> float:
    """Run an implementation on a file in a new process. The file's bytes count, imported modules do not."""
    command = [sys.executable, "-m", "bench.imaging.memory", contender, str(photo)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _read_peak_mb() -> float:
    """Read the peak of this process. `ru_maxrss` would include that of the parent."""
    match = _PEAK.search(Path("/proc/self/status").read_text())
    return int(match[1]) * 1024 / 1e6 if match else 0.0


def _main(contender: str, photo: str) -> None:
    imported_mb = _read_peak_mb()
    getattr(contenders, contender)(Path(photo).read_bytes())
    print(_read_peak_mb() - imported_mb)


if __name__ == "__main__":
    _main(*sys.argv[1:])
