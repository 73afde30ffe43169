"""The emulator as it is installed: apart from the source tree."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input")
OFFLINE = ("--no-deps", "--no-index", "--no-build-isolation", "--quiet")


def test_the_installed_command_runs_without_the_source_tree(tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    subprocess.run([*PIP, "install", *OFFLINE, "--target", installed, ROOT / "emulator"], check=True)

    where = "import facecompare_emulator; print(facecompare_emulator.__file__)"
    environment = os.environ | {"PYTHONPATH": str(installed)}
    found = subprocess.run(
        [sys.executable, "-c", where], env=environment, capture_output=True, text=True, check=True
    )
    assert found.stdout.startswith(str(installed))

    with subprocess.Popen(
        [sys.executable, installed / "bin" / "facecompare-emulator", "--port", "0", "--judge", "pixels"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as emulator:
        try:
            assert emulator.stdout is not None
            assert len(json.loads(emulator.stdout.readline())["endpoints"]) == 8
        finally:
            emulator.terminate()

    assert emulator.returncode == 0
