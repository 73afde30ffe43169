"""The reports of the capacity model: for one scenario, and the tables and the chart of `docs/capacity.md`.

`python -m bench.capacity.report` updates the page.
"""

import argparse
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Final

from bench.capacity.model import (
    BUCKET_PAIR,
    BUSIEST_INDEX_KEY_WRITES,
    DAY_S,
    MONTH_DAYS,
    PUBLISH_BATCHES,
    ROUND_TRIP_S,
    UPLOADS_CONCURRENCY,
    WORKER_CONCURRENCIES,
    WORKER_GB,
    Outcome,
    Prices,
    Scenario,
    Waits,
    price_month,
    simulate,
    simulate_burst,
)

_ROOT: Final = Path(__file__).parents[2]
PAGE: Final = _ROOT / "docs" / "capacity.md"
CHART: Final = _ROOT / "docs" / "capacity-day.svg"
_OWN_CHART: Final = _ROOT / ".local" / "capacity.svg"

SPARE_WORKERS: Final = 1.15
"""A factor on the workers by Little's law, because calls and photos vary."""
FEWEST_WORKERS: Final = 3
"""With two workers, half of the capacity is unused while one of them waits for its last pair."""
_DAYS: Final = (100_000, 200_000, 400_000)
_CHARTED: Final = 400_000
_BURST_S: Final = 300
PREFIX_WRITES: Final = 4
"""The writes of a pair to each prefix of the bucket: both photos are stored and deleted."""

