"""The worker: takes comparisons from their queue and brings each to its end."""

from functools import partial
from typing import Any, Final

from aws_lambda_powertools.utilities.batch import EventType
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from facematch import bootstrap
from facematch.domain.errors import (
    AlreadyEndedError,
    CircuitOpenError,
    NotFoundError,
    OperatorFaultError,
    PostponedError,
)
from facematch.domain.quota import BULK_HORIZON_S
from facematch.handlers.start import end_start
from facematch.handlers.telemetry import count, logger, metrics, work_through
from facematch.use_cases.compare_pair import Effort

_CLOSING_TIME_S: Final = 20.0
"""What is left of the function's time for a call that runs into its time-out, and for the ledger."""


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Take a batch of the comparisons queue; a message that can't be worked on fails alone."""
    return work_through(event, EventType.SQS, partial(_compare, context), context)


def _compare(context: LambdaContext, message: SQSRecord) -> None:
    comparison_id: str = message.json_body["comparison_id"]
    time_s = max(context.get_remaining_time_in_millis() / 1000 - _CLOSING_TIME_S, 0)
    try:
        bootstrap.pair_comparer().compare(comparison_id, Effort(BULK_HORIZON_S, time_s))
    except (AlreadyEndedError, NotFoundError):
        # Said twice, or erased since: there is nothing to do.
        count("RepeatedMessages")
    except PostponedError as error:
        # A fresh message, so that waiting uses up no receives: only what fails runs out of them.
        bootstrap.comparison_queue().send(comparison_id, delay_s=error.retry_after_s)
        logger.append_keys(postponed=error.code)
        count("CircuitsOpen" if isinstance(error, CircuitOpenError) else "ComparisonsPostponed")
    except OperatorFaultError as error:
        logger.append_keys(operator_fault=error.code)
        count("OperatorFaults")
        raise
    else:
        count("ComparisonsEnded")


end_start(bootstrap.pair_comparer)
