"""The ledger's records, many at a time, and what of them the domain does not know."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from facematch.adapters.ledger import OUTBOX_INDEX, PENDING, DynamoDbLedger
from facematch.domain.comparison import Attempt, Outcome
from facematch.domain.regions import Region
from facematch_cli.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_COMPARISON: Final = "comparison#"
_FIELDS: Final = "pk, #region, #state, created_at_ms, attempts, ending, outbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The parts of a comparison that are summed up; `is_pending` says that its event has not left yet."""

    id: str
    region: str
    state: str
    created_at_ms: int
    attempts: tuple[Attempt, ...]
    ended_at_ms: int | None
    decision: str | None
    is_pending: bool


def open_ledger(stack: Stack) -> DynamoDbLedger:
    """Return the stack's ledger."""
    return DynamoDbLedger(stack.dynamodb(), stack.settings.table, stack.settings.retention_days)


@dataclass(slots=True)
class RecordReader:
    """Reads through all comparisons of a table, a page of 1 MB at a time."""

    client: "DynamoDBClient"
    table: str
    is_cut: bool = False

    def read(self, *, page_limit: int | None) -> Iterator[Record]:
        """Yield the comparisons of up to `page_limit` pages; `is_cut` then tells whether there are more."""
        pages = self.client.get_paginator("scan").paginate(
            TableName=self.table,
            FilterExpression="begins_with(pk, :comparison)",
            ProjectionExpression=_FIELDS,
            ExpressionAttributeNames={"#region": "region", "#state": "state"},
            ExpressionAttributeValues={":comparison": {"S": _COMPARISON}},
        )
        for number, page in enumerate(pages, start=1):
            yield from (_read_record(item) for item in page["Items"])
            if number == page_limit and page.get("LastEvaluatedKey"):
                self.is_cut = True
                return

    def list_pending(self, *, before_ms: int) -> Iterator[str]:
        """Yield the ids of the comparisons that have been in the outbox since before `before_ms`."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName=OUTBOX_INDEX,
            KeyConditionExpression="outbox = :pending AND pending_since_ms < :before",
            ExpressionAttributeValues={":pending": {"S": PENDING}, ":before": {"N": str(before_ms)}},
        )
        for page in pages:
            yield from (item["pk"]["S"].removeprefix(_COMPARISON) for item in page["Items"])

    def nudge(self, comparison_id: str, *, now_ms: int) -> bool:
        """Have the table's stream tell again of a comparison that is still to be published, if it is."""
        try:
            self.client.update_item(
                TableName=self.table,
                Key={"pk": {"S": _COMPARISON + comparison_id}},
                UpdateExpression="SET nudged_at_ms = :now",
                ConditionExpression="outbox = :pending",
                ExpressionAttributeValues={":now": {"N": str(now_ms)}, ":pending": {"S": PENDING}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True


def read_items(client: "DynamoDBClient", table: str, kind: str) -> dict[Region, Mapping[str, Any]]:
    """Return the items `{kind}#{region}` that there are."""
    found = {
        region: client.get_item(TableName=table, Key={"pk": {"S": f"{kind}#{region}"}}).get("Item")
        for region in Region
    }
    return {region: deserialise(item) for region, item in found.items() if item}


def read_item(client: "DynamoDBClient", table: str, comparison_id: str) -> Mapping[str, Any]:
    """Return a comparison's whole item, with what the domain leaves out, such as its lease."""
    key = {"pk": {"S": _COMPARISON + comparison_id}}
    return deserialise(client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {}))


def deserialise(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item's plain values; numbers are decimals."""
    deserializer = TypeDeserializer()
    return {name: deserializer.deserialize(value) for name, value in item.items()}


def _read_record(item: Mapping[str, Any]) -> Record:
    plain = deserialise(item)
    ending = plain.get("ending")
    return Record(
        id=plain["pk"].removeprefix(_COMPARISON),
        region=plain["region"],
        state=plain["state"],
        created_at_ms=int(plain["created_at_ms"]),
        attempts=tuple(_read_attempt(attempt) for attempt in plain["attempts"].values()),
        ended_at_ms=int(ending["ended_at_ms"]) if ending else None,
        decision=ending["verdict"]["decision"] if ending else None,
        is_pending=plain.get("outbox") == PENDING,
    )


def _read_attempt(record: Mapping[str, Any]) -> Attempt:
    return Attempt(
        number=int(record["number"]),
        merchant_biz_id=record["merchant_biz_id"],
        started_at_ms=int(record["started_at_ms"]),
        outcome=Outcome(record["outcome"]),
        code=record["code"],
    )