type Rows = list[list[str]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate the scenario of the command line, print the report, and write the chart."""
    parser = argparse.ArgumentParser(prog="python -m bench.capacity", description=_DESCRIPTION)
    for entry in fields(Scenario):
        parser.add_argument(
            f"--{entry.name.replace('_', '-')}",
            type=type(entry.default),
            default=entry.default,
            help=f"{entry.metadata['meaning']} (%(default)s)",
        )
    names = ", ".join(entry.name for entry in fields(Prices))
    parser.add_argument(
        "--price", action="append", default=[], metavar="NAME=USD", help=f"another price: {names}"
    )
    parser.add_argument("--chart", type=Path, default=_OWN_CHART, help="file of the chart (%(default)s)")
    options = vars(parser.parse_args(arguments))
    try:
        prices = _read_prices(options.pop("price"))
        chart = options.pop("chart")
        scenario = Scenario(**options)
    except ValueError as error:
        parser.error(str(error))
    outcome = simulate(scenario)
    chart.parent.mkdir(parents=True, exist_ok=True)
    chart.write_text(draw_chart(outcome), encoding="utf-8")
    report = render_report(outcome, prices)
    print(f"{report}\n\nThe day as a chart: {chart}")


_DESCRIPTION: Final = (
    "Simulates a day of a stack: backlog, times to the verdict, workers, quota, monthly cost."
)


def _read_prices(stated: Iterable[str]) -> Prices:
    known = {entry.name for entry in fields(Prices)}
    changes: dict[str, float] = {}
    for entry in stated:
        name, _, usd = entry.partition("=")
        if name not in known:
            raise ValueError(f"the price {name} is unknown")
        changes[name] = float(usd)
    return replace(Prices(), **changes)


def render_report(outcome: Outcome, prices: Prices) -> str:
    """Return the outcome and its cost as text."""
    return "\n\n".join(
        f"{title}\n{_align(rows)}"
        for title, rows in (
            ("The day", _report_day(outcome)),
            ("Time from arrival to verdict", _report_waits(outcome)),
            ("Workers and quota", _report_workers(outcome)),
            (f"A month of {MONTH_DAYS} such days, in USD", _report_cost(outcome, prices)),
        )
    )


def _report_day(outcome: Outcome) -> Rows:
    scenario, span_s = outcome.scenario, max(outcome.last_verdict_s, DAY_S)
    return [
        ["pairs", f"{scenario.pairs_per_day:,}"],
        ["arrivals per second: average, busiest minute", _per_second(outcome.arrivals, DAY_S)],
        ["verdicts per second: average, best minute", _per_second(outcome.verdicts, span_s)],
        ["largest backlog", f"{max(outcome.backlog):,} pairs"],
        ["last verdict after", format_duration(outcome.last_verdict_s)],
        ["longest wait for a worker", format_duration(outcome.oldest_s)],
        ["backlog at midnight", f"{outcome.left_at_midnight:,} pairs"],
    ]


def _per_second(series: Sequence[int], span_s: float) -> str:
    return f"{sum(series) / span_s:.2f}, {max(series) / 60:.2f}"


def _report_waits(outcome: Outcome) -> Rows:
    def row(name: str, waits: Waits) -> list[str]:
        times_s = (waits.p50_s, waits.p95_s, waits.p99_s, waits.longest_s)
        return [name, f"{waits.count:,}", *map(format_duration, times_s)]

    return [
        ["", "pairs", "p50", "p95", "p99", "longest"],
        row("bulk", outcome.bulk),
        row("interactive", outcome.interactive),
    ]


def _report_workers(outcome: Outcome) -> Rows:
    scenario, busy_s = outcome.scenario, outcome.worker_s + outcome.request_s
    return [
        ["one slot every", f"{_format_interval(scenario)}, {scenario.slots_per_s:.2f} per second"],
        [
            "workers needed for all slots",
            f"{scenario.workers_needed:.1f} (there are {scenario.worker_concurrency})",
        ],
        ["quota used, first call to last", f"{outcome.quota_used:.1%}"],
        ["concurrent functions: average, maximum", f"{outcome.mean_concurrency:.1f}, {outcome.most_at_once}"],
        ["Lambda GB-seconds", f"{busy_s * WORKER_GB:,.0f}"],
        [
            "writes per second to the rate limiter (limit 1,000)",
            f"{outcome.busiest_limiter_writes_per_s:.1f}",
        ],
        ["postponed, answered late", f"{outcome.postponed:,}, {outcome.late_answers:,}"],
    ]


def _report_cost(outcome: Outcome, prices: Prices) -> Rows:
    parts = price_month(outcome, prices)
    if prices.provider_call is None:
        missing = [["FaceCompare", "unknown price, set --price provider_call=…"]]
    else:
        missing = []
    rows = [[part, f"{usd:,.2f}"] for part, usd in parts.items()]
    return [*rows, *missing, ["total", f"{sum(parts.values()):,.2f}"]]


def _align(rows: Rows) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  "
        + "  ".join(
            [
                first.ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)),
            ]
        )
        for first, *rest in rows
    )


def format_duration(duration_s: float) -> str:
    """Return a duration as text with a suitable unit."""
    if duration_s < 2 * _MINUTE_S:
        return f"{duration_s:.1f} s"
    if duration_s < 2 * _HOUR_S:
        return f"{duration_s / _MINUTE_S:.0f} min"
    return f"{duration_s / _HOUR_S:.1f} h"


def _format_interval(scenario: Scenario) -> str:
    return f"{scenario.interval_us / 1000:.4g} ms"


_MINUTE_S: Final = 60
_HOUR_S: Final = 3600


def choose_workers(scenario: Scenario) -> int:
    """Return the smallest allowed `WorkerConcurrency` that uses all slots, with some spare workers."""
    least = max(scenario.workers_needed * SPARE_WORKERS, FEWEST_WORKERS)
    enough = (n for n in WORKER_CONCURRENCIES if n >= least)
    return next(enough, WORKER_CONCURRENCIES[-1])


def tabulate_settings() -> Rows:
    """Return the settings for each quota, and their effect on a backlog."""
    rows = [
        [
            "QPS",
            "one slot every",
            "workers needed",
            "`WorkerConcurrency`",
            "calls per second",
            "quota used",
            "GB-seconds per pair",
            "writes per second to the rate limiter",
        ]
    ]
    for qps in (3, 10, 100, 1000):
        scenario = Scenario(qps=qps)
        outcome = _simulate_backlog(replace(scenario, worker_concurrency=choose_workers(scenario)))
        rows.append(
            [
                f"{qps:,}",
                _format_interval(scenario),
                f"{scenario.workers_needed:,.1f}",
                f"{outcome.scenario.worker_concurrency:,}",
                f"{outcome.call_rate_per_s:.2f}",
                f"{outcome.quota_used:.1%}",
                f"{outcome.worker_s * WORKER_GB / outcome.bulk.count:.2f}",
                f"{_limiter_writes_per_s(outcome):,.0f}",
            ]
        )
    return rows


def tabulate_workers() -> Rows:
    """Return the effect of more and fewer workers on a backlog at 10 QPS."""
    rows = [
        [
            "`WorkerConcurrency`",
            "calls per second",
            "quota used",
            "GB-seconds per pair",
            "writes per second to the rate limiter",
            "postponed",
        ]
    ]
    for workers in (3, 5, 8, 12, 20, 50):
        outcome = _simulate_backlog(Scenario(worker_concurrency=workers))
        rows.append(
            [
                str(workers),
                f"{outcome.call_rate_per_s:.2f}",
                f"{outcome.quota_used:.1%}",
                f"{outcome.worker_s * WORKER_GB / outcome.bulk.count:.2f}",
                f"{_limiter_writes_per_s(outcome):,.0f}",
                f"{outcome.postponed:,}",
            ]
        )
    return rows


def _simulate_backlog(scenario: Scenario) -> Outcome:
    return simulate_burst(scenario, round(scenario.slots_per_s * _BURST_S))


def _limiter_writes_per_s(outcome: Outcome) -> float:
    return outcome.limiter_writes / (outcome.last_call_s - outcome.first_call_s)


@cache
def simulate_day(pairs_per_day: int, quota_share: float = Scenario().quota_share) -> Outcome:
    """Return the outcome of a day at 10 QPS."""
    return simulate(Scenario(pairs_per_day=pairs_per_day, quota_share=quota_share))


def tabulate_days() -> Rows:
    """Return the outcomes of days with different numbers of pairs at 10 QPS."""
    head = [
        "pairs per day",
        "largest backlog",
        "oldest",
        "bulk p50",
        "p95",
        "p99",
        "API p95",
        "at once",
        "most",
    ]
    return [head, *(_format_day(simulate_day(pairs_per_day)) for pairs_per_day in _DAYS)]


def _format_day(outcome: Outcome) -> list[str]:
    bulk = outcome.bulk
    times_s = (outcome.oldest_s, bulk.p50_s, bulk.p95_s, bulk.p99_s, outcome.interactive.p95_s)
    return [
        f"{outcome.scenario.pairs_per_day:,}",
        f"{max(outcome.backlog):,}",
        *map(format_duration, times_s),
        f"{outcome.mean_concurrency:.1f}",
        str(outcome.most_at_once),
    ]


def tabulate_shares() -> Rows:
    """Return the outcomes of one stack with the whole quota, and of two stacks that share it."""
    rows = [["stack", "`QuotaShare`", "pairs per day", "one slot every", "largest backlog", "bulk p95"]]
    for stack, pairs_per_day, quota_share in (
        ("one for all", 200_000, Scenario().quota_share),
        ("the busy one of two", 150_000, 0.485),
        ("the quiet one of two", 50_000, 0.485),
    ):
        outcome = simulate_day(pairs_per_day, quota_share)
        rows.append(
            [
                stack,
                str(quota_share),
                f"{pairs_per_day:,}",
                _format_interval(outcome.scenario),
                f"{max(outcome.backlog):,}",
                format_duration(outcome.bulk.p95_s),
            ]
        )
    return rows


def tabulate_cost() -> Rows:
    """Return the cost of a month, by part."""
    months = [price_month(simulate_day(pairs_per_day), Prices()) for pairs_per_day in _DAYS]
    rows = [["USD per month", *(f"{pairs_per_day:,} per day" for pairs_per_day in _DAYS)]]
    rows += [[part, *(f"{month[part]:,.0f}" for month in months)] for part in months[0]]
    return [*rows, ["**together**", *(f"**{sum(month.values()):,.0f}**" for month in months)]]


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of the throughput: the pairs per second that it allows, and the remedy."""

    name: str
    pairs_per_s: float
    remedy: str


def find_limits(scenario: Scenario) -> list[Limit]:
    """Return the limits of the throughput, the lowest first.

    Sources: the template, the model's figures, and AWS's published quotas of 2025.
    """
    publish_s = BUCKET_PAIR.publish_round_trips * ROUND_TRIP_S
    uploads_s = BUCKET_PAIR.uploads_round_trips * ROUND_TRIP_S
    limits = [
        Limit(
            f"the provider's {scenario.qps:g} QPS",
            scenario.slots_per_s,
            "a larger quota from the provider; nothing else helps",
        ),
        Limit(
            f"`WorkerConcurrency` {scenario.worker_concurrency}",
            scenario.worker_concurrency / scenario.hold_s,
            "up to 1,000",
        ),
        Limit(
            f"publish: 4 stream shards, {PUBLISH_BATCHES} batches each",
            4 * PUBLISH_BATCHES / publish_s,
            "more memory; the table gets more shards as it grows",
        ),
        Limit(
            f"uploads: `MaximumConcurrency` {UPLOADS_CONCURRENCY}",
            UPLOADS_CONCURRENCY / uploads_s,
            "up to 1,000",
        ),
        Limit(
            "a new on-demand table's 4,000 writes per second",
            4000 / (BUCKET_PAIR.ledger_writes + 1),
            "warm throughput; the table scales automatically in about an hour",
        ),
        Limit(
            "Lambda's 1,000 concurrent functions",
            1000 / (scenario.hold_s + publish_s + uploads_s),
            "a larger quota from AWS",
        ),
        Limit("`WorkerConcurrency` 1,000", 1000 / scenario.hold_s, "a larger batch"),
        Limit("one item's 1,000 writes per second", 1000.0, "slots in batches, or a sharded rate limiter"),
        Limit(
            "the ledger's index key of incomplete pairs, 1,000 writes per second",
            1000 / BUSIEST_INDEX_KEY_WRITES,
            "several index keys",
        ),
        Limit(
            "S3's 3,500 writes per second to one prefix",
            3500 / PREFIX_WRITES,
            "pair ids with different beginnings: S3 scales by prefix",
        ),
        Limit(
            "a table's 40,000 writes per second",
            40_000 / (BUCKET_PAIR.ledger_writes + 1),
            "a larger quota from AWS",
        ),
        Limit(
            "SQS's 120,000 messages in flight",
            120_000 / scenario.hold_s,
            "not reached: a message in flight has a worker",
        ),
    ]
    return sorted(limits, key=lambda limit: limit.pairs_per_s)


def tabulate_limits() -> Rows:
    """Return the table of the limits."""
    rows = [["limit", "pairs per second", "million pairs per day", "then"]]
    for limit in find_limits(Scenario()):
        pairs_per_day = limit.pairs_per_s * DAY_S / 1e6
        rows.append([limit.name, f"{limit.pairs_per_s:,.1f}", f"{pairs_per_day:,.2f}", limit.remedy])
    return rows


TABLES: Final[dict[str, Callable[[], Rows]]] = {
    "settings": tabulate_settings,
    "workers": tabulate_workers,
    "days": tabulate_days,
    "shares": tabulate_shares,
    "cost": tabulate_cost,
    "limits": tabulate_limits,
}


def render_table(rows: Rows) -> str:
    """Return a Markdown table. The first row is its head. Numbers are right-aligned."""
    head, *body = rows
    rule = [
        "---" if column == 0 or not _is_number(body[0][column]) else "---:" for column in range(len(head))
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *body))


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit()


