"""A stack's resources in moto, and what a test wants to know of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import boto3
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends
from moto.sqs.models import Message, Queue, sqs_backends

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.comparison import Comparison
from local.emulator import DEFAULT_CREDENTIALS
from tests.template import read_table_schema

AWS_REGION: Final = "ap-southeast-1"
ACCOUNT = "123456789012"
_QUEUES = {"UploadsQueue": "uploads", "ComparisonsQueue": "comparisons", "ResultsQueue": "results"}
_STACK = "facematch"
_SECRET = json.dumps(
    {
        "access_key_id": DEFAULT_CREDENTIALS.access_key_id,
        "access_key_secret": DEFAULT_CREDENTIALS.access_key_secret,
    }
)


@dataclass(frozen=True)
class Waiting:
    """A message on a queue, and how long it was told to stay unseen."""

    body: Any
    delay_s: int
    attributes: Mapping[str, str]


class Cloud:
    """The resources of one stack; `known` holds them by their names in the template."""

    bucket = f"{_STACK}-photos-{ACCOUNT}-{AWS_REGION}"
    table = f"{_STACK}-ledger"

    def __init__(self, session: boto3.Session) -> None:
        self.s3 = session.client("s3")
        self.sqs = session.client("sqs")
        self.dynamodb = session.client("dynamodb")
        self.secrets = session.client("secretsmanager")
        self.ledger = DynamoDbLedger(self.dynamodb, self.table, 90)
        self._streamed = 0
        self.s3.create_bucket(
            Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": AWS_REGION}
        )
        self._create_table()
        secret = self.secrets.create_secret(Name=f"{_STACK}-provider", SecretString=_SECRET)
        self.known = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Region": AWS_REGION,
            "AWS::StackName": _STACK,
            "Ledger": self.table,
            "Photos": self.bucket,
            "ProviderSecretArn": secret["ARN"],
            **{resource: self._create_queue(name) for resource, name in _QUEUES.items()},
        }

    def clear(self) -> None:
        """Have everything as it was at first; moto's own state is much faster than requests."""
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
        for name in _QUEUES.values():
            if f"{_STACK}-{name}" in _queues():
                _messages(name).clear()
            else:
                self._create_queue(name)

    def set_secret(self, text: str) -> None:
        """Have another secret from now on."""
        self.secrets.put_secret_value(SecretId=self.known["ProviderSecretArn"], SecretString=text)

    def restore_secret(self) -> None:
        """Have the right secret again."""
        self.set_secret(_SECRET)

    def put_photo(self, key: str, content: bytes) -> str:
        """Put an object into the bucket; return its ETag."""
        etag = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)["ETag"]
        return etag.strip('"')

    def list_keys(self) -> list[str]:
        """Return the keys of all objects in the bucket."""
        return sorted(self._objects())

    def list_waiting(self, queue: str) -> list[Waiting]:
        """Return all messages of a queue, those too that nobody can see yet."""
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
        """Empty a queue as if all delays were over; return what the messages held."""
        bodies = [json.dumps(waiting.body) for waiting in self.list_waiting(queue)]
        # As often as a test likes: SQS purges a queue only once a minute.
        _messages(queue).clear()
        return bodies

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
        """Return what the table's stream has for the publish function since the last time."""
        # By the backend itself: moto does not know the wire format in which boto3 asks for streams now.
        shard = dynamodb_backends[ACCOUNT][AWS_REGION].get_table(self.table).stream_shard
        assert shard is not None
        records = [change.to_json() for change in shard.items]
        fresh, self._streamed = records[self._streamed :], len(records)
        pending = {"S": "pending"}
        return [
            one["dynamodb"] for one in fresh if one["dynamodb"].get("NewImage", {}).get("outbox") == pending
        ]

    def is_untouched(self) -> bool:
        """Tell whether nothing was stored and nothing enqueued."""
        queues = (self.list_waiting(queue) for queue in _QUEUES.values())
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
