"""What one pair takes of AWS, counted in the code: the capacity model's footprints."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerDynamoDBPersistence
from moto import mock_aws

from bench.capacity import (
    ANSWER_TIME_S,
    API_PAIR,
    BUCKET_PAIR,
    CIRCUIT_READS,
    RETENTION_DAYS,
    Footprint,
)
from facematch.adapters.circuit import GuardedProvider
from facematch.adapters.ledger import DynamoDbLedger
from facematch.adapters.photo_store import S3PhotoStore
from facematch.adapters.queues import SqsComparisonQueue, SqsDeadlineQueue, SqsResultQueue
from facematch.adapters.quota import DynamoDbQuota
from facematch.domain.comparison import StoredPhoto
from facematch.domain.errors import AlreadyEndedError
from facematch.domain.inbox import InboxKey, make_inbox_key
from facematch.domain.ports import ArrivedPhoto
from facematch.domain.quota import BULK_HORIZON_S, INTERACTIVE_HORIZON_S
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from facematch.use_cases.collect_photos import InlinePhoto, PhotoCollector
from facematch.use_cases.compare_pair import Effort, PairComparer
from facematch.use_cases.discard_photos import PhotoDisposal
from facematch.use_cases.publish_result import ResultPublisher
from facematch.use_cases.receive_photo import PhotoIntake
from facematch.use_cases.request_comparison import Caller, ComparisonDesk, ComparisonRequest
from tests.factories import CALLER, make_answer, make_portrait
from tests.fakes.world import EVENT_SOURCE, World, make_world
from tests.template import read_table_schema


@dataclass(slots=True)
class Meter:
    """Counts requests to AWS, and DynamoDB's units; those to the bucket and the circuit on their own."""

    spy: Any
    requests: Counter[str] = field(default_factory=Counter)
    shared: Counter[str] = field(default_factory=Counter)
    writes: int = 0
    reads: int = 0
    index_writes: int = 0
    _key: Any = None
    _before: Any = None

    def attach(self, client: Any) -> Any:
        service = client.meta.service_model.service_name
        client.meta.events.register(f"before-parameter-build.{service}.*", self.note_request)
        client.meta.events.register(f"after-call.{service}.*", self.note_answer)
        return client

    def note_request(self, params: Any, model: Any, **_: Any) -> None:
        self._key = None
        if model.service_model.service_name == "dynamodb":
            key = params.get("Key") or {"pk": params["Item"]["pk"]}
            if (kind := key["pk"]["S"].partition("#")[0]) in {"quota", "circuit"}:
                self.shared[f"{kind} {model.name}"] += 1
                return
            self._key, self._before = key, self.find(key)
        self.requests[model.name] += 1

    def note_answer(self, model: Any, **_: Any) -> None:
        if self._key is None:
            return
        before, after = self._before, self.find(self._key)
        size = max(_measure(before), _measure(after), 1)
        if model.name == "GetItem":
            self.reads += math.ceil(size / 4096)
        else:
            self.writes += math.ceil(size / 1024)
            if (left := _index(before)) != (entered := _index(after)):
                self.index_writes += bool(left) + bool(entered)

    def find(self, key: Any) -> Any:
        return self.spy.get_item(TableName="ledger", Key=key).get("Item", {})

    def measure_table(self) -> int:
        items = self.spy.scan(TableName="ledger")["Items"]
        return sum(_measure(item) + 100 for item in items if not item["pk"]["S"].startswith("quota#"))


def _measure(item: Any) -> int:
    return sum(len(name) + _size(value) for name, value in item.items())