def render_page(page: str) -> str:
    """Return `page` with new tables."""

    def replace_table(match: re.Match[str]) -> str:
        return f"{match[1]}\n\n{render_table(TABLES[match[2]]())}\n\n{match[3]}"

    return re.sub(r"(<!-- table: (\w+) -->).*?(<!-- end -->)", replace_table, page, flags=re.DOTALL)


def draw_page_chart() -> str:
    """Return the chart of the page."""
    return draw_chart(simulate_day(_CHARTED))


@dataclass(frozen=True, slots=True)
class _Panel:
    """A part of the chart: its position, and the largest value that it shows."""

    top: float
    bottom: float
    greatest: float
    hours: float

    def x(self, hour: float) -> float:
        return _LEFT + hour / self.hours * (_RIGHT - _LEFT)

    def y(self, value: float) -> float:
        return self.bottom - value / self.greatest * (self.bottom - self.top)

    def path(self, values: Sequence[float], step_h: float) -> str:
        points = (f"{self.x(number * step_h):.1f},{self.y(value):.1f}" for number, value in enumerate(values))
        return "M" + " L".join(points)

    def area(self, values: Sequence[float], step_h: float) -> str:
        end_x = self.x((len(values) - 1) * step_h)
        return f"{self.path(values, step_h)} L{end_x:.1f},{self.bottom:.1f} L{_LEFT},{self.bottom:.1f} Z"


