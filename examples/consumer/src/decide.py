"""A consumer of facematch's results: one decision per comparison, however often its event comes."""

import functools
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

import boto3

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

REMEMBERED_S: Final = 15 * 86_400
"""Longer than a message can stay on the queue, which is 14 days."""
_DECISIONS: Final = {"match": "open the account", "no_match": "refuse", "review": "ask a person"}


def handle(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Work through a batch; what fails comes again, and nothing else does."""
    failed = [record["messageId"] for record in event["Records"] if not _is_decided(record["body"])]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _is_decided(body: str) -> bool:
    try:
        decide(json.loads(body))
    except Exception as error:  # noqa: BLE001 - whatever it is, this message has to come again
        print(json.dumps({"level": "ERROR", "error": type(error).__name__}))
        return False
    return True


def decide(event: dict[str, Any]) -> None:
    """Note what an event means; one that was noted already changes nothing."""
    verdict = event["data"]["verdict"]
    table = _table()
    try:
        table.put_item(
            Item={
                "event_id": event["id"],
                "pair_id": event["subject"],
                # A photo that was rejected is the customer's to take again, a failure is ours to look into.
                "decision": _DECISIONS.get(verdict, f"send again: {event['data']['reason']}"),
                "expires_at": int(time.time()) + REMEMBERED_S,
            },
            ConditionExpression="attribute_not_exists(event_id)",
        )
    except table.meta.client.exceptions.ConditionalCheckFailedException:
        print(json.dumps({"level": "INFO", "repeated": event["id"]}))


@functools.cache
def _table() -> "Table":
    return boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
