"""Which errors of AWS services pass without a change of code, template or account."""

from http import HTTPStatus
from typing import Final

from botocore.exceptions import ClientError

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


def is_temporary(error: ClientError) -> bool:
    """Return whether the same request may succeed later: the service failed, or it throttles."""
    status = error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
    return status >= HTTPStatus.INTERNAL_SERVER_ERROR or error.response["Error"]["Code"] in _TEMPORARY
