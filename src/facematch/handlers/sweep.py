"""The sweep: every minute, it finishes work that other functions left unfinished."""

from collections.abc import Callable, Iterable
from typing import Any, Final

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from facematch import bootstrap
from facematch.domain.lane import HoldReason
from facematch.handlers.start import finish_start
from facematch.handlers.telemetry import count, count_result, describe_error, logger, metrics

_CLOSING_TIME_MS: Final = 10_000
_FORGOTTEN_LIMIT: Final = 100
"""How many comparisons of a region one sweep enqueues. The next one continues."""


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handle(_event: dict[str, Any], context: LambdaContext) -> None:
    """End or register due pairs, enqueue forgotten comparisons, publish old results."""
    sweeper = bootstrap.sweeper()
    ages_s = sweeper.measure_backlog()
    count("OldestComparisonAge", max(ages_s.values(), default=0.0), MetricUnit.Seconds)
    for reason, lanes in sweeper.count_holds().items():
        count(_HOLDS[reason], lanes)
    ended, pair_failures = _work_through(sweeper.find_due_pairs(), _expire, context)
    count("PairsDue", ended)
    count("PairsStuck", len(pair_failures))
    forgotten = sweeper.enqueue_forgotten(_FORGOTTEN_LIMIT)
    count("ComparisonsForgotten", forgotten)
    # Last: if the results queue does not answer, this takes the rest of the function's time.
    published, failures = _work_through(sweeper.find_unpublished(), _publish, context)
    count("ResultsSwept", published)
    count("ResultsStuck", len(failures))
    failures += pair_failures
    log = logger.warning if failures or published or forgotten else logger.info
    log(
        "Swept",
        extra={
            "published": published,
            "pairs_ended": ended,
            "forgotten": forgotten,
            "oldest_comparison_s": {region.value: round(age_s) for region, age_s in ages_s.items()},
            "failures": failures,
        },
    )


_HOLDS: Final = {
    HoldReason.OUTAGE: "LanesHeldForOutage",
    HoldReason.THROTTLING: "LanesHeldForThrottling",
    HoldReason.OPERATOR: "LanesHeldForOperator",
}


def _publish(comparison_id: str) -> bool:
    comparison = bootstrap.result_publisher().publish(comparison_id)
    if comparison is not None:
        count_result(comparison)
    return comparison is not None


def _expire(pair: tuple[str, str]) -> bool:
    return bootstrap.upload_receiver().expire(*pair) is not None


def _work_through[Due](
    due: Iterable[Due], work: Callable[[Due], bool], context: LambdaContext
) -> tuple[int, list[str]]:
    """Call `work` with one item after another while there is time; return the changes and the failures."""
    changed, failures = 0, list[str]()
    for item in due:
        if context.get_remaining_time_in_millis() < _CLOSING_TIME_MS:
            break
        try:
            changed += work(item)
        except Exception as error:  # noqa: BLE001 - one comparison must not stop the others
            failures.append(describe_error(error))
    return changed, failures


finish_start(bootstrap.sweeper)
