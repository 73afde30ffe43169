"""Reads the results queue."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HIDDEN_S: Final = 30
"""The time for which a received message is hidden from other readers."""
_BATCH: Final = 10
_LONG_POLL_S: Final = 20
_REMEMBERED: Final = 100_000


@dataclass(frozen=True, slots=True)
class Result:
    """A message: its event, or None if it is not an event, and the handle to delete it."""

    message_id: str
    event: Mapping[str, Any] | None
    receipt_handle: str


@dataclass(slots=True)
class ResultReader:
    """Reads events from a queue. They stay on the queue until `delete` is called."""

    client: "SQSClient"
    url: str
    _seen: dict[str, None] = field(default_factory=dict)

    def read(self, *, wait_s: int, follow: bool) -> Iterator[Sequence[Result]]:
        """Yield batches of new messages, until there is none for `wait_s`.

        With `follow` it never stops, and a batch may be empty.
        """
        while True:
            received = self.client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=_BATCH,
                VisibilityTimeout=HIDDEN_S,
                WaitTimeSeconds=_LONG_POLL_S if follow else wait_s,
            )
            messages = received.get("Messages", [])
            if not messages and not follow:
                return
            new = [message for message in messages if self._is_new(message["MessageId"])]
            if not new and not follow:
                # All messages were received, and the first ones are visible again.
                return
            yield [
                Result(message["MessageId"], _read_event(message["Body"]), message["ReceiptHandle"])
                for message in new
            ]

    def delete(self, results: Sequence[Result]) -> None:
        """Delete messages from the queue."""
        if results:
            self.client.delete_message_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": result.receipt_handle}
                    for number, result in enumerate(results)
                ],
            )

    def put_back(self, receipt_handles: Sequence[str]) -> None:
        """Make messages visible to other readers immediately."""
        for start in range(0, len(receipt_handles), _BATCH):
            self.client.change_message_visibility_batch(
                QueueUrl=self.url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    for number, handle in enumerate(receipt_handles[start : start + _BATCH])
                ],
            )

    def _is_new(self, message_id: str) -> bool:
        if message_id in self._seen:
            return False
        self._seen[message_id] = None
        if len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return True


def _read_event(body: str) -> Mapping[str, Any] | None:
    try:
        event = json.loads(body)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("data"), dict) else None
