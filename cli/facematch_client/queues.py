"""The number of messages in a queue."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class Depth:
    """The approximate number of messages in a queue: `ready` to receive, `in_flight`, and `delayed`."""

    ready: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """All messages."""
        return self.ready + self.in_flight + self.delayed


def measure_depth(client: "SQSClient", url: str) -> Depth:
    """Return the approximate number of messages in a queue."""
    attributes = client.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )["Attributes"]
    return Depth(
        int(attributes["ApproximateNumberOfMessages"]),
        int(attributes["ApproximateNumberOfMessagesNotVisible"]),
        int(attributes["ApproximateNumberOfMessagesDelayed"]),
    )
