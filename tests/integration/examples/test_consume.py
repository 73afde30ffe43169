"""The loop that docs/consume.md shows, run unchanged."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

PAGE = Path(__file__).parents[3] / "docs" / "consume.md"
EVENT = {"id": "c-1", "subject": "customer-1", "data": {"verdict": "match"}}


class CrashError(Exception):
    pass


class Consumer:
    """Runs the loop on one queue until it crashes; what it has decided outlasts the crash."""

    def __init__(self, queue_url: str) -> None:
        (self.loop,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
        self.queue_url = queue_url
        self.marked: set[str] = set()
        self.decided: list[tuple[str, str]] = []

    def run(self, decide: Callable[[str, str], None]) -> None:
        names = {
            "url": self.queue_url,
            "is_decided": self.marked.__contains__,
            "mark_decided": self.marked.add,
            "decide": decide,
        }
        with pytest.raises(CrashError):
            exec(self.loop, names)  # noqa: S102 - the page's own

    def decide(self, subject: str, verdict: str) -> None:
        if subject == "the last":
            raise CrashError
        self.decided.append((subject, verdict))


@pytest.fixture
def queue() -> Any:
    with mock_aws():
        client = boto3.client("sqs", region_name="ap-southeast-1")
        url = client.create_queue(QueueName="results", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        yield client, url


def send(queue: Any, *events: Any) -> None:
    client, url = queue
    for event in events:
        client.send_message(QueueUrl=url, MessageBody=json.dumps(event))


@pytest.fixture(autouse=True)
def _aws_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-southeast-1")


LAST = {"id": "c-9", "subject": "the last", "data": {"verdict": "match"}}


def test_a_verdict_in_progress_at_a_crash_is_decided_when_it_is_delivered_again(queue: Any) -> None:
    consumer = Consumer(queue[1])
    send(queue, EVENT)

    def crash(_subject: str, _verdict: str) -> None:
        raise CrashError

    consumer.run(crash)
    send(queue, LAST)
    consumer.run(consumer.decide)

    assert consumer.decided == [("customer-1", "match")]


def test_a_repeated_delivery_is_decided_once(queue: Any) -> None:
    consumer = Consumer(queue[1])
    send(queue, EVENT, EVENT, LAST)

    consumer.run(consumer.decide)

    assert consumer.decided == [("customer-1", "match")]
