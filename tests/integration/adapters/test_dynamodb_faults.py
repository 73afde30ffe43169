"""Faults of DynamoDB, for each method of each adapter that uses it."""

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from facematch.adapters.ledger import DynamoDbLedger
from facematch.adapters.rate_limiter import DynamoDbRateLimiter
from facematch.domain.comparison import ProviderErasure
from facematch.domain.errors import LedgerUnavailableError
from facematch.domain.lane import HoldReason, make_hold
from facematch.domain.pair import Pair
from facematch.domain.ports import IdempotentRequest
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from tests.factories import (
    COMPARISON_ID as ID,
)
from tests.factories import FOLDER, make_arrived, make_attempt, make_comparison, make_ending, make_verdict
from tests.fakes.clock import START_MS
from tests.fakes.moto_stack import AWS_REGION

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

OUTAGE = make_hold(HoldReason.OUTAGE, "InternalError", START_MS)
REQUEST = IdempotentRequest("r1", "digest", ID)

type Uses = dict[str, tuple[str, Callable[[Any], object]]]
"""Of each method its first request, and a call of it."""

LEDGER_USES: Uses = {
    "put_photo": (
        "update_item",
        lambda ledger: ledger.put_photo("singapore", FOLDER, Role.SOURCE, make_arrived()),
    ),
    "find_pair": ("get_item", lambda ledger: ledger.find_pair("singapore", FOLDER)),
    "take_pair": (
        "transact_write_items",
        lambda ledger: ledger.take_pair(Pair("singapore", FOLDER, {Role.SOURCE: make_arrived()}), ID),
    ),
    "forget_pair": (
        "transact_write_items",
        lambda ledger: ledger.forget_pair(Pair("singapore", FOLDER, {Role.SOURCE: make_arrived()})),
    ),
    "list_incomplete_pairs": ("query", lambda ledger: list(ledger.list_incomplete_pairs(before_ms=START_MS))),
    "register": ("transact_write_items", lambda ledger: ledger.register(make_comparison(id=ID))),
    "find_request": ("get_item", lambda ledger: ledger.find_request("r1")),
    "add_request": ("get_item", lambda ledger: ledger.add_request(REQUEST)),
    "find": ("get_item", lambda ledger: ledger.find(ID)),
    "claim": ("update_item", lambda ledger: ledger.claim(ID, "ann", now_ms=START_MS, until_ms=START_MS + 1)),
    "release": ("update_item", lambda ledger: ledger.release(ID, "ann")),
    "begin_attempt": ("update_item", lambda ledger: ledger.begin_attempt(ID, "ann", make_attempt())),
    "settle_attempt": ("update_item", lambda ledger: ledger.settle_attempt(ID, make_attempt())),
    "end": ("update_item", lambda ledger: ledger.end(ID, make_ending(), None)),
    "mark_published": ("update_item", lambda ledger: ledger.mark_published(ID, now_ms=START_MS)),
    "list_unpublished": ("query", lambda ledger: list(ledger.list_unpublished(before_ms=START_MS))),
    "find_oldest_open": ("query", lambda ledger: ledger.find_oldest_open(Region.SINGAPORE)),
    "list_forgotten": (
        "query",
        lambda ledger: list(ledger.list_forgotten(Region.SINGAPORE, before_ms=START_MS)),
    ),
    "touch": ("update_item", lambda ledger: ledger.touch(ID, now_ms=START_MS)),
    "settle_erasure": (
        "update_item",
        lambda ledger: ledger.settle_erasure(ID, ProviderErasure(transaction_id="T1")),
    ),
    "erase": (
        "transact_write_items",
        lambda ledger: ledger.erase(make_comparison(id=ID), make_verdict(), None, now_ms=START_MS),
    ),
}
LIMITER_USES: Uses = {
    "reserve": (
        "update_item",
        lambda limiter: limiter.reserve(Region.SINGAPORE, now_ms=START_MS, horizon_ms=1000),
    ),
    "find_lane": ("get_item", lambda limiter: limiter.find_lane(Region.SINGAPORE)),
    "hold": ("update_item", lambda limiter: limiter.hold(Region.SINGAPORE, OUTAGE, replacing=None)),
    "lift": ("update_item", lambda limiter: limiter.lift(Region.SINGAPORE, OUTAGE)),
    "record_failure": ("update_item", lambda limiter: limiter.record_failure(Region.SINGAPORE, "a")),
}


def make_ledger(client: "DynamoDBClient") -> DynamoDbLedger:
    return DynamoDbLedger(client, "table", 30)


def make_limiter(client: "DynamoDBClient") -> DynamoDbRateLimiter:
    return DynamoDbRateLimiter(client, "table", dict.fromkeys(Region, 10.0))


EVERY_METHOD = pytest.mark.parametrize(
    ("make_adapter", "operation", "call"),
    [
        pytest.param(make, *use, id=f"{make.__name__[5:]}-{name}")
        for make, uses in ((make_ledger, LEDGER_USES), (make_limiter, LIMITER_USES))
        for name, use in uses.items()
    ],
)

type MakeAdapter = Callable[["DynamoDBClient"], object]


@pytest.fixture(scope="module")
def client(session: boto3.Session) -> "DynamoDBClient":
    return session.client("dynamodb", region_name=AWS_REGION)


@pytest.mark.parametrize(
    ("adapter", "uses"), [(DynamoDbLedger, LEDGER_USES), (DynamoDbRateLimiter, LIMITER_USES)]
)
def test_every_method_is_tested(adapter: type, uses: Uses) -> None:
    methods = {name for name in vars(adapter) if not name.startswith("_")}
    assert methods - {"client", "table", "retention_days", "calls_per_s"} == uses.keys()


@EVERY_METHOD
@pytest.mark.parametrize(
    "code",
    [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "TransactionInProgressException",
        "InternalServerError",
    ],
)
def test_temporary_error_postpones_the_work(
    client: "DynamoDBClient",
    make_adapter: MakeAdapter,
    operation: str,
    call: Callable[[object], object],
    code: str,
) -> None:
    with Stubber(client) as stubber:
        stubber.add_client_error(operation, code)
        with pytest.raises(LedgerUnavailableError):
            call(make_adapter(client))


@EVERY_METHOD
def test_lost_connection_postpones_the_work(
    session: boto3.Session, make_adapter: MakeAdapter, operation: str, call: Callable[[object], object]
) -> None:
    assert operation
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint_url = f"http://127.0.0.1:{server.getsockname()[1]}"
    config = Config(retries={"total_max_attempts": 1}, proxies={})
    client = session.client("dynamodb", AWS_REGION, endpoint_url=endpoint_url, config=config)
    with pytest.raises(LedgerUnavailableError):
        call(make_adapter(client))


@EVERY_METHOD
@pytest.mark.parametrize("code", ["AccessDeniedException", "ValidationException"])
def test_permanent_error_is_raised_as_it_is(
    client: "DynamoDBClient",
    make_adapter: MakeAdapter,
    operation: str,
    call: Callable[[object], object],
    code: str,
) -> None:
    with Stubber(client) as stubber:
        stubber.add_client_error(operation, code)
        with pytest.raises(ClientError, match=code):
            call(make_adapter(client))
