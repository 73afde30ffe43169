"""The sample consumer, deployed with the stack whose results queue it imports."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.driver import Driver
from harness.faults import wait_until
from local.processes import AWS_REGION, CLOUD_BIN, ROOT, make_environment
from local.stack import STACK_NAME

CONSUMER = ROOT / "examples" / "consumer"
NAME = "facematch-consumer"


def run_sam(driver: Driver, *arguments: str | Path) -> None:
    result = subprocess.run(
        [CLOUD_BIN / "sam", *arguments],
        cwd=CONSUMER,
        env=make_environment(driver.stack.endpoint_url),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]


@pytest.fixture
def decisions(driver: Driver, tmp_path: Path) -> Iterator[str]:
    """Deploy the consumer; return its table. Delete it at the end, so that other tests get their results."""
    build = tmp_path / "build"
    run_sam(driver, "build", "--build-dir", build)
    deployment: list[str | Path] = [
        "--template-file", build / "template.yaml",
        "--stack-name", NAME,
        "--parameter-overrides", f"FacematchStack={STACK_NAME}",
        "--region", AWS_REGION,
        "--config-file", CONSUMER / "samconfig.toml",
        "--no-confirm-changeset",
    ]  # fmt: skip
    run_sam(driver, "deploy", *deployment)
    clouds = driver.client("cloudformation")
    outputs = clouds.describe_stacks(StackName=NAME)["Stacks"][0]["Outputs"]
    yield next(output["OutputValue"] for output in outputs if output["OutputKey"] == "Table")
    clouds.delete_stack(StackName=NAME)
    clouds.get_waiter("stack_delete_complete").wait(StackName=NAME, WaiterConfig={"Delay": 1})


def read_decisions(driver: Driver, table: str) -> dict[str, Mapping[str, Any]]:
    items = driver.client("dynamodb").scan(TableName=table)["Items"]
    return {item["pair_id"]["S"]: item for item in items}


def test_each_comparison_is_decided_once(driver: Driver, decisions: str) -> None:
    driver.put_pair("consumed")
    send = driver.client("sqs").send_message
    url = driver.stack.results_queue_url
    repeated = {
        "id": "sent-twice",
        "subject": "twice",
        "data": {"verdict": "photo_rejected", "reason": "no_face"},
    }
    for _ in range(2):
        send(QueueUrl=url, MessageBody=json.dumps(repeated))
    send(QueueUrl=url, MessageBody=json.dumps(repeated | {"id": "sent-once", "subject": "behind"}))

    # The driver's own wait would read the queue. The consumer also processes results of other tests.
    wait_until(
        lambda: read_decisions(driver, decisions).keys() >= {"consumed", "twice", "behind"}, limit_s=60
    )
    wait_until(lambda: driver.count_messages(url) == 0, limit_s=60)

    decided = read_decisions(driver, decisions)
    assert decided["consumed"]["decision"]["S"] == "refuse"
    assert decided["twice"]["decision"]["S"] == "send again: no_face"
    assert decided["twice"]["event_id"]["S"] == "sent-twice"
