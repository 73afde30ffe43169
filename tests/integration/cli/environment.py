"""A stack in moto, and the command as it is run against it."""

import io
import json
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3

from facematch.domain.clock import Clock
from facematch.domain.comparison import Comparison
from facematch.domain.lane import Hold, HoldReason
from facematch.domain.regions import Region
from facematch.domain.result_event import make_result_event
from facematch.domain.verdict import fail
from facematch.settings import read_settings
from facematch_cli.main import run
from facematch_cli.options import Environment
from facematch_client.stack import DeadLetterUrls, Stack
from tests.factories import make_comparison, make_ended, make_environment
from tests.fakes.moto_stack import AWS_REGION, MotoStack


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


class CliEnvironment(MotoStack):
    """A stack in moto, and the command as it is run against it."""

    def __init__(self, session: boto3.Session) -> None:
        super().__init__(session, f"stack-{uuid4().hex[:12]}")
        self.uploads = self.create_queue("uploads")
        self.comparisons, self.results = self.queue_urls["singapore-bulk"], self.queue_urls["results"]
        self.stack = Stack(
            name=self.name,
            id=f"arn:aws:cloudformation:{AWS_REGION}:000000000000:stack/{self.name}/1",
            session=session,
            endpoint_url=None,
            api_url="http://127.0.0.1:9/live",
            uploads_queue_url=self.uploads,
            dead_letters=DeadLetterUrls(
                comparisons=self.create_queue("comparisons-dead"),
                uploads=self.create_queue("uploads-dead"),
                outbox=self.create_queue("outbox-dead"),
            ),
            photo_retention_days=1,
            settings=read_settings(self.make_environment()),
        )

    def make_environment(self, **changes: str) -> dict[str, str]:
        return make_environment(
            **self.environment, ALLOWED_REGIONS="singapore,indonesia", QUOTA_SHARE="1", **changes
        )

    def run(self, *arguments: str | Path, clock: Clock | None = None) -> Ran:
        """Run the command on this stack."""
        out, err = io.StringIO(), io.StringIO()
        environment = Environment(find_stack=lambda _place: self.stack, clock=clock or self.clock)
        with redirect_stdout(out), redirect_stderr(err):
            exit_code = run([str(argument) for argument in arguments], environment)
        return Ran(exit_code, out.getvalue(), err.getvalue())

    def change_stack(self, **changes: Any) -> None:
        self.stack = replace(self.stack, **changes)

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
        assert self.limiter.hold(Region(region), hold, replacing=None)

    def erase(self, comparison_id: str) -> None:
        """Have the ledger hold a tombstone of a comparison."""
        comparison = self.ledger.find(comparison_id)
        assert comparison is not None
        self.ledger.erase(
            comparison, fail("comparison_erased", "It was erased."), None, now_ms=self.clock.now_ms()
        )

    def put_item(self, **attributes: Any) -> None:
        """Put a plain item into the table."""
        boto3.resource("dynamodb", region_name=AWS_REGION).Table(self.table).put_item(Item=attributes)
