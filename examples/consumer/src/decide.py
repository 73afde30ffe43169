"""A consumer of facematch's results. It stores one decision per comparison, even if an event is repeated."""

import functools
import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

import boto3

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.service_resource import Table

REMEMBERED_S: Final = 15 * 86_400
"""Longer than the retention of the queue, which is 14 days."""
_DECISIONS: Final = {"match": "open the account", "no_match": "refuse", "review": "ask a person"}


def handle(event: dict[str, Any], _: object) -> dict[str, Any]:
    """Process a batch. Only failed messages are delivered again."""
    failed = [record["messageId"] for record in event["Records"] if not _is_decided(record["body"])]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _is_decided(body: str) -> bool:
    try:
        decide(json.loads(body))
    except Exception as error:  # noqa: BLE001 - any error: the message must be delivered again
        print(json.dumps({"level": "ERROR", "error": type(error).__name__}))
        return False
    return True


def decide(event: dict[str, Any]) -> None:
    """Store the decision for an event. A repeated event changes nothing."""
    verdict = event["data"]["verdict"]
    table = _table()
    try:
        table.put_item(
            Item={
                "event_id": event["id"],
                "pair_id": event["subject"],
                # After a rejection, the customer takes another photo. A failure needs an investigation.
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
