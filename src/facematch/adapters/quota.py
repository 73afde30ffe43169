"""The quota's buckets in DynamoDB: one item a region (`quota#…`) that holds when the next call may leave."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from facematch.errors import NoSlotError
from facematch.regions import Region

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class DynamoDbQuota:
    """One bucket a region in `table`; `calls_per_s` is what each region may take."""

    client: "DynamoDBClient"
    table: str
    calls_per_s: Mapping[Region, float]

    def reserve(self, region: Region, *, now_ms: int, horizon_ms: int) -> int:
        """Book the next slot and return its time (Unix milliseconds).

        A busy bucket is tried first: under load a slot is one write, however many workers ask.

        Raises
        ------
        NoSlotError
            See the port.
        """
        interval_ms = math.ceil(1000 / self.calls_per_s[region])
        latest_ms = now_ms + horizon_ms
        for _ in range(_TRIES):
            booked_ms, standing_ms = self._book_next(region, now_ms, latest_ms, interval_ms)
            if booked_ms is not None:
                return booked_ms
            if standing_ms is not None and standing_ms > latest_ms:
                raise NoSlotError((standing_ms - latest_ms) / 1000)
            if self._advance(region, to_ms=now_ms + interval_ms, if_not_after_ms=now_ms):
                return now_ms
        raise NoSlotError(interval_ms / 1000)

    def hold_back(self, region: Region, *, until_ms: int) -> None:
        """Let no slot be booked before `until_ms`; one that is further off already stays."""
        self._advance(region, to_ms=until_ms, if_not_after_ms=until_ms)

    def _book_next(
        self, region: Region, now_ms: int, latest_ms: int, interval_ms: int
    ) -> tuple[int | None, int | None]:
        """Book behind the others; return the slot, or None and what stands in the bucket."""
        try:
            response = self.client.update_item(
                TableName=self.table,
                Key=_key(region),
                UpdateExpression="SET next_ms = next_ms + :interval",
                ConditionExpression="next_ms > :now AND next_ms <= :latest",
                ExpressionAttributeValues={
                    ":interval": {"N": str(interval_ms)},
                    ":now": {"N": str(now_ms)},
                    ":latest": {"N": str(latest_ms)},
                },
                ReturnValues="UPDATED_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            item = _read_refusal(error)
            return None, int(item["next_ms"]["N"]) if item else None
        return int(response["Attributes"]["next_ms"]["N"]) - interval_ms, None

    def _advance(self, region: Region, *, to_ms: int, if_not_after_ms: int) -> bool:
        """Set the bucket to `to_ms` unless it stands beyond `if_not_after_ms`."""
        try:
            self.client.update_item(
                TableName=self.table,
                Key=_key(region),
                UpdateExpression="SET next_ms = :to, kind = :kind",
                ConditionExpression="attribute_not_exists(next_ms) OR next_ms <= :limit",
                ExpressionAttributeValues={
                    ":to": {"N": str(to_ms)},
                    ":limit": {"N": str(if_not_after_ms)},
                    ":kind": {"S": "quota"},
                },
            )
        except ClientError as error:
            _read_refusal(error)
            return False
        return True


def _key(region: Region) -> dict[str, dict[str, str]]:
    return {"pk": {"S": f"quota#{region}"}}


def _read_refusal(error: ClientError) -> dict[str, dict[str, str]] | None:
    """Return the item that stood in the way of a conditional write; any other error goes on its way."""
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        raise error
    item: dict[str, dict[str, str]] | None = error.response.get("Item")  # type: ignore[assignment]
    return item
