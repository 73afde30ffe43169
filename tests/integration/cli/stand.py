"""A stack in moto, and the command as it is run against it."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import boto3

from facematch.adapters.ledger import WORK_INDEX, DynamoDbLedger
from facematch.adapters.rate_limiter import DynamoDbRateLimiter
from facematch.domain.clock import Clock
from facematch.domain.comparison import Comparison
from facematch.domain.lane import Hold, HoldReason
from facematch.domain.priority import Priority
from facematch.domain.regions import Region
from facematch.domain.result_event import make_result_event
from facematch.domain.verdict import fail
from facematch.settings import read_settings
from facematch_cli.main import run
from facematch_cli.options import Surroundings
from facematch_client.stack import DeadLetterUrls, Stack
from tests.factories import make_comparison, make_ended, make_environment
from tests.fakes.clock import FakeClock

AWS_REGION: Final = "ap-southeast-1"


@dataclass(frozen=True)
class Ran:
    """What came of a run of the command."""

    exit_code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


class Stand:
    """The resources of one stack, and what a test does with them."""

    def __init__(self, session: boto3.Session) -> None:
        self.name = f"stack-{uuid4().hex[:12]}"
        self.s3 = session.client("s3")
        self.sqs = session.client("sqs")
        self.dynamodb = session.client("dynamodb")
        self.s3.create_bucket(Bucket=self.name, CreateBucketConfiguration={"LocationConstraint": AWS_REGION})
        self.dynamodb.create_table(
            TableName=self.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "work", "AttributeType": "S"},
                {"AttributeName": "since_ms", "AttributeType": "N"},
            ],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            GlobalSecondaryIndexes=[
                {
                    "IndexName": WORK_INDEX,
                    "KeySchema": [
                        {"AttributeName": "work", "KeyType": "HASH"},
                        {"AttributeName": "since_ms", "KeyType": "RANGE"},
                    ],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            ],
        )
        self.clock = FakeClock()
        self.ledger = DynamoDbLedger(self.dynamodb, self.name, 90)
        self.uploads = self._create_queue("uploads")
        self.lanes = {
            f"{region}_{priority}": self._create_queue(f"{region}-{priority}")
            for region in ("singapore", "indonesia")
            for priority in Priority
        }
        self.comparisons = self.lanes["singapore_bulk"]
        self.results = self._create_queue("results")
        self.stack = Stack(
            name=self.name,
            id=f"arn:aws:cloudformation:{AWS_REGION}:000000000000:stack/{self.name}/1",
            session=session,
            endpoint_url=None,
            api_url="http://127.0.0.1:9/live",
            uploads_queue_url=self.uploads,
            dead_letters=DeadLetterUrls(
                comparisons=self._create_queue("comparisons-dead"),
                uploads=self._create_queue("uploads-dead"),
                outbox=self._create_queue("outbox-dead"),
            ),
            photo_retention_days=1,
            settings=read_settings(self.make_environment()),
        )

    def make_environment(self, **changes: str) -> dict[str, str]:
        return make_environment(
            TABLE_NAME=self.name,
            BUCKET_NAME=self.name,
            **{f"{lane}_QUEUE_URL".upper(): url for lane, url in self.lanes.items()},
            RESULTS_QUEUE_URL=self.results,
            ALLOWED_REGIONS="singapore,indonesia",
            QUOTA_SHARE="1",
            **changes,
        )

    def run(self, *arguments: str | Path, clock: Clock | None = None) -> Ran:
        """Run the command on this stack."""
        out, err = io.StringIO(), io.StringIO()
        surroundings = Surroundings(find_stack=lambda _place: self.stack, clock=clock or self.clock)
        with redirect_stdout(out), redirect_stderr(err):
            exit_code = run([str(argument) for argument in arguments], surroundings)
        return Ran(exit_code, out.getvalue(), err.getvalue())

    def change_stack(self, **changes: Any) -> None:
        self.stack = replace(self.stack, **changes)

    def list_keys(self) -> list[str]:
        """Return the keys of all objects in the bucket."""
        listed = self.s3.list_objects_v2(Bucket=self.name)
        return sorted(entry["Key"] for entry in listed.get("Contents", []))

    def send(self, url: str, body: object) -> None:
        """Put a message on a queue."""
        self.sqs.send_message(QueueUrl=url, MessageBody=body if isinstance(body, str) else json.dumps(body))

    def end(self, comparison_id: str) -> None:
        """Have the ledger hold a comparison whose verdict waits to be published."""
        ended = make_ended(id=comparison_id)
        assert ended.ending is not None
        self.ledger.register(make_comparison(id=comparison_id))
        self.ledger.end(comparison_id, ended.ending, None)

    def send_event(self, comparison: Comparison) -> None:
        """Put the event of an ended comparison on the results queue."""
        self.send(self.results, make_result_event(comparison, "urn:facematch:test"))

    def depth(self, url: str) -> int:
        """Return how many messages of a queue anyone can take."""
        names: Any = ["ApproximateNumberOfMessages"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return int(attributes["ApproximateNumberOfMessages"])

    def bodies(self, url: str) -> list[str]:
        """Take all that is on a queue; return what the messages hold."""
        received = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
        return sorted(message["Body"] for message in received.get("Messages", []))

    def item(self, comparison_id: str) -> Any:
        """Return the item of a comparison, as DynamoDB has it."""
        key = {"pk": {"S": f"comparison#{comparison_id}"}}
        return self.dynamodb.get_item(TableName=self.name, Key=key)["Item"]

    def put_hold(self, region: str, *, reason: str, code: str, for_s: int) -> None:
        """Have calls to a region be on hold, for 12 s now and `for_s` to come."""
        now_ms = self.clock.now_ms()
        hold = Hold(
            reason=HoldReason(reason),
            code=code,
            since_ms=now_ms - 12_000,
            until_ms=now_ms + for_s * 1000,
            duration_s=for_s,
        )
        limiter = DynamoDbRateLimiter(self.dynamodb, self.name, self.stack.settings.calls_per_s)
        assert limiter.hold(Region(region), hold, replacing=None)

    def erase(self, comparison_id: str) -> None:
        """Have the ledger hold a tombstone of a comparison."""
        comparison = self.ledger.find(comparison_id)
        assert comparison is not None
        self.ledger.erase(
            comparison, fail("comparison_erased", "It was erased."), None, now_ms=self.clock.now_ms()
        )

    def put_item(self, **attributes: Any) -> None:
        """Put a plain item into the table."""
        boto3.resource("dynamodb", region_name=AWS_REGION).Table(self.name).put_item(Item=attributes)

    def _create_queue(self, name: str) -> str:
        return self.sqs.create_queue(QueueName=f"{self.name}-{name}")["QueueUrl"]
