"""Programs that a local stack starts: how they end, and what they write."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from local.processes import AWS_REGION, CLOUD_BIN, ROOT, exit_on_sigterm, make_environment

PROGRAM = """
import sys
from local.processes import exit_on_sigterm

with exit_on_sigterm():
    try:
        print("started", flush=True)
        sys.stdin.read()
    finally:
        print("ended what it had started", flush=True)
"""


def test_a_program_that_is_asked_to_end_ends_what_it_had_started() -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with program:
        assert program.stdout is not None
        assert program.stdout.readline() == "started\n"
        program.send_signal(signal.SIGTERM)
        assert program.stdout.read() == "ended what it had started\n"
    assert program.returncode == 128 + signal.SIGTERM


def test_afterwards_signals_are_handled_as_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with exit_on_sigterm():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before


def test_sam_writes_nothing_into_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    command: list[str | Path] = [CLOUD_BIN / "sam", "validate", "--region", AWS_REGION]
    command += ["--template", ROOT / "template.yaml"]
    subprocess.run(command, env=make_environment(), check=True, stdout=subprocess.DEVNULL)
    assert list(tmp_path.rglob("*")) == []
