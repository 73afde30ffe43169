"""The stack in moto that the handlers run on, and what tests read of it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from moto.dynamodb.models import dynamodb_backends
from moto.s3.models import s3_backends
from moto.sqs.models import Message, Queue, sqs_backends

from facecompare_emulator import DEFAULT_CREDENTIALS
from facematch.adapters.ledger import OUTBOX
from facematch.domain.comparison import Comparison
from facematch.domain.regions import Region
from tests.fakes.moto_stack import AWS_REGION, MotoStack

ACCOUNT = "123456789012"
BULK, URGENT = "singapore-bulk", "singapore-urgent"
"""The queues of the lanes that most tests use."""
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


class HandlerStack(MotoStack):
    """A stack in moto with the secret that the functions read."""

    def __init__(self, session: boto3.Session) -> None:
        super().__init__(session, "facematch")
        self.secrets = session.client("secretsmanager")
        self.secret_arn = self.secrets.create_secret(Name=f"{self.name}-provider", SecretString=_SECRET)[
            "ARN"
        ]
        self._streamed = 0

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that name the resources."""
        return {**super().environment, "SECRET_ARN": self.secret_arn}

    def clear(self) -> None:
        """Remove everything; moto's own state is much faster than requests."""
        self._streamed = 0
        objects = self._objects()
        for key in list(objects):
            objects.pop(key)
        table = dynamodb_backends[ACCOUNT][AWS_REGION].tables.get(self.table)
        if table is None:
            self.create_table()
        else:
            table.items.clear()
            table.stream_shard.items.clear()  # type: ignore[union-attr] # it has one
        for name in self.queue_urls:
            if f"{self.name}-{name}" in _queues():
                self._messages(name).clear()
            else:
                self.create_queue(name)

    def set_secret(self, text: str) -> None:
        """Replace the secret."""
        self.secrets.put_secret_value(SecretId=self.secret_arn, SecretString=text)

    def restore_secret(self) -> None:
        """Store the right secret again."""
        self.set_secret(_SECRET)

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
            for message in self._messages(queue)
        ]

    def take_bodies(self, queue: str) -> list[str]:
        """Empty a queue as if all delays were over; return the bodies of its messages."""
        bodies = [json.dumps(waiting.body) for waiting in self.list_waiting(queue)]
        # SQS purges a queue only once a minute.
        self._messages(queue).clear()
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
        queues = (self.list_waiting(queue) for queue in self.queue_urls)
        return not self.list_items() and not self.list_keys() and not any(queues)

    def _objects(self) -> dict[str, Any]:
        objects: dict[str, Any] = s3_backends[ACCOUNT]["aws"].buckets[self.bucket].keys
        return objects

    def _messages(self, name: str) -> list[Message]:
        return _queues()[f"{self.name}-{name}"]._messages


def _queues() -> dict[str, Queue]:
    return sqs_backends[ACCOUNT][AWS_REGION].queues


def _read_delay(message: Message) -> int:
    delay_ms = message.delayed_until - message.sent_timestamp  # type: ignore[operator] # moto calls it None
    return max(round(delay_ms / 1000), 0)
