"""The ledger's table in AWS by moto, as the template makes it."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from facematch.adapters.ledger import DynamoDbLedger
from harness.template import read_table_schema
from tests.integration.aws_rules import refuse_invalid_requests

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture(scope="module")
def dynamodb() -> "Iterator[DynamoDBClient]":
    """A client of an empty DynamoDB."""
    with mock_aws():
        session = boto3.Session("test-key-id", "test-key-secret", region_name="ap-southeast-1")
        client = session.client("dynamodb")
        refuse_invalid_requests(client)
        yield client


@pytest.fixture(scope="module")
def make_dynamodb_ledger(dynamodb: "DynamoDBClient") -> Callable[[], DynamoDbLedger]:
    """Return what makes a ledger in a table of its own."""

    def make() -> DynamoDbLedger:
        table = f"ledger-{uuid4().hex}"
        dynamodb.create_table(TableName=table, **read_table_schema())
        return DynamoDbLedger(dynamodb, table, retention_days=30)

    return make
