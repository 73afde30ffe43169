"""The circuit breaker over moto. Its clock is the machine's: the item is set back instead of waiting."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from aws_lambda_powertools.utilities.circuit_breaker import base
from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerDynamoDBPersistence

from facematch.adapters.circuit import PAUSE_S, GuardedProvider
from facematch.domain.errors import (
    CircuitOpenError,
    OperatorFaultError,
    ProviderFaultError,
    ProviderThrottledError,
    UnreachableError,
)
from facematch.domain.provider import Answer, Call, Depart, PictureUrl, depart_at_once
from facematch.domain.regions import Region

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

SINGAPORE, MALAYSIA = Region.SINGAPORE, Region.MALAYSIA
SUCCESS = Answer(code="Success", message="", http_status=200)
INTERNAL_ERROR = Answer(code="InternalError", message="", http_status=500)
REFUSAL = Answer(code="NoFaceDetected", message="", http_status=400)
TIMEOUT = ProviderFaultError("timeout", "No answer.", answered=False)


@dataclass
class Script:
    steps: deque[Answer | Exception] = field(default_factory=deque)
    calls: int = 0
    made_ready: list[Region] = field(default_factory=list)

    def check(self, _region: Region) -> None:
        return

    def make_ready(self, region: Region) -> None:
        self.made_ready.append(region)

    def compare(self, _call: Call, depart: Depart = depart_at_once) -> Answer:
        depart()
        self.calls += 1
        step = self.steps.popleft()
        if isinstance(step, Exception):
            raise step
        return step


@pytest.fixture(autouse=True)
def _no_failures_of_other_tests() -> Iterator[None]:
    yield
    for counted in (base._LOCAL_FAILURES, base._LOCAL_SUCCESSES, base._LAST_OBSERVED_STATE):
        counted.clear()


@dataclass
class Worker:
    """One worker, with what it knows of the circuits: nothing yet."""

    dynamodb: "DynamoDBClient"
    table: str
    script: Script = field(default_factory=Script)

    def __post_init__(self) -> None:
        store = CircuitBreakerDynamoDBPersistence(
            self.table, key_attr="pk", expiry_attr="expires_at", boto3_client=self.dynamodb
        )
        self.provider = GuardedProvider(self.script, store)

    def compare(self, *steps: Answer | Exception, region: Region = SINGAPORE) -> list[Answer | str]:
        """Call once for each step; return the answers, and the codes of errors."""
        self.script.steps.extend(steps)
        told: list[Answer | str] = []
        for _ in steps:
            try:
                told.append(self.provider.compare(make_call(region)))
            except (
                ProviderFaultError,
                CircuitOpenError,
                OperatorFaultError,
                ProviderThrottledError,
            ) as error:
                told.append(error.code)
        return told


@pytest.fixture
def worker(dynamodb: "DynamoDBClient", table: str) -> Worker:
    return Worker(dynamodb, table)


def make_call(region: Region = SINGAPORE) -> Call:
    photo = PictureUrl("https://photos.example/1.jpg")
    return Call(region=region, merchant_biz_id="m" * 32, source=photo, target=photo, face_quality_check=False)


def let_the_pause_pass(worker: Worker, region: Region = SINGAPORE) -> Worker:
    """Set the circuit's item back by the pause; return a worker that reads it anew."""
    worker.dynamodb.update_item(
        TableName=worker.table,
        Key={"pk": {"S": f"circuit#{region}"}},
        UpdateExpression="SET opened_at = opened_at - :pause",
        ExpressionAttributeValues={":pause": {"N": str(PAUSE_S + 1)}},
    )
    return Worker(worker.dynamodb, worker.table)


def test_an_answer_passes_and_nothing_is_written(worker: Worker) -> None:
    assert worker.compare(SUCCESS, REFUSAL) == [SUCCESS, REFUSAL]
    assert worker.dynamodb.scan(TableName=worker.table)["Items"] == []