_LEFT, _RIGHT = 72, 812
_STEP_MIN: Final = 10
_STYLE: Final = """
    .card { fill: #ffffff; stroke: #d9dee5 }
    text { fill: #3c4653; font: 13px system-ui, sans-serif }
    .title { font-size: 16px; font-weight: 600; fill: #1c232c }
    .name { font-weight: 600 }
    .end { text-anchor: end }
    .middle { text-anchor: middle }
    .grid { stroke: #e6eaef }
    .axis { stroke: #9aa5b1 }
    .line { fill: none; stroke-width: 2.2; stroke-linejoin: round }
    .quota { stroke: #6b7683; stroke-dasharray: 6 5; stroke-width: 1.6 }
    .arrivals { stroke: #b45309 }
    .verdicts { stroke: #1d6fd1 }
    .backlog { fill: #7c5cd6; fill-opacity: 0.28 }
    .edge { stroke: #7c5cd6 }
    .name-arrivals { fill: #b45309 }
    .name-verdicts { fill: #1d6fd1 }
    .name-backlog { fill: #6a48c9 }
    @media (prefers-color-scheme: dark) {
      .card { fill: #14181e; stroke: #2b333d }
      text { fill: #b7c1cc }
      .title { fill: #eef2f6 }
      .grid { stroke: #242b34 }
      .axis { stroke: #5c6876 }
      .quota { stroke: #95a1ae }
      .arrivals { stroke: #f0a35a }
      .verdicts { stroke: #6cb0ff }
      .backlog { fill: #a58bff }
      .edge { stroke: #a58bff }
      .name-arrivals { fill: #f0a35a }
      .name-verdicts { fill: #6cb0ff }
      .name-backlog { fill: #b9a4ff }
    }
"""


