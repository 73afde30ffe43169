"""The queues in SQS."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LONGEST_DELAY_S: Final = 900


@dataclass(frozen=True, slots=True)
class SqsComparisonQueue:
    """Comparisons that wait for a worker."""

    client: "SQSClient"
    url: str

    def send(self, comparison_id: str, *, delay_s: float = 0) -> None:
        """Enqueue a comparison, visible after `delay_s` (rounded up, 900 at the most)."""
        _send(self.client, self.url, {"comparison_id": comparison_id}, delay_s)


@dataclass(frozen=True, slots=True)
class SqsDeadlineQueue:
    """Half pairs to look at again; they share the queue of uploads."""

    client: "SQSClient"
    url: str

    def send_deadline(self, region: str, pair_id: str, *, delay_s: float) -> None:
        """Have the pair looked at after `delay_s` (900 at the most: who is early is sent again)."""
        _send(self.client, self.url, {"deadline": {"region": region, "pair_id": pair_id}}, delay_s)


@dataclass(frozen=True, slots=True)
class SqsResultQueue:
    """Where verdicts leave, as CloudEvents in structured mode."""

    client: "SQSClient"
    url: str

    def send(self, event: Mapping[str, Any]) -> None:
        """Send one CloudEvents message; its type also stands in a message attribute, to filter by."""
        self.client.send_message(
            QueueUrl=self.url,
            MessageBody=json.dumps(event),
            MessageAttributes={
                "content-type": {"DataType": "String", "StringValue": "application/cloudevents+json"},
                "type": {"DataType": "String", "StringValue": event["type"]},
            },
        )


def _send(client: "SQSClient", url: str, body: Mapping[str, Any], delay_s: float) -> None:
    delay = min(math.ceil(delay_s), LONGEST_DELAY_S)
    client.send_message(QueueUrl=url, MessageBody=json.dumps(body), DelaySeconds=delay)