@pytest.mark.parametrize(
    ("failure", "told"),
    [(TIMEOUT, "timeout"), (UnreachableError(), "no_connection"), (INTERNAL_ERROR, INTERNAL_ERROR)],
    ids=["timeout", "no connection", "internal error"],
)
def test_three_failures_in_a_row_open_the_circuit(
    worker: Worker, failure: Answer | Exception, told: Answer | str
) -> None:
    assert worker.compare(*[failure] * 3) == [told] * 3

    assert worker.compare(SUCCESS) == ["provider_unavailable"]
    assert worker.script.calls == 3


def test_an_open_circuit_is_known_to_all_workers_and_says_when_to_come_back(worker: Worker) -> None:
    worker.compare(*[TIMEOUT] * 3)
    other = Worker(worker.dynamodb, worker.table)

    with pytest.raises(CircuitOpenError) as refusal:
        other.provider.check(SINGAPORE)

    assert 0 < refusal.value.retry_after_s <= PAUSE_S
    assert other.compare(SUCCESS) == ["provider_unavailable"]
    assert other.script.calls == 0


def test_other_regions_are_called_as_before(worker: Worker) -> None:
    worker.compare(*[TIMEOUT] * 3)

    worker.provider.check(MALAYSIA)
    assert worker.compare(SUCCESS, region=MALAYSIA) == [SUCCESS]


def test_an_answer_in_between_starts_the_count_anew(worker: Worker) -> None:
    worker.compare(TIMEOUT, TIMEOUT, SUCCESS, TIMEOUT, TIMEOUT)

    assert worker.compare(SUCCESS) == [SUCCESS]


@pytest.mark.parametrize(
    "harmless",
    [
        ProviderThrottledError("Throttling.Api", "Too many."),
        OperatorFaultError("secret_unreadable", "No key."),
        REFUSAL,
    ],
    ids=["throttled", "operator's fault", "photo's fault"],
)
def test_what_is_no_failure_of_the_provider_opens_nothing(
    worker: Worker, harmless: Answer | Exception
) -> None:
    worker.compare(*[harmless] * 5)

    assert worker.compare(SUCCESS) == [SUCCESS]


def test_after_the_pause_one_call_that_is_answered_closes_the_circuit(worker: Worker) -> None:
    worker.compare(*[TIMEOUT] * 3)
    later = let_the_pause_pass(worker)

    later.provider.check(SINGAPORE)
    assert later.compare(SUCCESS, SUCCESS) == [SUCCESS, SUCCESS]
    Worker(worker.dynamodb, worker.table).provider.check(SINGAPORE)


def test_after_the_pause_one_call_that_fails_opens_it_again(worker: Worker) -> None:
    worker.compare(*[TIMEOUT] * 3)
    later = let_the_pause_pass(worker)

    assert later.compare(TIMEOUT, SUCCESS) == ["timeout", "provider_unavailable"]
    assert later.script.calls == 1


def test_while_one_worker_tries_the_others_wait(worker: Worker) -> None:
    worker.compare(*[TIMEOUT] * 3)
    now_s = int(time.time())
    worker.dynamodb.update_item(
        TableName=worker.table,
        Key={"pk": {"S": "circuit#singapore"}},
        UpdateExpression="SET #state = :half_open, half_open_owner = :other, probe_lease_expiry = :soon",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={
            ":half_open": {"S": "HALF_OPEN"},
            ":other": {"S": "another worker"},
            ":soon": {"N": str(now_s + 3600)},
        },
    )
    other = Worker(worker.dynamodb, worker.table)

    with pytest.raises(CircuitOpenError):
        other.provider.check(SINGAPORE)
    assert other.compare(SUCCESS) == ["provider_unavailable"]


def test_a_connection_is_made_ready_behind_the_circuit(worker: Worker) -> None:
    worker.provider.make_ready(SINGAPORE)

    assert worker.script.made_ready == [SINGAPORE]
