"""What one pair takes of AWS, counted in the code: the capacity model's footprints."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import boto3
import pytest
from moto import mock_aws

from bench.capacity.model import (
    API_PAIR,
    BUCKET_PAIR,
    BUSIEST_INDEX_KEY_WRITES,
    LANE_READS,
    RETENTION_DAYS,
    Footprint,
)
from facematch.adapters.ledger import DynamoDbLedger
from facematch.adapters.photo_store import S3PhotoStore
from facematch.adapters.queues import SqsComparisonQueues, SqsResultQueue
from facematch.adapters.rate_limiter import DynamoDbRateLimiter
from facematch.domain.comparison import StoredPhoto
from facematch.domain.deadline import ANSWER_TIME_S, Deadline
from facematch.domain.errors import AlreadyEndedError
from facematch.domain.inbox import make_inbox_key
from facematch.domain.priority import Priority
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from facematch.use_cases.photo_inputs import InlinePhoto
from facematch.use_cases.request_comparison import Caller, ComparisonRequest
from harness.template import read_table_schema
from tests.factories import CALLER, make_answer
from tests.factories.photos import make_portrait
from tests.fakes.stack import InMemoryStack, make_stack

_INDEX_KEY = ("work", "since_ms")


@dataclass(slots=True)
class Meter:
    """Counts requests to AWS, and DynamoDB's units; those to the lane on their own."""

    spy: Any
    requests: Counter[str] = field(default_factory=Counter)
    lane: Counter[str] = field(default_factory=Counter)
    writes: int = 0
    reads: int = 0
    index_writes: Counter[str] = field(default_factory=Counter)
    _before: list[tuple[Any, Any]] = field(default_factory=list)

    def attach(self, client: Any) -> Any:
        service = client.meta.service_model.service_name
        client.meta.events.register(f"before-parameter-build.{service}.*", self.note_request)
        client.meta.events.register(f"after-call.{service}.*", self.note_answer)
        return client

    def note_request(self, params: Any, model: Any, **_: Any) -> None:
        self._before = []
        if model.service_model.service_name == "dynamodb":
            keys = _list_keys(params)
            if keys[0]["pk"]["S"].startswith("lane#"):
                self.lane[model.name] += 1
                return
            self._before = [(key, self.find(key)) for key in keys]
        self.requests[model.name] += 1

    def note_answer(self, model: Any, **_: Any) -> None:
        for key, before in self._before:
            after = self.find(key)
            size = max(_measure(before), _measure(after), 1)
            if model.name == "GetItem":
                self.reads += math.ceil(size / 4096)
                continue
            # A transaction prepares each write before it makes it.
            self.writes += math.ceil(size / 1024) * (2 if model.name == "TransactWriteItems" else 1)
            self.index_writes += _count_index_writes(before, after)

    def find(self, key: Any) -> Any:
        return self.spy.get_item(TableName="ledger", Key=key).get("Item", {})

    def measure_table(self) -> int:
        items = self.spy.scan(TableName="ledger")["Items"]
        return sum(_measure(item) + 100 for item in items if not item["pk"]["S"].startswith("lane#"))


def _list_keys(params: Any) -> list[Any]:
    """Return the keys of the items that a request reads or writes."""
    requests = params.get("TransactItems", [{"Request": params}])
    inner = [request for kinds in requests for request in kinds.values()]
    return [one.get("Key") or {"pk": one["Item"]["pk"]} for one in inner]


def _measure(item: Any) -> int:
    return sum(len(name) + _size(value) for name, value in item.items())


def _count_index_writes(before: Any, after: Any) -> Counter[str]:
    """Return the writes of the index `work` by its partition key: a changed key is a deletion and a put."""
    left, entered = ([item[name] for name in _INDEX_KEY if name in item] for item in (before, after))
    if left == entered:
        is_touched = before.get("touched_at_ms") != after.get("touched_at_ms")
        left, entered = [], entered if is_touched else []
    # An item without both parts of the key is not in the index.
    return Counter(key[0]["S"] for key in (left, entered) if len(key) == len(_INDEX_KEY))


def _size(value: dict[str, Any]) -> int:
    """Return what DynamoDB counts for an attribute, by its documentation."""
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return (len(content.strip("-").replace(".", "")) + 1) // 2 + 1
        case "M":
            return 3 + sum(len(name) + 1 + _size(inner) for name, inner in content.items())
    return 1


@dataclass(slots=True)
class MeteredStack:
    """The use cases over moto; their requests are counted, those of the `customer` who uploads are not."""

    meter: Meter
    stack: InMemoryStack
    customer: Any


