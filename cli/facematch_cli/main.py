"""The command line: its commands, and its errors."""

import json
import sys
from collections.abc import Sequence
from importlib import metadata

import click
from botocore.exceptions import BotoCoreError, ClientError
from click.shell_completion import get_completion_class

from facematch.domain.errors import FacematchError
from facematch_cli.commands.compare import compare
from facematch_cli.commands.doctor import doctor
from facematch_cli.commands.erase import erase
from facematch_cli.commands.find import find
from facematch_cli.commands.prepare import prepare
from facematch_cli.commands.redrive import redrive
from facematch_cli.commands.results import results
from facematch_cli.commands.show import show
from facematch_cli.commands.status import status
from facematch_cli.commands.submit import submit
from facematch_cli.commands.verdicts import verdicts
from facematch_cli.options import Environment
from facematch_client.errors import CommandError, ExitCode, explain_error

_NAME = "facematch"


def _read_version() -> str:
    try:
        return metadata.version("facematch-cli")
    except metadata.PackageNotFoundError:
        return "from the source tree"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(_read_version(), prog_name=_NAME, message="%(prog)s %(version)s")
def cli() -> None:
    """Compare faces with a facematch stack: send pairs, look up verdicts, operate the stack."""


@cli.command(short_help="Print the completion script for a shell.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell; `source` it."""
    kind = get_completion_class(shell)
    if kind is None:
        raise CommandError(f"There is no completion script for {shell}.", ExitCode.USAGE)
    click.echo(kind(cli, {}, _NAME, f"_{_NAME.upper()}_COMPLETE").source())


for _command in (compare, prepare, submit, verdicts, results, find, show, erase, status, doctor, redrive):
    cli.add_command(_command)


def run(arguments: Sequence[str], environment: Environment | None = None) -> int:
    """Run the command and return its exit code."""
    try:
        exit_code = cli.main(
            list(arguments), prog_name=_NAME, standalone_mode=False, obj=environment or Environment()
        )
    except click.Abort:
        return _report(CommandError("Stopped.", ExitCode.INTERRUPTED), arguments)
    except click.UsageError as error:
        return _report_usage(error, arguments)
    except CommandError as error:
        return _report(error, arguments)
    except (FacematchError, BotoCoreError, ClientError) as error:
        return _report(explain_error(error, is_local="--local" in arguments), arguments)
    except OSError as error:
        name = f"the file {error.filename}" if error.filename else "a file"
        return _report(CommandError(f"Cannot use {name}: {error.strerror}.", ExitCode.REFUSED), arguments)
    return int(exit_code or ExitCode.DONE)


def _report_usage(error: click.UsageError, arguments: Sequence[str]) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        # Its message is the help text.
        click.echo(error.format_message(), err=True)
        return ExitCode.USAGE
    path = error.ctx.command_path if error.ctx else _NAME
    message = f"{error.format_message()} See `{path} --help`."
    return _report(CommandError(message, ExitCode.USAGE), arguments)


def _report(error: CommandError, arguments: Sequence[str]) -> int:
    if "--json" in arguments:
        document = {"message": error.message, "reason": error.reason, "exit_code": int(error.exit_code)}
        click.echo(json.dumps({"error": document}, ensure_ascii=False), err=True)
    else:
        is_named = not error.reason or error.reason in error.message
        message = error.message if is_named else f"{error.message.rstrip('.')} ({error.reason})."
        click.echo(f"{_NAME}: {message}", err=True)
    return int(error.exit_code)


def main() -> None:
    """Run the command and end the process with its exit code."""
    sys.exit(run(sys.argv[1:]))
