"""`facematch find`: find comparisons by pair id."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import click
from rich.text import Text

from facematch.domain.comparison import State
from facematch.domain.result_event import format_time
from facematch.domain.verdict import Decision
from facematch_cli.options import Invocation, region_option, stack_options
from facematch_cli.output import Output, make_table, style_verdict
from facematch_client.errors import CommandError, ExitCode
from facematch_client.records import OPEN, PAGE_LIMIT, Query, Record, RecordReader, SearchResult
from facematch_client.text import clean, format_moment

_VERDICTS: Final = (OPEN, *(decision.value for decision in Decision), State.ERASED.value)


@click.command(short_help="Find comparisons by pair id.")
@click.argument("name", required=False, metavar="[PAIR_ID|ID]")
@region_option("Only in this region.")
@click.option(
    "--verdict", type=click.Choice(_VERDICTS), help="Only with this verdict. `open`: no verdict yet."
)
@click.option(
    "--all", "reads_all", is_flag=True, help=f"Search the whole ledger, not only its first {PAGE_LIMIT} MB."
)
@stack_options
def find(
    invocation: Invocation, *, name: str | None, region: str | None, verdict: str | None, reads_all: bool
) -> ExitCode:
    """List the comparisons of a pair from the bucket or the API, newest first.

    An erased comparison has no pair id. The search reads the ledger, which consumes read capacity.
    """
    if name is None and region is None and verdict is None:
        raise CommandError("Give a PAIR_ID, --region or --verdict to search for.", ExitCode.USAGE)
    stack = invocation.find_stack()
    reader = RecordReader(stack.dynamodb(), stack.settings.table)
    query = Query(name=name, region=region, verdict=verdict)
    found = reader.search(query, page_limit=None if reads_all else PAGE_LIMIT)
    if invocation.output.as_json:
        invocation.output.print_document(describe_found(found))
    else:
        _print(invocation.output, found)
    is_missing = name is not None and not found.records and not found.incomplete_pairs
    return ExitCode.REFUSED if is_missing else ExitCode.DONE


def describe_found(found: SearchResult) -> dict[str, Any]:
    """Return the results of a search as JSON values."""
    return {
        "comparisons": [describe_record(record) for record in found.records],
        "incomplete_pairs": [asdict(pair) for pair in found.incomplete_pairs],
        "has_more_records": found.is_cut,
    }


def describe_record(record: Record) -> dict[str, Any]:
    """Return a comparison as JSON values."""
    return {
        "id": record.id,
        "pair_id": record.pair_id,
        "region": record.region,
        "origin": record.origin,
        "caller": record.caller,
        "verdict": record.verdict,
        "score": record.score,
        "reason": record.reason,
        "registered_at": format_time(record.created_at_ms),
        "ended_at": None if record.ended_at_ms is None else format_time(record.ended_at_ms),
    }


def _print(output: Output, found: SearchResult) -> None:
    if found.records:
        output.print(_tabulate(found.records))
    for pair in found.incomplete_pairs:
        owner = f" (uploaded by {clean(pair.caller)})" if pair.caller else ""
        output.print(
            Text(
                f"The pair {clean(pair.pair_id)} in {clean(pair.region)}{owner} has waited for its "
                f"{pair.missing} photo since {format_moment(pair.since_ms)}."
            )
        )
    if not found.records and not found.incomplete_pairs:
        output.note("Nothing found.")
    if found.is_cut:
        output.note(f"Only the first {PAGE_LIMIT} MB of the ledger were searched. --all searches all of it.")


def _tabulate(records: Sequence[Record]) -> Any:  # noqa: ANN401 - a table
    table = make_table(
        "registered (UTC)", "region", "way in", "verdict", "score", "pair", "comparison", right=["score"]
    )
    for record in records:
        table.add_row(
            Text(format_moment(record.created_at_ms), "dim"),
            clean(record.region),
            clean(record.origin),
            style_verdict(record.verdict),
            "" if record.score is None else f"{record.score:g}",
            clean(record.pair_id or ""),
            record.id,
        )
    return table