@contextmanager
def run_metered_stack() -> Iterator[MeteredStack]:
    with mock_aws():
        session = boto3.Session("none", "none", region_name="ap-southeast-1")
        spy: Any = session.client("dynamodb")
        spy.create_table(TableName="ledger", **read_table_schema())
        where: Any = {"LocationConstraint": "ap-southeast-1"}
        session.client("s3").create_bucket(Bucket="photos", CreateBucketConfiguration=where)
        url = session.client("sqs").create_queue(QueueName="queue")["QueueUrl"]
        yield make_metered_stack(session, Meter(spy), url)


def make_metered_stack(session: boto3.Session, meter: Meter, url: str) -> MeteredStack:
    dynamodb, s3, sqs = (meter.attach(session.client(name)) for name in ("dynamodb", "s3", "sqs"))
    stack: Any = make_stack(make_answer())
    stack.ledger = DynamoDbLedger(dynamodb, "ledger", RETENTION_DAYS)
    stack.photos = S3PhotoStore(s3, "photos")
    stack.queues = SqsComparisonQueues(sqs, dict.fromkeys(product(Region, Priority), url))
    stack.results = SqsResultQueue(sqs, url)
    stack.limiter = DynamoDbRateLimiter(dynamodb, "ledger", dict.fromkeys(Region, 10.0))
    return MeteredStack(meter, stack, session.client("s3"))


def make_footprint(meter: Meter, *, uploads: int, invocations: int, trips: dict[str, int]) -> Footprint:
    """Make what was counted; each upload brings a notification, and every message is received and deleted."""
    asked = meter.requests
    return Footprint(
        ledger_writes=meter.writes,
        ledger_reads=meter.reads,
        index_writes=meter.index_writes.total(),
        queue_requests=3 * (asked["SendMessage"] + uploads),
        photo_writes=asked["PutObject"] + asked["CopyObject"] + asked["ListObjectsV2"] + uploads,
        photo_reads=asked["GetObject"] + asked["HeadObject"],
        stored_size_bytes=round(meter.measure_table(), -2),
        invocations=invocations,
        uploads_round_trips=trips.get("uploads", 0),
        publish_round_trips=trips["publish"],
    )


def upload(metered: MeteredStack, role: Role, pair_id: str) -> str | None:
    """Put a photo into the bucket and have its event received; return the comparison of a complete pair."""
    metered.stack.clock.advance(1)
    key = make_inbox_key("singapore", pair_id, role, "jpg")
    metered.customer.put_object(Bucket="photos", Key=key, Body=make_portrait(role))
    head = metered.customer.head_object(Bucket="photos", Key=key)
    return metered.stack.receive(StoredPhoto(key=key, etag=head["ETag"].strip('"')))


def test_a_pair_of_the_bucket_takes_what_the_model_counts() -> None:
    pair_id = "customer-4711-0123456789"
    with run_metered_stack() as metered:
        _, comparison_id = (upload(metered, role, pair_id) for role in Role)
        trips = {"uploads": metered.meter.requests.total()}
        assert comparison_id
        metered.stack.compare(comparison_id)
        before_publish = metered.meter.requests.total()
        metered.stack.publisher.publish(comparison_id)
        trips["publish"] = metered.meter.requests.total() - before_publish

        # Two notifications for uploads, one for compare, one for publish.
        counted = make_footprint(metered.meter, uploads=2, invocations=4, trips=trips)

    assert counted == BUCKET_PAIR
    assert max(metered.meter.index_writes.values()) == BUSIEST_INDEX_KEY_WRITES
    # An idle lane takes two writes.
    assert metered.meter.lane == {"UpdateItem": 2, "GetItem": LANE_READS}


def test_a_pair_of_the_api_takes_what_the_model_counts() -> None:
    with run_metered_stack() as metered:
        stack = metered.stack
        request = ComparisonRequest(
            caller=Caller(CALLER),
            photos={role: InlinePhoto(make_portrait(role)) for role in Role},
            options=stack.options,
            idempotency_key="4711",
        )
        comparison = stack.requester.submit(request, Deadline.after(ANSWER_TIME_S, stack.clock))
        with pytest.raises(AlreadyEndedError):
            stack.compare(comparison.id)
        before_publish = metered.meter.requests.total()
        stack.publisher.publish(comparison.id)
        trips = {"publish": metered.meter.requests.total() - before_publish}

        counted = make_footprint(metered.meter, uploads=0, invocations=3, trips=trips)

    assert counted == API_PAIR
