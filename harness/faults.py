"""Generates load and faults on a deployed stack, and waits for the results."""

import base64
import hashlib
import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from http.client import HTTPConnection
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from boto3.dynamodb.types import TypeDeserializer
from PIL import Image, ImageDraw

from facematch.domain.comparison import State
from facematch.domain.priority import Priority
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from harness.accounting import Audit, Call, Record, StackState, audit_pairs
from harness.driver import Driver
from local.signed_http import HttpAnswer, make_request, send
from local.stack import STACK_NAME

_UPLOADERS: Final = 4
_CHECK_INTERVAL_S: Final = 0.25
_READ_VISIBILITY_S: Final = 5
_DISCONNECT_AFTER_S: Final = 0.1
_ANSWER_LIMIT_S: Final = 120.0


@cache
def make_small_photo(seed: int = 0) -> bytes:
    """Return a small JPEG that needs no preparation."""
    image = Image.new("L", (720, 960), 90)
    draw = ImageDraw.Draw(image)
    for step in range(5):
        shift = (29 * seed + 13 * step) % 150
        draw.ellipse((100 + shift, 150 + 120 * step, 420 + shift, 320 + 120 * step), fill=60 + 40 * step)
    file = BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()


@dataclass(frozen=True, slots=True)
class Cloud:
    """The cloud resources of a stack: reads their state, and injects faults."""

    driver: Driver

    def client(self, service: str) -> Any:
        """Return a client of the cloud."""
        return self.driver.client(service)

    def find_function(self, name: str) -> str:
        """Return the full name of a function of the template."""
        functions = self.client("lambda").list_functions()["Functions"]
        prefix = f"{STACK_NAME}-{name}-"
        names = (str(function["FunctionName"]) for function in functions)
        return next(name for name in names if name.startswith(prefix))

    @contextmanager
    def halt(self, function: str) -> Iterator[None]:
        """Disable the event sources of a function during the block."""
        lambdas = self.client("lambda")
        mappings = lambdas.list_event_source_mappings(FunctionName=self.find_function(function))
        ids = [mapping["UUID"] for mapping in mappings["EventSourceMappings"]]
        for mapping_id in ids:
            lambdas.update_event_source_mapping(UUID=mapping_id, Enabled=False)
        try:
            yield
        finally:
            for mapping_id in ids:
                lambdas.update_event_source_mapping(UUID=mapping_id, Enabled=True)

    @contextmanager
    def misconfigure(self, function: str, **settings: Any) -> Iterator[None]:
        """Change the settings of a function during the block."""
        lambdas, name = self.client("lambda"), self.find_function(function)
        before = lambdas.get_function_configuration(FunctionName=name)
        lambdas.update_function_configuration(FunctionName=name, **settings)
        try:
            yield
        finally:
            lambdas.update_function_configuration(
                FunctionName=name, **{setting: before[setting] for setting in settings}
            )

    @contextmanager
    def redeliver_after(self, queue_url: str, visibility_s: int, receives: int = 5) -> Iterator[None]:
        """Change the visibility timeout and the number of receives of a queue during the block."""
        queues, names = self.client("sqs"), ["VisibilityTimeout", "RedrivePolicy"]
        before = queues.get_queue_attributes(QueueUrl=queue_url, AttributeNames=names)["Attributes"]
        policy = json.loads(before["RedrivePolicy"]) | {"maxReceiveCount": receives}
        changed = {"VisibilityTimeout": str(visibility_s), "RedrivePolicy": json.dumps(policy)}
        queues.set_queue_attributes(QueueUrl=queue_url, Attributes=changed)
        try:
            yield
        finally:
            queues.set_queue_attributes(QueueUrl=queue_url, Attributes=before)

    def read_records(self) -> list[Record]:
        """Return every comparison in the ledger."""
        deserialize = TypeDeserializer().deserialize
        pages = self.client("dynamodb").get_paginator("scan").paginate(TableName=self.driver.stack.table)
        items = (
            {name: deserialize(value) for name, value in item.items()}
            for page in pages
            for item in page["Items"]
        )
        return [item for item in items if item.get("kind") == "comparison"]

    def read_dead_letters(self) -> list[Mapping[str, Any]]:
        """Return the bodies of all dead letters, without deleting them."""
        stack = self.driver.stack
        letters: dict[str, str] = {}
        for queue_url in (stack.comparisons_dead_letters_url, stack.uploads_dead_letters_url):
            while messages := self._receive(queue_url):
                letters |= {message["MessageId"]: message["Body"] for message in messages}
        return [body for text in letters.values() if isinstance(body := _read_json(text), dict)]

    def take_dead_letters(self, queue_url: str) -> list[str]:
        """Delete the messages of a dead-letter queue; return their bodies."""
        taken = []
        while messages := self._receive(queue_url):
            for message in messages:
                self.client("sqs").delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
                taken.append(str(message["Body"]))
        return taken

    @contextmanager
    def deny_results(self) -> Iterator[None]:
        """Deny sending to the results queue during the block."""
        queues, queue_url = self.client("sqs"), self.driver.stack.results_queue_url
        arn = queues.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        statement = {"Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        queues.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": policy})
        try:
            yield
        finally:
            queues.set_queue_attributes(QueueUrl=queue_url, Attributes={"Policy": ""})

    def read_state(self) -> StackState:
        """Return the records, events, dead letters and calls of the stack."""
        events = [event for events in list(self.driver.events.values()) for event in list(events)]
        letters = self.read_dead_letters()
        dead_letter_ids = {letter["comparison_id"] for letter in letters if "comparison_id" in letter}
        return StackState(
            records=self.read_records(),
            events=events,
            dead_letter_ids=frozenset(dead_letter_ids),
            calls=self.driver.list_calls(),
        )

    def _receive(self, queue_url: str) -> list[dict[str, Any]]:
        received = self.client("sqs").receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, VisibilityTimeout=_READ_VISIBILITY_S
        )
        messages: list[dict[str, Any]] = received.get("Messages", [])
        return messages


