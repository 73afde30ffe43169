"""The ledger in DynamoDB: one table, with one item per comparison, pair and idempotent request.

What still needs work has the attribute `work`, by which the index `work` finds it, ordered by `since_ms`:
comparisons in the outbox, open comparisons of a region, and pairs that wait. The table's stream carries the
items whose `work` is `outbox` to the publish function.
"""

import builtins
import collections.abc
import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from decimal import Decimal
from enum import EnumType
from functools import cache
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, cast, get_args, get_origin, get_type_hints, override

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from facematch.adapters.aws_errors import is_temporary
from facematch.domain.comparison import (
    Attempt,
    Comparison,
    Ending,
    Outcome,
    ProviderErasure,
    State,
    end_state,
)
from facematch.domain.errors import (
    AlreadyEndedError,
    LeaseHeldError,
    LeaseLostError,
    LedgerUnavailableError,
    NotFoundError,
)
from facematch.domain.pair import ArrivedPhoto, Pair
from facematch.domain.ports import IdempotentRequest, Ledger
from facematch.domain.regions import Region
from facematch.domain.verdict import Role, Verdict

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WORK_INDEX: Final = "work"
OUTBOX: Final = "outbox"
_PAIR_WORK: Final = "pair"
_OPEN_WORK: Final = "open/"
_TEMPORARY_REASONS: Final = {
    "ProvisionedThroughputExceeded",
    "ThrottlingError",
    "TransactionConflict",
}
_COMPARISON: Final = "comparison#"
_PAIR: Final = "pair#"
_REQUEST: Final = "request#"
_SECONDS_A_DAY: Final = 86_400
_PAGE: Final = 100
_TRANSACTION_TRIES: Final = 3
_REQUESTS_LIMIT: Final = 50
"""How many idempotency keys one comparison remembers; its item stays small."""

type Item = dict[str, Any]


class _Refused(Exception):  # noqa: N818 - not an error: the answer to a conditional write
    def __init__(self, item: Item | None) -> None:
        super().__init__()
        self.item = item


