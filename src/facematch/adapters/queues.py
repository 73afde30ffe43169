"""The queues in SQS."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, override

from facematch.domain.ports import ComparisonQueues, ResultQueue
from facematch.domain.priority import Priority

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

LONGEST_DELAY_S: Final = 900
"""Source: SQS API, SendMessage, DelaySeconds."""


@dataclass(frozen=True, slots=True)
class SqsComparisonQueues(ComparisonQueues):
    """One queue per region and priority.

    A region that is not allowed any more has no queue. Its comparisons are sent to another queue, where a
    worker ends them as failed.
    """

    client: "SQSClient"
    urls: Mapping[tuple[str, Priority], str]

    @override
    def send(self, region: str, priority: Priority, comparison_id: str, *, delay_s: float = 0) -> None:
        body = {"comparison_id": comparison_id, "region": region, "priority": priority.value}
        self.client.send_message(
            QueueUrl=self._find_url(region, priority),
            MessageBody=json.dumps(body),
            DelaySeconds=min(math.ceil(max(delay_s, 0)), LONGEST_DELAY_S),
        )

    def _find_url(self, region: str, priority: Priority) -> str:
        others = (url for (_, other), url in self.urls.items() if other is priority)
        return self.urls.get((region, priority)) or next(others)


@dataclass(frozen=True, slots=True)
class SqsResultQueue(ResultQueue):
    """The results queue, with CloudEvents in structured mode."""

    client: "SQSClient"
    url: str

    @override
    def send(self, event: Mapping[str, Any]) -> None:
        self.client.send_message(
            QueueUrl=self.url,
            MessageBody=json.dumps(event),
            MessageAttributes={
                "content-type": {"DataType": "String", "StringValue": "application/cloudevents+json"},
                "type": {"DataType": "String", "StringValue": event["type"]},
            },
        )