@dataclass(frozen=True, slots=True)
class Emulator:
    """The control port of the stack's emulator."""

    url: str

    def play(self, region: Region, effect: str, **fields: Any) -> str:
        """Add a scenario for the calls of a region; return its id."""
        scenario = {"region": region.value, "effect": effect, **fields}
        return str(self._ask("POST", "scenarios", scenario)[-1]["scenario"]["id"])

    def count_played(self, scenario_id: str) -> int:
        """Return the number of calls that a scenario was played to."""
        played = {entry["scenario"]["id"]: entry["played"] for entry in self._ask("GET", "scenarios")}
        return int(played[scenario_id])

    def is_playing(self, scenario_id: str) -> bool:
        """Return whether a scenario is active."""
        active = {entry["scenario"]["id"]: entry["active"] for entry in self._ask("GET", "scenarios")}
        return bool(active[scenario_id])

    def end(self, scenario_id: str) -> None:
        """End one scenario."""
        self._ask("DELETE", f"scenarios/{scenario_id}")

    def clear(self) -> None:
        """End every scenario."""
        self._ask("DELETE", "scenarios")

    def set_quota_window(self, window: str) -> None:
        """Change how the emulator counts the quota."""
        self._ask("PUT", "quota", {"window": window})

    def find_address(self, region: Region) -> str:
        """Return the address of a region's endpoint, as host and port."""
        endpoints = self._ask("GET", "endpoints")
        return next(str(endpoint["address"]) for endpoint in endpoints if endpoint["region"] == region)

    def list_calls(self, region: Region) -> list[Call]:
        """Return the FaceCompare calls in the log of one region."""
        calls = self._ask("GET", f"calls?region={region}")
        return [call for call in calls if call["action"] in {"FaceCompare", "FaceCompareV2"}]

    def _ask(self, method: str, path: str, document: object = None) -> Any:
        data = None if document is None else json.dumps(document).encode()
        answer = send(urllib.request.Request(f"{self.url}/_emulator/{path}", data, method=method))
        assert answer.status < 300, answer.body
        return answer.body


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioContext:
    """The region of a stack in which one scenario runs. Its pair ids begin with `prefix`."""

    cloud: Cloud
    emulator: Emulator
    region: Region
    prefix: str
    folder: Path

    @property
    def driver(self) -> Driver:
        """The driver of the stack."""
        return self.cloud.driver

    def name_pairs(self, count: int) -> list[str]:
        """Return the ids of `count` pairs."""
        return [f"{self.prefix}-{number:03d}" for number in range(count)]

    def put_photo(self, pair_id: str, role: Role, seed: int = 0) -> None:
        """Upload one photo of a pair to the inbox."""
        self.cloud.client("s3").put_object(
            Bucket=self.driver.stack.bucket, Key=self.name_key(pair_id, role), Body=make_small_photo(seed)
        )

    def name_key(self, pair_id: str, role: Role) -> str:
        """Return the key of a photo in the inbox."""
        return f"inbox/{self.region}/{pair_id}/{role}.jpg"

    def put_pair(self, pair_id: str) -> None:
        """Upload both photos of a pair to the inbox."""
        self.put_photo(pair_id, Role.SOURCE)
        self.put_photo(pair_id, Role.TARGET, 1)

    def put_pairs(self, pair_ids: list[str]) -> None:
        """Upload pairs to the inbox in parallel."""
        with ThreadPoolExecutor(_UPLOADERS) as pool:
            list(pool.map(self.put_pair, pair_ids))

    def post(
        self, pair_id: str, headers: Mapping[str, str] | None = None, *, seed: int = 0
    ) -> tuple[HttpAnswer, float]:
        """Request a comparison from the API; return the answer and its latency in seconds."""
        body = self.make_body(pair_id, seed=seed)
        started_at_s = time.monotonic()
        answer = self.driver.request("POST", "/v1/comparisons", body, headers)
        return answer, time.monotonic() - started_at_s

    def make_body(self, pair_id: str, *, seed: int = 0) -> dict[str, Any]:
        """Return the body of a request for a comparison."""
        photos = {
            role.value: {"photo": base64.b64encode(make_small_photo(seed + number)).decode()}
            for number, role in enumerate(Role)
        }
        return {"region": self.region.value, "pair_id": pair_id, **photos}

    def post_and_disconnect(self, pair_id: str) -> None:
        """Request a comparison from the API, and disconnect before the answer."""
        with suppress(TimeoutError):
            self.driver.request(
                "POST", "/v1/comparisons", self.make_body(pair_id), timeout_s=_DISCONNECT_AFTER_S
            )

    def connect(self) -> HTTPConnection:
        """Return an open connection to the API."""
        address = urlsplit(self.driver.stack.api_url)
        connection = HTTPConnection(address.hostname or "", address.port, timeout=_ANSWER_LIMIT_S)
        connection.connect()
        return connection

    def post_over(self, connection: HTTPConnection, body: object) -> HTTPStatus:
        """Request a comparison over a connection and close it; return the status of the answer."""
        request = make_request(self.driver.stack, "POST", "/v1/comparisons", body)
        try:
            connection.request("POST", request.selector, request.data, dict(request.headers))
            return HTTPStatus(connection.getresponse().status)
        finally:
            connection.close()

    def find_hold(self) -> str | None:
        """Return the reason of the region's hold, or None."""
        reason = self.read_item(f"lane#{self.region}").get("hold_reason")
        return str(reason) if reason else None

    def measure_wait_s(self, comparison_id: str) -> float:
        """Return the time from the registration of a comparison to its end."""
        record = self.read_item(f"comparison#{comparison_id}")
        return float(record["ending"]["ended_at_ms"] - record["created_at_ms"]) / 1000

    def delay_next_slot(self, for_s: float) -> None:
        """Delay the next slot of the region."""
        self.cloud.client("dynamodb").update_item(
            TableName=self.driver.stack.table,
            Key={"pk": {"S": f"lane#{self.region}"}},
            UpdateExpression="SET next_us = :next",
            ExpressionAttributeValues={":next": {"N": str(round((time.time() + for_s) * 1e6))}},
        )

    def find_comparison_id(self, pair_id: str) -> str:
        """Wait until a pair is registered; return the id of its comparison."""
        key = f"pair#{self.region}/{pair_id}"
        wait_until(lambda: "comparison_id" in self.read_item(key))
        return str(self.read_item(key)["comparison_id"])

    def queue_url(self, priority: Priority = Priority.BULK) -> str:
        """Return the URL of the lane's queue."""
        return self.driver.stack.comparison_queue_urls[f"{self.region}/{priority}"]

    def read_item(self, key: str) -> Mapping[str, Any]:
        """Return an item of the ledger, or an empty mapping."""
        answer = self.cloud.client("dynamodb").get_item(
            TableName=self.driver.stack.table, Key={"pk": {"S": key}}, ConsistentRead=True
        )
        deserialize = TypeDeserializer().deserialize
        return {name: deserialize(value) for name, value in answer.get("Item", {}).items()}

    def send(self, comparison_id: str) -> None:
        """Send a comparison to the bulk queue of the region."""
        body = {"comparison_id": comparison_id, "region": self.region, "priority": Priority.BULK}
        self.cloud.client("sqs").send_message(QueueUrl=self.queue_url(), MessageBody=json.dumps(body))

    def repeat_upload_event(self, pair_id: str, role: Role, times: int) -> None:
        """Send the same event of an upload many times in parallel."""
        stack, photo = self.driver.stack, make_small_photo(list(Role).index(role))
        event = {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "eventTime": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "s3": {
                "bucket": {"name": stack.bucket},
                "object": {
                    "key": self.name_key(pair_id, role),
                    "size": len(photo),
                    # S3's ETag of an object that was uploaded in one part.
                    "eTag": hashlib.md5(photo, usedforsecurity=False).hexdigest(),
                    "sequencer": "00",
                },
            },
        }
        body = json.dumps({"Records": [event]})
        with ThreadPoolExecutor(_UPLOADERS) as pool:
            sent = [
                pool.submit(
                    self.cloud.client("sqs").send_message, QueueUrl=stack.uploads_queue_url, MessageBody=body
                )
                for _ in range(times)
            ]
        for request in sent:
            request.result()

    def wait_until_ended(self, comparison_id: str, limit_s: float = 60) -> None:
        """Wait until a comparison has ended in the ledger."""
        key = f"comparison#{comparison_id}"
        wait_until(
            lambda: self.read_item(key).get("state", State.REGISTERED) != State.REGISTERED, limit_s=limit_s
        )

    def list_callers(self) -> list[int]:
        """Return the worker processes of this stack that are connected to the region's endpoint.

        Other processes are not returned: the local cloud fails if a process ends while it starts.
        """
        port = int(self.emulator.find_address(self.region).rpartition(":")[2])
        connections = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        sockets = {f"socket:[{fields[9]}]" for fields in connections if fields[2].endswith(f":{port:04X}")}
        mark = f"{self.folder}/scratch/ministack-lambda-{STACK_NAME}-Compare-".encode()
        return [
            int(process.name)
            for process in Path("/proc").iterdir()
            if process.name.isdecimal() and mark in _read_command(process) and sockets & _read_files(process)
        ]

    def signal_callers(self, number: signal.Signals) -> None:
        """Send a signal to every worker that is connected to the region's endpoint."""
        for process_id in self.list_callers():
            os.kill(process_id, number)


def settle(cloud: Cloud, accepted: Mapping[str, int], *, limit_s: float) -> Audit:
    """Wait until no accepted pair is lost, at most `limit_s`; return the audit."""
    deadline = time.monotonic() + limit_s
    while True:
        cloud.driver.collect_events(wait_s=1)
        published = {event["data"]["pair_id"] for events in cloud.driver.events.values() for event in events}
        is_late = time.monotonic() >= deadline
        if is_late or accepted.keys() <= published:
            audit = audit_pairs(cloud.read_state(), accepted)
            if is_late or not audit.lost:
                return audit


def wait_until(
    holds: Callable[[], bool], *, limit_s: float = 60, interval_s: float = _CHECK_INTERVAL_S
) -> None:
    """Wait until `holds` returns true.

    Raises
    ------
    TimeoutError
        It does not return true within `limit_s`.
    """
    deadline = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"The condition did not become true within {limit_s:.0f} s.")
        time.sleep(interval_s)


def _read_command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def _read_files(process: Path) -> set[str]:
    """Return the open files and sockets of a process, by the kernel's names."""
    names = set()
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                names.add(str(descriptor.readlink()))
    return names


def _read_json(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return None
