"""`facematch doctor`: check a stack, and say how to repair it."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Final

import click
from rich.padding import Padding
from rich.text import Text

from facematch_cli.doctor.check import Check, Level, failed
from facematch_cli.doctor.examination import examine
from facematch_cli.options import Invocation, region_option, stack_options
from facematch_cli.output import Output
from facematch_client.errors import CommandError, ExitCode
from facematch_client.text import clean, count_of, format_moment

_MARKS: Final = {
    Level.OK: Text("✓", "bold green"),
    Level.WARNING: Text("!", "bold yellow"),
    Level.ERROR: Text("✗", "bold red"),
}


@click.command(short_help="Check a stack, and say how to repair it.")
@click.option("--pay", is_flag=True, help="Also send one sample pair end to end. It is billed.")
@region_option("The region of the sample pair. Default: the stack's.")
@stack_options
def doctor(invocation: Invocation, *, pay: bool, region: str | None) -> ExitCode:
    """Check the deployment of a stack, its key, network, clocks, queues, alarms, bucket and API.

    Without --pay the command only reads, and is free at the provider. A line with ✗ is an error that prevents
    the stack from working. A line with ! needs attention.
    """
    output, checks = invocation.output, list[Check]()
    for check in _examine(invocation, region=region, pays=pay):
        checks.append(check)
        if not output.as_json:
            _print(output, checks)
    counts = {level: sum(check.level is level for check in checks) for level in Level}
    if output.as_json:
        output.print_document(
            {
                "at": format_moment(invocation.clock.now_ms()),
                "is_healthy": not counts[Level.ERROR],
                "checks": [asdict(check) for check in checks],
            }
        )
    else:
        output.note(
            f"{count_of(counts[Level.ERROR], 'error')}, {count_of(counts[Level.WARNING], 'warning')}, "
            f"{counts[Level.OK]} passed."
        )
    return ExitCode.UNHEALTHY if counts[Level.ERROR] else ExitCode.DONE


def _examine(invocation: Invocation, *, region: str | None, pays: bool) -> Iterator[Check]:
    try:
        stack = invocation.find_stack()
    except CommandError as error:
        if error.exit_code is not ExitCode.REFUSED:
            raise
        # The stack exists, but its settings are not consistent or belong to another release.
        yield failed(
            "stack.settings", error.message, "Correct the parameter, and deploy this command's release."
        )
        return
    yield from examine(stack, invocation.clock, region=region, pays=pays)


def _print(output: Output, checks: Sequence[Check]) -> None:
    check = checks[-1]
    part = _name_part(check)
    if len(checks) == 1 or _name_part(checks[-2]) != part:
        output.print(Text(part, "bold"))
    output.print(Text.assemble("  ", _MARKS[check.level], " ", clean(check.finding)))
    if check.fix is not None:
        output.print(Padding(Text(clean(check.fix), "dim"), (0, 0, 0, 4), expand=False))


def _name_part(check: Check) -> str:
    return check.name.partition(".")[0]
