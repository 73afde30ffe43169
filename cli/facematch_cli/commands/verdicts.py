"""`facematch verdicts`: write the verdicts of one batch."""

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
    help="The CSV file to write. Default: next to the pairs.")  # fmt: skip
@click.option("--wait", "wait_s", type=click.FloatRange(0), default=0.0, metavar="SECONDS",
    help="The longest time to wait for missing verdicts.")  # fmt: skip
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

    The verdicts come from the ledger. The command takes nothing from the results queue. Use the same folder
    or manifest as with `facematch submit`.
    """
    stack = invocation.find_stack()
    etags = read_etags(journal_path or name_output(pairs, f"{stack.name}.journal"), stack.id)
    return collect_verdicts(
        invocation,
        Batch(stack, pairs, region, etags),
        output_path or name_output(pairs, "verdicts.csv"),
        wait_s=wait_s,
    )


def name_output(pairs: PairSource, suffix: str) -> Path:
    """Return the path of an output file next to a folder or manifest of pairs."""
    path = pairs.path.resolve()
    return path.with_name(f"{path.name}.{suffix}")


def collect_verdicts(invocation: Invocation, batch: Batch, path: Path, *, wait_s: float) -> ExitCode:
    """Write the verdicts of a batch to a CSV file, and print their counts."""
    found = wait_for_batch(batch, wait_s=wait_s, clock=invocation.clock)
    write_verdicts(path, found)
    _print(invocation.output, found, path)
    missing = sum(pair.verdict is None and pair.state != "erased" for pair in found)
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
                "verdicts": [asdict(pair) for pair in found],
            }
        )
        return
    facts = {_STATES.get(name, name): Text(count_of(count, "pair")) for name, count in counts.most_common()}
    output.print(make_facts({**facts, "each": str(path)}))
    if counts[WAITING]:
        output.note("Some verdicts are missing. Repeat the command, or use --wait SECONDS.")
