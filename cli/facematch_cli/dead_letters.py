"""What is in the dead-letter queues, why it is there, and how it is put back.

Messages of the queues of comparisons and uploads go back to where they came from. Those of the outbox are
pointers into the ledger's stream. What they point to is still in the ledger's outbox, and is published once
its item changes: the stream then carries it again.
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
"""What ended longer ago than this and is pending still will not be published by itself."""
_NO_SUCH_ACTION: Final = frozenset(
    {"InvalidAction", "UnsupportedOperation", "NotImplemented", "UnknownOperation"}
)

type Advance = Callable[[int], None]
"""Told how many messages were put back since it was told last."""


class Source(StrEnum):
    """Where dead letters come from."""

    COMPARISONS = "comparisons"
    UPLOADS = "uploads"
    OUTBOX = "outbox"


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message: what it is about, why it is there, and when it was first sent."""

    what: str
    why: str
    sent_at_ms: int


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """One queue of dead letters.

    `find_origin` returns the queue that a message came from, by its body, or None if that can't be read. Dead
    letters of the outbox came from no queue.
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
    """Looks into dead-letter queues and puts back what they hold."""

    sqs: "SQSClient"
    ledger: DynamoDbLedger
    clock: Clock

    def count(self, queue: DeadLetterQueue) -> int:
        """Return how many messages a queue holds, about."""
        return measure_depth(self.sqs, queue.url).total

    def look(self, queue: DeadLetterQueue, limit: int) -> list[DeadLetter]:
        """Return what the first messages of a queue are; all of them stay there."""
        messages = list(self._peek(queue.url, limit))
        letters = [self._explain(queue.source, message) for message in messages]
        for message in messages:
            self.sqs.change_message_visibility(
                QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
        return sorted(letters, key=lambda letter: letter.sent_at_ms)

    def put_back(self, queue: DeadLetterQueue, advance: Advance) -> int:
        """Put a queue's messages back to where they came from; return how many."""
        if queue.find_origin is None:
            return self._nudge_pending(queue, advance)
        if self._can_move(queue):
            return self._follow_move(queue, advance)
        return self._move_one_by_one(queue.url, queue.find_origin, advance)

    def list_pending(self) -> list[str]:
        """Return the comparisons whose verdict will not be published by itself."""
        records = RecordReader(self.ledger.client, self.ledger.table)
        return list(records.list_pending(before_ms=self.clock.now_ms() - _SETTLED_AFTER_MS))

    def _peek(self, url: str, limit: int) -> Iterator["MessageTypeDef"]:
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
            return "not a comparison", "the message can't be read"
        return comparison_id, _explain_state(self.ledger.find(comparison_id))

    def _can_move(self, queue: DeadLetterQueue) -> bool:
        """Have the cloud begin to move the messages itself; False where it does not know how to."""
        try:
            self.sqs.start_message_move_task(SourceArn=self._find_arn(queue.url))
        except ClientError as error:
            if error.response["Error"]["Code"].rpartition(".")[2] in _NO_SUCH_ACTION:
                return False
            raise
        return True

    def _follow_move(self, queue: DeadLetterQueue, advance: Advance) -> int:
        arn, moved = self._find_arn(queue.url), 0
        while True:
            task = self.sqs.list_message_move_tasks(SourceArn=arn, MaxResults=1)["Results"][0]
            now_moved = task.get("ApproximateNumberOfMessagesMoved", 0)
            advance(now_moved - moved)
            moved = now_moved
            if task["Status"] != "RUNNING":
                return moved
            self.clock.sleep(1)

    def _move_one_by_one(
        self, url: str, find_origin: Callable[[Mapping[str, Any]], str | None], advance: Advance
    ) -> int:
        """Send each message before it is deleted: if this stops in between, one is there twice, none is lost.

        A message whose origin can't be read stays.
        """
        moved = 0
        for message in self._peek(url, measure_depth(self.sqs, url).total):
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
            advance(1)
        return moved

    def _nudge_pending(self, queue: DeadLetterQueue, advance: Advance) -> int:
        records = RecordReader(self.ledger.client, self.ledger.table)
        began_at_ms = self.clock.now_ms()
        nudged = 0
        for comparison_id in self.list_pending():
            nudged += records.touch(comparison_id, now_ms=self.clock.now_ms())
            advance(1)
        for message in self._peek(queue.url, self.count(queue)):
            # What points to something that failed meanwhile has not been seen to.
            if int(message["Attributes"]["SentTimestamp"]) <= began_at_ms:
                self._delete(queue.url, message)
        return nudged

    def _delete(self, url: str, message: "MessageTypeDef") -> None:
        self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _find_arn(self, url: str) -> str:
        return self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]


def make_redriver(stack: Stack, clock: Clock) -> Redriver:
    """Return what looks after a stack's dead letters."""
    return Redriver(stack.sqs(), open_ledger(stack), clock)


def _read_body(text: str) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _explain_state(comparison: Comparison | None) -> str:
    if comparison is None:
        return "the ledger has no such comparison (any more): putting it back does no harm"
    if comparison.ending is not None:
        return (
            f"it has its verdict by now, {comparison.ending.verdict.decision}: putting it back does no harm"
        )
    if not comparison.call_count:
        return "the worker failed before it called the provider: its log says why"
    return f"{count_of(comparison.call_count, 'call')}, the last one: {comparison.last_code or 'no answer'}"


def _explain_upload(body: Mapping[str, Any]) -> tuple[str, str]:
    why = "the function failed on it every time: its log says why"
    try:
        keys = [unquote_plus(record["s3"]["object"]["key"]) for record in body["Records"]]
    except (KeyError, TypeError):
        return "not an upload", "the message can't be read"
    return ", ".join(keys), why


def _explain_pointer(body: Mapping[str, Any]) -> tuple[str, str]:
    batch = body.get("DDBStreamBatchInfo")
    if not isinstance(batch, dict):
        return "not a pointer", "the message can't be read"
    first, size = batch.get("startSequenceNumber", "?"), batch.get("batchSize", "?")
    condition = body.get("requestContext", {}).get("condition", "unknown")
    return (
        f"{size} changes of the ledger from {first} on",
        f"the publish function failed on them: {condition}",
    )
