"""The requests in docs/send.md, run unchanged with the deployed stack.

The shell scripts need curl and jq. The TypeScript example needs Node 20 or later with npm, and the packages
of `make .local/requests/ready`.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from facematch.domain.comparison import identify_request
from facematch.domain.priority import Priority
from facematch.domain.regions import Region
from harness.driver import CALLER, Driver
from harness.faults import Cloud, Emulator, ScenarioContext, make_small_photo
from local.processes import AWS_REGION, LOCAL, LOCAL_KEY, ROOT, make_environment

REQUESTS: Final = ROOT / "examples" / "requests"
PACKAGES: Final = LOCAL / "requests"
LONGEST_RUN_S: Final = 60
NO_SLOT_S: Final = Priority.URGENT.horizon_s + 5
"""The delay of the next slot, so that the answer contains no verdict."""

type Command = list[str | Path]


def find_script(name: str) -> Path:
    if not all(map(shutil.which, ("curl", "jq"))):
        pytest.skip("Install curl and jq (`apt-get install curl jq`), which the shell scripts need.")
    return REQUESTS / name


def prepare_bash(_: Path) -> Command:
    return [find_script("compare.sh")]


def prepare_python(_: Path) -> Command:
    return [sys.executable, REQUESTS / "compare.py"]


def compile_typescript(folder: Path) -> Command:
    if not (PACKAGES / "ready").exists():
        pytest.skip("Install Node 20 or later, with npm, then run `make .local/requests/ready`.")
    for name in ("compare.ts", "package.json", "tsconfig.json"):
        shutil.copy(REQUESTS / name, folder)
    (folder / "node_modules").symlink_to(PACKAGES / "node_modules")
    run(folder, ["node", "node_modules/typescript/bin/tsc"], {})
    return ["node", folder / "compare.js"]


def run(folder: Path, command: Command, environment: dict[str, str]) -> str:
    result = subprocess.run(
        command,
        cwd=folder,
        env=make_environment() | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST_RUN_S,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def ask(driver: Driver, tmp_path: Path) -> Callable[[Command, str], str]:
    """Run a request for the photos of one pair with a key; return its output."""
    for seed, name in enumerate(("source.jpg", "target.jpg")):
        (tmp_path / name).write_bytes(make_small_photo(seed))
    environment = {
        "API_URL": driver.stack.api_url,
        "AWS_REGION": AWS_REGION,
        "AWS_ACCESS_KEY_ID": LOCAL_KEY,
        "AWS_SECRET_ACCESS_KEY": LOCAL_KEY,
        "NO_PROXY": "*",
    }
    return lambda command, key: run(tmp_path, [*command, "source.jpg", "target.jpg", key], environment)


@pytest.mark.parametrize("prepare", [prepare_bash, prepare_python, compile_typescript])
def test_a_request_prints_its_verdict_and_repeated_pays_for_it_once(
    prepare: Callable[[Path], Command], driver: Driver, ask: Callable[[Command, str], str], tmp_path: Path
) -> None:
    command, key = prepare(tmp_path), f"request-{prepare.__name__}"

    printed = [ask(command, key) for _ in range(2)]
    comparison = driver.request("GET", f"/v1/comparisons/{identify_request(CALLER, key)}").body
    assert printed == [f"{comparison['result']['verdict']}\n"] * 2
    assert comparison["attempts"] == 1


@pytest.mark.parametrize("prepare", [prepare_bash, prepare_python, compile_typescript])
def test_a_request_asks_again_for_a_verdict_that_comes_later(
    prepare: Callable[[Path], Command], driver: Driver, ask: Callable[[Command, str], str], tmp_path: Path
) -> None:
    command = prepare(tmp_path)
    context = ScenarioContext(
        cloud=Cloud(driver),
        emulator=Emulator(driver.stack.emulator_url),
        region=Region.SINGAPORE,
        prefix="later",
        folder=tmp_path,
    )
    context.delay_next_slot(NO_SLOT_S)
    assert ask(command, f"later-{prepare.__name__}") in {"match\n", "no_match\n"}


def test_photos_that_are_uploaded_by_forms_are_compared(
    driver: Driver, ask: Callable[[Command, str], str]
) -> None:
    ask([find_script("upload.sh")], "by-request")
    assert driver.wait_for_event("by-request")["type"] == "facematch.comparison.completed"
