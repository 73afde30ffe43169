"""Starts and stops the two programs of a local stack: the local cloud and the FaceCompare emulator."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from facematch.domain.regions import Network, Region

ROOT: Final = Path(__file__).resolve().parents[1]
LOCAL: Final = ROOT / ".local"
CLOUD_BIN: Final = LOCAL / "cloud" / "bin"
AWS_REGION: Final = "ap-southeast-1"
HOST: Final = "127.0.0.1"
LOCAL_KEY: Final = "test"
"""The access key of the local cloud, and its secret."""
_CLOUD_PROGRAM: Final = "import sys; sys.setswitchinterval(0.0005); from ministack.app import main; main()"
"""The program has many threads. With Python's default, a thread would wait 5 ms for each other one."""
_START_LIMIT_S: Final = 60.0
_STOP_LIMIT_S: Final = 10.0


class LocalError(Exception):
    """A local stack cannot start or run. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of the programs. The emulator also uses the next eight ports. 0 lets the system choose."""

    cloud: int = 4566
    emulator: int = 4580


@dataclass(slots=True)
class RunningPrograms:
    """The running programs and their addresses."""

    cloud: subprocess.Popen[bytes]
    emulator: subprocess.Popen[bytes]
    endpoint_url: str
    emulator_url: str
    provider_endpoints: str

    def stop(self) -> None:
        """End both programs and their child processes."""
        for process in (self.cloud, self.emulator):
            end_process_group(process.pid)
            process.wait()


def make_environment(endpoint_url: str | None = None) -> dict[str, str]:
    """Return this process's environment with the local cloud's tools and keys.

    It contains none of the user's AWS settings, and no Python path: a function must not import from this
    repository.
    """
    excluded = ("AWS_", "SAM_", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(excluded)}
    loopback = f"{HOST},localhost"
    kept |= {
        "PATH": f"{CLOUD_BIN}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "NO_PROXY": loopback,
        "no_proxy": loopback,
        "SAM_CLI_TELEMETRY": "0",
        # SAM writes an id of the installation into the home directory otherwise.
        "__SAM_CLI_APP_DIR": str(LOCAL / "sam"),
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_ACCESS_KEY_ID": LOCAL_KEY,
        "AWS_SECRET_ACCESS_KEY": LOCAL_KEY,
        "AWS_DEFAULT_REGION": AWS_REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return kept | ({"AWS_ENDPOINT_URL": endpoint_url} if endpoint_url else {})


def start(ports: Ports, folder: Path, judge: str = "pixels") -> RunningPrograms:
    """Start both programs with their logs in `folder`; return when they answer requests.

    `judge` is what the emulator compares: "pixels", or "faces", which needs dlib and its models.

    Raises
    ------
    LocalError
        A port is in use, or a program does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cloud_port = ports.cloud or _find_free_port()
    _check_free(cloud_port, "CLOUD_PORT")
    for offset in range(1 + len(Region) * len(Network) if ports.emulator else 0):
        _check_free(ports.emulator + offset, "EMULATOR_PORT")
    emulator, addresses = _start_emulator(ports.emulator, judge, folder / "emulator.log")
    try:
        cloud = _start_cloud(cloud_port, folder)
    except BaseException:
        end_process_group(emulator.pid)
        emulator.wait()
        raise
    endpoints = ",".join(f"{e['region']}.{e['network']}={e['address']}" for e in addresses["endpoints"])
    return RunningPrograms(cloud, emulator, f"http://{HOST}:{cloud_port}", addresses["control"], endpoints)


def end_process_group(process_id: int) -> None:
    """End a process and its children, if they still run."""
    deadline = time.monotonic() + _STOP_LIMIT_S
    try:
        os.killpg(process_id, signal.SIGTERM)
        while time.monotonic() < deadline:
            _reap(process_id)
            os.killpg(process_id, 0)
            time.sleep(0.05)
        os.killpg(process_id, signal.SIGKILL)
        _reap(process_id)
    except ProcessLookupError:
        pass


@contextlib.contextmanager
def exit_on_sigterm() -> Iterator[None]:
    """Handle SIGTERM like Ctrl-C during the block, so that the block stops the processes that it started."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def is_local_program(process_id: int) -> bool:
    """Return whether a process is one of the two programs. Its id can belong to another program by now."""
    command = ["ps", "-o", "command=", "-p", str(process_id)]
    output = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return "ministack" in output or "facecompare_emulator" in output


def _reap(process_id: int) -> None:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process_id, os.WNOHANG)


def _start_emulator(port: int, judge: str, log: Path) -> tuple[subprocess.Popen[bytes], Mapping[str, Any]]:
    program = [sys.executable, "-m", "facecompare_emulator"]
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*program, "--port", str(port), "--judge", judge, "--models", str(LOCAL / "faces")],
            cwd=ROOT,
            env=make_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    if process.stdout is None:
        raise LocalError("The emulator has no output with its addresses.")
    line = process.stdout.readline()
    process.stdout.close()
    if not line:
        process.wait()
        raise LocalError(f"The FaceCompare emulator did not start: {_last_line(log)}")
    return process, json.loads(line)


def _start_cloud(port: int, folder: Path) -> subprocess.Popen[bytes]:
    scratch = folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    settings = {
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": AWS_REGION,
        "AUTH": "true",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "TMPDIR": str(scratch),
        "STATE_DIR": str(scratch / "state"),
        "S3_DATA_DIR": str(scratch / "s3"),
    }
    log = folder / "cloud.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [CLOUD_BIN / "python", "-c", _CLOUD_PROGRAM],
            cwd=folder,
            env=make_environment() | settings,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_healthy(process, f"http://{HOST}:{port}/_ministack/health", log)
    except BaseException:
        end_process_group(process.pid)
        process.wait()
        raise
    return process


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with opener.open(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise LocalError(f"The local cloud did not start. See {log.relative_to(ROOT)}.")


def _check_free(port: int, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise LocalError(
                f"Port {port} is in use. If a local stack uses it, run `make down`. Otherwise end that "
                f"program, or choose another port with {variable}=…"
            ) from None


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "there is no output."
