"""Publishes comparisons that the ledger's stream reports as ended."""

from typing import Any, Final

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.dynamo_db_stream_event import DynamoDBRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from facematch import bootstrap
from facematch.handlers.batch import process_stream
from facematch.handlers.start import finish_start
from facematch.handlers.telemetry import count, count_result, logger, metrics

_COMPARISON: Final = "comparison#"


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], _context: LambdaContext) -> PartialItemFailureResponse:
    """Publish the comparisons in a batch of the stream. Their current content is read from the ledger."""
    return process_stream(event, _publish)


def _publish(record: DynamoDBRecord) -> None:
    keys = record.dynamodb.keys if record.dynamodb else {}
    key: str = keys["pk"]
    comparison = bootstrap.result_publisher().publish(key.removeprefix(_COMPARISON))
    if comparison is not None:
        count("ResultsPublished")
        count_result(comparison)


finish_start(bootstrap.result_publisher)
