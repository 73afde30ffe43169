import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from botocore.stub import Stubber

from facematch.adapters.queues import SqsComparisonQueue, SqsDeadlineQueue, SqsResultQueue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

URL = "https://sqs.ap-southeast-1.amazonaws.com/123456789012/queue"
DELAYS = [(0, 0), (0.001, 1), (1, 1), (1.2, 2), (899.5, 900), (900, 900), (900.1, 900), (86_400, 900)]


@pytest.fixture(scope="module")
def sqs(session: boto3.Session) -> "SQSClient":
    return session.client("sqs")


@pytest.fixture
def url(sqs: "SQSClient") -> str:
    return sqs.create_queue(QueueName=f"queue-{uuid4().hex}")["QueueUrl"]


def receive(sqs: "SQSClient", url: str) -> dict[str, Any]:
    (message,) = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    return {"body": json.loads(message["Body"]), "attributes": message.get("MessageAttributes", {})}


@pytest.fixture
def stubber(sqs: "SQSClient") -> Stubber:
    return Stubber(sqs)


class TestComparisonQueue:
    def test_message_holds_the_id_alone(self, sqs: "SQSClient", url: str) -> None:
        SqsComparisonQueue(sqs, url).send("c1")
        assert receive(sqs, url) == {"body": {"comparison_id": "c1"}, "attributes": {}}

    def test_delayed_message_is_not_there_at_once(self, sqs: "SQSClient", url: str) -> None:
        SqsComparisonQueue(sqs, url).send("c1", delay_s=600)
        assert "Messages" not in sqs.receive_message(QueueUrl=url)

    @pytest.mark.parametrize(("delay_s", "sent_s"), DELAYS)
    def test_delay_is_rounded_up_and_900_at_the_most(
        self, sqs: "SQSClient", stubber: Stubber, delay_s: float, sent_s: int
    ) -> None:
        body = '{"comparison_id": "c1"}'
        stubber.add_response(
            "send_message", {}, {"QueueUrl": URL, "MessageBody": body, "DelaySeconds": sent_s}
        )
        with stubber:
            SqsComparisonQueue(sqs, URL).send("c1", delay_s=delay_s)
        stubber.assert_no_pending_responses()


class TestDeadlineQueue:
    @pytest.mark.parametrize("pair_id", ["p1", "a b+%", "Jürgen 王"])
    def test_message_holds_region_and_pair(self, sqs: "SQSClient", url: str, pair_id: str) -> None:
        SqsDeadlineQueue(sqs, url).send_deadline("singapore", pair_id, delay_s=0)
        assert receive(sqs, url)["body"] == {"deadline": {"region": "singapore", "pair_id": pair_id}}

    @pytest.mark.parametrize(("delay_s", "sent_s"), DELAYS)
    def test_delay_is_rounded_up_and_900_at_the_most(
        self, sqs: "SQSClient", stubber: Stubber, delay_s: float, sent_s: int
    ) -> None:
        body = '{"deadline": {"region": "singapore", "pair_id": "p1"}}'
        stubber.add_response(
            "send_message", {}, {"QueueUrl": URL, "MessageBody": body, "DelaySeconds": sent_s}
        )
        with stubber:
            SqsDeadlineQueue(sqs, URL).send_deadline("singapore", "p1", delay_s=delay_s)
        stubber.assert_no_pending_responses()


class TestResultQueue:
    def test_event_leaves_as_structured_cloudevents(self, sqs: "SQSClient", url: str) -> None:
        event = {
            "specversion": "1.0",
            "type": "facematch.comparison.completed",
            "subject": "Jürgen 王",
            "data": {"score": 99.57, "reason": None, "attempts": [{"number": 1}]},
        }
        SqsResultQueue(sqs, url).send(event)
        message = receive(sqs, url)
        assert message["body"] == event
        assert {name: one["StringValue"] for name, one in message["attributes"].items()} == {
            "content-type": "application/cloudevents+json",
            "type": "facematch.comparison.completed",
        }
        assert {one["DataType"] for one in message["attributes"].values()} == {"String"}
