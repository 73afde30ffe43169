"""Reads every location that data could leak to."""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from harness.driver import Driver
from local.processes import LOCAL
from local.signed_http import HttpAnswer

FOLDER: Final = LOCAL / "audit-stack"
"""The folder with the logs and the functions' files of the audited stack."""
_READ_VISIBILITY_S: Final = 2
KINDS: Final = (
    "log",
    "queue",
    "dead letter",
    "result",
    "ledger",
    "stream",
    "answer",
    "worker file",
    "process log",
)

type Location = tuple[str, str, bytes]


@dataclass(slots=True)
class Locations:
    """The locations of one stack. Answers of the API and messages are recorded during the test."""

    driver: Driver
    folder: Path
    answers: list[tuple[str, bytes]] = field(default_factory=list)
    messages: list[tuple[str, bytes]] = field(default_factory=list)

    def keep_answer(self, name: str, answer: HttpAnswer) -> HttpAnswer:
        """Record an answer of the API with its headers."""
        recorded = {"status": answer.status, "headers": dict(answer.headers), "body": answer.body}
        self.answers.append((name, _dump(recorded)))
        return answer

    def peek(self, name: str, queue_url: str) -> int:
        """Record the messages of a queue without deleting them; return how many."""
        seen: set[str] = set()
        while messages := [
            message for message in self._receive(queue_url) if message["MessageId"] not in seen
        ]:
            seen |= {message["MessageId"] for message in messages}
            self.messages += [(name, _dump(message)) for message in messages]
        return len(seen)

    def read(self) -> Iterator[Location]:
        """Yield the kind, the name and the content of each location."""
        yield from self._read_logs()
        yield from self._read_queues()
        yield from (
            ("result", subject, _dump(event))
            for subject, events in self.driver.events.items()
            for event in events
        )
        yield from self._read_ledger()
        yield from self._read_stream()
        yield from (("answer", name, content) for name, content in self.answers)
        yield from self._read_worker_files()
        for log in (*self.folder.glob("*.log"), *LOCAL.glob("*.log")):
            yield "process log", log.name, log.read_bytes()

    def _read_logs(self) -> Iterator[Location]:
        logs = self.driver.client("logs")
        for group in _page(logs, "describe_log_groups", "logGroups"):
            name = group["logGroupName"]
            for stream in _page(logs, "describe_log_streams", "logStreams", logGroupName=name):
                streams = [stream["logStreamName"]]
                events = _page(logs, "filter_log_events", "events", logGroupName=name, logStreamNames=streams)
                text = "\n".join(event["message"] for event in events)
                yield "log", f"{name} {streams[0]}", text.encode()

    def _read_queues(self) -> Iterator[Location]:
        queues = self.driver.client("sqs")
        for url in _page(queues, "list_queues", "QueueUrls"):
            name = url.rpartition("/")[2]
            self.peek(name, url)
        for name, content in self.messages:
            yield "dead letter" if "DeadLetters" in name else "queue", name, content

    def _read_ledger(self) -> Iterator[Location]:
        table = self.driver.stack.table
        for item in _page(self.driver.client("dynamodb"), "scan", "Items", TableName=table):
            yield "ledger", str(item["pk"]["S"]), _dump(item)

    def _read_stream(self) -> Iterator[Location]:
        """Read all images in the ledger's stream, including those of deleted items."""
        table = self.driver.client("dynamodb").describe_table(TableName=self.driver.stack.table)["Table"]
        arn, streams = table["LatestStreamArn"], self.driver.client("dynamodbstreams")
        for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            iterator = streams.get_shard_iterator(
                StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
            )["ShardIterator"]
            while iterator:
                page = streams.get_records(ShardIterator=iterator)
                for record in page["Records"]:
                    yield "stream", str(record["dynamodb"]["Keys"]["pk"]["S"]), _dump(record)
                iterator = page.get("NextShardIterator") if page["Records"] else None

    def _read_worker_files(self) -> Iterator[Location]:
        """Read the files that the functions created, without the deployed ones."""
        scratch = self.folder / "scratch"
        bucket = scratch / "s3"
        deployed = _list_deployed(scratch)
        for path in scratch.rglob("*"):
            if path.is_file() and not path.is_relative_to(bucket) and not _is_deployed(path, deployed):
                yield "worker file", str(path.relative_to(scratch)), path.read_bytes()

    def _receive(self, queue_url: str) -> list[dict[str, Any]]:
        received = self.driver.client("sqs").receive_message(
            QueueUrl=queue_url,
            MaxNumberOfMessages=10,
            VisibilityTimeout=_READ_VISIBILITY_S,
            MessageAttributeNames=["All"],
            AttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = received.get("Messages", [])
        return messages


def _list_deployed(scratch: Path) -> dict[Path, int]:
    """Return the sizes of the bundles and of the files from them."""
    deployed: dict[Path, int] = {}
    for bundle in scratch.glob("ministack-lambda-*/*.zip"):
        deployed[bundle] = bundle.stat().st_size
        with zipfile.ZipFile(bundle) as archive:
            deployed |= {
                bundle.with_suffix("") / info.filename: info.file_size for info in archive.infolist()
            }
    return deployed


def _is_deployed(path: Path, deployed: dict[Path, int]) -> bool:
    if path.parent.name == "__pycache__":
        return path.parent.parent / f"{path.name.partition('.')[0]}.py" in deployed
    return deployed.get(path) == path.stat().st_size


def _page(client: Any, operation: str, result: str, **arguments: Any) -> Iterator[Any]:
    for page in client.get_paginator(operation).paginate(**arguments):
        yield from page.get(result, [])


def _dump(value: object) -> bytes:
    return json.dumps(value, default=str, ensure_ascii=False).encode()
