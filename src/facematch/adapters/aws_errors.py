"""Recognises temporary errors of AWS services, and translates those of DynamoDB."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from facematch.domain.errors import LedgerUnavailableError

_TEMPORARY: Final = {
    "InternalServerError",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "ThrottlingException",
    "TransactionConflictException",
    "TransactionInProgressException",
}
"""Sources: "Error handling with DynamoDB", "Amazon S3 error responses", "Amazon SQS common errors"."""


class ConditionFailedError(Exception):
    """The condition of a write to DynamoDB is false. `item` is the current item, if DynamoDB returned it."""

    def __init__(self, item: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.item = item or {}


def is_temporary(error: ClientError) -> bool:
    """Return whether the same request may succeed later, because the service failed or throttled."""
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.response["Error"]["Code"] in _TEMPORARY


@contextmanager
def translate_dynamodb_errors() -> Iterator[None]:
    """Translate DynamoDB's errors, except those that need a change of code, template or account.

    Raises
    ------
    ConditionFailedError
        The condition of a write is false.
    LedgerUnavailableError
        DynamoDB did not answer, failed or throttled.
    """
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            item: Any = error.response.get("Item")
            raise ConditionFailedError(item) from None
        if is_temporary(error):
            raise LedgerUnavailableError from None
        raise
    except BotoCoreError:
        raise LedgerUnavailableError from None
