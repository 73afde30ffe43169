"""Lists dead letters with their reasons, and redrives them.

Dead letters of comparisons and uploads move back to their queues. Dead letters of the outbox point into the
ledger's stream. Their verdicts are still in the ledger's outbox. An update of the item puts it into the
stream again, so that it is published.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.clock import Clock
from facematch.domain.comparison import Comparison
from facematch_client.queues import measure_depth
from facematch_client.records import RecordReader, open_ledger
from facematch_client.stack import Stack
from facematch_client.text import count_of

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_HIDDEN_S: Final = 30
_BATCH: Final = 10
_SETTLED_AFTER_MS: Final = 60_000
"""Verdicts that are pending for longer than this are not published without a redrive."""
_NO_SUCH_ACTION: Final = frozenset(
    {"InvalidAction", "UnsupportedOperation", "NotImplemented", "UnknownOperation"}
)

type ReportProgress = Callable[[int], None]
"""Receives the number of messages that were redriven since the last call."""


class Source(StrEnum):
    """The parts of a stack that have dead letters."""

    COMPARISONS = "comparisons"
    UPLOADS = "uploads"
    OUTBOX = "outbox"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter: its subject, the reason, and the time when it was first sent."""

    what: str
    why: str
    sent_at_ms: int


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """A dead-letter queue.

    `find_origin` returns the URL of a message's queue from its body, or None if the body cannot be read. Dead
    letters of the outbox have no queue to return to.
    """

    source: Source
    url: str
    find_origin: "Callable[[Mapping[str, Any]], str | None] | None"


def list_queues(stack: Stack, sources: Sequence[Source]) -> list[DeadLetterQueue]:
    """Return the dead-letter queues of a stack."""
    urls, lanes = stack.dead_letters, stack.settings.comparison_queue_urls

    def find_lane(body: Mapping[str, Any]) -> str | None:
        lane = (body.get("region"), body.get("priority"))
        return next((url for known, url in lanes.items() if known == lane), None)

    queues = {
        Source.COMPARISONS: DeadLetterQueue(Source.COMPARISONS, urls.comparisons, find_lane),
        Source.UPLOADS: DeadLetterQueue(Source.UPLOADS, urls.uploads, lambda _: stack.uploads_queue_url),
        Source.OUTBOX: DeadLetterQueue(Source.OUTBOX, urls.outbox, None),
    }
    return [queues[source] for source in sources]


