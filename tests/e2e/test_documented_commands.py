"""Runs the commands of the docs, from the clone to `make down`.

`tests/integration/docs/test_commands.py` reads this file to find the tested commands.
"""

import base64
import csv
import io
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from facematch.domain.regions import Network, Region
from harness.driver import Driver
from harness.faults import wait_until
from local.portraits import make_portraits
from local.processes import LOCAL_KEY
from local.stack import Stack
from tests.e2e.shell import Console, Shell, clone

pytestmark = pytest.mark.verify

PAIRS = 200
PHOTOS = 10


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell in a clone with two photos. At the end, no process of it may run."""
    shell = clone(tmp_path_factory.mktemp("shell").resolve() / "facematch")
    (shell.folder / "selfie.jpg").write_bytes(make_face(1))
    (shell.folder / "passport.png").write_bytes(make_face(2, width=1200, height=1600, form="PNG"))
    yield shell
    left = shell.list_running()
    for process_id in left:
        os.kill(process_id, signal.SIGKILL)
    assert left == {}


@pytest.fixture(scope="module")
def driver(shell: Shell) -> Iterator[Driver]:
    """The local stack of the clone, from `make up` to `make down`."""
    output = shell.run_commands("make up")
    try:
        assert ".local/stack.json" in output
        yield Driver(Stack(**json.loads((shell.folder / ".local" / "stack.json").read_text())))
    finally:
        ended = shell.run_commands("make down")
    assert ended == "The local stack has ended.\n"


@pytest.fixture(scope="module")
def borrowing(shell: Shell) -> dict[str, str]:
    """Settings with which pip installs a package without its dependencies and without a network."""
    return {
        "PIP_TARGET": str(shell.folder / ".local" / "installed"),
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        # For pip, 0 means no isolation.
        "PIP_NO_BUILD_ISOLATION": "0",
    }


@pytest.fixture(scope="module")
def installed(shell: Shell, borrowing: dict[str, str]) -> None:
    """Install the command `facematch`. Its dependencies are those of this repository."""
    shell.run_commands(
        """
        python3.13 -m venv .local/command
        source .local/command/bin/activate
        pip install ./cli
        """,
        # The new environment is empty. The command uses the packages of the clone's environment.
        replacing={"source .local/command/bin/activate": ":"},
        variables=borrowing,
    )


def test_the_demo_brings_a_verdict_on_both_pairs_and_ends_by_itself(shell: Shell) -> None:
    output = shell.run_commands("make demo")

    assert re.findall(r"^  verdict +(\w+)$", output, re.MULTILINE) == ["match", "match"]
    assert shell.list_running() == {}


def test_builds_and_generated_files_leave_the_clone_unchanged(shell: Shell) -> None:
    shell.run_commands("make docs")
    shell.run_commands("make format")
    shell.run_commands("sam build")
    shell.run_commands("cd examples/consumer\nsam build")
    shell.run_commands("""
        .venv/bin/python -m bench.capacity --pairs-per-day 400000 --peak-factor 4 --qps 10 --latency-ms 900
        .venv/bin/python -m bench.capacity --help
        .venv/bin/python -m bench.capacity.report
    """)

    built = [".local/site/index.html", ".aws-sam/build/template.yaml"]
    assert all((shell.folder / made).is_file() for made in [*built, f"examples/consumer/{built[1]}"])
    assert shell.run_commands("git diff") == ""


def test_the_emulator_runs_on_its_own(shell: Shell, borrowing: dict[str, str]) -> None:
    # A folder of its own: pip does not add a command to a folder that has one already.
    target = shell.folder / ".local" / "installed-emulator"
    shell.run_commands(
        "pip install './emulator[faces,tokens]'", variables={**borrowing, "PIP_TARGET": str(target)}
    )
    installed = {
        "PATH": os.pathsep.join([str(target / "bin"), shell.environment["PATH"]]),
        "PYTHONPATH": str(target),
    }
    scenario = {"effect": "refuse", "code": "InternalError", "region": "malaysia"}
    (shell.folder / "faults.json").write_text(json.dumps([scenario]))
    for commands in (
        shell.start_commands(
            "facecompare-emulator --port 0 --qps indonesia=1 --qps-window sliding", variables=installed
        ),
        shell.start_commands(
            "facecompare-emulator --port 0 --qps indonesia=1 --qps-window sliding --scenario faults.json",
            variables=installed,
        ),
    ):
        with commands as emulator:
            assert emulator.stdout is not None
            assert len(json.loads(emulator.stdout.readline())["endpoints"]) == len(Region) * len(Network)


@pytest.mark.usefixtures("driver", "installed")
def test_own_photos_are_compared_by_the_command(shell: Shell) -> None:
    output = shell.run_commands("facematch compare selfie.jpg passport.png --region singapore --local")
    again = shell.run_commands(
        "facematch compare selfie.jpg passport.png --region singapore --stack facematch"
    )
    direct = shell.run_commands("facematch compare selfie.jpg passport.png --direct --local")
    shell.run_commands("facematch prepare selfie.jpg passport.png -o prepared")

    assert read_facts(output).keys() >= {"verdict", "score", "comparison", "source photo", "target photo"}
    assert read_facts(again) == read_facts(output)
    assert read_facts(direct)["score"] == read_facts(output)["score"]
    assert len(list((shell.folder / "prepared").iterdir())) >= 2


def test_a_request_is_signed_by_curl(shell: Shell, driver: Driver) -> None:
    photo = base64.b64encode(make_face(3)).decode()
    output = shell.run_commands(
        """
        curl --aws-sigv4 "aws:amz:$AWS_REGION:execute-api" --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" \\
          -H "x-amz-security-token: $AWS_SESSION_TOKEN" -H 'content-type: application/json' -H 'idempotency-key: 4711' \\
          "$API_URL/v1/comparisons" \\
          -d '{"region": "singapore", "source": {"photo": "…Base64…"}, "target": {"url": "https://…"}}'
        """,  # noqa: E501 - as the docs have it
        replacing={"…Base64…": photo, "https://…": "https://photos.example.com/4711.jpg"},
        variables={
            "AWS_REGION": driver.stack.aws_region,
            "AWS_ACCESS_KEY_ID": LOCAL_KEY,
            "AWS_SECRET_ACCESS_KEY": LOCAL_KEY,
            "AWS_SESSION_TOKEN": "",
            "API_URL": driver.stack.api_url,
        },
    )

    assert json.loads(output)["state"] in {"completed", "registered"}


@pytest.mark.usefixtures("driver", "installed")
def test_a_pair_outlasts_an_outage_that_is_switched_on_in_the_console(shell: Shell) -> None:
    with shell.start_commands("make console") as serving:
        console = read_address(serving)
        assert "<title>" in shell.run_commands(f"curl --silent {console.address}")
        console.switch("outage")
        with shell.start_commands(
            "facematch compare selfie.jpg passport.png --region malaysia --local --json"
        ) as comparing:
            wait_until(lambda: has_failed(console))
            console.switch()
            output, _ = comparing.communicate(timeout=60)

    compared = json.loads(output)
    story = json.loads(shell.run_commands(f"facematch show {compared['id']} --local --json"))
    assert compared["result"]["region"] == "malaysia"
    assert story["billed_calls"] == 1


@pytest.mark.usefixtures("installed")
def test_two_hundred_pairs_outlast_a_crash_in_the_middle_and_none_is_paid_for_twice(
    shell: Shell, driver: Driver
) -> None:
    write_pairs(shell.folder)
    billed_before = count_billed(driver)
    journal = shell.folder / "pairs.csv.facematch-local.journal"
    shell.run_commands("facematch submit pairs.csv --stack facematch --dry-run")
    with shell.start_commands("facematch submit pairs.csv --stack facematch") as crashing:
        wait_until(lambda: count_lines(journal) > PAIRS // 3, interval_s=0.02)
        os.killpg(crashing.pid, signal.SIGKILL)
        assert crashing.wait() == -signal.SIGKILL

    summary = json.loads(shell.run_commands("facematch submit pairs.csv --local --json"))

    assert summary["submitted_before"] >= PAIRS // 3
    assert summary["submitted"] + summary["submitted_before"] == PAIRS
    events = follow_results(shell, {"customer-4711", *(f"pair-{i:03}" for i in range(1, PAIRS))})
    assert {event["type"] for event in events} == {"facematch.comparison.completed"}
    assert len({event["id"] for event in events}) == PAIRS
    assert count_billed(driver) - billed_before == PAIRS

    first = next(event for event in events if event["subject"] == "customer-4711")
    by_name = shell.run_commands("facematch show singapore/customer-4711 --stack facematch")
    by_id = shell.run_commands(
        "facematch show sr6uybv2yezkjrhtpjkvfdpm65 --stack facematch",
        replacing={"sr6uybv2yezkjrhtpjkvfdpm65": first["id"]},
    )
    assert by_name == by_id
    assert read_facts(by_name)["comparison"] == first["id"]

    shell.run_commands("facematch verdicts pairs.csv --wait 600 --stack facematch")
    with (shell.folder / "pairs.csv.verdicts.csv").open(newline="") as file:
        assert {row["state"] for row in csv.DictReader(file)} == {"completed"}
    assert first["id"] in shell.run_commands("facematch find customer-4711 --stack facematch")
    shell.run_commands("facematch find --verdict review --region singapore --stack facematch")
    shell.run_commands("facematch erase customer-4711 --stack facematch", answer="y\n")
    assert read_facts(shell.run_commands(f"facematch show {first['id']} --local"))["verdict"] == "erased"


@pytest.mark.usefixtures("installed")
def test_dead_letters_are_put_back_and_cost_nothing(shell: Shell, driver: Driver) -> None:
    driver.put_pair("ended")
    comparison_id = driver.wait_for_event("ended")["id"]
    billed_before = count_billed(driver)

    add_dead_letter(driver, comparison_id)
    assert comparison_id in shell.run_commands("facematch redrive --dry-run --stack facematch")
    assert count_dead_letters(driver) == 1
    shell.run_commands("facematch redrive --queue comparisons --stack facematch", answer="y\n")
    assert count_dead_letters(driver) == 0

    add_dead_letter(driver, comparison_id)
    output = json.loads(shell.run_commands("facematch redrive --yes --json --stack facematch"))
    assert output["comparisons"]["put_back"] == 1
    assert count_dead_letters(driver) == 0

    driver.wait_until(
        lambda: not any(map(driver.count_messages, driver.stack.comparison_queue_urls.values()))
    )
    assert count_billed(driver) == billed_before


@pytest.mark.usefixtures("installed")
def test_a_raised_quota_is_in_force_after_a_deployment_that_changes_nothing_else(
    shell: Shell, driver: Driver
) -> None:
    shell.run_commands(
        "sam deploy --parameter-overrides SingaporeQps=20 WorkerConcurrency=12",
        replacing={"sam deploy": "sam deploy --config-env local"},
        variables={"AWS_ENDPOINT_URL": driver.stack.endpoint_url},
    )
    shell.run_commands("facematch status --stack facematch")
    regions = json.loads(shell.run_commands("facematch status --local --json"))["regions"]

    assert regions["singapore"]["calls_per_s"] == pytest.approx(20 * 0.97)
    assert regions["indonesia"]["calls_per_s"] == pytest.approx(3 * 0.97)


@pytest.mark.usefixtures("driver", "installed")
def test_status_describes_the_stack(shell: Shell) -> None:
    shell.run_commands("facematch status --stack facematch --price singapore=0.002")
    output = json.loads(shell.run_commands("facematch status --local --json"))

    assert sum(output["verdicts_today"].values()) >= 1
    assert output["dead_letters"] == {"uploads": 0, "comparisons": 0, "outbox": 0}


def read_facts(output: str) -> dict[str, str]:
    """Return the printed names and values."""
    lines = (re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in output.splitlines())
    return {words[0]: words[1] for words in lines if len(words) == 2}


def read_address(serving: subprocess.Popen[str]) -> Console:
    """Wait until a command serves the console; return it."""
    assert serving.stdout is not None
    line = serving.stdout.readline()
    assert line.startswith("The console: http://127.0.0.1:")
    return Console(line.split()[2])


def has_failed(console: Console) -> bool:
    """Return whether a call has failed in the outage."""
    return any(call["code"] == "InternalError" for call in console.get("api/emulator")["calls"])


def count_lines(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


def count_billed(driver: Driver) -> int:
    return sum(call["compared"] for call in driver.list_calls())


def add_dead_letter(driver: Driver, comparison_id: str) -> None:
    body = json.dumps({"comparison_id": comparison_id, "region": "singapore", "priority": "bulk"})
    driver.client("sqs").send_message(QueueUrl=driver.stack.comparisons_dead_letters_url, MessageBody=body)


def count_dead_letters(driver: Driver) -> int:
    return driver.count_messages(driver.stack.comparisons_dead_letters_url)


def make_face(seed: int, *, width: int = 480, height: int = 640, form: str = "JPEG") -> bytes:
    """Return a photo with a face, which the emulator of `make up` requires."""
    face = draw_faces()[seed % 2].resize((width, height))
    face.paste((seed % 256, 128, 128), (0, 0, 32, 32))
    buffer = io.BytesIO()
    face.save(buffer, form)
    return buffer.getvalue()


@cache
def draw_faces() -> list[Image.Image]:
    return [ImageOps.exif_transpose(Image.open(io.BytesIO(photo))) for photo in make_portraits()]


def write_pairs(folder: Path) -> None:
    """Write a manifest of pairs of a few photos. The first pair has the name from the docs."""
    for number in range(PHOTOS):
        (folder / f"{number}.jpg").write_bytes(make_face(number))
    with (folder / "pairs.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("pair_id", "source", "target"))
        for number in range(PAIRS):
            name = f"pair-{number:03}" if number else "customer-4711"
            rows.writerow((name, f"{number % PHOTOS}.jpg", f"{(number + 1) % PHOTOS}.jpg"))


def follow_results(shell: Shell, subjects: set[str]) -> list[dict[str, Any]]:
    """Wait until there is an event about each subject; return all events about them, with repetitions."""
    kept = shell.folder / "results.jsonl"

    def read() -> list[dict[str, Any]]:
        lines = kept.read_text().splitlines() if kept.exists() else []
        return [event for line in lines if (event := json.loads(line))["subject"] in subjects]

    with shell.start_commands(
        "exec > results.jsonl\nfacematch results --follow --ack --json --stack facematch"
    ) as following:
        wait_until(lambda: {event["subject"] for event in read()} == subjects, limit_s=120)
        os.killpg(following.pid, signal.SIGINT)
        assert following.wait(10) == 130
    return read()
