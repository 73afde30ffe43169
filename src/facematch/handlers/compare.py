"""The worker: receives comparisons from the queues of the lanes, and completes them."""

from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from facematch import bootstrap
from facematch.domain.deadline import CLOSING_TIME_S, Deadline
from facematch.domain.errors import AlreadyEndedError, LaneHeldError, NotFoundError, PostponedError
from facematch.domain.priority import Priority
from facematch.handlers.batch import process_messages
from facematch.handlers.start import finish_start
from facematch.handlers.telemetry import count, logger, metrics


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Process the messages of a batch at the same time. Only failed messages are retried."""
    time_s = context.get_remaining_time_in_millis() / 1000 - CLOSING_TIME_S
    return process_messages(event, partial(_compare, Deadline.after(time_s, bootstrap.clock())))


def _compare(deadline: Deadline, message: SQSRecord) -> None:
    body = message.json_body
    comparison_id, priority = str(body["comparison_id"]), Priority(body["priority"])
    try:
        _work_on(comparison_id, priority, deadline)
    except PostponedError as error:
        # A new message, so that waiting does not count as a receive. Only failures count.
        bootstrap.comparison_queues().send(
            str(body["region"]), priority, comparison_id, delay_s=error.retry_after_s
        )
        count("ComparisonsHeld" if isinstance(error, LaneHeldError) else "ComparisonsPostponed")


def _work_on(comparison_id: str, priority: Priority, deadline: Deadline) -> None:
    try:
        bootstrap.pair_comparer().compare(comparison_id, priority, deadline)
    except (AlreadyEndedError, NotFoundError):
        # The message came twice, or the comparison was erased.
        count("RepeatedMessages")
        bootstrap.provider_eraser().erase(comparison_id)
    else:
        count("ComparisonsEnded")


# Before there are threads: a session of boto3 is not thread-safe.
finish_start(bootstrap.pair_comparer, bootstrap.comparison_queues, bootstrap.provider_eraser)
