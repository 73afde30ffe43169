"""The sweep: publishes what the ledger's stream left in the outbox, every few minutes."""

from typing import Any, Final

from aws_lambda_powertools.utilities.typing import LambdaContext

from facematch import bootstrap
from facematch.handlers.start import end_start
from facematch.handlers.telemetry import count, count_result, describe_error, logger, metrics

_CLOSING_TIME_MS: Final = 10_000


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handle(_event: dict[str, Any], context: LambdaContext) -> None:
    """Publish one after another, until nothing old is left or the function's time is up."""
    sweeper = bootstrap.outbox_sweeper()
    published, failures = 0, list[str]()
    for comparison_id in sweeper.find_due():
        try:
            comparison = sweeper.publisher.publish(comparison_id)
            if comparison is not None:
                published += 1
                count_result(comparison)
        except Exception as error:  # noqa: BLE001 - what stops one comparison does not stop the others
            failures.append(describe_error(error))
        if context.get_remaining_time_in_millis() < _CLOSING_TIME_MS:
            break
    count("ResultsSwept", published)
    count("ResultsStuck", len(failures))
    log = logger.warning if failures or published else logger.info
    log("Outbox swept", extra={"published": published, "failures": failures})


end_start(bootstrap.outbox_sweeper)
