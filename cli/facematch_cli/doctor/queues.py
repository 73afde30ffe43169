"""Checks the queues, dead letters, the outbox, and old comparisons."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.regions import Region
from facematch_cli.doctor.check import Check, failed, passed, warned
from facematch_client.queues import measure_depth
from facematch_client.text import count_of

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_COUNTED: Final = 100
_OUTBOX_S: Final = 300
"""After this time the sweep publishes pending verdicts."""
_OLD_S: Final = 3600
_REDRIVE: Final = (
    "`facematch redrive --dry-run` shows the reasons. Repair the cause, then run `facematch redrive`."
)
_SWEEP: Final = "Read the log of sweep. Delete the messages after a later sweep succeeds."


def check_depths(client: "SQSClient", urls: Mapping[str, str]) -> Check:
    """Report the number of messages in each queue. This check always passes."""
    depths = {name: measure_depth(client, url).total for name, url in urls.items()}
    counts = ", ".join(f"{name} {count}" for name, count in depths.items() if count)
    return passed("queues.depth", f"Messages on the queues: {counts}." if counts else "The queues are empty.")


def check_dead_letters(client: "SQSClient", urls: Mapping[str, str]) -> Iterator[Check]:
    """Check that the dead-letter queues are empty. `urls` maps the names of their sources to URLs."""
    counts = {name: measure_depth(client, url).total for name, url in urls.items()}
    for name, count in counts.items():
        if count:
            yield failed(
                f"queues.dead-letters.{name}",
                f"The dead-letter queue of {name} has {count_of(count, 'message')}.",
                _SWEEP if name == "sweep" else _REDRIVE,
            )
    if not any(counts.values()):
        yield passed("queues.dead-letters", "The dead-letter queues are empty.")


def check_outbox(ledger: DynamoDbLedger, now_ms: int) -> Check:
    """Check that no verdict has been in the outbox for too long."""
    waiting = len(list(islice(ledger.list_unpublished(before_ms=now_ms - 2 * _OUTBOX_S * 1000), _COUNTED)))
    if not waiting:
        return passed("queues.outbox", "No verdict is overdue in the outbox.")
    return failed(
        "queues.outbox",
        f"{_count(waiting, 'verdict')} in the outbox for more than ten minutes.",
        "Read the logs of publish and sweep for the cause.",
    )


def check_open(ledger: DynamoDbLedger, region: Region, now_ms: int) -> Iterator[Check]:
    """Check that no comparison of a region has been open for an hour."""
    registered_at_ms = ledger.find_oldest_open(region)
    if registered_at_ms is not None and registered_at_ms < now_ms - _OLD_S * 1000:
        yield warned(
            f"queues.open.{region}",
            f"The oldest comparison in {region} has been open for more than an hour.",
            "Check with `facematch status` if the lane is on hold or the quota is used up.",
        )


def _count(number: int, noun: str) -> str:
    """Return the beginning of a sentence with a number and its noun."""
    subject = f"At least {number} {noun}s" if number == _COUNTED else count_of(number, noun)
    return f"{subject} {'has' if number == 1 else 'have'} been"