def _index(item: Any) -> tuple[Any, ...]:
    """Return an item's key in the index `outbox`, which holds items that have both parts of it."""
    key = tuple(item.get(name) for name in ("outbox", "pending_since_ms"))
    return key if all(key) else ()


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
    world: World
    intake: PhotoIntake
    comparer: PairComparer
    publisher: ResultPublisher
    desk: ComparisonDesk
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
    world = make_world(make_answer())
    clock, regions = world.clock, world.regions
    ledger, store = DynamoDbLedger(dynamodb, "ledger", RETENTION_DAYS), S3PhotoStore(s3, "photos")
    comparisons, disposal = SqsComparisonQueue(sqs, url), PhotoDisposal(ledger, store)
    circuits = CircuitBreakerDynamoDBPersistence(
        "ledger", key_attr="pk", expiry_attr="expires_at", boto3_client=dynamodb
    )
    comparer = replace(
        world.comparer,
        ledger=ledger,
        photos=store,
        quota=DynamoDbQuota(dynamodb, "ledger", dict.fromkeys(Region, 10.0)),
        provider=GuardedProvider(world.provider, circuits),
    )
    return MeteredStack(
        meter=meter,
        world=world,
        customer=session.client("s3"),
        comparer=comparer,
        intake=PhotoIntake(
            ledger=ledger,
            comparisons=comparisons,
            deadlines=SqsDeadlineQueue(sqs, url),
            clock=clock,
            regions=regions,
            options=world.options,
            pair_deadline_s=3600,
            deletes_uploads=True,
        ),
        publisher=ResultPublisher(
            ledger=ledger,
            results=SqsResultQueue(sqs, url),
            clock=clock,
            source=EVENT_SOURCE,
            disposal=disposal,
            deletes_uploads=True,
        ),
        desk=ComparisonDesk(
            ledger=ledger,
            photos=store,
            collector=PhotoCollector(store, comparer),
            comparisons=comparisons,
            comparer=comparer,
            disposal=disposal,
            clock=clock,
            regions=regions,
        ),
    )


def make_footprint(meter: Meter, *, uploads: int, invocations: int, trips: dict[str, int]) -> Footprint:
    """Make what was counted; each upload brings a notification, and every message is received and deleted."""
    asked = meter.requests
    return Footprint(
        ledger_writes=meter.writes,
        ledger_reads=meter.reads,
        index_writes=meter.index_writes,
        queue_requests=3 * (asked["SendMessage"] + uploads),
        photo_writes=asked["PutObject"] + uploads,
        photo_reads=asked["GetObject"] + asked["HeadObject"],
        stored_size_bytes=round(meter.measure_table(), -2),
        invocations=invocations,
        uploads_round_trips=trips.get("uploads", 0),
        publish_round_trips=trips["publish"],
    )


def upload(stack: MeteredStack, role: Role, pair_id: str) -> str | None:
    """Put a photo into the bucket and have its event received; return the comparison of a complete pair."""
    key = make_inbox_key("singapore", pair_id, role, "jpg")
    put = stack.customer.put_object(Bucket="photos", Key=key, Body=make_portrait(role))
    arrived = ArrivedPhoto(
        photo=StoredPhoto(key=key, etag=put["ETag"].strip('"')),
        sequencer=f"{list(Role).index(role):032x}",
        arrived_at_ms=stack.world.clock.now_ms(),
    )
    return stack.intake.receive(InboxKey("singapore", pair_id, role), arrived)


def test_a_pair_of_the_bucket_takes_what_the_model_counts() -> None:
    pair_id = "customer-4711-0123456789"
    with run_metered_stack() as stack:
        _, comparison_id = (upload(stack, role, pair_id) for role in Role)
        stack.intake.expire("singapore", pair_id)
        trips = {"uploads": stack.meter.requests.total()}
        assert comparison_id
        stack.comparer.compare(comparison_id, Effort(BULK_HORIZON_S, 40))
        before_publish = stack.meter.requests.total()
        stack.publisher.publish(comparison_id)
        trips["publish"] = stack.meter.requests.total() - before_publish

        # Two notifications and a deadline for uploads, one for compare, one for publish.
        counted = make_footprint(stack.meter, uploads=2, invocations=5, trips=trips)

    assert counted == BUCKET_PAIR
    # An idle bucket takes two writes. How long the circuit is known for depends on the time of day.
    assert stack.meter.shared.keys() == {"quota UpdateItem", "circuit GetItem"}
    assert stack.meter.shared["quota UpdateItem"] == 2
    assert stack.meter.shared["circuit GetItem"] <= CIRCUIT_READS


def test_a_pair_of_the_api_takes_what_the_model_counts() -> None:
    with run_metered_stack() as stack:
        request = ComparisonRequest(
            caller=Caller(CALLER),
            photos={role: InlinePhoto(make_portrait(role)) for role in Role},
            options=stack.world.options,
            idempotency_key="4711",
        )
        comparison = stack.desk.submit(request, Effort(INTERACTIVE_HORIZON_S, ANSWER_TIME_S))
        with pytest.raises(AlreadyEndedError):
            stack.comparer.compare(comparison.id, Effort(BULK_HORIZON_S, 40))
        before_publish = stack.meter.requests.total()
        stack.publisher.publish(comparison.id)
        trips = {"publish": stack.meter.requests.total() - before_publish}

        counted = make_footprint(stack.meter, uploads=0, invocations=3, trips=trips)

    assert counted == API_PAIR
