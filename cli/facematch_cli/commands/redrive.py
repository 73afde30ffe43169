"""`facematch redrive`: list dead letters and redrive them."""

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
"""The number of messages that are listed per queue."""


@click.command(short_help="List dead letters and redrive them.")
@click.option(
    "sources",
    "--queue",
    type=click.Choice([source.value for source in Source]),
    multiple=True,
    help="Only this queue, repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Only list the dead letters.")
@click.option("--yes", is_flag=True, help="Redrive without confirmation.")
@stack_options
def redrive(invocation: Invocation, *, sources: tuple[str, ...], dry_run: bool, yes: bool) -> ExitCode:
    """List the messages in the dead-letter queues with their reasons, and redrive them.

    Comparisons and uploads move back to their queues. Verdicts that could not be published are published
    again. Repair the cause first, otherwise they fail again.
    """
    output = invocation.output
    if output.as_json and not (dry_run or yes):
        raise CommandError(
            "--json needs --dry-run or --yes, because it cannot ask for confirmation.", ExitCode.USAGE
        )
    stack = invocation.find_stack()
    chosen = [source for source in Source if not sources or source in sources]
    queues = list_queues(stack, chosen)
    redriver = make_redriver(stack, invocation.clock)
    contents = [_read_queue(redriver, queue) for queue in queues]
    if not output.as_json:
        _print_queues(output, contents)
    if not dry_run and any(content.total for content in contents):
        if not yes:
            click.confirm("Redrive them?", abort=True, err=True)
        for content in contents:
            content.put_back = _redrive(redriver, content, output) if content.total else 0
    if output.as_json:
        output.print_document({content.queue.source.value: _describe(content) for content in contents})
    return ExitCode.PARTIAL if any(content.is_left for content in contents) else ExitCode.DONE


@dataclass(slots=True)
class _QueueContent:
    """The content of a dead-letter queue. For the outbox, `pending` is the number of verdicts to publish."""

    queue: DeadLetterQueue
    count: int
    letters: list[DeadLetter]
    pending: int | None = None
    put_back: int | None = None

    @property
    def total(self) -> int:
        """The number of messages or verdicts to redrive."""
        return self.pending or self.count

    @property
    def is_left(self) -> bool:
        """Whether some messages were not redriven."""
        return self.pending is None and self.put_back is not None and self.put_back < self.count


def _read_queue(redriver: Redriver, queue: DeadLetterQueue) -> _QueueContent:
    count = redriver.count(queue)
    letters = redriver.peek(queue, min(count, _SHOWN))
    pending = len(redriver.list_pending()) if queue.source is Source.OUTBOX else None
    return _QueueContent(queue, count, letters, pending)


def _describe(content: _QueueContent) -> dict[str, Any]:
    document = {
        "count": content.count,
        "letters": [asdict(letter) for letter in content.letters],
        "put_back": content.put_back or 0,
    }
    return document if content.pending is None else {**document, "pending": content.pending}


def _print_queues(output: Output, contents: Sequence[_QueueContent]) -> None:
    filled = [content for content in contents if content.total]
    for content in filled:
        _print_letters(output, content)
    if not filled:
        output.note("The dead-letter queues are empty.")


def _print_letters(output: Output, content: _QueueContent) -> None:
    summary = count_of(content.count, "dead letter")
    if content.pending is not None:
        summary += f", {count_of(content.pending, 'verdict')} to publish"
    output.print(Text.assemble((content.queue.source.value, "bold"), f"  {summary}"))
    table = make_table("since (UTC)", "what", "why")
    for letter in content.letters:
        table.add_row(Text(format_moment(letter.sent_at_ms), "dim"), clean(letter.what), clean(letter.why))
    if content.letters:
        output.print(table, "")
    if content.count > len(content.letters):
        output.note(f"Only the first {len(content.letters)} of {content.count} are listed.")


def _redrive(redriver: Redriver, content: _QueueContent, output: Output) -> int:
    source = content.queue.source
    with Progress(
        TextColumn("Redriving {task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        console=output.notes,
        disable=output.as_json or not output.notes.is_terminal,
    ) as progress:
        task = progress.add_task(source.value, total=content.total)
        moved = redriver.redrive(content.queue, lambda count: progress.advance(task, count))
    if not output.as_json:
        noun = "verdict" if source is Source.OUTBOX else "message"
        output.print(f"{source}: {count_of(moved, noun)} redriven")
    return moved
