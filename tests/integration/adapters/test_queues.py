import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from botocore.stub import Stubber

from facematch.adapters.queues import SqsComparisonQueues, SqsResultQueue
from facematch.domain.priority import Priority
from facematch.domain.regions import Region

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

URL = "https://sqs.ap-southeast-1.amazonaws.com/123456789012/queue"


@pytest.fixture(scope="module")
def sqs(session: boto3.Session) -> "SQSClient":
    return session.client("sqs")


def create_queue(sqs: "SQSClient") -> str:
    return sqs.create_queue(QueueName=f"queue-{uuid4().hex}")["QueueUrl"]


def receive(sqs: "SQSClient", url: str) -> list[dict[str, Any]]:
    received = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"]).get("Messages", [])
    return [
        {"body": json.loads(message["Body"]), "attributes": message.get("MessageAttributes", {})}
        for message in received
    ]


class TestComparisonQueues:
    def test_each_lane_has_its_own_queue(self, sqs: "SQSClient") -> None:
        lanes = [(region, priority) for region in Region for priority in Priority]
        queues = SqsComparisonQueues(sqs, {lane: create_queue(sqs) for lane in lanes})
        for region, priority in lanes:
            queues.send(region.value, priority, f"{region}-{priority}")
        for region, priority in lanes:
            body = {"comparison_id": f"{region}-{priority}", "region": region, "priority": priority}
            assert receive(sqs, queues.urls[region, priority]) == [{"body": body, "attributes": {}}]

    def test_region_without_a_queue_uses_another_one_of_its_priority(self, sqs: "SQSClient") -> None:
        queues = SqsComparisonQueues(
            sqs, {("malaysia", priority): create_queue(sqs) for priority in (Priority.BULK, Priority.URGENT)}
        )
        queues.send("singapore", Priority.URGENT, "c1")
        (message,) = receive(sqs, queues.urls["malaysia", Priority.URGENT])
        assert message["body"] == {"comparison_id": "c1", "region": "singapore", "priority": "urgent"}

    def test_delayed_message_is_not_visible_yet(self, sqs: "SQSClient") -> None:
        url = create_queue(sqs)
        SqsComparisonQueues(sqs, {("singapore", Priority.BULK): url}).send(
            "singapore", Priority.BULK, "c1", delay_s=600
        )
        assert receive(sqs, url) == []

    @pytest.mark.parametrize(
        ("delay_s", "sent_s"),
        [
            (-1, 0),
            (0, 0),
            (0.001, 1),
            (1, 1),
            (1.2, 2),
            (899.5, 900),
            (900, 900),
            (900.1, 900),
            (86_400, 900),
        ],
    )
    def test_delay_is_rounded_up_and_at_most_900(self, sqs: "SQSClient", delay_s: float, sent_s: int) -> None:
        body = '{"comparison_id": "c1", "region": "malaysia", "priority": "urgent"}'
        expected = {"QueueUrl": URL, "MessageBody": body, "DelaySeconds": sent_s}
        with Stubber(sqs) as stubber:
            stubber.add_response("send_message", {}, expected)
            SqsComparisonQueues(sqs, {("malaysia", Priority.URGENT): URL}).send(
                "malaysia", Priority.URGENT, "c1", delay_s=delay_s
            )
            stubber.assert_no_pending_responses()


class TestResultQueue:
    def test_event_is_sent_as_structured_cloudevents(self, sqs: "SQSClient") -> None:
        url = create_queue(sqs)
        event = {
            "specversion": "1.0",
            "type": "facematch.comparison.completed",
            "subject": "Jürgen 王",
            "data": {"score": 99.57, "reason": None, "attempts": [{"number": 1}]},
        }
        SqsResultQueue(sqs, url).send(event)
        (message,) = receive(sqs, url)
        assert message["body"] == event
        assert {name: one["StringValue"] for name, one in message["attributes"].items()} == {
            "content-type": "application/cloudevents+json",
            "type": "facematch.comparison.completed",
        }
        assert {one["DataType"] for one in message["attributes"].values()} == {"String"}
