"""Runs commands of the docs in a shell, in a clone of the repository."""

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from local.processes import ROOT, make_environment
from local.signed_http import send

ENVIRONMENTS: Final = (".venv", ".local/cloud", ".local/docs", ".local/faces")
"""What `make` would install. The clone links to the installed files of this repository."""
SUBSTITUTIONS: Final = {"--stack facematch": "--local"}
"""Commands for a stack in AWS run with the local stack."""
FREE_PORTS: Final = {"CLOUD_PORT": "0", "EMULATOR_PORT": "0", "PORT": "0"}
OUTER_MAKE_VARIABLES: Final = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
LONGEST_S: Final = 240.0
STOP_LIMIT_S: Final = 30.0


@dataclass(frozen=True)
class Shell:
    """Runs commands in a folder with bash."""

    folder: Path
    environment: Mapping[str, str]

    def run_commands(
        self,
        commands: str,
        *,
        replacing: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        answer: str = "",
    ) -> str:
        """Run commands until they end; return their output.

        `replacing` has parts of the commands and their replacements. `answer` is the standard input.
        """
        with self.start_commands(commands, replacing=replacing, variables=variables) as process:
            output, _ = process.communicate(answer, LONGEST_S)
        assert process.returncode == 0, f"{output}\n{self.log.read_text()}"
        return output

    @contextmanager
    def start_commands(
        self,
        commands: str,
        *,
        replacing: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Iterator[subprocess.Popen[str]]:
        """Run commands during the block. At its end, Ctrl-C ends commands that still run."""
        for original, replacement in {**SUBSTITUTIONS, **(replacing or {})}.items():
            commands = commands.replace(original, replacement)
        with self.log.open("w") as log:
            process = subprocess.Popen(
                ["/bin/bash", "-euc", commands],
                cwd=self.folder,
                env={**self.environment, **(variables or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        with process:
            try:
                yield process
            finally:
                press_ctrl_c(process)

    @property
    def log(self) -> Path:
        """The standard error of the latest command."""
        return self.folder / ".local" / "errors.log"

    def list_running(self) -> dict[int, str]:
        """Return the processes with the clone as their working directory, by their ids."""
        running = {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "cwd").readlink().is_relative_to(self.folder):
                    running[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        return running


def press_ctrl_c(process: subprocess.Popen[str]) -> None:
    """End a command and its child processes like Ctrl-C; kill them if they do not end."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_LIMIT_S)


def clone(folder: Path) -> Shell:
    """Clone the latest commit of this repository, and link to its installed files."""
    subprocess.run(["/usr/bin/env", "git", "clone", "--quiet", ROOT, folder], check=True)
    for name in ENVIRONMENTS:
        (folder / name).mkdir(parents=True)
        for entry in (ROOT / name).iterdir():
            if entry.name != "ready":
                (folder / name / entry.name).symlink_to(entry.resolve())
        # Newer than the requirements of the clone, so that `make` does not install again.
        (folder / name / "ready").touch()
    installed = folder / ".local" / "installed"
    environment = make_environment() | FREE_PORTS | {"PYTHONPATH": str(installed)}
    folders = [str(installed / "bin"), str(folder / ".venv" / "bin"), environment["PATH"]]
    environment["PATH"] = os.pathsep.join(folders)
    return Shell(
        folder, {name: environment[name] for name in environment if name not in OUTER_MAKE_VARIABLES}
    )


@dataclass(frozen=True)
class Console:
    """The HTTP API of the console."""

    address: str

    def get(self, path: str) -> Any:
        """Return the answer of the console."""
        return send(urllib.request.Request(self.address + path)).body

    def switch(self, *names: str) -> None:
        """Switch these scenarios of the emulator on, and all others off."""
        request = urllib.request.Request(
            self.address + "api/emulator/switches",
            data=json.dumps(names).encode(),
            headers={"Origin": self.address.rstrip("/"), "Content-Type": "application/json"},
            method="PUT",
        )
        switches = send(request).body["switches"]
        assert [switch["id"] for switch in switches if switch["is_on"]] == [*names]
