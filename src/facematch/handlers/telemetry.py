"""What every function logs and counts with, and how a batch is worked through.

An unforeseen error's text may hold what the message held, so logs tell an error's kind or code, never its
text.
"""

from collections.abc import Callable
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.typing import LambdaContext

from facematch.comparison import Attempt, Outcome
from facematch.errors import FacematchError
from facematch.regions import Region

logger = Logger()
metrics = Metrics()


def count(metric: str, value: int = 1) -> None:
    """Add to a metric of this invocation."""
    metrics.add_metric(metric, MetricUnit.Count, value)


def count_attempt(_region: Region, attempt: Attempt) -> None:
    """Count what became of a call to the provider."""
    count(_ATTEMPTS[attempt.outcome])
    if attempt.duration_ms is not None:
        metrics.add_metric("CallDuration", MetricUnit.Milliseconds, attempt.duration_ms)


_ATTEMPTS: Final = {
    Outcome.ANSWERED: "CallsAnswered",
    Outcome.FAULTED: "CallsFaulted",
    Outcome.REFUSED: "CallsRefused",
    Outcome.THROTTLED: "CallsThrottled",
    Outcome.UNKNOWN: "CallsUnknown",
    Outcome.UNSENT: "CallsUnsent",
}


def work_through(
    event: dict[str, Any], kind: EventType, work: Callable[[Any], None], context: LambdaContext
) -> PartialItemFailureResponse:
    """Do `work` on each record of a batch; report those that failed, to be delivered again on their own."""
    failures: list[str] = []

    def work_and_note(record: Any) -> None:  # noqa: ANN401 - a record of whatever `kind` the batch is of
        try:
            work(record)
        except Exception as error:
            failures.append(describe_error(error))
            raise

    processor = BatchProcessor(kind, raise_on_entire_batch_failure=False)
    response = process_partial_response(event, work_and_note, processor, context)
    count("RecordsReceived", len(event["Records"]))
    count("RecordsFailed", len(failures))
    log = logger.warning if failures else logger.info
    log("Batch worked through", extra={"records": len(event["Records"]), "failures": failures})
    return response


def describe_error(error: Exception) -> str:
    """Return an error's code if it is ours, else its kind."""
    return error.code if isinstance(error, FacematchError) else type(error).__name__
