"""The cost of a stack in a month without pairs.

`python -m bench.capacity.idle` writes the table to the page "First hour".
"""

import re
from pathlib import Path
from typing import Final

from bench.capacity.model import (
    ALARMED_METRICS,
    LOG_SIZE_BYTES,
    MONTH_DAYS,
    ROUND_TRIP_S,
    SMALL_GB,
    SWEEPS_PER_DAY,
    TRACED_SHARE,
    Prices,
)
from bench.capacity.report import render_table
from facematch.domain.regions import Region

PAGE: Final = Path(__file__).parents[2] / "docs" / "first-hour.md"

POLLS_PER_QUEUE: Final = 5 * 3 * 60 * 24 * MONTH_DAYS
"""Lambda has five pollers per queue, and each polls every 20 s. With `MaximumConcurrency`, all five stay.
Source: Lambda developer guide, SQS event source scaling."""
SWEEP_METRICS: Final = 9
"""The metrics of a sweep that finds nothing. Counted in tests/integration/bench/test_idle.py."""
_SWEEPS: Final = SWEEPS_PER_DAY * MONTH_DAYS
_GB: Final = 1e9


def count_sweep_reads(regions: int) -> int:
    """Return the requests to the ledger of a sweep that finds nothing. Each uses at most one read unit."""
    # The search for forgotten comparisons includes regions that are no longer allowed.
    return 2 + len(Region) + 2 * regions


def price_idle_month(regions: int, prices: Prices) -> dict[str, float]:
    """Return the cost of a month without pairs in USD, by part, for a number of allowed regions."""
    queues = 1 + 2 * regions
    reads = count_sweep_reads(regions)
    return {
        "polls of empty queues (SQS)": queues * POLLS_PER_QUEUE / 1e6 * prices.sqs_million_requests,
        "the sweep, every minute (Lambda, DynamoDB, logs, traces)": _SWEEPS
        * (
            prices.lambda_million_requests / 1e6
            + reads * ROUND_TRIP_S * SMALL_GB * prices.lambda_gb_second
            + reads * prices.dynamodb_million_reads / 1e6
            + LOG_SIZE_BYTES / _GB * prices.logs_gb
            + TRACED_SHARE * prices.traces_million / 1e6
        ),
        "the sweep's metrics (CloudWatch)": SWEEP_METRICS * prices.metric_month,
        "alarms": ALARMED_METRICS * prices.alarm_month,
        "the dashboard": prices.dashboard_month,
        "the secret": prices.secret_month,
    }


def tabulate_idle() -> list[list[str]]:
    """Return the cost of a month with one allowed region, and with all regions."""
    months = [price_idle_month(regions, Prices()) for regions in (1, len(Region))]
    rows = [["USD a month, without a pair", "one region", "all regions"]]
    rows += [[part, *(f"{month[part]:.2f}" for month in months)] for part in months[0]]
    return [*rows, ["**together**", *(f"**{sum(month.values()):.2f}**" for month in months)]]


def render_page(page: str) -> str:
    """Return `page` with a new table."""
    table = render_table(tabulate_idle())
    return re.sub(r"(<!-- table: idle -->).*?(<!-- end -->)", rf"\1\n\n{table}\n\n\2", page, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(render_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
