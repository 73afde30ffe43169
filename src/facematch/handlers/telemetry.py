"""Logs and metrics of every function."""

from threading import Lock
from typing import Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

from facematch.domain.comparison import Attempt, Comparison, Outcome
from facematch.domain.errors import FacematchError
from facematch.domain.provider import is_success
from facematch.domain.regions import Region
from facematch.domain.verdict import Decision

logger = Logger()
metrics = Metrics()
_lock = Lock()
"""Powertools' metrics are not thread-safe, and a worker makes several comparisons at the same time."""


def count(metric: str, value: float = 1, unit: MetricUnit = MetricUnit.Count) -> None:
    """Add to a metric of this invocation. This is thread-safe."""
    with _lock:
        metrics.add_metric(metric, unit, value)


def count_attempt(attempt: Attempt) -> None:
    """Count the outcome and the duration of a call to the provider."""
    count(_ATTEMPTS[attempt.outcome])
    if attempt.duration_ms is not None:
        count("CallDuration", attempt.duration_ms, MetricUnit.Milliseconds)


_ATTEMPTS: Final = {
    Outcome.ANSWERED: "CallsAnswered",
    Outcome.FAULTED: "CallsFaulted",
    Outcome.REFUSED: "CallsRefused",
    Outcome.THROTTLED: "CallsThrottled",
    Outcome.POSSIBLY_BILLED: "CallsPossiblyBilled",
    Outcome.UNSENT: "CallsUnsent",
}


def count_result(comparison: Comparison) -> None:
    """Count a published verdict with its score, calls and durations, by region.

    Each comparison has its own line of metrics, because a batch may contain several regions.
    """
    ending = comparison.ending
    if ending is None:
        return
    figures = EphemeralMetrics()
    # Keys in the bucket can name any region, and each metric is billed.
    figures.add_dimension("region", comparison.region if comparison.region in set(Region) else "unknown")
    figures.add_metric(_VERDICTS[ending.verdict.decision], MetricUnit.Count, 1)
    if ending.verdict.score is not None:
        figures.add_metric("Score", MetricUnit.NoUnit, ending.verdict.score)
    billed = sum(is_success(attempt.code) for attempt in comparison.attempts)
    possibly = sum(attempt.outcome is not Outcome.ANSWERED for attempt in comparison.attempts)
    figures.add_metric("CallsBilled", MetricUnit.Count, billed)
    figures.add_metric("CallsPossiblyBilledPerVerdict", MetricUnit.Count, possibly)
    for step, metric in _STEPS.items():
        if step in ending.timings_ms:
            figures.add_metric(metric, MetricUnit.Milliseconds, ending.timings_ms[step])
    total_ms = max(ending.ended_at_ms - comparison.created_at_ms, 0)
    figures.add_metric("TotalDuration", MetricUnit.Milliseconds, total_ms)
    figures.flush_metrics()


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


def describe_error(error: Exception) -> str:
    """Return the code of an error of facematch, or the class of any other error."""
    return error.code if isinstance(error, FacematchError) else type(error).__name__
