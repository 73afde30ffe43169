"""Workers in this process that use the ledger, bucket and provider of a deployed stack, with faults."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ClientError

from facecompare_emulator import DEFAULT_CREDENTIALS
from facematch.adapters.face_compare import FaceCompareEndpoint, FaceCompareProvider
from facematch.adapters.ledger import DynamoDbLedger
from facematch.adapters.photo_store import S3PhotoStore
from facematch.adapters.queues import SqsResultQueue
from facematch.adapters.rate_limiter import DynamoDbRateLimiter
from facematch.domain.clock import Clock, SystemClock
from facematch.domain.comparison import (
    Attempt,
    Comparison,
    Ending,
    Origin,
    StoredPhoto,
    identify_request,
    make_photo_key,
)
from facematch.domain.deadline import Deadline
from facematch.domain.errors import AlreadyEndedError, PostponedError
from facematch.domain.priority import Priority
from facematch.domain.provider import Credentials
from facematch.domain.regions import PROFILES, Region, RegionPolicy
from facematch.domain.retries import RetryPolicy
from facematch.domain.verdict import Role
from facematch.use_cases.call_provider import ProviderCaller
from facematch.use_cases.compare_pair import PairComparer
from facematch.use_cases.load_photos import PhotoLoader
from facematch.use_cases.prepare_photos import PhotoPreparer
from facematch.use_cases.publish_result import ResultPublisher
from harness.faults import ScenarioContext, make_small_photo
from imaging import Limits

QUOTA_SHARE = 0.97
_RETENTION_DAYS = 90


class KilledError(BaseException):
    """The worker's process was killed. It is a `BaseException`, so that the worker does not handle it."""


@dataclass(frozen=True, slots=True)
class SkewedClock:
    """A clock that is wrong by `ahead_ms`."""

    ahead_ms: int

    def now_ms(self) -> int:
        return SystemClock().now_ms() + self.ahead_ms

    def sleep(self, duration_s: float) -> None:
        SystemClock().sleep(duration_s)


@dataclass(frozen=True, slots=True)
class FreezingClock:
    """A correct clock on which every sleep takes at least `frozen_s`, as if the process was frozen."""

    frozen_s: float

    def now_ms(self) -> int:
        return SystemClock().now_ms()

    def sleep(self, duration_s: float) -> None:
        SystemClock().sleep(max(duration_s, self.frozen_s))


@dataclass(frozen=True, slots=True)
class FatalLedger(DynamoDbLedger):
    """A ledger that kills its worker after the end of a comparison is written."""

    def end(self, comparison_id: str, ending: Ending, attempt: Attempt | None) -> None:
        # A dataclass with slots does not support `super()` without arguments.
        DynamoDbLedger.end(self, comparison_id, ending, attempt)
        raise KilledError


@dataclass(frozen=True, slots=True)
class _EmulatorKey:
    def read(self) -> Credentials:
        key = DEFAULT_CREDENTIALS
        return Credentials(key.access_key_id, key.access_key_secret)

    def invalidate(self) -> None:
        pass


def make_worker(
    context: ScenarioContext,
    *,
    clock: Clock | None = None,
    make_ledger: Callable[..., DynamoDbLedger] = DynamoDbLedger,
    throttled_share: float = 0.0,
) -> PairComparer:
    """Return a worker for the context's region. A share of its requests to the ledger is throttled."""
    table, client = context.driver.stack.table, _make_client(context, throttled_share)
    calls_per_s = {region: profile.default_qps * QUOTA_SHARE for region, profile in PROFILES.items()}
    endpoints = {context.region: FaceCompareEndpoint(context.emulator.find_address(context.region), "HTTP")}
    ledger, retries = make_ledger(client, table, _RETENTION_DAYS), RetryPolicy()
    clock = clock or SystemClock()
    return PairComparer(
        ledger=ledger,
        loader=PhotoLoader(
            S3PhotoStore(context.cloud.client("s3"), context.driver.stack.bucket), PhotoPreparer(Limits())
        ),
        caller=ProviderCaller(
            ledger=ledger,
            limiter=DynamoDbRateLimiter(client, table, calls_per_s),
            provider=FaceCompareProvider(endpoints, _EmulatorKey()),
            clock=clock,
            retries=retries,
        ),
        clock=clock,
        regions=RegionPolicy(None, frozenset(Region)),
        retries=retries,
    )


def register_pair(context: ScenarioContext, pair_id: str) -> str:
    """Register a pair without sending it to a queue; return the id of its comparison."""
    comparison_id = identify_request("in-process", pair_id)
    photos = {role: StoredPhoto(key=make_photo_key(comparison_id, role)) for role in Role}
    for number, photo in enumerate(photos.values()):
        context.cloud.client("s3").put_object(
            Bucket=context.driver.stack.bucket, Key=photo.key, Body=make_small_photo(number)
        )
    comparison = Comparison(
        id=comparison_id,
        region=context.region,
        origin=Origin.API,
        created_at_ms=SystemClock().now_ms(),
        photos=photos,
        pair_id=pair_id,
        caller="in-process",
    )
    _make_ledger(context).register(comparison)
    return comparison_id


def compare_until_ended(worker: PairComparer, comparison_id: str, *, time_s: float = 20.0) -> None:
    """Compare like a worker with its queue: retry after a postponement or an error."""
    while True:
        try:
            return worker.compare(comparison_id, Priority.BULK, Deadline.after(time_s, SystemClock()))
        except AlreadyEndedError:
            return None
        except PostponedError as error:
            SystemClock().sleep(min(error.retry_after_s, 2.0))
        except ClientError:
            SystemClock().sleep(0.1)


def publish_all(context: ScenarioContext) -> set[str | None]:
    """Publish all results in the outbox like the sweep, without its delay; return the pair ids."""
    ledger, stack = _make_ledger(context), context.driver.stack
    publisher = ResultPublisher(
        ledger=ledger,
        results=SqsResultQueue(context.cloud.client("sqs"), stack.results_queue_url),
        photos=S3PhotoStore(context.cloud.client("s3"), stack.bucket),
        clock=SystemClock(),
        source="urn:facematch:sweep",
        deletes_photos=True,
    )
    due = ledger.list_unpublished(before_ms=SystemClock().now_ms())
    published = (publisher.publish(comparison_id) for comparison_id in due)
    return {comparison.pair_id for comparison in published if comparison is not None}


def _make_ledger(context: ScenarioContext) -> DynamoDbLedger:
    return DynamoDbLedger(context.cloud.client("dynamodb"), context.driver.stack.table, _RETENTION_DAYS)


def _make_client(context: ScenarioContext, throttled_share: float) -> Any:
    config = Config(retries={"total_max_attempts": 2, "mode": "standard"}, proxies={})
    session: boto3.Session = context.driver.stack.session()
    client = session.client("dynamodb", endpoint_url=context.driver.stack.endpoint_url, config=config)
    chance = random.Random(4)  # noqa: S311 - no secret, only repeatable

    def throttle(request: Any, **_: Any) -> Any:
        return _Throttled(request.url) if chance.random() < throttled_share else None

    client.meta.events.register("before-send.dynamodb", throttle)
    return client


class _Throttled(AWSResponse):
    def __init__(self, url: str) -> None:
        super().__init__(url, 400, HTTPHeaders(), None)

    @property
    def content(self) -> bytes:
        return b'{"__type": "ProvisionedThroughputExceededException", "message": "Too fast."}'