@dataclass(frozen=True, slots=True)
class Redriver:
    """Lists and redrives dead letters."""

    sqs: "SQSClient"
    ledger: DynamoDbLedger
    clock: Clock

    def count(self, queue: DeadLetterQueue) -> int:
        """Return the approximate number of messages in a queue."""
        return measure_depth(self.sqs, queue.url).total

    def peek(self, queue: DeadLetterQueue, limit: int) -> list[DeadLetter]:
        """Return the first messages of a queue. All messages stay on the queue."""
        messages = list(self._receive_up_to(queue.url, limit))
        letters = [self._explain(queue.source, message) for message in messages]
        for message in messages:
            self.sqs.change_message_visibility(
                QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
        return sorted(letters, key=lambda letter: letter.sent_at_ms)

    def redrive(self, queue: DeadLetterQueue, report: ReportProgress) -> int:
        """Redrive the messages of a queue and return their number."""
        if queue.find_origin is None:
            return self._publish_pending(queue, report)
        if self._start_move(queue):
            return self._follow_move(queue, report)
        return self._move_one_by_one(queue.url, queue.find_origin, report)

    def list_pending(self) -> list[str]:
        """Return the ids of comparisons whose verdict is not published without a redrive."""
        records = RecordReader(self.ledger.client, self.ledger.table)
        return list(records.list_pending(before_ms=self.clock.now_ms() - _SETTLED_AFTER_MS))

    def _receive_up_to(self, url: str, limit: int) -> Iterator["MessageTypeDef"]:
        count = 0
        while count < limit:
            messages = self._receive(url, min(_BATCH, limit - count))
            if not messages:
                return
            count += len(messages)
            yield from messages

    def _receive(self, url: str, count: int = _BATCH) -> list["MessageTypeDef"]:
        return self.sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=count,
            VisibilityTimeout=_HIDDEN_S,
            WaitTimeSeconds=1,
            AttributeNames=["SentTimestamp"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])

    def _explain(self, source: Source, message: "MessageTypeDef") -> DeadLetter:
        body = _read_body(message["Body"])
        match source:
            case Source.COMPARISONS:
                what, why = self._explain_comparison(body)
            case Source.UPLOADS:
                what, why = _explain_upload(body)
            case Source.OUTBOX:
                what, why = _explain_pointer(body)
        return DeadLetter(what, why, int(message["Attributes"]["SentTimestamp"]))

    def _explain_comparison(self, body: Mapping[str, Any]) -> tuple[str, str]:
        comparison_id = body.get("comparison_id")
        if not isinstance(comparison_id, str):
            return "not a comparison", "cannot read the message"
        return comparison_id, _explain_state(self.ledger.find(comparison_id))

    def _start_move(self, queue: DeadLetterQueue) -> bool:
        """Start the move task of SQS. Return False if the cloud does not support it."""
        try:
            self.sqs.start_message_move_task(SourceArn=self._find_arn(queue.url))
        except ClientError as error:
            if error.response["Error"]["Code"].rpartition(".")[2] in _NO_SUCH_ACTION:
                return False
            raise
        return True

    def _follow_move(self, queue: DeadLetterQueue, report: ReportProgress) -> int:
        arn, moved = self._find_arn(queue.url), 0
        while True:
            task = self.sqs.list_message_move_tasks(SourceArn=arn, MaxResults=1)["Results"][0]
            total_moved = task.get("ApproximateNumberOfMessagesMoved", 0)
            report(total_moved - moved)
            moved = total_moved
            if task["Status"] != "RUNNING":
                return moved
            self.clock.sleep(1)

    def _move_one_by_one(
        self, url: str, find_origin: Callable[[Mapping[str, Any]], str | None], report: ReportProgress
    ) -> int:
        """Send each message to its queue, then delete it. An interruption may repeat a message, not lose it.

        A message without a readable origin stays.
        """
        moved = 0
        for message in self._receive_up_to(url, measure_depth(self.sqs, url).total):
            origin_url = find_origin(_read_body(message["Body"]))
            if origin_url is None:
                continue
            self.sqs.send_message(
                QueueUrl=origin_url,
                MessageBody=message["Body"],
                MessageAttributes=message.get("MessageAttributes", {}),
            )
            self._delete(url, message)
            moved += 1
            report(1)
        return moved

    def _publish_pending(self, queue: DeadLetterQueue, report: ReportProgress) -> int:
        records = RecordReader(self.ledger.client, self.ledger.table)
        started_at_ms = self.clock.now_ms()
        updated = 0
        for comparison_id in self.list_pending():
            updated += records.touch(comparison_id, now_ms=self.clock.now_ms())
            report(1)
        for message in self._receive_up_to(queue.url, self.count(queue)):
            # A newer dead letter belongs to a later failure.
            if int(message["Attributes"]["SentTimestamp"]) <= started_at_ms:
                self._delete(queue.url, message)
        return updated

    def _delete(self, url: str, message: "MessageTypeDef") -> None:
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _find_arn(self, url: str) -> str:
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]


def make_redriver(stack: Stack, clock: Clock) -> Redriver:
    """Return the redriver of a stack."""
    return Redriver(stack.sqs(), open_ledger(stack), clock)


def _read_body(text: str) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _explain_state(comparison: Comparison | None) -> str:
    if comparison is None:
        return "the ledger does not have this comparison; a redrive is harmless"
    if comparison.ending is not None:
        return f"the comparison has its verdict, {comparison.ending.verdict.decision}; a redrive is harmless"
    if not comparison.call_count:
        return "the worker failed before it called the provider; read the log of compare"
    return f"{count_of(comparison.call_count, 'call')}; last code: {comparison.last_code or 'no answer'}"


def _explain_upload(body: Mapping[str, Any]) -> tuple[str, str]:
    why = "the function failed on every attempt; read the log of uploads"
    try:
        keys = [unquote_plus(record["s3"]["object"]["key"]) for record in body["Records"]]
    except (KeyError, TypeError):
        return "not an upload", "cannot read the message"
    return ", ".join(keys), why


def _explain_pointer(body: Mapping[str, Any]) -> tuple[str, str]:
    batch = body.get("DDBStreamBatchInfo")
    if not isinstance(batch, dict):
        return "not a pointer", "cannot read the message"
    first, size = batch.get("startSequenceNumber", "?"), batch.get("batchSize", "?")
    condition = body.get("requestContext", {}).get("condition", "unknown")
    return (
        f"{size} changes of the ledger, starting at {first}",
        f"the function publish failed: {condition}",
    )
