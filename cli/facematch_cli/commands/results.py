"""`facematch results`: print the events on the results queue."""

import csv
import sys
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import click
from rich.table import Table
from rich.text import Text

from facematch_cli.options import Invocation, stack_options
from facematch_cli.output import Output, style_verdict
from facematch_client.errors import CommandError, ExitCode
from facematch_client.result_queue import Result, ResultReader
from facematch_client.text import clean, count_of

COLUMNS: Final = (
    "time",
    "pair_id",
    "region",
    "verdict",
    "score",
    "reason",
    "photo",
    "attempts",
    "comparison_id",
)
_WIDTHS: Final = {"time": 20, "region": 9, "verdict": 14, "score": 6, "pair": None, "reason": None}

type PrintBatch = Callable[[Sequence[Result]], None]


@click.command(short_help="Print the events on the results queue.")
@click.option("--follow", is_flag=True, help="Wait for more events until Ctrl-C.")
@click.option("--ack", is_flag=True, help="Delete events from the queue after printing them.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Stop after N events.")
@click.option(
    "--wait", "wait_s", type=click.IntRange(0, 20), default=2, show_default=True, metavar="SECONDS",
    help="Stop if no event arrives within this time.",
)  # fmt: skip
@stack_options
def results(
    invocation: Invocation, *, follow: bool, ack: bool, as_csv: bool, limit: int | None, wait_s: int
) -> ExitCode:
    """Print the events on the results queue, roughly the oldest first.

    Without --ack the events stay on the queue, but are hidden from other readers for up to 30 seconds. With
    --ack each event is deleted after it is printed. For the verdicts of a batch use `facematch verdicts`.
    """
    output = invocation.output
    if as_csv and output.as_json:
        raise CommandError("Choose one of --csv and --json.", ExitCode.USAGE)
    stack = invocation.find_stack()
    reader = ResultReader(stack.sqs(), stack.settings.results_queue_url)
    print_batch = _choose_printer(output, as_csv=as_csv)
    shown: list[str] = []
    count = 0
    try:
        for batch in reader.read(wait_s=wait_s, follow=follow):
            wanted = list(islice(batch, None if limit is None else limit - count))
            print_batch(wanted)
            output.flush()
            count += len(wanted)
            reader.put_back([result.receipt_handle for result in batch[len(wanted) :]])
            if ack:
                reader.delete(wanted)
            elif not follow:
                shown += [result.receipt_handle for result in wanted]
            if limit is not None and count >= limit:
                break
    finally:
        reader.put_back(shown)
    if not count:
        output.note("The results queue is empty.")
    elif not ack:
        output.note(f"{count_of(count, 'event')} printed and left on the queue. --ack deletes events.")
    return ExitCode.DONE


def describe_result(result: Result) -> dict[str, Any]:
    """Return the fields in `COLUMNS` of an event. A message that is not an event has only its id."""
    event: Mapping[str, Any] = result.event or {}
    data: Mapping[str, Any] = event.get("data", {})
    row = {name: data.get(name) for name in COLUMNS}
    row["time"] = event.get("time")
    if result.event is None:
        row |= {"verdict": "not an event", "reason": f"message {result.message_id}"}
    return row


def _choose_printer(output: Output, *, as_csv: bool) -> PrintBatch:
    if output.as_json:
        return lambda batch: _print_lines(output, batch)
    if as_csv:
        rows = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        rows.writeheader()
        return lambda batch: rows.writerows(describe_result(result) for result in batch)
    return _TablePrinter(output)


def _print_lines(output: Output, batch: Sequence[Result]) -> None:
    for result in batch:
        output.print_line(
            result.event if result.event is not None else {"foreign_message": result.message_id}
        )


class _TablePrinter:
    """Prints batches as one table with one heading."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.is_first = True

    def __call__(self, batch: Sequence[Result]) -> None:
        if not batch:
            return
        table = Table(box=None, header_style="bold", show_header=self.is_first, pad_edge=False, expand=True)
        for name, width in _WIDTHS.items():
            justify = "right" if name == "score" else "left"
            table.add_column(name, width=width, ratio=None if width else 1, justify=justify, overflow="fold")  # type: ignore[arg-type]
        for result in batch:
            row = describe_result(result)
            score = "" if row["score"] is None else f"{row['score']:g}"
            table.add_row(
                Text(clean(row["time"] or "")[:19] + ("Z" if row["time"] else ""), "dim"),
                clean(row["region"] or ""),
                style_verdict(row["verdict"] or ""),
                score,
                clean(row["pair_id"] or row["comparison_id"] or ""),
                _explain(row),
            )
        self.output.print(table)
        self.is_first = False


def _explain(row: Mapping[str, Any]) -> str:
    photo = f" ({row['photo']})" if row["photo"] else ""
    return clean(f"{row['reason'] or ''}{photo}")
