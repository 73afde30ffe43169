"""The command as it is installed: apart from the source tree."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(*command: str | Path, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, env=kept | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_is_installed_runs_without_the_source_tree(tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
    offline = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")
    run(*pip, "install", *offline, "--target", tmp_path / "installed", ROOT / "cli")

    script = tmp_path / "installed" / "bin" / "facematch"
    reported = run(sys.executable, script, "--version", PYTHONPATH=str(tmp_path / "installed"))
    where = run(
        sys.executable,
        "-c",
        "import facematch.settings as a, imaging as b; print(a.__file__, b.__file__)",
        PYTHONPATH=str(tmp_path / "installed"),
    )
    sample = "from facematch_cli.doctor.sample import read_samples; print(*map(len, read_samples().values()))"
    sizes = run(sys.executable, "-c", sample, PYTHONPATH=str(tmp_path / "installed"))

    assert reported.startswith("facematch 0.")
    assert all(int(size) > 10_000 for size in sizes.split())
    assert all(path.startswith(str(tmp_path)) for path in where.split())
