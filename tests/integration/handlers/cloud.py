"""A stack's resources in moto, and what a test wants to know of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends
from moto.sqs.models import sqs_backends

from facematch.adapters.ledger import DynamoDbLedger
from facematch.comparison import Comparison
from local.emulator import DEFAULT_CREDENTIALS

AWS_REGION = "ap-southeast-1"
ACCOUNT = DEFAULT_ACCOUNT_ID
_QUEUES = {"UploadsQueue": "uploads", "ComparisonsQueue": "comparisons", "ResultsQueue": "results"}
_STACK = "facematch"


@dataclass(frozen=True)
class Waiting:
    """A message on a queue, and how long it was told to stay unseen."""

    body: Any
    delay_s: int
    attributes: Mapping[str, str]


@dataclass
class Cloud:
    """The resources of one stack; `known` holds them by their names in the template."""

    session: boto3.Session
    bucket: str = f"{_STACK}-photos-{ACCOUNT}-{AWS_REGION}"
    table: str = f"{_STACK}-ledger"
    known: dict[str, str] = field(default_factory=dict)
    _streamed: int = 0

    def __post_init__(self) -> None:
        self.s3 = self.session.client("s3")
        self.sqs = self.session.client("sqs")
        self.dynamodb = self.session.client("dynamodb")
        self.ledger = DynamoDbLedger(self.dynamodb, self.table, 90)

    def create(self) -> None:
        """Create everything, as the template does."""
        self.s3.create_bucket(
            Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": AWS_REGION}
        )
        self.dynamodb.create_table(
            TableName=self.table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        )
        secret = self.session.client("secretsmanager").create_secret(
            Name=f"{_STACK}-provider",
            SecretString=json.dumps(
                {
                    "access_key_id": DEFAULT_CREDENTIALS.access_key_id,
                    "access_key_secret": DEFAULT_CREDENTIALS.access_key_secret,
                }
            ),
        )
        self.known = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Region": AWS_REGION,
            "AWS::StackName": _STACK,
            "Ledger": self.table,
            "ProviderSecretArn": secret["ARN"],
            **{
                resource: self.sqs.create_queue(QueueName=f"{_STACK}-{name}")["QueueUrl"]
                for resource, name in _QUEUES.items()
            },
        }

    def put_photo(self, key: str, content: bytes) -> str:
        """Put an object into the bucket; return its ETag."""
        etag = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)["ETag"]
        return etag.strip('"')

    def list_keys(self) -> list[str]:
        """Return the keys of all objects in the bucket."""
        listed = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return [found["Key"] for found in listed]

    def list_waiting(self, queue: str) -> list[Waiting]:
        """Return all messages of a queue, those too that nobody can see yet."""
        backend = sqs_backends[ACCOUNT][AWS_REGION]
        return [
            Waiting(
                body=json.loads(message.body),
                delay_s=max(round((message.delayed_until - (message.sent_timestamp or 0)) / 1000), 0),
                attributes={
                    name: attribute["StringValue"] for name, attribute in message.message_attributes.items()
                },
            )
            for message in backend.queues[f"{_STACK}-{queue}"]._messages
        ]

    def take_bodies(self, queue: str) -> list[str]:
        """Empty a queue as if all delays were over; return what the messages held."""
        bodies = [json.dumps(waiting.body) for waiting in self.list_waiting(queue)]
        # As often as a test likes: SQS purges a queue only once a minute.
        sqs_backends[ACCOUNT][AWS_REGION].queues[f"{_STACK}-{queue}"]._messages.clear()
        return bodies

    def list_items(self) -> list[dict[str, Any]]:
        """Return all that the table holds."""
        return list(self.dynamodb.scan(TableName=self.table)["Items"])

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
