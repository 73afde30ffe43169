import asyncio
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_tea_openapi.exceptions import ClientException

from facecompare_emulator import Credentials, Effect, Emulator, PortBusyError, Scenario, run_emulator
from facecompare_emulator.endpoints import DEFAULT_QPS
from facecompare_emulator.recent import Recent
from tests.integration.emulator.clients import TIMEOUT_S, ControlClient, compare

ROOT = Path(__file__).parents[3]
README = (ROOT / "emulator" / "README.md").read_text(encoding="utf-8")
PROGRAM = [sys.executable, "-m", "facecompare_emulator"]


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    with subprocess.Popen(
        [*PROGRAM, "--port", "0", "--judge", "pixels", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            assert program.stdout is not None
            yield program, json.loads(program.stdout.readline())
        finally:
            program.kill()


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PROGRAM, "--judge", "pixels", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


def address_of(ready: dict[str, Any], region: str) -> str:
    return next(
        str(endpoint["address"])
        for endpoint in ready["endpoints"]
        if (endpoint["region"], endpoint["network"]) == (region, "public")
    )


def speak(address: str, data: bytes) -> bytes:
    host, _, port = address.partition(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        connection.sendall(data)
        return connection.makefile("rb").read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_program_serves_and_ends_cleanly(number: signal.Signals) -> None:
    with running() as (program, ready):
        assert compare(address_of(ready, "malaysia")).code == "Success"
        control = ControlClient(ready["control"].removeprefix("http://"))
        assert control.ask("GET", "/endpoints").document == ready["endpoints"]
        assert speak(address_of(ready, "malaysia"), b"no HTTP\r\n\r\n").startswith(b"HTTP/1.0 400")
        program.send_signal(number)
        output, complaints = program.communicate(timeout=30)
    assert (program.returncode, output, complaints) == (0, "", "")


def test_program_takes_its_options(tmp_path: Path) -> None:
    scenarios = tmp_path / "scenarios.json"
    scenarios.write_text('[{"score": 12.5, "region": "indonesia"}]')
    credentials = Credentials("key", "secret", "token")
    arguments = ["--access-key-id=key", "--access-key-secret=secret", "--security-token=token"]
    arguments += [f"--scenario={scenarios}", "--qps=malaysia=1", "--qps-window=bucket", "--latency-ms=1"]
    arguments += ["--retry-after", "--data-limit=request", "--idle-timeout-s=5"]
    arguments += ["--operations=FaceCompare,KeepaliveIntl"]
    with running(*arguments) as (_, ready):
        result = compare(address_of(ready, "indonesia"), credentials).result
        assert result.face_comparison_score == 12.5
        with pytest.raises(ClientException):
            compare(address_of(ready, "indonesia"))
        about = ControlClient(ready["control"].removeprefix("http://")).ask("GET", "").document
        assert about["qps"] == {**DEFAULT_QPS, "malaysia": 1}
        assert (about["qps_window"], about["data_limit"]) == ("bucket", "request")
        assert about["judge"] == "pixels"
        assert (about["operations"], about["idle_timeout_s"]) == (["FaceCompare", "KeepaliveIntl"], 5)


def test_busy_port_ends_it_with_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run("--port", str(port))
    expected = f"Port {port} on 127.0.0.1 is in use. Choose another port with --port, or 0 for a free port.\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", expected)


def test_host_that_is_not_here_ends_it_with_one_sentence() -> None:
    ended = run("--host", "192.0.2.1", "--port", "0")
    assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)
    assert ended.stderr.startswith("Cannot listen on 192.0.2.1: ")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--qps", "mars=3"], "must be REGION=N"),
        (["--judge", "coin"], "invalid choice: 'coin'"),
        (["--operations", "CheckResult"], "must be names of FaceCompare"),
        (["--idle-timeout-s", "0"], "must be above 0"),
        (["--port", "65530"], "must be from 0 to 65527"),
        (["--scenario", "missing.json"], "cannot read missing.json: No such file or directory"),
        (["--scenario", "{broken}"], "{broken} is not JSON"),
        (["--scenario", "{invalid}"], "{invalid}: The scenario field 'x' is unknown."),
    ],
)
def test_wrong_argument_is_refused(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    files = {"broken": tmp_path / "broken.json", "invalid": tmp_path / "invalid.json"}
    files["broken"].write_text("[")
    files["invalid"].write_text('[{"x": 1}]')
    ended = run(*(argument.format_map(files) for argument in arguments))
    assert ended.returncode == 2
    assert sentence.format_map(files) in ended.stderr


@contextmanager
def second_port_taken() -> Iterator[int]:
    """Find a free port whose next one is taken."""
    for _ in range(100):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1] - 1
            try:
                socket.create_server(("127.0.0.1", port)).close()
            except OSError:
                continue
            yield port
            return
    pytest.fail("No two neighbouring ports are free.")


def test_busy_port_leaves_nothing_open() -> None:
    async def start_on(port: int) -> None:
        with pytest.raises(PortBusyError):
            await Emulator(port=port).start()
        socket.create_server(("127.0.0.1", port)).close()

    with second_port_taken() as port:
        asyncio.run(start_on(port))


def test_in_process_emulator_leaves_no_thread() -> None:
    before = threading.active_count()
    with run_emulator() as addresses:
        assert compare(addresses.address("hong-kong")).code == "Success"
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_emulator_imports_nothing_else_of_the_repository() -> None:
    script = "import sys, facecompare_emulator; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    packages = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert not packages & {"facematch", "imaging", "boto3", "Tea", "darabonba", "numpy", "dlib"}


def test_readme_snippet_works(singapore: str) -> None:
    match = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert match is not None
    names: dict[str, Any] = {}
    exec(match[1].replace("127.0.0.1:4581", singapore), names)  # noqa: S102 - our own README
    assert names["client"]._endpoint == singapore


def test_readme_names_every_scenario_field_and_effect() -> None:
    for name in [*(field.name for field in fields(Scenario)), *Effect]:
        assert f"`{name}`" in README, name


def test_memory_is_bounded_by_count_and_age() -> None:
    recent = Recent(max_count=2, max_age_s=10)
    assert [recent.remember(key, 0) for key in ("a", "a", "b", "c", "a")] == [True, False, True, True, True]
    assert not recent.remember("a", 10)
    assert recent.remember("c", 21)
