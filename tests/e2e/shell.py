"""Someone new to facematch: at a shell, in a clone of the repository, typing what the docs say."""

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
"""What `make` would install, and what a clone here borrows."""
MEANT: Final = {"--stack facematch": "--local"}
"""What the docs say of a stack in an account, a shell tries on the one beside them."""
FREE_PORTS: Final = {"CLOUD_PORT": "0", "EMULATOR_PORT": "0", "PORT": "0"}
OUTER_MAKE: Final = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
LONGEST_S: Final = 240.0
STOP_LIMIT_S: Final = 30.0


@dataclass(frozen=True)
class Shell:
    """Runs commands in a folder, as bash would there."""

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
        """Return what commands print, once they have ended well.

        `replacing` has what is typed in place of a word of the docs; `answer` is what is typed when they ask.
        """
        with self.start_commands(commands, replacing=replacing, variables=variables) as process:
            told, _ = process.communicate(answer, LONGEST_S)
        assert process.returncode == 0, f"{told}\n{self.log.read_text()}"
        return told

    @contextmanager
    def start_commands(
        self,
        commands: str,
        *,
        replacing: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Iterator[subprocess.Popen[str]]:
        """Have commands run for the time of the block; Ctrl-C ends what has not ended by then."""
        for word, meant in {**MEANT, **(replacing or {})}.items():
            commands = commands.replace(word, meant)
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
        """Where the latest command complains."""
        return self.folder / ".local" / "complaints.log"

    def list_running(self) -> dict[int, str]:
        """Return the processes that work in the clone, by their ids."""
        running = {}
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (process / "cwd").readlink().is_relative_to(self.folder):
                    running[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        return running


def press_ctrl_c(process: subprocess.Popen[str]) -> None:
    """End a command and what it started, as the shell's Ctrl-C does; kill it if it does not mind that."""
    for number in (signal.SIGINT, signal.SIGKILL):
        if process.poll() is None:
            os.killpg(process.pid, number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_LIMIT_S)


def clone(folder: Path) -> Shell:
    """Clone the repository's latest commit, and borrow what is installed in this one."""
    subprocess.run(["/usr/bin/env", "git", "clone", "--quiet", ROOT, folder], check=True)
    for name in ENVIRONMENTS:
        (folder / name).mkdir(parents=True)
        for entry in (ROOT / name).iterdir():
            if entry.name != "ready":
                (folder / name / entry.name).symlink_to(entry.resolve())
        # Installed after the clone's requirements, so that `make` leaves it be.
        (folder / name / "ready").touch()
    installed = folder / ".local" / "installed"
    environment = make_environment() | FREE_PORTS | {"PYTHONPATH": str(installed)}
    places = [str(installed / "bin"), str(folder / ".venv" / "bin"), environment["PATH"]]
    environment["PATH"] = os.pathsep.join(places)
    return Shell(folder, {name: environment[name] for name in environment if name not in OUTER_MAKE})


@dataclass(frozen=True)
class Console:
    """The console, asked as its own page asks."""

    address: str

    def get(self, path: str) -> Any:
        """Return what the console answers."""
        return send(urllib.request.Request(self.address + path)).body

    def switch(self, *names: str) -> None:
        """Have the emulator play these scenarios and no other."""
        request = urllib.request.Request(
            self.address + "api/emulator/switches",
            data=json.dumps(names).encode(),
            headers={"Origin": self.address.rstrip("/"), "Content-Type": "application/json"},
            method="PUT",
        )
        assert [one["id"] for one in send(request).body["switches"] if one["is_on"]] == [*names]
