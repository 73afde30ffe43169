"""A stack's resources in moto, and what a test wants to know of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import boto3
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends
from moto.sqs.models import Message, Queue, sqs_backends

from facecompare_emulator import DEFAULT_CREDENTIALS
from facematch.adapters.ledger import OUTBOX, DynamoDbLedger
from facematch.adapters.rate_limiter import DynamoDbRateLimiter
from facematch.domain.comparison import Comparison
from facematch.domain.priority import Priority
from facematch.domain.regions import Region
from harness.template import read_table_schema
from tests.fakes.clock import FakeClock
from tests.integration.aws_rules import refuse_invalid_requests

AWS_REGION: Final = "ap-southeast-1"
ACCOUNT = "123456789012"
BULK, URGENT = "singapore-bulk", "singapore-urgent"
"""The queues of the lanes that most tests use."""
_LANES = {(region, priority): f"{region}-{priority}" for region in Region for priority in Priority}
_QUEUES = [*_LANES.values(), "results"]
_STACK = "facematch"
_SECRET = json.dumps(
    {
        "access_key_id": DEFAULT_CREDENTIALS.access_key_id,
        "access_key_secret": DEFAULT_CREDENTIALS.access_key_secret,
    }
)


@dataclass(frozen=True)
class Waiting:
    """A message on a queue, and its delay."""

    body: Any
    delay_s: int
    attributes: Mapping[str, str]


class Cloud:
    """The resources of one stack; `queue_urls` are those of its queues by name."""

    bucket = f"{_STACK}-photos-{ACCOUNT}-{AWS_REGION}"
    table = f"{_STACK}-ledger"

    def __init__(self, session: boto3.Session) -> None:
        self.s3 = session.client("s3")
        self.sqs = session.client("sqs")
        self.dynamodb = session.client("dynamodb")
        self.secrets = session.client("secretsmanager")
        refuse_invalid_requests(self.dynamodb)
        self.ledger = DynamoDbLedger(self.dynamodb, self.table, 90)
        self.limiter = DynamoDbRateLimiter(self.dynamodb, self.table, dict.fromkeys(Region, 1000.0))
        self.clock = FakeClock()
        self._streamed = 0
        self.s3.create_bucket(
            Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": AWS_REGION}
        )
        self._create_table()
        self.secret_arn = self.secrets.create_secret(Name=f"{_STACK}-provider", SecretString=_SECRET)["ARN"]
        self.queue_urls = {name: self._create_queue(name) for name in _QUEUES}

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that name the resources."""
        lanes = {
            f"{name}_QUEUE_URL".upper().replace("-", "_"): self.queue_urls[name] for name in _LANES.values()
        }
        return lanes | {
            "TABLE_NAME": self.table,
            "BUCKET_NAME": self.bucket,
            "RESULTS_QUEUE_URL": self.queue_urls["results"],
            "SECRET_ARN": self.secret_arn,
        }

    def clear(self) -> None:
        """Remove everything; moto's own state is much faster than requests."""
        self._streamed = 0
        objects = self._objects()
        for key in list(objects):
            objects.pop(key)
        table = dynamodb_backends[ACCOUNT][AWS_REGION].tables.get(self.table)
        if table is None:
            self._create_table()
        else:
            table.items.clear()
            table.stream_shard.items.clear()  # type: ignore[union-attr] # it has one
        for name in _QUEUES:
            if f"{_STACK}-{name}" in _queues():
                _messages(name).clear()
            else:
                self._create_queue(name)

    def set_secret(self, text: str) -> None:
        """Replace the secret."""
        self.secrets.put_secret_value(SecretId=self.secret_arn, SecretString=text)

    def restore_secret(self) -> None:
        """Store the right secret again."""
        self.set_secret(_SECRET)

    def put_photo(self, key: str, content: bytes) -> str:
        """Put an object into the bucket; return its ETag."""
        etag = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)["ETag"]
        return etag.strip('"')

    def list_keys(self) -> list[str]:
        """Return the keys of all objects in the bucket."""
        return sorted(self._objects())

    def list_waiting(self, queue: str) -> list[Waiting]:
        """Return all messages of a queue, delayed ones included."""
        return [
            Waiting(
                body=json.loads(message.body),
                delay_s=_read_delay(message),
                attributes={
                    name: attribute["StringValue"] for name, attribute in message.message_attributes.items()
                },
            )
            for message in _messages(queue)
        ]

    def take_bodies(self, queue: str) -> list[str]:
        """Empty a queue as if all delays were over; return the bodies of its messages."""
        bodies = [json.dumps(waiting.body) for waiting in self.list_waiting(queue)]
        # SQS purges a queue only once a minute.
        _messages(queue).clear()
        return bodies

    def clear_slots(self) -> None:
        """Remove the lanes: all slots are free, and no lane is on hold."""
        for region in Region:
            self.dynamodb.delete_item(TableName=self.table, Key={"pk": {"S": f"lane#{region}"}})

    def list_items(self) -> list[dict[str, Any]]:
        """Return all that the table holds."""
        items = dynamodb_backends[ACCOUNT][AWS_REGION].get_table(self.table).items
        return [item.to_json()["Attributes"] for item in items.values()]  # type: ignore[attr-defined]

    def list_comparisons(self) -> list[Comparison]:
        """Return all comparisons of the ledger."""
        keys = (item["pk"]["S"] for item in self.list_items())
        ids = (key.removeprefix("comparison#") for key in keys if key.startswith("comparison#"))
        found = (self.ledger.find(comparison_id) for comparison_id in ids)
        return [comparison for comparison in found if comparison]

    def the_comparison(self) -> Comparison:
        """Return the only comparison that there is."""
        (comparison,) = self.list_comparisons()
        return comparison

    def take_stream(self) -> list[dict[str, Any]]:
        """Return the changes since the last call that the filter passes to the publish function."""
        # Read from the backend: moto does not know the wire format of the streams client.
        shard = dynamodb_backends[ACCOUNT][AWS_REGION].get_table(self.table).stream_shard
        assert shard is not None
        records = [change.to_json() for change in shard.items]
        fresh, self._streamed = records[self._streamed :], len(records)
        changes = [record["dynamodb"] for record in fresh]
        return [change for change in changes if change.get("NewImage", {}).get("work") == {"S": OUTBOX}]

    def is_untouched(self) -> bool:
        """Return whether nothing was stored and nothing enqueued."""
        queues = (self.list_waiting(queue) for queue in _QUEUES)
        return not self.list_items() and not self.list_keys() and not any(queues)

    def _objects(self) -> dict[str, Any]:
        objects: dict[str, Any] = s3_backends[ACCOUNT]["aws"].buckets[self.bucket].keys
        return objects

    def _create_table(self) -> None:
        self.dynamodb.create_table(
            TableName=self.table,
            **read_table_schema(),
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )

    def _create_queue(self, name: str) -> str:
        return self.sqs.create_queue(QueueName=f"{_STACK}-{name}")["QueueUrl"]


def _queues() -> dict[str, Queue]:
    return sqs_backends[ACCOUNT][AWS_REGION].queues


def _messages(name: str) -> list[Message]:
    return _queues()[f"{_STACK}-{name}"]._messages


def _read_delay(message: Message) -> int:
    delay_ms = message.delayed_until - message.sent_timestamp  # type: ignore[operator] # moto calls it None
    return max(round(delay_ms / 1000), 0)
