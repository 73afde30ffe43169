"""How full a queue is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class Depth:
    """Messages of a queue, about: `ready` to be taken, taken and `in_flight`, or `delayed`."""

    ready: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """All messages."""
        return self.ready + self.in_flight + self.delayed


def measure_depth(client: "SQSClient", url: str) -> Depth:
    """Return how many messages a queue holds."""
    told = client.get_queue_attributes(
        QueueUrl=url,
        AttributeNames=[
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
    )["Attributes"]
    return Depth(
        int(told["ApproximateNumberOfMessages"]),
        int(told["ApproximateNumberOfMessagesNotVisible"]),
        int(told["ApproximateNumberOfMessagesDelayed"]),
    )
