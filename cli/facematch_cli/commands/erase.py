"""`facematch erase`: erase the photos and the record of a pair."""

from collections.abc import Sequence
from typing import Any, Final

import click

from facematch.domain.comparison import Comparison, State
from facematch.domain.reasons import Reason
from facematch_cli.lookup import Lookup, pair_name_options
from facematch_cli.options import Invocation, stack_options
from facematch_cli.output import Output, make_table, style_verdict
from facematch_client.api import call_api
from facematch_client.errors import CommandError, ExitCode
from facematch_client.records import open_ledger
from facematch_client.stack import Stack
from facematch_client.text import clean, count_of

_ERASED: Final = "erased"
_ALREADY_ERASED: Final = "already erased"
_NOT_FOUND: Final = Reason.COMPARISON_NOT_FOUND
_REMAINS: Final = (
    "A tombstone remains: the comparison's id, region, times and calls. It proves what was billed, and "
    "prevents a repeated message from comparing the pair again. It has no pair id, photo, score or verdict, "
    "and expires after {days} days (RecordRetentionDays)."
)
_ELSEWHERE: Final = (
    "Not erased: data that consumers of the results queue have stored, messages on the queue (up to 14 "
    "days), and backups of the table (35 days)."
)
_AT_PROVIDER: Final = {
    True: "The stack asks the provider to delete its data. `facematch show ID` has the outcome.",
    False: "The provider's data is not deleted, because EraseAtProvider is off.",
}


@click.command(short_help="Erase the photos and the record of a pair.")
@click.argument("name", metavar="ID|PAIR_ID|REGION/PAIR_ID")
@pair_name_options
@click.option("--yes", is_flag=True, help="Erase without confirmation.")
@stack_options
def erase(invocation: Invocation, *, name: str, caller: str | None, reads_all: bool, yes: bool) -> ExitCode:
    """Erase all comparisons of a pair, or the one with this ID: photos, scores, verdicts and pair ids.

    Your AWS profile must be the caller of the comparison, or one of the stack's AdminPrincipals. The output
    lists what remains, and why.
    """
    output = invocation.output
    if output.as_json and not yes:
        raise CommandError("--json needs --yes, because it cannot ask for confirmation.", ExitCode.USAGE)
    stack = invocation.find_stack()
    found = Lookup(open_ledger(stack), caller, reads_all=reads_all).find_all(name)
    if not output.as_json:
        output.print(_tabulate(found))
    if not yes:
        click.confirm(f"Erase {count_of(len(found), 'comparison')}?", abort=True, err=True)
    outcomes = {comparison.id: _erase(stack, comparison) for comparison in found}
    _print(output, stack, outcomes)
    failed = [outcome for outcome in outcomes.values() if outcome not in {_ERASED, _ALREADY_ERASED}]
    if not failed:
        return ExitCode.DONE
    return ExitCode.PARTIAL if len(failed) < len(outcomes) else ExitCode.UNREACHABLE


def _erase(stack: Stack, comparison: Comparison) -> str:
    """Erase one comparison, and return the outcome."""
    if comparison.state is State.ERASED:
        return _ALREADY_ERASED
    try:
        call_api(stack, "DELETE", f"/v1/comparisons/{comparison.id}")
    except CommandError as error:
        if error.reason == _NOT_FOUND:
            # The ledger has it. The API returns this error to callers without permission.
            return (
                "refused: your AWS profile may not erase it. Use the profile of its caller"
                f"{f' ({clean(comparison.caller)})' if comparison.caller else ''}, or one of AdminPrincipals."
            )
        return f"failed: {error.message}"
    return _ERASED


def _tabulate(found: Sequence[Comparison]) -> Any:  # noqa: ANN401 - a table
    table = make_table("comparison", "pair", "region", "state")
    for comparison in found:
        verdict = comparison.ending.verdict.decision if comparison.ending else None
        is_erased = comparison.state is State.ERASED
        state = comparison.state.value if verdict is None or is_erased else verdict.value
        table.add_row(
            comparison.id, clean(comparison.pair_id or ""), clean(comparison.region), style_verdict(state)
        )
    return table


def _print(output: Output, stack: Stack, outcomes: dict[str, str]) -> None:
    settings = stack.settings
    remains = [
        _REMAINS.format(days=settings.retention_days),
        _ELSEWHERE,
        _AT_PROVIDER[settings.erases_at_provider],
    ]
    if output.as_json:
        output.print_document({"comparisons": outcomes, "remains": remains})
        return
    for comparison_id, outcome in outcomes.items():
        output.print(f"{comparison_id}  {outcome}")
    if any(outcome in {_ERASED, _ALREADY_ERASED} for outcome in outcomes.values()):
        for sentence in remains:
            output.note(sentence)
