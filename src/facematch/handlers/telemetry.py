"""What every function logs and counts with, and how a batch is worked through.

An unforeseen error's text may hold what the message held, so logs tell an error's kind or code, never its
text.
"""

from collections.abc import Callable
from typing import Any, Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.typing import LambdaContext

from facematch.domain.comparison import Attempt, Comparison, Outcome
from facematch.domain.errors import FacematchError
from facematch.domain.regions import Region
from facematch.domain.verdict import Decision

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


def count_result(comparison: Comparison) -> None:
    """Count a verdict that has left, by its region: with its score, its calls, and where its time went.

    Each comparison's metrics are a line of their own, for those of a batch may be of several regions.
    """
    ending = comparison.ending
    if ending is None:
        return
    figures = EphemeralMetrics()
    # A key of the bucket may name any region: each would be a metric that is billed.
    figures.add_dimension("region", comparison.region if comparison.region in set(Region) else "unknown")
    figures.add_metric(_VERDICTS[ending.verdict.decision], MetricUnit.Count, 1)
    if ending.verdict.score is not None:
        figures.add_metric("Score", MetricUnit.NoUnit, ending.verdict.score)
    billed = sum(attempt.code == _SUCCESS for attempt in comparison.attempts)
    unknown = sum(attempt.outcome is Outcome.UNKNOWN for attempt in comparison.attempts)
    figures.add_metric("CallsBilled", MetricUnit.Count, billed)
    figures.add_metric("CallsPerhapsBilled", MetricUnit.Count, unknown)
    for step, metric in _STEPS.items():
        if step in ending.timings_ms:
            figures.add_metric(metric, MetricUnit.Milliseconds, ending.timings_ms[step])
    total_ms = max(ending.ended_at_ms - comparison.created_at_ms, 0)
    figures.add_metric("TotalDuration", MetricUnit.Milliseconds, total_ms)
    figures.flush_metrics()


_SUCCESS: Final = "Success"
"""The provider's code of a call that is billed. Source: the vendor's billing page."""
_VERDICTS: Final = {
    Decision.MATCH: "VerdictsMatch",
    Decision.NO_MATCH: "VerdictsNoMatch",
    Decision.REVIEW: "VerdictsReview",
    Decision.PHOTO_REJECTED: "VerdictsPhotoRejected",
    Decision.FAILED: "VerdictsFailed",
}
_STEPS: Final = {
    "wait_for_worker": "WaitForWorkerDuration",
    "read": "ReadDuration",
    "prepare": "PrepareDuration",
    "connect": "ConnectDuration",
    "wait_for_slot": "WaitForSlotDuration",
    "call": "CallDuration",
    "back_off": "BackOffDuration",
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
