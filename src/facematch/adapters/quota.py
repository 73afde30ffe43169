"""The quota's buckets in DynamoDB: one item a region (`quota#…`) that holds when the next call may leave.

Times in it are microseconds: rounded up to milliseconds, ten calls a second would lose one slot in a hundred.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from facematch.domain.errors import NoSlotError
from facematch.domain.regions import Region

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_TRIES: Final = 8
_TOO_MUCH: Final = {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"}
_PAUSE_S: Final = 1.0
_US_A_SECOND: Final = 1_000_000


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
        interval_us = math.ceil(_US_A_SECOND / self.calls_per_s[region])
        now_us, latest_us = now_ms * 1000, (now_ms + horizon_ms) * 1000
        for _ in range(_TRIES):
            booked_us, standing_us = self._book_next(region, now_us, latest_us, interval_us)
            if booked_us is not None:
                return math.ceil(booked_us / 1000)
            if standing_us is not None and standing_us > latest_us:
                raise NoSlotError((standing_us - latest_us) / _US_A_SECOND)
            if self._advance(region, to_us=now_us + interval_us, if_not_after_us=now_us):
                return now_ms
        raise NoSlotError(interval_us / _US_A_SECOND)

    def hold_back(self, region: Region, *, until_ms: int) -> None:
        """Let no slot be booked before `until_ms`; one that is further off already stays."""
        self._advance(region, to_us=until_ms * 1000, if_not_after_us=until_ms * 1000)

    def _book_next(
        self, region: Region, now_us: int, latest_us: int, interval_us: int
    ) -> tuple[int | None, int | None]:
        """Book behind the others; return the slot, or None and what stands in the bucket."""
        try:
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
        except ClientError as error:
            item = _read_refusal(error)
            return None, int(item["next_us"]["N"]) if item else None
        return int(response["Attributes"]["next_us"]["N"]) - interval_us, None

    def _advance(self, region: Region, *, to_us: int, if_not_after_us: int) -> bool:
        """Set the bucket to `to_us` unless it stands beyond `if_not_after_us`."""
        try:
            self.client.update_item(
                TableName=self.table,
                Key=_key(region),
                UpdateExpression="SET next_us = :to, kind = :kind",
                ConditionExpression="attribute_not_exists(next_us) OR next_us <= :limit",
                ExpressionAttributeValues={
                    ":to": {"N": str(to_us)},
                    ":limit": {"N": str(if_not_after_us)},
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
    """Return the item that stood in the way of a conditional write.

    Raises
    ------
    NoSlotError
        The bucket was asked too often; any other error goes on its way.
    """
    code = error.response["Error"]["Code"]
    if code in _TOO_MUCH:
        raise NoSlotError(_PAUSE_S) from None
    if code != "ConditionalCheckFailedException":
        raise error
    item: dict[str, dict[str, str]] | None = error.response.get("Item")  # type: ignore[assignment]
    return item