def draw_chart(outcome: Outcome) -> str:
    """Return the day as an SVG: arrivals and verdicts above, the backlog below."""
    step_h = _STEP_MIN / 60
    arrivals, verdicts = (_average(series) for series in (outcome.arrivals, outcome.verdicts))
    backlog = [max(part) for part in _cut(outcome.backlog)]
    hours = max(24.0, (len(backlog) - 1) * step_h)
    rates = _Panel(84, 262, _round_up(max(*arrivals, *verdicts, outcome.scenario.slots_per_s)), hours)
    queue = _Panel(318, 446, _round_up(max(*backlog, 1)), hours)
    quota_y = rates.y(outcome.scenario.slots_per_s)
    scenario = outcome.scenario
    title = (
        f"{scenario.pairs_per_day:,} pairs per day at {scenario.qps:g} QPS with "
        f"{scenario.worker_concurrency:,} workers: waits of up to {format_duration(outcome.oldest_s)}"
    )
    rates_name = (
        'pairs per second: <tspan class="name name-arrivals">arrivals</tspan>, '
        '<tspan class="name name-verdicts">verdicts</tspan>, - - the slots of the quota'
    )
    queue_name = '<tspan class="name name-backlog">backlog</tspan>: pairs without a verdict'
    parts = [
        '<rect class="card" x="0.5" y="0.5" width="839" height="489" rx="10"/>',
        f'<text class="title" x="24" y="34">{title}</text>',
        f'<text x="{_LEFT}" y="66">{rates_name}</text>',
        *_draw_frame(rates),
        f'<path class="line quota" d="M{_LEFT},{quota_y:.1f} H{_RIGHT}"/>',
        f'<path class="line arrivals" d="{rates.path(arrivals, step_h)}"/>',
        f'<path class="line verdicts" d="{rates.path(verdicts, step_h)}"/>',
        f'<text x="{_LEFT}" y="302">{queue_name}</text>',
        *_draw_frame(queue),
        f'<path class="backlog" d="{queue.area(backlog, step_h)}"/>',
        f'<path class="line edge" d="{queue.path(backlog, step_h)}"/>',
        *_draw_hours(queue),
    ]
    body = "\n  ".join(parts)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 490" role="img">\n'
        f"  <title>{title}</title>\n  <style>{_STYLE}  </style>\n  {body}\n</svg>\n"
    )


def _cut(series: Sequence[int]) -> list[Sequence[int]]:
    return [series[start : start + _STEP_MIN] for start in range(0, len(series), _STEP_MIN)]


def _average(series: Sequence[int]) -> list[float]:
    return [sum(part) / len(part) / 60 for part in _cut(series)]


def _round_up(value: float) -> float:
    """Return the next round number that can be divided by four."""
    magnitude = 10.0 ** math.floor(math.log10(value))
    return next(step * magnitude for step in (1, 1.2, 1.6, 2, 4, 6, 8, 10) if step * magnitude >= value)


def _draw_frame(panel: _Panel) -> list[str]:
    lines: list[str] = []
    for quarter in range(5):
        value = panel.greatest * quarter / 4
        y, kind = panel.y(value), "grid" if quarter else "axis"
        lines.append(f'<path class="{kind}" d="M{_LEFT},{y:.1f} H{_RIGHT}"/>')
        lines.append(f'<text class="end" x="{_LEFT - 10}" y="{y + 4.5:.1f}">{value:,g}</text>')
    return lines


def _draw_hours(panel: _Panel) -> list[str]:
    step_h = next(step for step in (3, 6, 12, 24, 48, 96, 10_000) if panel.hours / step <= _MOST_HOURS)
    return [
        f'<text class="middle" x="{panel.x(hour):.1f}" y="{panel.bottom + 22}">{hour} h</text>'
        for hour in range(0, math.floor(panel.hours) + 1, step_h)
    ]


_MOST_HOURS: Final = 10


def write_page() -> None:
    """Update the page's tables and its chart."""
    PAGE.write_text(render_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    CHART.write_text(draw_page_chart(), encoding="utf-8")


if __name__ == "__main__":
    write_page()
