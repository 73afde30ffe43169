"""AWS by moto, in this process; where calls are counted, each is atomic as it is in DynamoDB."""

import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws
from moto.core.botocore_stubber import BotocoreStubber

from tests.integration.adapters.factories import AWS_REGION
from tests.template import read_table_schema

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture(scope="module")
def session() -> Iterator[boto3.Session]:
    """A session on an empty AWS that knows no real credentials."""
    with mock_aws():
        yield boto3.Session("test-key-id", "test-key-secret", region_name=AWS_REGION)


@pytest.fixture(scope="module")
def dynamodb(session: boto3.Session) -> "DynamoDBClient":
    return session.client("dynamodb")


@pytest.fixture
def table(dynamodb: "DynamoDBClient") -> str:
    """A new table, as the template makes it."""
    name = f"table-{uuid4().hex}"
    dynamodb.create_table(
        TableName=name,
        **read_table_schema(),
    )
    return name


@pytest.fixture
def _atomic_requests() -> Iterator[None]:
    """Moto takes requests of several threads at once, DynamoDB takes those to one item one by one."""
    answer, lock = BotocoreStubber.__call__, threading.RLock()

    def answer_alone(*args: Any, **kwargs: Any) -> object:
        with lock:
            return answer(*args, **kwargs)

    interval_s = sys.getswitchinterval()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BotocoreStubber, "__call__", answer_alone)
        sys.setswitchinterval(0.0001)
        yield
        sys.setswitchinterval(interval_s)
