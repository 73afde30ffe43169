"""The ledger's table in AWS by moto, as the template makes it."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import boto3
import pytest
from moto import mock_aws

from facematch.adapters.ledger import DynamoDbLedger
from tests.template import read_template

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE_PROPERTIES = ("AttributeDefinitions", "BillingMode", "GlobalSecondaryIndexes", "KeySchema")


@pytest.fixture(scope="module")
def dynamodb() -> "Iterator[DynamoDBClient]":
    """A client of an empty DynamoDB that knows no real credentials."""
    with mock_aws():
        session = boto3.Session("test-key-id", "test-key-secret", region_name="ap-southeast-1")
        yield session.client("dynamodb")


@pytest.fixture(scope="module")
def make_dynamodb_ledger(dynamodb: "DynamoDBClient") -> Callable[[], DynamoDbLedger]:
    """Return what makes a ledger in a table of its own."""
    properties = read_template()["Resources"]["Ledger"]["Properties"]

    def make() -> DynamoDbLedger:
        table = f"ledger-{uuid4().hex}"
        dynamodb.create_table(TableName=table, **{name: properties[name] for name in TABLE_PROPERTIES})
        return DynamoDbLedger(dynamodb, table, retention_days=30)

    return make
