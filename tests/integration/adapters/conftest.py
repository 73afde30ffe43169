"""AWS by moto, in this process, with the rules of DynamoDB that moto does not check."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from harness.template import read_table_schema
from tests.fakes.moto_stack import AWS_REGION
from tests.integration.aws_rules import refuse_invalid_requests, serialise_requests

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture(scope="module")
def session() -> Iterator[boto3.Session]:
    """A session on an empty AWS that knows no real credentials."""
    with mock_aws():
        yield boto3.Session("test-key-id", "test-key-secret", region_name=AWS_REGION)


@pytest.fixture(scope="module")
def dynamodb(session: boto3.Session) -> "DynamoDBClient":
    """A client that refuses what DynamoDB refuses and moto accepts."""
    client = session.client("dynamodb")
    refuse_invalid_requests(client)
    return client


@pytest.fixture
def table(dynamodb: "DynamoDBClient") -> str:
    """A new table, as the template makes it."""
    name = f"table-{uuid4().hex}"
    dynamodb.create_table(TableName=name, **read_table_schema())
    return name


@pytest.fixture
def _atomic_requests() -> Iterator[None]:
    """Serialise requests, and switch threads often."""
    interval_s = sys.getswitchinterval()
    with serialise_requests():
        sys.setswitchinterval(0.0001)
        yield
        sys.setswitchinterval(interval_s)