@dataclass(frozen=True, slots=True)
class DynamoDbLedger(Ledger):
    """The ledger in `table`; records are kept for `retention_days` from their last change."""

    client: "DynamoDBClient"
    table: str
    retention_days: int

    @override
    def put_photo(self, region: str, folder: str, role: Role, arrived: ArrivedPhoto) -> Pair:
        try:
            item = self._update(
                _pair_key(region, folder),
                "SET #role = :arrived, #region = :region, folder = :folder, kind = :kind, #work = :work, "
                "since_ms = :arrived_at, expires_at = :expires",
                "attribute_not_exists(#role)"
                " OR (#role.photo.#key = :key AND #role.sequencer < :sequencer)"
                " OR (#role.photo.#key <> :key AND #role.arrived_at_ms < :arrived_at)",
                {"#role": role.value, "#region": "region", "#key": "key", "#work": "work"},
                {
                    ":arrived": asdict(arrived),
                    ":region": region,
                    ":folder": folder,
                    ":kind": "pair",
                    ":work": _PAIR_WORK,
                    ":key": arrived.photo.key,
                    ":sequencer": arrived.sequencer,
                    ":arrived_at": arrived.arrived_at_ms,
                    ":expires": self._expiry(arrived.arrived_at_ms),
                },
            )
        except _Refused as refusal:
            item = refusal.item or {}
        return _read_pair(item)

    @override
    def find_pair(self, region: str, folder: str) -> Pair | None:
        item = self._get(_pair_key(region, folder))
        return _read_pair(item) if item else None

    @override
    def take_pair(self, pair: Pair, comparison_id: str) -> bool:
        try:
            self._transact(self._take(pair, comparison_id))
        except _Refused:
            return False
        return True

    @override
    def forget_pair(self, pair: Pair) -> bool:
        try:
            self._transact({"Delete": {**self._pair_target(pair), **_condition(pair)}})
        except _Refused:
            return self.find_pair(pair.region, pair.folder) is None
        return True

    @override
    def list_incomplete_pairs(self, *, before_ms: int) -> Iterator[tuple[str, str]]:
        for item in self._list_work(_PAIR_WORK, before_ms, Limit=_PAGE):
            region, _, folder = item["pk"].removeprefix(_PAIR).partition("/")
            yield region, folder

    @override
    def register(
        self,
        comparison: Comparison,
        *,
        pair: Pair | None = None,
        takes_photos: bool = True,
        request: IdempotentRequest | None = None,
    ) -> bool:
        if request is not None:
            comparison = replace(comparison, request_ids=(request.id,))
        writes = [self._create(self._write(comparison))]
        if pair is not None:
            writes.append(
                self._take(pair, comparison.id) if takes_photos else self._stop_waiting(pair, comparison.id)
            )
        if request is not None:
            writes.append(self._create(self._write_request(request, comparison.created_at_ms)))
        try:
            self._transact(*writes)
        except _Refused:
            return False
        return True

    @override
    def find_request(self, request_id: str) -> IdempotentRequest | None:
        item = self._get(_REQUEST + request_id)
        return IdempotentRequest(request_id, item["fingerprint"], item["comparison_id"]) if item else None

    @override
    def add_request(self, request: IdempotentRequest) -> bool:
        comparison = self.find(request.comparison_id)
        if comparison is None or len(comparison.request_ids) >= _REQUESTS_LIMIT:
            return False
        link = {
            "TableName": self.table,
            "Key": _serialise({"pk": _COMPARISON + comparison.id}),
            "UpdateExpression": "SET request_ids = list_append(request_ids, :request)",
            "ConditionExpression": "attribute_exists(pk) AND #state <> :erased",
            "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": _serialise({":request": [request.id], ":erased": State.ERASED}),
        }
        try:
            self._transact(
                self._create(self._write_request(request, comparison.created_at_ms)), {"Update": link}
            )
        except _Refused:
            return False
        return True

    @override
    def find(self, comparison_id: str) -> Comparison | None:
        item = self._get(_COMPARISON + comparison_id)
        return _read_comparison(item) if item else None

    @override
    def claim(self, comparison_id: str, owner: str, *, now_ms: int, until_ms: int) -> Comparison:
        try:
            item = self._update(
                _COMPARISON + comparison_id,
                "SET lease_owner = :owner, lease_until_ms = :until, touched_at_ms = :now",
                "#state = :registered AND (attribute_not_exists(lease_until_ms) OR lease_until_ms <= :now"
                " OR lease_owner = :owner)",
                {"#state": "state"},
                {":owner": owner, ":until": until_ms, ":now": now_ms, ":registered": State.REGISTERED.value},
            )
        except _Refused as refusal:
            if refusal.item is None:
                raise NotFoundError(comparison_id) from None
            if refusal.item["state"] != State.REGISTERED:
                raise AlreadyEndedError from None
            raise LeaseHeldError((int(refusal.item["lease_until_ms"]) - now_ms) / 1000) from None
        return _read_comparison(item)

    @override
    def release(self, comparison_id: str, owner: str) -> None:
        with contextlib.suppress(_Refused):
            self._update(
                _COMPARISON + comparison_id,
                "REMOVE lease_owner, lease_until_ms",
                "lease_owner = :owner",
                {},
                {":owner": owner},
            )

    @override
    def begin_attempt(self, comparison_id: str, owner: str, attempt: Attempt) -> None:
        try:
            self._update(
                _COMPARISON + comparison_id,
                "SET attempts.#number = :attempt",
                "#state = :registered AND lease_owner = :owner AND lease_until_ms > :started"
                " AND (attribute_not_exists(attempts.#number) OR attempts.#number.merchant_biz_id = :id)",
                {"#number": _number(attempt), "#state": "state"},
                {
                    ":attempt": asdict(attempt),
                    ":owner": owner,
                    ":registered": State.REGISTERED.value,
                    ":started": attempt.started_at_ms,
                    ":id": attempt.merchant_biz_id,
                },
            )
        except _Refused:
            raise LeaseLostError from None

    @override
    def settle_attempt(self, comparison_id: str, attempt: Attempt) -> None:
        update = "SET last_code = :code, attempts.#number = :attempt"
        names = {"#number": _number(attempt), "#state": "state"}
        values: Item = {
            ":registered": State.REGISTERED.value,
            ":not_settled": Outcome.NOT_SETTLED.value,
            ":lost": Outcome.POSSIBLY_BILLED.value,
            ":code": attempt.code,
        }
        if attempt.outcome.is_unbilled:
            update = (
                "SET last_code = :code, "
                "unbilled_calls.#outcome = if_not_exists(unbilled_calls.#outcome, :none) + :one "
                "REMOVE attempts.#number"
            )
            names["#outcome"] = attempt.outcome.value
            values |= {":none": 0, ":one": 1}
        else:
            values[":attempt"] = asdict(attempt)
        with contextlib.suppress(_Refused):
            self._update(
                _COMPARISON + comparison_id,
                update,
                "#state = :registered AND attempts.#number.outcome IN (:not_settled, :lost)",
                names,
                values,
            )

    @override
    def end(self, comparison_id: str, ending: Ending, attempt: Attempt | None) -> None:
        update = (
            "SET #state = :state, ending = :ending, #work = :outbox, since_ms = :now, expires_at = :expires"
        )
        names = {"#state": "state", "#work": "work"}
        values = {
            ":state": end_state(ending.verdict.decision).value,
            ":ending": asdict(ending),
            ":outbox": OUTBOX,
            ":now": ending.ended_at_ms,
            ":expires": self._expiry(ending.ended_at_ms),
            ":registered": State.REGISTERED.value,
        }
        if attempt is not None:
            update += ", attempts.#number = :attempt"
            names["#number"] = _number(attempt)
            values[":attempt"] = asdict(attempt)
        try:
            self._update(
                _COMPARISON + comparison_id,
                update + " REMOVE lease_owner, lease_until_ms",
                "#state = :registered",
                names,
                values,
            )
        except _Refused:
            raise AlreadyEndedError from None

    @override
    def mark_published(self, comparison_id: str, *, now_ms: int) -> None:
        with contextlib.suppress(_Refused):
            self._update(
                _COMPARISON + comparison_id,
                "SET published_at_ms = :now REMOVE #work, since_ms",
                "#work = :outbox",
                {"#work": "work"},
                {":outbox": OUTBOX, ":now": now_ms},
            )

    @override
    def list_unpublished(self, *, before_ms: int) -> Iterator[str]:
        due = self._list_work(OUTBOX, before_ms, Limit=_PAGE)
        return (item["pk"].removeprefix(_COMPARISON) for item in due)

    @override
    def find_oldest_open(self, region: Region) -> int | None:
        oldest = next(self._list_work(_OPEN_WORK + region, Limit=1), None)
        return int(oldest["since_ms"]) if oldest else None

    @override
    def list_forgotten(self, region: Region, *, before_ms: int) -> Iterator[str]:
        # A long backlog holds many that were touched: DynamoDB leaves them out, a megabyte at a time.
        untouched = "attribute_not_exists(touched_at_ms) OR touched_at_ms < :before"
        for item in self._list_work(_OPEN_WORK + region, before_ms, FilterExpression=untouched):
            yield item["pk"].removeprefix(_COMPARISON)

    @override
    def touch(self, comparison_id: str, *, now_ms: int) -> None:
        with contextlib.suppress(_Refused):
            self._update(
                _COMPARISON + comparison_id,
                "SET touched_at_ms = :now",
                "#state = :registered",
                {"#state": "state"},
                {":now": now_ms, ":registered": State.REGISTERED.value},
            )

    @override
    def erase(
        self, comparison: Comparison, verdict: Verdict, erasure: ProviderErasure | None = None, *, now_ms: int
    ) -> None:
        is_published = comparison.published_at_ms is not None
        values: Item = {
            ":erased": State.ERASED.value,
            ":none": {},
            ":nothing": [],
            ":requests": comparison.request_ids,
            ":ending": asdict(Ending(verdict=verdict, ended_at_ms=now_ms)),
            ":expires": self._expiry(now_ms),
        }
        update = (
            "SET #state = :erased, photos = :none, request_ids = :nothing, ending = :ending, "
            "expires_at = :expires"
        )
        names = {"#state": "state"}
        if not is_published:
            update += ", #work = :outbox, since_ms = :now"
            names["#work"] = "work"
            values |= {":outbox": OUTBOX, ":now": now_ms}
        if erasure is not None:
            update += ", provider_erasure = :erasure"
            values[":erasure"] = asdict(erasure)
        tombstone = {
            "TableName": self.table,
            "Key": _serialise({"pk": _COMPARISON + comparison.id}),
            "UpdateExpression": f"{update} REMOVE pair_id, caller, last_code, lease_owner, lease_until_ms",
            "ConditionExpression": "#state <> :erased AND request_ids = :requests"
            f" AND attribute_{'' if is_published else 'not_'}exists(published_at_ms)",
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": _serialise(values),
        }
        # The digest of a request is personal data, too.
        requests = [
            {"Delete": {"TableName": self.table, "Key": _serialise({"pk": _REQUEST + request_id})}}
            for request_id in comparison.request_ids
        ]
        try:
            self._transact({"Update": tombstone}, *requests)
        except _Refused:
            current = self.find(comparison.id)
            if current is not None and current.state is not State.ERASED:
                # It was published, or a request was added, since it was read.
                self.erase(current, verdict, erasure, now_ms=now_ms)

    @override
    def settle_erasure(self, comparison_id: str, erasure: ProviderErasure) -> None:
        with contextlib.suppress(_Refused):
            self._update(
                _COMPARISON + comparison_id,
                "SET provider_erasure = :erasure",
                "#state = :erased",
                {"#state": "state"},
                {":erasure": asdict(erasure), ":erased": State.ERASED.value},
            )

    def _list_work(self, work: str, before_ms: int | None = None, **options: object) -> Iterator[Item]:
        before = {} if before_ms is None else {":before": before_ms}
        query: Item = {
            "TableName": self.table,
            "IndexName": WORK_INDEX,
            "KeyConditionExpression": "#work = :work" + (" AND since_ms < :before" if before else ""),
            "ExpressionAttributeNames": {"#work": "work"},
            "ExpressionAttributeValues": _serialise({":work": work, **before}),
            **options,
        }
        while True:
            with _translated():
                found = self.client.query(**query)
            yield from map(_deserialise, found["Items"])
            if "LastEvaluatedKey" not in found:
                return
            query["ExclusiveStartKey"] = found["LastEvaluatedKey"]

    def _transact(self, *writes: Any) -> None:  # noqa: ANN401 - the stubs' own types of each kind of write
        """Write all or nothing.

        Raises
        ------
        _Refused
            A condition does not hold.
        """
        for _ in range(_TRANSACTION_TRIES):
            try:
                with _translated():
                    self.client.transact_write_items(TransactItems=list(writes))
            except self.client.exceptions.TransactionCanceledException as error:
                reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
                if "ConditionalCheckFailed" in reasons:
                    raise _Refused(None) from None
                if not reasons & _TEMPORARY_REASONS:
                    raise
            else:
                return
        raise LedgerUnavailableError

    def _create(self, item: Item) -> Item:
        return {
            "Put": {
                "TableName": self.table,
                "Item": _serialise(item),
                "ConditionExpression": "attribute_not_exists(pk)",
            }
        }

    def _take(self, pair: Pair, comparison_id: str) -> Item:
        taken = "".join(f", #{role}.taken = :yes" for role in pair.arrived)
        return self._update_pair(
            pair,
            f"SET comparison_id = :id{taken} REMOVE #work, since_ms",
            {":yes": True, ":id": comparison_id},
        )

    def _stop_waiting(self, pair: Pair, comparison_id: str) -> Item:
        return self._update_pair(
            pair, "SET comparison_id = :id REMOVE #work, since_ms", {":id": comparison_id}
        )

    def _update_pair(self, pair: Pair, update: str, values: Item) -> Item:
        request = {**self._pair_target(pair), **_condition(pair), "UpdateExpression": update}
        request["ExpressionAttributeNames"] = request["ExpressionAttributeNames"] | {"#work": "work"}
        request["ExpressionAttributeValues"] = request["ExpressionAttributeValues"] | _serialise(values)
        return {"Update": request}

    def _pair_target(self, pair: Pair) -> Item:
        return {"TableName": self.table, "Key": _serialise({"pk": _pair_key(pair.region, pair.folder)})}

    def _write_request(self, request: IdempotentRequest, now_ms: int) -> Item:
        return {
            "pk": _REQUEST + request.id,
            "kind": "request",
            "fingerprint": request.fingerprint,
            "comparison_id": request.comparison_id,
            "expires_at": self._expiry(now_ms),
        }

    def _get(self, key: str) -> Item | None:
        with _translated():
            response = self.client.get_item(
                TableName=self.table, Key=_serialise({"pk": key}), ConsistentRead=True
            )
        item = response.get("Item")
        return _deserialise(item) if item else None

    def _update(self, key: str, update: str, condition: str, names: dict[str, str], values: Item) -> Item:
        request: Item = {
            "TableName": self.table,
            "Key": _serialise({"pk": key}),
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeValues": _serialise(values),
            "ReturnValues": "ALL_NEW",
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        if names:
            request["ExpressionAttributeNames"] = names
        with _translated():
            return _deserialise(self.client.update_item(**request)["Attributes"])

    def _expiry(self, from_ms: int) -> int:
        return from_ms // 1000 + self.retention_days * _SECONDS_A_DAY

    def _write(self, comparison: Comparison) -> Item:
        record: Item = asdict(comparison)
        record["pk"] = _COMPARISON + comparison.id
        record["kind"] = "comparison"
        record["attempts"] = {_number(attempt): asdict(attempt) for attempt in comparison.attempts}
        record["expires_at"] = self._expiry(comparison.created_at_ms)
        record["work"] = _OPEN_WORK + comparison.region if comparison.ending is None else OUTBOX
        record["since_ms"] = comparison.ending.ended_at_ms if comparison.ending else comparison.created_at_ms
        return {name: value for name, value in record.items() if value is not None}


def _pair_key(region: str, folder: str) -> str:
    # A region holds no slash, so this is unique; a folder may hold any other separator.
    return f"{_PAIR}{region}/{folder}"


def _number(attempt: Attempt) -> str:
    return f"{attempt.number:04d}"


def _condition(pair: Pair) -> Item:
    """Return the condition that a pair's item still holds exactly the photos that `pair` knows."""
    expression = " AND ".join(
        f"#{role}.sequencer = :{role}" if role in pair.arrived else f"attribute_not_exists(#{role})"
        for role in Role
    )
    return {
        "ConditionExpression": expression,
        "ExpressionAttributeNames": {f"#{role}": role.value for role in Role},
        "ExpressionAttributeValues": _serialise(
            {f":{role}": arrived.sequencer for role, arrived in pair.arrived.items()}
        ),
    }


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Raise DynamoDB's errors as ours, but those that only a change of code or template can mend.

    Raises
    ------
    _Refused
        Something stood in the way of a conditional write.
    LedgerUnavailableError
        The table did not answer, or can't take more at the moment.
    """
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code == "ConditionalCheckFailedException":
            item: Mapping[str, Any] | None = error.response.get("Item")  # type: ignore[assignment]
            raise _Refused(_deserialise(item) if item else None) from None
        if is_temporary(error):
            raise LedgerUnavailableError from None
        raise
    except BotoCoreError:
        raise LedgerUnavailableError from None


def _serialise(values: Mapping[str, Any]) -> Item:
    # By way of JSON every enumeration becomes its text and every float the decimal that it prints as.
    plain = json.loads(json.dumps(values), parse_float=Decimal)
    serializer = TypeSerializer()
    return {name: serializer.serialize(value) for name, value in plain.items()}


def _deserialise(item: Mapping[str, Any]) -> Item:
    deserializer = TypeDeserializer()
    return {name: _plain(deserializer.deserialize(value)) for name, value in item.items()}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
    return value


def _read_pair(item: Item) -> Pair:
    arrived = {role: item[role] for role in Role if role in item}
    pair: Pair = _read(Pair, {**item, "arrived": arrived})
    return pair


def _read_comparison(item: Item) -> Comparison:
    attempts = [item["attempts"][number] for number in sorted(item["attempts"])]
    comparison: Comparison = _read(Comparison, {**item, "attempts": attempts})
    return comparison


def _read(kind: Any, value: Any) -> Any:  # noqa: ANN401 - any field of a record
    """Return `value`, as JSON has it, as the type `kind`: a dataclass, an enumeration, or a collection.

    A field that the record lacks keeps its default.
    """
    arguments = get_args(kind)
    if isinstance(kind, UnionType):
        return None if value is None else _read(arguments[0], value)
    if is_dataclass(kind):
        types = _find_types(cast("type", kind))
        known = {field.name: value[field.name] for field in fields(kind) if field.name in value}
        make: Any = kind
        return make(**{name: _read(types[name], inner) for name, inner in known.items()})
    match get_origin(kind):
        case collections.abc.Mapping:
            return {_read(arguments[0], name): _read(arguments[1], inner) for name, inner in value.items()}
        case builtins.tuple:
            return tuple(_read(arguments[0], inner) for inner in value)
    return kind(value) if isinstance(kind, EnumType) else value


@cache
def _find_types(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
