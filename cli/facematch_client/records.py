"""Reads many records of the ledger, and attributes that the domain does not use."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from facematch.adapters.ledger import OUTBOX, WORK_INDEX, DynamoDbLedger
from facematch.domain.comparison import (
    Attempt,
    Comparison,
    Outcome,
    State,
    identify_successor,
    identify_upload,
)
from facematch.domain.inbox import split_folder
from facematch.domain.pair import Pair
from facematch.domain.verdict import Role
from facematch_client.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

type Item = dict[str, Any]

OPEN: Final = "open"
"""The verdict in lists of a comparison that has not ended."""
_COMPARISON: Final = "comparison#"
_PAIR: Final = "pair#"
_FIELDS: Final = (
    "pk, #region, #state, created_at_ms, attempts, ending, #work, pair_id, origin, caller, folder"
)
_NAMES: Final = {f"#{name}": name for name in ("region", "state", "work", *Role)}
"""Placeholders for attribute names that DynamoDB reserves, or may reserve."""
PAGE_LIMIT: Final = 100
"""The number of ledger pages (1 MB each) that a command reads by default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The parts of a comparison for lists and counts. `is_pending`: its event is not published yet."""

    id: str
    pair_id: str | None
    region: str
    origin: str
    caller: str | None
    state: str
    created_at_ms: int
    attempts: tuple[Attempt, ...]
    ended_at_ms: int | None
    decision: str | None
    reason: str | None
    score: float | None
    is_pending: bool

    @property
    def verdict(self) -> str:
        """The verdict of the comparison, `erased`, or `open` if it has not ended."""
        if self.state == State.ERASED:
            return State.ERASED.value
        return self.decision or OPEN


@dataclass(frozen=True, slots=True, kw_only=True)
class IncompletePair:
    """A pair of which one photo has arrived and the other has not."""

    pair_id: str
    region: str
    caller: str | None
    missing: Role
    since_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Search criteria. None matches everything.

    `name` is a pair id or a comparison id. `verdict` may also be `open` or `erased`.
    """

    name: str | None = None
    region: str | None = None
    verdict: str | None = None

    def matches(self, record: Record) -> bool:
        """Whether a comparison matches."""
        return (
            self.name in {None, record.pair_id, record.id}
            and self.region in {None, record.region}
            and self.verdict in {None, record.verdict}
        )

    def matches_incomplete(self, pair: IncompletePair) -> bool:
        """Whether an incomplete pair matches."""
        return (
            self.name in {None, pair.pair_id}
            and self.region in {None, pair.region}
            and self.verdict in {None, OPEN}
        )


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The results of a search, newest first. `is_cut` is true if the ledger was not read to its end."""

    records: Sequence[Record]
    incomplete_pairs: Sequence[IncompletePair]
    is_cut: bool


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
        """Yield the comparisons of up to `page_limit` pages. Afterwards `is_cut` shows if there are more."""
        values: Item = {":comparison": {"S": _COMPARISON}}
        yield from map(_read_record, self._scan("begins_with(pk, :comparison)", values, page_limit))

    def search(self, query: Query, *, page_limit: int | None) -> SearchResult:
        """Return the matching comparisons and incomplete pairs of up to `page_limit` pages.

        The table has no index on the pair id. DynamoDB reads all items of the pages and filters them.
        """
        condition = "(begins_with(pk, :comparison) OR begins_with(pk, :pair))"
        values: Item = {":comparison": {"S": _COMPARISON}, ":pair": {"S": _PAIR}}
        if query.name is not None:
            # The folder of a pair from an upload form starts with the caller.
            condition += " AND (pair_id = :name OR folder = :name OR contains(folder, :own) OR pk = :pk)"
            values |= {
                ":name": {"S": query.name},
                ":own": {"S": f"/{query.name}"},
                ":pk": {"S": _COMPARISON + query.name},
            }
        items = list(self._scan(condition, values, page_limit))
        records = [_read_record(item) for item in items if item["pk"]["S"].startswith(_COMPARISON)]
        pairs = [_read_incomplete_pair(item) for item in items if item["pk"]["S"].startswith(_PAIR)]
        return SearchResult(
            sorted(filter(query.matches, records), key=lambda one: one.created_at_ms, reverse=True),
            sorted(
                (pair for pair in pairs if pair and query.matches_incomplete(pair)),
                key=lambda one: one.since_ms,
                reverse=True,
            ),
            self.is_cut,
        )

    def _scan(self, condition: str, values: Item, page_limit: int | None) -> Iterator[Item]:
        pages = self.client.get_paginator("scan").paginate(
            TableName=self.table,
            FilterExpression=condition,
            ProjectionExpression=f"{_FIELDS}, {', '.join(f'#{role}' for role in Role)}",
            ExpressionAttributeNames=_NAMES,
            ExpressionAttributeValues=values,
        )
        for number, page in enumerate(pages, start=1):
            yield from page["Items"]
            if number == page_limit and page.get("LastEvaluatedKey"):
                self.is_cut = True
                return

    def list_pending(self, *, before_ms: int) -> Iterator[str]:
        """Yield the ids of comparisons that entered the outbox before `before_ms`."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table,
            IndexName=WORK_INDEX,
            KeyConditionExpression="#work = :outbox AND since_ms < :before",
            ExpressionAttributeNames={"#work": "work"},
            ExpressionAttributeValues={":outbox": {"S": OUTBOX}, ":before": {"N": str(before_ms)}},
        )
        for page in pages:
            yield from (item["pk"]["S"].removeprefix(_COMPARISON) for item in page["Items"])

    def touch(self, comparison_id: str, *, now_ms: int) -> bool:
        """Update the record of a pending comparison, so that the stream sends it again.

        Return whether the comparison was pending.
        """
        try:
            self.client.update_item(
                TableName=self.table,
                Key={"pk": {"S": _COMPARISON + comparison_id}},
                UpdateExpression="SET nudged_at_ms = :now",
                ConditionExpression="#work = :outbox",
                ExpressionAttributeNames={"#work": "work"},
                ExpressionAttributeValues={":now": {"N": str(now_ms)}, ":outbox": {"S": OUTBOX}},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True


def find_uploaded(ledger: DynamoDbLedger, region: str, folder: str) -> tuple[Pair | None, Comparison | None]:
    """Return the pair in this folder of the inbox, and the comparison of its current photos.

    The comparison is None if newer photos are not registered yet.
    """
    pair = ledger.find_pair(region, folder)
    comparison = ledger.find(pair.comparison_id) if pair and pair.comparison_id else None
    if pair is None or comparison is None:
        return pair, None
    # An incomplete pair that has failed keeps its photo.
    is_current = all(photo in comparison.photos.values() for photo in pair.photos.values())
    return pair, comparison if is_current else None


def find_by_photos(
    ledger: DynamoDbLedger, region: str, folder: str, etags: Mapping[Role, str]
) -> Comparison | None:
    """Return the last comparison of an uploaded pair with exactly these photos."""
    last: Comparison | None = None
    comparison = ledger.find(identify_upload(region, folder, etags))
    while comparison is not None:
        last, comparison = comparison, ledger.find(identify_successor(comparison.id))
    return last


def read_item(client: "DynamoDBClient", table: str, comparison_id: str) -> Mapping[str, Any]:
    """Return all attributes of a comparison's item, such as the lease, which the domain omits."""
    key = {"pk": {"S": _COMPARISON + comparison_id}}
    return deserialise(client.get_item(TableName=table, Key=key, ConsistentRead=True).get("Item", {}))


def deserialise(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of an item. Numbers are decimals."""
    deserializer = TypeDeserializer()
    return {name: deserializer.deserialize(value) for name, value in item.items()}


def _read_record(item: Mapping[str, Any]) -> Record:
    plain = deserialise(item)
    ending = plain.get("ending")
    return Record(
        id=plain["pk"].removeprefix(_COMPARISON),
        pair_id=plain.get("pair_id"),
        region=plain["region"],
        origin=plain["origin"],
        caller=plain.get("caller"),
        state=plain["state"],
        created_at_ms=int(plain["created_at_ms"]),
        attempts=tuple(_read_attempt(attempt) for attempt in plain["attempts"].values()),
        ended_at_ms=int(ending["ended_at_ms"]) if ending else None,
        decision=ending["verdict"]["decision"] if ending else None,
        reason=ending["verdict"]["reason"] if ending else None,
        score=float(score) if ending and (score := ending["verdict"]["score"]) is not None else None,
        is_pending=plain.get("work") == OUTBOX,
    )


def _read_incomplete_pair(item: Mapping[str, Any]) -> IncompletePair | None:
    plain = deserialise(item)
    arrived = [role for role in Role if role in plain and not plain[role]["taken"]]
    if len(arrived) != 1:
        return None
    pair_id, caller = split_folder(plain["folder"])
    return IncompletePair(
        pair_id=pair_id,
        region=plain["region"],
        caller=caller,
        missing=next(role for role in Role if role not in arrived),
        since_ms=int(plain[arrived[0]]["arrived_at_ms"]),
    )


def _read_attempt(record: Mapping[str, Any]) -> Attempt:
    return Attempt(
        number=int(record["number"]),
        merchant_biz_id=record["merchant_biz_id"],
        started_at_ms=int(record["started_at_ms"]),
        outcome=Outcome(record["outcome"]),
        code=record["code"],
    )
