"""Processes a batch of SQS messages or stream records, and reports the failed ones.

The text of an unexpected error may contain parts of the message. So logs contain only its code or class.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes import SQSRecord
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord

from facematch.handlers.telemetry import count, describe_error, logger


def process_messages(event: dict[str, Any], work: Callable[[SQSRecord], None]) -> PartialItemFailureResponse:
    """Call `work` with all SQS messages at the same time, each in its own thread."""
    messages = [SQSRecord(record) for record in event["Records"]]
    with ThreadPoolExecutor(max_workers=max(len(messages), 1)) as pool:
        errors = list(pool.map(lambda message: _try(work, message), messages))
    return _report([message.message_id for message in messages], errors)


def process_stream(
    event: dict[str, Any], work: Callable[[DynamoDBRecord], None]
) -> PartialItemFailureResponse:
    """Call `work` with one stream record after another. Lambda retries from the first failed record."""
    records = [DynamoDBRecord(record) for record in event["Records"]]
    errors = [_try(work, record) for record in records]
    return _report(
        [(record.dynamodb and record.dynamodb.sequence_number) or "" for record in records], errors
    )


def _try[Record](work: Callable[[Record], None], record: Record) -> Exception | None:
    try:
        work(record)
    except Exception as error:  # noqa: BLE001 - one record must not stop the others
        return error
    return None


def _report(ids: list[str], errors: list[Exception | None]) -> PartialItemFailureResponse:
    failures = [describe_error(error) for error in errors if error is not None]
    count("RecordsReceived", len(ids))
    count("RecordsFailed", len(failures))
    log = logger.warning if failures else logger.info
    log("Batch processed", extra={"records": len(ids), "failures": failures})
    return {
        "batchItemFailures": [
            {"itemIdentifier": record_id} for record_id, error in zip(ids, errors, strict=True) if error
        ]
    }
