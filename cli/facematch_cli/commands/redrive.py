"""`facematch redrive`: list dead letters and put them back."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from facematch_cli.dead_letters import (
    DeadLetter,
    DeadLetterQueue,
    Redriver,
    Source,
    list_queues,
    make_redriver,
)
from facematch_cli.options import Invocation, stack_options
from facematch_cli.output import Output, make_table
from facematch_client.errors import CommandError, ExitCode
from facematch_client.text import clean, count_of, format_moment

_SHOWN: Final = 100
"""How many messages of a queue are looked at."""


@click.command(short_help="List dead letters and put them back.")
@click.option(
    "sources",
    "--queue",
    type=click.Choice([source.value for source in Source]),
    multiple=True,
    help="Only this queue; may be repeated.",
)
@click.option("--dry-run", is_flag=True, help="List them only.")
@click.option("--yes", is_flag=True, help="Put back without asking.")
@stack_options
def redrive(invocation: Invocation, *, sources: tuple[str, ...], dry_run: bool, yes: bool) -> ExitCode:
    """List the messages in the dead-letter queues with the reason for each, and put them back.

    Comparisons and uploads go back to their queues; verdicts that could not be published are published again.
    Repair the cause first, or they fail again.
    """
    output = invocation.output
    if output.as_json and not (dry_run or yes):
        raise CommandError(
            "With --json also give --dry-run or --yes: there is nobody to ask.", ExitCode.USAGE
        )
    stack = invocation.find_stack()
    chosen = [source for source in Source if not sources or source in sources]
    queues = list_queues(stack, chosen)
    redriver = make_redriver(stack, invocation.clock)
    finds = [_look(redriver, queue) for queue in queues]
    if not output.as_json:
        _print_finds(output, finds)
    if not dry_run and any(find.total for find in finds):
        if not yes:
            click.confirm("Put them back?", abort=True, err=True)
        for find in finds:
            find.put_back = _put_back(redriver, find, output) if find.total else 0
    if output.as_json:
        output.print_document({find.queue.source.value: _describe(find) for find in finds})
    return ExitCode.PARTIAL if any(find.is_left for find in finds) else ExitCode.DONE


@dataclass(slots=True)
class _Find:
    """What a queue holds: its messages, the first of them, and for the outbox the verdicts to publish."""

    queue: DeadLetterQueue
    count: int
    letters: list[DeadLetter]
    pending: int | None = None
    put_back: int | None = None

    @property
    def total(self) -> int:
        """What there is to put back, messages or verdicts."""
        return self.pending or self.count

    @property
    def is_left(self) -> bool:
        """Whether messages that were to be put back are still there."""
        return self.pending is None and self.put_back is not None and self.put_back < self.count


def _look(redriver: Redriver, queue: DeadLetterQueue) -> _Find:
    count = redriver.count(queue)
    letters = redriver.look(queue, min(count, _SHOWN))
    pending = len(redriver.list_pending()) if queue.source is Source.OUTBOX else None
    return _Find(queue, count, letters, pending)


def _describe(find: _Find) -> dict[str, Any]:
    told = {
        "count": find.count,
        "letters": [asdict(letter) for letter in find.letters],
        "put_back": find.put_back or 0,
    }
    return told if find.pending is None else {**told, "pending": find.pending}


def _print_finds(output: Output, finds: Sequence[_Find]) -> None:
    held = [find for find in finds if find.total]
    for find in held:
        _print_letters(output, find)
    if not held:
        output.note("The dead-letter queues are empty.")


def _print_letters(output: Output, find: _Find) -> None:
    told = count_of(find.count, "dead letter")
    if find.pending is not None:
        told += f", {count_of(find.pending, 'verdict')} to publish"
    output.print(Text.assemble((find.queue.source.value, "bold"), f"  {told}"))
    table = make_table("since (UTC)", "what", "why")
    for letter in find.letters:
        table.add_row(Text(format_moment(letter.sent_at_ms), "dim"), clean(letter.what), clean(letter.why))
    if find.letters:
        output.print(table, "")
    if find.count > len(find.letters):
        output.note(f"Only the first {len(find.letters)} of {find.count} are listed.")


def _put_back(redriver: Redriver, find: _Find, output: Output) -> int:
    source = find.queue.source
    with Progress(
        TextColumn("Putting back {task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        console=output.notes,
        disable=output.as_json or not output.notes.is_terminal,
    ) as progress:
        task = progress.add_task(source.value, total=find.total)
        moved = redriver.put_back(find.queue, lambda count: progress.advance(task, count))
    if not output.as_json:
        noun = "verdict" if source is Source.OUTBOX else "message"
        output.print(f"{source}: put back {count_of(moved, noun)}")
    return moved
