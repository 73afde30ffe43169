"""The rules can refuse: each has a request that breaks it alone."""

from typing import Any

import boto3
import pytest

from tests.integration.aws_rules import (
    ITEM_LIMIT_BYTES,
    RefusedByAwsError,
    check_operation,
    refuse_invalid_requests,
)

KEY = {"pk": {"S": "comparison#1"}}
NUMBER = {":n": {"N": "1"}}


def update(expression: str, **changes: Any) -> dict[str, Any]:
    return {"Key": KEY, "UpdateExpression": expression, **changes}


@pytest.mark.parametrize(
    "request_",
    [
        update("REMOVE lease_owner"),
        update("ADD calls :n", ExpressionAttributeValues=NUMBER),
        update("SET a.b = :n, a.c = if_not_exists(a.c, :n) + :n", ExpressionAttributeValues=NUMBER),
        update(
            "SET #s = :n REMOVE a", ExpressionAttributeNames={"#s": "state"}, ExpressionAttributeValues=NUMBER
        ),
        {"Key": {"pk": {"S": "k" * 2048}}},
        {"Item": {**KEY, "work": {"S": "outbox"}, "since_ms": {"N": "1"}}},
    ],
)
def test_valid_request_passes(request_: dict[str, Any]) -> None:
    check_operation(request_)


@pytest.mark.parametrize(
    ("request_", "rule"),
    [
        (update("ADD a.b :n", ExpressionAttributeValues=NUMBER), "top-level"),
        (update("ADD a :n", ExpressionAttributeValues={":n": {"S": "1"}}), "number or a set"),
        (update("SET a = :n REMOVE a.b", ExpressionAttributeValues=NUMBER), "overlap"),
        (
            update(
                "SET a.#x = :n, a.y = :n",
                ExpressionAttributeNames={"#x": "y"},
                ExpressionAttributeValues=NUMBER,
            ),
            "overlap",
        ),
        (update("SET a = :n SET b = :n", ExpressionAttributeValues=NUMBER), "twice"),
        (update("SET pk = :n", ExpressionAttributeValues=NUMBER), "key"),
        (update("SET state = :n", ExpressionAttributeValues=NUMBER), "reserved"),
        (update("REMOVE a", ConditionExpression="attribute_exists(a.region)"), "reserved"),
        (update("REMOVE a", ExpressionAttributeValues={}), "empty"),
        (update("REMOVE a", ExpressionAttributeNames={}), "empty"),
        (update("REMOVE a", ExpressionAttributeValues=NUMBER), "unused"),
        (update("REMOVE a", ExpressionAttributeNames={"#a": "a"}), "unused"),
        (update("SET a = :n"), "undefined"),
        ({"Key": {"pk": {"S": "ü" * 1025}}}, "2,048"),
        ({"Key": {"pk": {"S": ""}}}, "2,048"),
        ({"Item": {**KEY, "work": {"NULL": True}}}, "type S"),
        ({"Item": {**KEY, "since_ms": {"S": "1"}}}, "type N"),
        ({"Item": {**KEY, "text": {"S": "x" * ITEM_LIMIT_BYTES}}}, "400 KB"),
    ],
)
def test_invalid_request_is_refused(request_: dict[str, Any], rule: str) -> None:
    with pytest.raises(RefusedByAwsError, match=rule):
        check_operation(request_)


@pytest.mark.parametrize(
    ("writes", "rule"),
    [
        ([], "1 to 100"),
        ([{"Delete": {"Key": {"pk": {"S": str(number)}}}} for number in range(101)], "1 to 100"),
        ([{"Delete": {"Key": KEY}}, {"Put": {"Item": KEY}}], "two operations"),
        ([{"Update": update("ADD a.b :n", ExpressionAttributeValues=NUMBER)}], "top-level"),
    ],
)
def test_invalid_transaction_is_refused(dynamodb: Any, writes: list[dict[str, Any]], rule: str) -> None:
    with pytest.raises(RefusedByAwsError, match=rule):
        dynamodb.transact_write_items(TransactItems=writes)


@pytest.fixture
def dynamodb() -> Any:
    client: Any = boto3.Session("key", "secret", region_name="ap-southeast-1").client("dynamodb")
    refuse_invalid_requests(client)
    return client
