"""`facematch show`: what became of one comparison."""

from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.text import Text

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.comparison import Comparison, State
from facematch.domain.errors import NotFoundError
from facematch.domain.inbox import make_folder, split_folder
from facematch.domain.ports import Pair
from facematch.domain.principals import name_principal
from facematch.domain.regions import Region
from facematch.domain.result_event import describe_ending, format_time
from facematch.domain.verdict import Role
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
from facematch_cli.story import Chapter, find_landed, tell_story


@click.command(short_help="Tell the story of one comparison.")
@click.argument("comparison", metavar="ID|REGION/PAIR_ID")
@click.option("--caller", metavar="ARN", help="Whose pair it is, if it came by an upload form of the API's.")
@price_option
@stack_options
def show(
    invocation: Invocation, *, comparison: str, caller: str | None, prices: Mapping[Region, float]
) -> ExitCode:
    """Tell the ledger's story of a comparison: every state, attempt, wait and cost.

    Name it by its id, or a pair in the bucket by its region and pair id. A pair that came by a form of
    `POST /v1/uploads` is its caller's own: name that user or role, too.
    """
    region, separator, pair_id = comparison.partition("/")
    if caller and not separator:
        raise CommandError("--caller goes with REGION/PAIR_ID: an id needs none.", ExitCode.USAGE)
    ledger = open_ledger(invocation.find_stack())
    if separator:
        folder = make_folder(pair_id, name_principal(caller)) if caller else pair_id
        found = _find_by_pair(ledger, region, folder)
    else:
        found = _find(ledger, comparison)
    item = read_item(ledger.client, ledger.table, found.id)
    chapters = tell_story(found, item, find_landed(ledger, found), now_ms=invocation.clock.now_ms())
    bill = Bill()
    bill.add(found.region, found.attempts)
    if invocation.output.as_json:
        invocation.output.print_document(_make_document(found, chapters, bill, prices))
    else:
        _print(invocation.output, found, chapters, bill.describe(prices))
    return ExitCode.DONE


def _find(ledger: DynamoDbLedger, comparison_id: str) -> Comparison:
    found = ledger.find(comparison_id)
    if found is None:
        raise NotFoundError(comparison_id)
    return found


def _find_by_pair(ledger: DynamoDbLedger, region: str, folder: str) -> Comparison:
    pair = ledger.find_pair(region, folder)
    if pair is None:
        raise CommandError(
            f"The ledger knows no pair {clean(folder)!r} in {clean(region)}: has a photo of it arrived, and "
            "did it come by an upload form of the API's (--caller)?",
            ExitCode.REFUSED,
        )
    found = ledger.find(pair.comparison_id)
    if found is None:
        raise CommandError(_describe_half(pair), ExitCode.NO_VERDICT)
    return found


def _describe_half(pair: Pair) -> str:
    name = clean(split_folder(pair.pair_id)[0])
    missing = [role.value for role in Role if role not in pair.arrived]
    if missing:
        return f"The pair {name} waits for its {missing[0]} photo."
    return f"The pair {name} was erased and came again: name the new comparison by its id."


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
        after_s = (chapter.at_ms - chapters[0].at_ms) / 1000
        table.add_row(
            Text(format_moment(chapter.at_ms), "dim"),
            f"{after_s:.2f} s",
            Text(clean(chapter.what), "bold"),
            clean(chapter.details),
        )
    output.print("", table)
