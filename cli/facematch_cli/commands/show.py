"""`facematch show`: show what happened to one comparison."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import click
from rich.text import Text

from facematch.domain.comparison import Comparison, State
from facematch.domain.regions import Region
from facematch.domain.result_event import describe_ending, format_time
from facematch_cli.lookup import Lookup, pair_name_options
from facematch_cli.options import Invocation, price_option, stack_options
from facematch_cli.output import Output, make_facts, make_table, style_verdict, summarise_photo
from facematch_client.errors import ExitCode
from facematch_client.holds import find_hold
from facematch_client.prices import Bill
from facematch_client.records import open_ledger, read_item
from facematch_client.text import clean, format_moment
from facematch_client.timeline import TimelineEntry, find_arrived_pair, make_timeline


@click.command(short_help="Show what happened to one comparison.")
@click.argument("name", metavar="ID|PAIR_ID|REGION/PAIR_ID")
@pair_name_options
@price_option
@stack_options
def show(
    invocation: Invocation, *, name: str, caller: str | None, reads_all: bool, prices: Mapping[Region, float]
) -> ExitCode:
    """Show a comparison from the ledger: states, attempts, waits and cost.

    Name it by its id, by the pair id, or by region and pair id. A pair from upload forms (`POST /v1/uploads`)
    belongs to its caller. If other pairs have the same name, select the caller with --caller.
    """
    stack = invocation.find_stack()
    ledger = open_ledger(stack)
    found = Lookup(ledger, caller, reads_all=reads_all).find_one(name)
    item = read_item(ledger.client, ledger.table, found.id)
    now_ms = invocation.clock.now_ms()
    hold = None if found.has_ended else find_hold(stack, found.region, now_ms)
    timeline = make_timeline(found, item, find_arrived_pair(ledger, found), hold, now_ms=now_ms)
    bill = Bill()
    bill.add(found.region, found.attempts)
    if invocation.output.as_json:
        invocation.output.print_document(_make_document(found, timeline, bill, prices))
    else:
        _print(invocation.output, found, timeline, bill.describe(prices))
    return ExitCode.DONE


def _make_document(
    comparison: Comparison, timeline: Sequence[TimelineEntry], bill: Bill, prices: Mapping[Region, float]
) -> dict[str, Any]:
    ending = comparison.ending
    return {
        "id": comparison.id,
        "state": comparison.state.value,
        "region": comparison.region,
        "pair_id": comparison.pair_id,
        "story": [
            {"at": format_time(entry.at_ms), "what": entry.what, "details": entry.details}
            for entry in timeline
        ],
        "billed_calls": bill.billed.total(),
        "unbilled_calls": {outcome.value: count for outcome, count in comparison.unbilled_calls.items()},
        "last_code": comparison.last_code,
        "provider_erasure": asdict(comparison.provider_erasure) if comparison.provider_erasure else None,
        "possibly_billed_calls": bill.possibly_billed.total(),
        "cost_usd": bill.cost_usd(prices),
        "result": describe_ending(comparison, ending) if ending else None,
    }


def _describe_erasure(comparison: Comparison) -> str | None:
    """Return the outcome of the deletion at the provider, None if it was not requested."""
    erasure = comparison.provider_erasure
    return None if erasure is None else f"deletion {clean(erasure.outcome or 'is due')}"


def _list_unbilled(comparison: Comparison) -> str | None:
    """Return the unbilled calls by outcome."""
    if not comparison.unbilled_count:
        return None
    counts = ", ".join(f"{count} {outcome}" for outcome, count in comparison.unbilled_calls.items())
    return f"{counts}; last code {clean(comparison.last_code)}" if comparison.last_code else counts


def _print(output: Output, comparison: Comparison, timeline: Sequence[TimelineEntry], cost: str) -> None:
    ending = comparison.ending
    verdict = ending.verdict if ending and comparison.state is not State.ERASED else None
    waits = ending.timings_ms if ending else {}
    bounds = comparison.options.bounds
    output.print(
        make_facts(
            {
                "comparison": comparison.id,
                "pair": comparison.pair_id and clean(comparison.pair_id),
                "region": clean(comparison.region),
                "verdict": style_verdict(verdict.decision) if verdict else comparison.state.value,
                "score": f"{verdict.score:g} of 100" if verdict and verdict.score is not None else None,
                "bounds": f"match from {bounds.match_from:g}, no_match up to {bounds.no_match_up_to:g}",
                "reason": verdict.reason and clean(verdict.reason) if verdict else None,
                "photo": verdict.photo.value if verdict and verdict.photo else None,
                **{
                    f"{role} photo": summarise_photo(report)
                    for role, report in (ending.photos if ending else {}).items()
                },
                "cost": cost,
                "at the provider": _describe_erasure(comparison),
                "unbilled calls": _list_unbilled(comparison),
                "time": ", ".join(f"{step.replace('_', ' ')} {ms} ms" for step, ms in waits.items()) or None,
            }
        )
    )
    table = make_table("at (UTC)", "after", "what", "details", right=["after"])
    for entry in timeline:
        after_s = (entry.at_ms - timeline[0].at_ms) / 1000
        table.add_row(
            Text(format_moment(entry.at_ms), "dim"),
            f"{after_s:.2f} s",
            Text(clean(entry.what), "bold"),
            clean(entry.details),
        )
    output.print("", table)
