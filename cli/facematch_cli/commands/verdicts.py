"""`facematch verdicts`: what became of the pairs of one batch."""

from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
from rich.text import Text

from facematch_cli.batch import (
    ABSENT,
    WAITING,
    Batch,
    PairVerdict,
    count_verdicts,
    wait_for_batch,
    write_verdicts,
)
from facematch_cli.journal import read_etags
from facematch_cli.options import Invocation, batch_options, stack_options
from facematch_cli.output import Output, make_facts
from facematch_cli.pairs import PairSource
from facematch_client.errors import ExitCode
from facematch_client.text import count_of

_STATES: Final = {ABSENT: "not submitted"}


@click.command(short_help="Write the verdicts of a batch to a CSV file.")
@click.option("-o", "--output", "output_path", type=click.Path(path_type=Path), metavar="FILE",
    help="The CSV file to write. Default: beside the pairs.")  # fmt: skip
@click.option("--wait", "wait_s", type=click.FloatRange(0), default=0.0, metavar="SECONDS",
    help="How long to wait for verdicts that are still to come.")  # fmt: skip
@stack_options
@batch_options
def verdicts(
    invocation: Invocation,
    *,
    pairs: PairSource,
    region: str | None,
    journal_path: Path | None,
    output_path: Path | None,
    wait_s: float,
) -> ExitCode:
    """Write the verdict of each pair of a batch to a CSV file, in the batch's order.

    The verdicts come from the ledger. Nothing is taken from the results queue: its consumer misses nothing.
    Give the folder or manifest as you gave it to `facematch submit`.
    """
    stack = invocation.find_stack()
    etags = read_etags(journal_path or name_beside(pairs, f"{stack.name}.journal"), stack.id)
    return collect_verdicts(
        invocation,
        Batch(stack, pairs, region, etags),
        output_path or name_beside(pairs, "verdicts.csv"),
        wait_s=wait_s,
    )


def name_beside(pairs: PairSource, suffix: str) -> Path:
    """Return the name of a file beside a folder or manifest of pairs."""
    path = pairs.path.resolve()
    return path.with_name(f"{path.name}.{suffix}")


def collect_verdicts(invocation: Invocation, batch: Batch, path: Path, *, wait_s: float) -> ExitCode:
    """Write the verdicts of a batch to a CSV file, and print how many there are of each."""
    found = wait_for_batch(batch, wait_s=wait_s, clock=invocation.clock)
    write_verdicts(path, found)
    _print(invocation.output, found, path)
    missing = sum(one.verdict is None and one.state != "erased" for one in found)
    if not missing:
        return ExitCode.DONE
    return ExitCode.PARTIAL if missing < len(found) else ExitCode.NO_VERDICT


def _print(output: Output, found: list[PairVerdict], path: Path) -> None:
    counts = count_verdicts(found)
    if output.as_json:
        output.print_document(
            {
                "pairs": len(found),
                "counts": counts,
                "csv": str(path),
                "verdicts": [asdict(one) for one in found],
            }
        )
        return
    facts = {_STATES.get(name, name): Text(count_of(count, "pair")) for name, count in counts.most_common()}
    output.print(make_facts({**facts, "each": str(path)}))
    if counts[WAITING]:
        output.note("Some verdicts are still to come: repeat the command, or give it --wait SECONDS.")
