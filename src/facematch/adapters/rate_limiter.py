"""The rate limiter in DynamoDB: one item per region (`lane#…`), with the next free slot and the hold.

Times of slots are microseconds: rounded up to milliseconds, ten calls per second would lose 1 % of the slots.
"""

import contextlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, override

from botocore.exceptions import BotoCoreError, ClientError

from facematch.adapters.aws_errors import is_temporary
from facematch.domain.errors import LedgerUnavailableError, NoSlotError
from facematch.domain.lane import Hold, HoldReason, Lane
from facematch.domain.ports import RateLimiter
from facematch.domain.regions import Region

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_TRIES: Final = 8
_US_PER_SECOND: Final = 1_000_000
_REFUSED: Final = "ConditionalCheckFailedException"
_HOLD_NAMES: Final = ("reason", "code", "since_ms", "until_ms", "duration_ms", "is_trial")

type Values = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class DynamoDbRateLimiter(RateLimiter):
    """One lane per region in `table`; `calls_per_s` is this stack's share of each region's quota."""

    client: "DynamoDBClient"
    table: str
    calls_per_s: Mapping[Region, float]

    @override
    def reserve(self, region: Region, *, now_ms: int, horizon_ms: int) -> int:
        interval_us = math.ceil(_US_PER_SECOND / self.calls_per_s[region])
        now_us, latest_us = now_ms * 1000, (now_ms + horizon_ms) * 1000
        for _ in range(_TRIES):
            reserved_us, next_us = self._reserve_next(region, now_us, latest_us, interval_us)
            if reserved_us is not None:
                return math.ceil(reserved_us / 1000)
            if next_us is not None and next_us > latest_us:
                raise NoSlotError((next_us - latest_us) / _US_PER_SECOND)
            if self._advance(region, to_us=now_us + interval_us, if_not_after_us=now_us):
                return now_ms
        raise NoSlotError(interval_us / _US_PER_SECOND)

    @override
    def find_lane(self, region: Region) -> Lane:
        with _translated():
            item = self.client.get_item(TableName=self.table, Key=_key(region), ConsistentRead=True).get(
                "Item"
            )
        if item is None:
            return Lane()
        return Lane(_read_hold(item), len(item["failed_ids"]["SS"]) if "failed_ids" in item else 0)

    @override
    def hold(self, region: Region, hold: Hold, *, replacing: Hold | None) -> bool:
        condition = "attribute_not_exists(hold_until_ms) OR hold_reason = :throttling"
        values: Values = {
            ":throttling": {"S": HoldReason.THROTTLING.value},
            ":kind": {"S": "lane"},
            ":reason": {"S": hold.reason.value},
            ":code": {"S": hold.code},
            ":since_ms": {"N": str(hold.since_ms)},
            ":until_ms": {"N": str(hold.until_ms)},
            ":duration_ms": {"N": str(round(hold.duration_s * 1000))},
            ":is_trial": {"BOOL": hold.is_trial},
        }
        if replacing is not None:
            condition += " OR hold_until_ms = :replaced"
            values[":replaced"] = {"N": str(replacing.until_ms)}
        assignments = ", ".join(f"hold_{name} = :{name}" for name in _HOLD_NAMES)
        if not self._update(region, f"SET {assignments}, kind = :kind REMOVE failed_ids", condition, values):
            return False
        if not hold.is_trial:
            self._advance(region, to_us=hold.until_ms * 1000, if_not_after_us=hold.until_ms * 1000)
        return True

    @override
    def lift(self, region: Region, hold: Hold | None) -> None:
        if hold is None:
            self._update(
                region,
                "REMOVE failed_ids",
                "attribute_not_exists(hold_until_ms) OR hold_reason = :throttling",
                {":throttling": {"S": HoldReason.THROTTLING.value}},
            )
            return
        names = ", ".join(f"hold_{name}" for name in _HOLD_NAMES)
        self._update(
            region,
            f"REMOVE failed_ids, {names}",
            "hold_until_ms = :until",
            {":until": {"N": str(hold.until_ms)}},
        )

    @override
    def record_failure(self, region: Region, comparison_id: str) -> int:
        with _translated():
            response = self.client.update_item(
                TableName=self.table,
                Key=_key(region),
                UpdateExpression="ADD failed_ids :ids SET kind = :kind",
                ExpressionAttributeValues={":ids": {"SS": [comparison_id]}, ":kind": {"S": "lane"}},
                ReturnValues="ALL_NEW",
            )
        return len(response["Attributes"]["failed_ids"]["SS"])

    def _reserve_next(
        self, region: Region, now_us: int, latest_us: int, interval_us: int
    ) -> tuple[int | None, int | None]:
        """Reserve behind the others; return the slot, or None and the time of the next free slot."""
        try:
            with _translated():
                response = self.client.update_item(
                    TableName=self.table,
                    Key=_key(region),
                    UpdateExpression="SET next_us = next_us + :interval",
                    ConditionExpression="next_us > :now AND next_us <= :latest",
                    ExpressionAttributeValues={
                        ":interval": {"N": str(interval_us)},
                        ":now": {"N": str(now_us)},
                        ":latest": {"N": str(latest_us)},
                    },
                    ReturnValues="UPDATED_NEW",
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except _RefusedError as refusal:
            return None, refusal.next_us
        return int(response["Attributes"]["next_us"]["N"]) - interval_us, None

    def _advance(self, region: Region, *, to_us: int, if_not_after_us: int) -> bool:
        """Set the next free slot to `to_us` unless it is after `if_not_after_us`."""
        return self._update(
            region,
            "SET next_us = :to, kind = :kind",
            "attribute_not_exists(next_us) OR next_us <= :limit",
            {":to": {"N": str(to_us)}, ":limit": {"N": str(if_not_after_us)}, ":kind": {"S": "lane"}},
        )

    def _update(self, region: Region, update: str, condition: str, values: Values) -> bool:
        """Return whether the condition held and the item was changed."""
        request: dict[str, Any] = {
            "TableName": self.table,
            "Key": _key(region),
            "UpdateExpression": update,
            "ConditionExpression": condition,
        }
        if values:
            request["ExpressionAttributeValues"] = values
        try:
            with _translated():
                self.client.update_item(**request)
        except _RefusedError:
            return False
        return True


class _RefusedError(Exception):
    def __init__(self, next_us: int | None) -> None:
        super().__init__()
        self.next_us = next_us


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Raise DynamoDB's errors as ours.

    Raises
    ------
    _RefusedError
        The condition of a write did not hold.
    LedgerUnavailableError
        The table did not answer, or the answer was an error that may pass.
    """
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] == _REFUSED:
            item: Any = error.response.get("Item") or {}
            raise _RefusedError(int(item["next_us"]["N"]) if "next_us" in item else None) from None
        if is_temporary(error):
            raise LedgerUnavailableError from None
        raise
    except BotoCoreError:
        raise LedgerUnavailableError from None


def _key(region: Region) -> dict[str, dict[str, str]]:
    return {"pk": {"S": f"lane#{region}"}}


def _read_hold(item: Mapping[str, Any]) -> Hold | None:
    if "hold_until_ms" not in item:
        return None
    return Hold(
        reason=HoldReason(item["hold_reason"]["S"]),
        code=item["hold_code"]["S"],
        since_ms=int(item["hold_since_ms"]["N"]),
        until_ms=int(item["hold_until_ms"]["N"]),
        duration_s=int(item["hold_duration_ms"]["N"]) / 1000,
        is_trial=item["hold_is_trial"]["BOOL"],
    )
