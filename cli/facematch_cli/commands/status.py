"""`facematch status`: show the state of a stack."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click
from rich.text import Text

from facematch.domain.lane import Hold, HoldReason
from facematch.domain.regions import Region
from facematch.domain.verdict import Decision
from facematch_cli.options import Invocation, price_option, stack_options
from facematch_cli.output import Output, make_facts, make_table, style_verdict
from facematch_client.errors import ExitCode
from facematch_client.holds import describe_hold
from facematch_client.overview import Overview, RegionUsage, read_stack_overview
from facematch_client.queues import Depth
from facematch_client.records import PAGE_LIMIT
from facematch_client.text import clean, count_of, format_duration, format_moment


@click.command(short_help="Show the state of a stack.")
@click.option(
    "--all", "reads_all", is_flag=True, help=f"Read the whole ledger, not only its first {PAGE_LIMIT} MB."
)
@price_option
@stack_options
def status(invocation: Invocation, *, reads_all: bool, prices: Mapping[Region, float]) -> ExitCode:
    """Show the backlog, quota, holds, today's verdicts and spend, and dead letters."""
    stack = invocation.find_stack()
    now_ms = invocation.clock.now_ms()
    overview = read_stack_overview(stack, now_ms=now_ms, page_limit=None if reads_all else PAGE_LIMIT)
    if invocation.output.as_json:
        invocation.output.print_document(_make_document(stack.name, overview, prices))
    else:
        _print(invocation.output, stack.name, overview, prices)
    return ExitCode.DONE


def _make_document(name: str, overview: Overview, prices: Mapping[Region, float]) -> dict[str, Any]:
    tally = overview.tally
    return {
        "stack": name,
        "at": format_moment(tally.now_ms),
        "queues": {queue: asdict(depth) for queue, depth in overview.queues.items()},
        "dead_letters": {queue: depth.total for queue, depth in overview.dead_letters.items()},
        "open_comparisons": tally.open,
        "oldest_open_age_s": _measure_age_s(overview),
        "waiting_to_be_published": tally.pending,
        "regions": {
            region.value: {
                "calls_per_s": round(use.calls_per_s, 3),
                "calls_last_minute": use.calls_last_minute,
                "quota_used": round(use.share, 3),
                "hold": _make_hold_document(use, tally.now_ms),
            }
            for region, use in overview.regions.items()
        },
        "verdicts_today": {verdict: count for verdict, count in tally.verdicts_today.items() if count},
        "erased_today": tally.erased_today,
        "billed_calls_today": dict(tally.bill_today.billed),
        "possibly_billed_calls_today": tally.bill_today.possibly_billed.total(),
        "spend_today_usd": tally.bill_today.cost_usd(prices),
        "records_read": tally.records,
        "has_more_records": overview.is_cut,
    }


def _print(output: Output, name: str, overview: Overview, prices: Mapping[Region, float]) -> None:
    tally = overview.tally
    output.print(Text.assemble((name, "bold"), f"  {format_moment(tally.now_ms)}"), "")
    output.print(_tabulate_queues(overview), "", _tabulate_regions(overview.regions, tally.now_ms), "")
    age_s = _measure_age_s(overview)
    output.print(
        make_facts(
            {
                "open": count_of(tally.open, "comparison")
                + (f", the oldest for {format_duration(age_s)}" if age_s is not None else ""),
                "to publish": count_of(tally.pending, "verdict") if tally.pending else None,
                "today (UTC)": _list_verdicts(overview),
                "erased today": count_of(tally.erased_today, "comparison") if tally.erased_today else None,
                "spend today": tally.bill_today.describe(prices),
            }
        )
    )
    for region, use in overview.regions.items():
        if use.hold is not None and not use.hold.has_expired(tally.now_ms):
            output.note(
                f"Calls to {region} are on hold: {describe_hold(use.hold, tally.now_ms)}.{_advise(use.hold)}"
            )
    if overview.is_cut:
        output.note(
            f"The counts cover the first {tally.records:,} records in the ledger. --all reads all of them."
        )
    if any(depth.total for depth in overview.dead_letters.values()):
        output.note("`facematch redrive --dry-run` lists the dead letters with their reasons.")


def _tabulate_queues(overview: Overview) -> Any:  # noqa: ANN401 - a table
    figures = ("ready", "in flight", "delayed", "dead letters")
    table = make_table("queue", *figures, right=figures)
    for queue, depth in overview.queues.items():
        dead = overview.dead_letters.get(queue)
        table.add_row(queue, str(depth.ready), str(depth.in_flight), str(depth.delayed), _count_dead(dead))
    table.add_row("outbox", "", "", "", _count_dead(overview.dead_letters["outbox"]))
    return table


def _count_dead(depth: Depth | None) -> Text:
    if depth is None:
        return Text("")
    return Text(str(depth.total), "bold red" if depth.total else "green")


def _tabulate_regions(regions: Mapping[Region, RegionUsage], now_ms: int) -> Any:  # noqa: ANN401 - a table
    figures = ("calls a second", "last minute", "quota used")
    table = make_table("region", *figures, "calls", right=figures)
    for region, use in regions.items():
        table.add_row(
            region.value,
            f"{use.calls_per_s:.2f}",
            count_of(use.calls_last_minute, "call"),
            f"{use.share:.0%}",
            _describe_hold(use.hold, now_ms),
        )
    return table


def _describe_hold(hold: Hold | None, now_ms: int) -> Text:
    if hold is None:
        return Text("not on hold", "green")
    if not hold.has_expired(now_ms):
        return Text(f"on hold: {clean(hold.code)}", "bold red")
    return Text(f"waits for its trial: {clean(hold.code)}", "bold yellow")


def _make_hold_document(use: RegionUsage, now_ms: int) -> dict[str, Any] | None:
    if use.hold is None:
        return None
    return {
        "reason": use.hold.reason,
        "code": use.hold.code,
        "since": format_moment(use.hold.since_ms),
        "until": format_moment(use.hold.until_ms),
        "is_in_force": not use.hold.has_expired(now_ms),
    }


def _advise(hold: Hold) -> str:
    if hold.reason is not HoldReason.OPERATOR:
        return ""
    return " Repair the account or its key. The waiting comparisons then continue automatically."


def _list_verdicts(overview: Overview) -> Text:
    counts = overview.tally.verdicts_today
    if not counts.total():
        return Text("no verdict yet")
    texts = [
        Text.assemble(f"{counts[decision]} ", style_verdict(decision))
        for decision in Decision
        if counts[decision]
    ]
    return Text(", ").join(texts)


def _measure_age_s(overview: Overview) -> float | None:
    oldest_ms = overview.tally.oldest_open_ms
    return None if oldest_ms is None else max(overview.tally.now_ms - oldest_ms, 0) / 1000
