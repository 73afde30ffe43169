"""The ledger in DynamoDB: one table, one item a comparison (`comparison#…`) and one a pair (`pair#…`).

The table's stream is the outbox: an item whose `outbox` turned `pending` is for the publish function. The
index `outbox` finds those that stayed there.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import BotoCoreError, ClientError

from facematch.domain.comparison import (
    Attempt,
    Comparison,
    Ending,
    Options,
    Origin,
    Outcome,
    PhotoKind,
    State,
    StoredPhoto,
    end_state,
)
from facematch.domain.errors import (
    AlreadyEndedError,
    LeaseHeldError,
    LeaseLostError,
    LedgerUnavailableError,
    NotFoundError,
)
from facematch.domain.ports import ArrivedPhoto, Pair
from facematch.domain.verdict import Bounds, Decision, Role, Verdict, fail

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PENDING: Final = "pending"
PUBLISHED: Final = "published"
OUTBOX_INDEX: Final = "outbox"
_TEMPORARY: Final = {
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "ServiceUnavailable",
    "ThrottlingException",
    "TransactionConflictException",
}
_COMPARISON: Final = "comparison#"
_REQUEST: Final = "request#"
_SECONDS_A_DAY: Final = 86_400
_PAGE: Final = 100

type Item = dict[str, Any]


class _Refused(Exception):  # noqa: N818 - not an error: the answer to a conditional write
    def __init__(self, item: Item | None) -> None:
        super().__init__()
        self.item = item


@dataclass(frozen=True, slots=True)
class DynamoDbLedger:
    """The ledger in `table`; records are kept for `retention_days` from their last change."""

    client: "DynamoDBClient"
    table: str
    retention_days: int

    def put_photo(self, region: str, pair_id: str, role: Role, arrived: ArrivedPhoto) -> Pair:
        """Record a photo of a pair unless a later one is known; return the pair as it now is."""
        try:
            item = self._update(
                _pair_key(region, pair_id),
                "SET #role = :arrived, #region = :region, pair_id = :pair_id, kind = :kind, "
                "expires_at = :expires",
                "attribute_not_exists(#role)"
                " OR (#role.photo.#key = :key AND #role.sequencer < :sequencer)"
                " OR (#role.photo.#key <> :key AND #role.arrived_at_ms < :arrived_at)",
                {"#role": role.value, "#region": "region", "#key": "key"},
                {
                    ":arrived": asdict(arrived),
                    ":region": region,
                    ":pair_id": pair_id,
                    ":kind": "pair",
                    ":key": arrived.photo.key,
                    ":sequencer": arrived.sequencer,
                    ":arrived_at": arrived.arrived_at_ms,
                    ":expires": self._expiry(arrived.arrived_at_ms),
                },
            )
        except _Refused as refusal:
            item = refusal.item or {}
        return _read_pair(item)

    def find_pair(self, region: str, pair_id: str) -> Pair | None:
        """Return the pair, or None."""
        item = self._get(_pair_key(region, pair_id))
        return _read_pair(item) if item else None

    def forget_pair(self, pair: Pair) -> bool:
        """Remove what is known of the pair; False if one of its photos has changed since."""
        values = {f":{role}": arrived.sequencer for role, arrived in pair.arrived.items()}
        try:
            with _translated():
                self.client.delete_item(
                    TableName=self.table,
                    Key=_serialise({"pk": _pair_key(pair.region, pair.pair_id)}),
                    ConditionExpression=_unchanged(pair),
                    ExpressionAttributeNames={f"#{role}": role.value for role in Role},
                    ExpressionAttributeValues=_serialise(values),
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except _Refused as refusal:
            # Gone already: the SDK repeats a write whose answer was lost.
            return refusal.item is None
        return True

    def retire_pair(self, pair: Pair) -> bool:
        """Note that the pair's photos are discarded; False if one of them has changed since."""
        values: Item = {f":{role}": arrived.sequencer for role, arrived in pair.arrived.items()}
        try:
            self._update(
                _pair_key(pair.region, pair.pair_id),
                "SET " + ", ".join(f"#{role}.discarded = :yes" for role in pair.arrived),
                _unchanged(pair),
                {f"#{role}": role.value for role in Role},
                {**values, ":yes": True},
            )
        except _Refused:
            return False
        return True

    def put_request(self, request_id: str, fingerprint: str, *, now_ms: int) -> str:
        """Record the body that an `Idempotency-Key` came with; return what stands, maybe an older one."""
        item = {
            "pk": _REQUEST + request_id,
            "kind": "request",
            "fingerprint": fingerprint,
            "expires_at": self._expiry(now_ms),
        }
        try:
            self._put(item)
        except _Refused as refusal:
            item = refusal.item or item
        return str(item["fingerprint"])

    def find_request(self, request_id: str) -> str | None:
        """Return the fingerprint of the body that an `Idempotency-Key` came with, or None."""
        item = self._get(_REQUEST + request_id)
        return str(item["fingerprint"]) if item else None

    def register(self, comparison: Comparison) -> Comparison:
        """Record a new comparison; return what stands under its id, which may be an older one."""
        try:
            self._put(self._write(comparison))
        except _Refused as refusal:
            return _read_comparison(refusal.item or {})
        return comparison

    def register_lone_photo(self, comparison: Comparison, pair: Pair) -> bool:
        """Record how half a pair ended; False if the pair has changed since or the record exists."""
        values = {f":{role}": arrived.sequencer for role, arrived in pair.arrived.items()}
        try:
            with _translated():
                self.client.transact_write_items(
                    TransactItems=[
                        {
                            "ConditionCheck": {
                                "TableName": self.table,
                                "Key": _serialise({"pk": _pair_key(pair.region, pair.pair_id)}),
                                "ConditionExpression": _unchanged(pair),
                                "ExpressionAttributeNames": {f"#{role}": role.value for role in Role},
                                "ExpressionAttributeValues": _serialise(values),
                            }
                        },
                        {
                            "Put": {
                                "TableName": self.table,
                                "Item": _serialise(self._write(comparison)),
                                "ConditionExpression": "attribute_not_exists(pk)",
                            }
                        },
                    ]
                )
        except self.client.exceptions.TransactionCanceledException as error:
            reasons = {reason.get("Code") for reason in error.response.get("CancellationReasons", [])}
            if "ConditionalCheckFailed" in reasons:
                return False
            raise
        return True

    def find(self, comparison_id: str) -> Comparison | None:
        """Return the comparison, or None."""
        item = self._get(_COMPARISON + comparison_id)
        return _read_comparison(item) if item else None

    def claim(self, comparison_id: str, owner: str, *, now_ms: int, until_ms: int) -> Comparison:
        """Lease an open comparison to `owner`.

        Raises
        ------
        NotFoundError, AlreadyEndedError, LeaseHeldError
            See the port.
        """
        try:
            item = self._update(
                _COMPARISON + comparison_id,
                "SET lease_owner = :owner, lease_until_ms = :until",
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

    def release(self, comparison_id: str, owner: str) -> None:
        """Give the lease back, if `owner` still has it."""
        with contextlib.suppress(_Refused):
            self._update(
                _COMPARISON + comparison_id,
                "REMOVE lease_owner, lease_until_ms",
                "lease_owner = :owner",
                {},
                {":owner": owner},
            )

    def begin_attempt(self, comparison_id: str, owner: str, attempt: Attempt) -> None:
        """Record an attempt before its call.

        Raises
        ------
        LeaseLostError
            See the port.
        """
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

    def settle_attempt(self, comparison_id: str, attempt: Attempt) -> None:
        """Record what became of an attempt.

        Raises
        ------
        NotFoundError
            See the port.
        """
        try:
            self._settle(comparison_id, attempt, State.REGISTERED)
        except _Refused as refusal:
            if refusal.item is None or _number(attempt) not in refusal.item["attempts"]:
                raise NotFoundError(comparison_id) from None
            with contextlib.suppress(_Refused):
                self._settle(
                    comparison_id, replace(attempt, outcome=Outcome.UNKNOWN), State(refusal.item["state"])
                )

    def _settle(self, comparison_id: str, attempt: Attempt, state: State) -> None:
        """Replace an attempt that nothing is known of in a comparison of that `state`."""
        self._update(
            _COMPARISON + comparison_id,
            "SET attempts.#number = :attempt",
            "#state = :state AND attempts.#number.outcome = :unknown",
            {"#number": _number(attempt), "#state": "state"},
            {":attempt": asdict(attempt), ":state": state.value, ":unknown": Outcome.UNKNOWN.value},
        )

    def end(self, comparison_id: str, ending: Ending, attempt: Attempt | None) -> None:
        """Record how a comparison ended, with its last attempt, and put it into the outbox.

        Raises
        ------
        AlreadyEndedError
            See the port.
        """
        update = (
            "SET #state = :state, ending = :ending, outbox = :pending, pending_since_ms = :now, "
            "expires_at = :expires"
        )
        names = {"#state": "state"}
        values = {
            ":state": end_state(ending.verdict.decision).value,
            ":ending": asdict(ending),
            ":pending": PENDING,
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

    def mark_published(self, comparison_id: str, *, now_ms: int) -> None:
        """Take the comparison out of the outbox."""
        with contextlib.suppress(_Refused):
            self._update(
                _COMPARISON + comparison_id,
                "SET outbox = :published, published_at_ms = :now REMOVE pending_since_ms",
                "outbox = :pending",
                {},
                {":published": PUBLISHED, ":pending": PENDING, ":now": now_ms},
            )

    def list_unpublished(self, *, before_ms: int) -> Iterator[str]:
        """Yield ids of comparisons that were in the outbox before `before_ms` already, the oldest first.

        They are read as they are asked for, so that those that stay there hide none behind them.
        """
        query: Item = {
            "TableName": self.table,
            "IndexName": OUTBOX_INDEX,
            "KeyConditionExpression": "outbox = :pending AND pending_since_ms < :before",
            "ExpressionAttributeValues": _serialise({":pending": PENDING, ":before": before_ms}),
            "Limit": _PAGE,
        }
        while True:
            with _translated():
                found = self.client.query(**query)
            yield from (item["pk"]["S"].removeprefix(_COMPARISON) for item in found["Items"])
            if "LastEvaluatedKey" not in found:
                return
            query["ExclusiveStartKey"] = found["LastEvaluatedKey"]

    def erase(self, comparison_id: str, *, now_ms: int) -> None:
        """Leave nothing of the comparison but its id, region, times, attempts and that it was erased."""
        verdict = fail("erased", "The comparison was erased before its verdict left.")
        with contextlib.suppress(_Refused):
            self._update(
                _COMPARISON + comparison_id,
                "SET #state = :erased, photos = :none, ending = :ending, expires_at = :expires, "
                "outbox = if_not_exists(outbox, :pending), "
                "pending_since_ms = if_not_exists(pending_since_ms, :now) "
                "REMOVE pair_id, caller, fingerprint, lease_owner, lease_until_ms",
                "attribute_exists(pk) AND #state <> :erased",
                {"#state": "state"},
                {
                    ":erased": State.ERASED.value,
                    ":none": {},
                    ":ending": asdict(Ending(verdict=verdict, ended_at_ms=now_ms)),
                    ":pending": PENDING,
                    ":now": now_ms,
                    ":expires": self._expiry(now_ms),
                },
            )
        # A digest of what an `Idempotency-Key` came with is of a person, too.
        with _translated():
            self.client.delete_item(TableName=self.table, Key=_serialise({"pk": _REQUEST + comparison_id}))

    def _get(self, key: str) -> Item | None:
        with _translated():
            response = self.client.get_item(
                TableName=self.table, Key=_serialise({"pk": key}), ConsistentRead=True
            )
        item = response.get("Item")
        return _deserialise(item) if item else None

    def _put(self, item: Item) -> None:
        with _translated():
            self.client.put_item(
                TableName=self.table,
                Item=_serialise(item),
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )

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
        if comparison.ending is not None:
            record["outbox"] = PENDING
            record["pending_since_ms"] = comparison.ending.ended_at_ms
        return {name: value for name, value in record.items() if value is not None}


def _pair_key(region: str, pair_id: str) -> str:
    return f"pair#{region}#{pair_id}"


def _number(attempt: Attempt) -> str:
    return f"{attempt.number:04d}"


def _unchanged(pair: Pair) -> str:
    """Return the condition that a pair's item still holds exactly the photos that `pair` knows."""
    return " AND ".join(
        f"#{role}.sequencer = :{role}" if role in pair.arrived else f"attribute_not_exists(#{role})"
        for role in Role
    )


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
        if code in _TEMPORARY:
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
    arrived = {
        role: ArrivedPhoto(
            photo=_read_photo(item[role]["photo"]),
            sequencer=item[role]["sequencer"],
            arrived_at_ms=item[role]["arrived_at_ms"],
            discarded=item[role]["discarded"],
        )
        for role in Role
        if role in item
    }
    return Pair(item["region"], item["pair_id"], arrived)


def _read_photo(record: Item) -> StoredPhoto:
    return StoredPhoto(key=record["key"], etag=record["etag"], kind=PhotoKind(record["kind"]))


def _read_comparison(item: Item) -> Comparison:
    attempts = (item["attempts"][number] for number in sorted(item["attempts"]))
    ending = item.get("ending")
    return Comparison(
        id=item["id"],
        region=item["region"],
        origin=Origin(item["origin"]),
        created_at_ms=item["created_at_ms"],
        photos={Role(role): _read_photo(photo) for role, photo in item["photos"].items()},
        pair_id=item.get("pair_id"),
        caller=item.get("caller"),
        fingerprint=item.get("fingerprint"),
        options=Options(
            bounds=Bounds(**item["options"]["bounds"]),
            face_quality_check=item["options"]["face_quality_check"],
        ),
        state=State(item["state"]),
        attempts=tuple(
            Attempt(**{**attempt, "outcome": Outcome(attempt["outcome"])}) for attempt in attempts
        ),
        ending=_read_ending(ending) if ending else None,
        published_at_ms=item.get("published_at_ms"),
    )


def _read_ending(record: Item) -> Ending:
    verdict = record["verdict"]
    photo = verdict["photo"]
    return Ending(
        verdict=Verdict(
            **{
                **verdict,
                "decision": Decision(verdict["decision"]),
                "photo": Role(photo) if photo else None,
            }
        ),
        ended_at_ms=record["ended_at_ms"],
        photos={Role(role): report for role, report in record["photos"].items()},
        timings_ms=record["timings_ms"],
    )
