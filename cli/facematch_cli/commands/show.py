"""`facematch show`: what became of one comparison."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.text import Text

from facematch.adapters.ledger import DynamoDbLedger
from facematch.comparison import Comparison, State
from facematch.errors import NotFoundError
from facematch.ports import Pair
from facematch.regions import Region
from facematch.result_event import describe_ending, format_time
from facematch.verdict import Role
from facematch_cli.errors import CommandError, ExitCode
from facematch_cli.options import Invocation, price_option, stack_options
from facematch_cli.output import (
    Output,
    clean,
    format_moment,
    make_facts,
    make_table,
    style_verdict,
    summarise_photo,
)
from facematch_cli.prices import Bill
from facematch_cli.records import open_ledger, read_item
from facematch_cli.story import Chapter, tell_story


@click.command(short_help="Tell the story of one comparison.")
@click.argument("comparison", metavar="ID|REGION/PAIR_ID")
@price_option
@stack_options
def show(invocation: Invocation, *, comparison: str, prices: Mapping[Region, float]) -> ExitCode:
    """Tell the ledger's story of a comparison: every state, attempt, wait and cost.

    Name it by its id, or a pair in the bucket by its region and pair id.
    """
    stack = invocation.find_stack()
    ledger = open_ledger(stack)
    found = _find(ledger, comparison)
    item = read_item(ledger.client, ledger.table, found.id)
    chapters = tell_story(found, item, now_ms=invocation.clock.now_ms())
    bill = Bill()
    bill.add(found.region, found.attempts)
    if invocation.output.as_json:
        invocation.output.print_document(_make_document(found, chapters, bill, prices))
    else:
        _print(invocation.output, found, chapters, bill.describe(prices))
    return ExitCode.DONE


def _find(ledger: DynamoDbLedger, name: str) -> Comparison:
    region, separator, pair_id = name.partition("/")
    if not separator:
        found = ledger.find(name)
        if found is None:
            raise NotFoundError(name)
        return found
    pair = ledger.find_pair(region, pair_id)
    if pair is None:
        raise CommandError(
            f"The ledger knows no pair {clean(pair_id)} in {clean(region)}: has a photo of it arrived?",
            ExitCode.REFUSED,
        )
    found = ledger.find(pair.comparison_id)
    if found is None:
        raise CommandError(f"{_describe_half(pair)}", ExitCode.NO_VERDICT)
    return found


def _describe_half(pair: Pair) -> str:
    missing = [role.value for role in Role if role not in pair.arrived]
    if missing:
        return f"The pair {clean(pair.pair_id)} waits for its {missing[0]} photo."
    return f"The pair {clean(pair.pair_id)} was erased and came again: name the new comparison by its id."


def _make_document(
    comparison: Comparison, chapters: Sequence[Chapter], bill: Bill, prices: Mapping[Region, float]
) -> dict[str, Any]:
    ending = comparison.ending
    return {
        "id": comparison.id,
        "state": comparison.state.value,
        "region": comparison.region,
        "pair_id": comparison.pair_id,
        "story": [
            {"at": format_time(chapter.at_ms), "what": chapter.what, "details": chapter.details}
            for chapter in chapters
        ],
        "billed_calls": bill.billed.total(),
        "perhaps_billed_calls": bill.perhaps_billed.total(),
        "cost_usd": bill.cost_usd(prices),
        "result": describe_ending(comparison, ending) if ending else None,
    }


def _print(output: Output, comparison: Comparison, chapters: Sequence[Chapter], cost: str) -> None:
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
                "time": ", ".join(f"{step.replace('_', ' ')} {ms} ms" for step, ms in waits.items()) or None,
            }
        )
    )
    table = make_table("at", "after", "what", "details", right=["after"])
    for chapter in chapters:
        after_s = (chapter.at_ms - comparison.created_at_ms) / 1000
        table.add_row(
            Text(format_moment(chapter.at_ms), "dim"),
            f"{after_s:.2f} s",
            Text(clean(chapter.what), "bold"),
            clean(chapter.details),
        )
    output.print("", table)
