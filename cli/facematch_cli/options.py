"""Options that commands share, and the objects that commands get from them."""

import codecs
import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from facematch.domain.clock import Clock, SystemClock
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from facematch_cli.output import Output, make_output
from facematch_cli.pairs import PairSource
from facematch_cli.regions import suggest_region
from facematch_client.stack import Stack, StackLocation, find_stack


@dataclass(frozen=True, slots=True)
class Environment:
    """The dependencies of a run, which tests replace."""

    find_stack: Callable[[StackLocation], Stack] = find_stack
    clock: Clock = field(default_factory=SystemClock)


@dataclass(frozen=True, slots=True)
class Invocation:
    """A run of a command: its output, the location of the stack, and the environment."""

    output: Output
    location: StackLocation
    environment: Environment

    @property
    def clock(self) -> Clock:
        """The clock of the environment."""
        return self.environment.clock

    def find_stack(self) -> Stack:
        """Return the stack that the user named.

        Raises
        ------
        CommandError
            It does not exist.
        """
        return self.environment.find_stack(self.location)

    def find_named_stack(self) -> Stack | None:
        """Return the stack that the user named, or None without a name."""
        return self.find_stack() if self.location.stack is not None or self.location.local else None


def stack_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that select a stack, and `--json`. The command gets them as an `Invocation`."""

    @click.option(
        "--stack", metavar="NAME", envvar="FACEMATCH_STACK", show_envvar=True, help="A deployed stack."
    )
    @click.option("--local", is_flag=True, help="The stack on this machine, started by `make up`.")
    @click.option("--profile", metavar="NAME", help="The AWS profile to use.")
    @click.option("--aws-region", metavar="ID", help="The AWS region of the stack.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
    @click.pass_context
    @functools.wraps(command)
    def run(
        context: click.Context,
        /,
        *,
        stack: str | None,
        local: bool,
        profile: str | None,
        aws_region: str | None,
        as_json: bool,
        **arguments: Any,  # noqa: ANN401 - the command's own
    ) -> Any:  # noqa: ANN401 - what the command returns
        location = StackLocation(stack, local, profile, aws_region)
        return command(Invocation(make_output(as_json=as_json), location, context.obj), **arguments)

    return run


class _RegionChoice(click.Choice[str]):
    """A region by its name. The error for an unknown name suggests a similar one."""

    def __init__(self) -> None:
        super().__init__([region.value for region in Region])

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:  # noqa: ANN401 - click's
        return super().get_invalid_choice_message(value, ctx) + suggest_region(str(value))


def region_option(help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--region`, the jurisdiction."""
    return click.option("--region", type=_RegionChoice(), help=help_text)


def batch_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options for a batch of pairs, as a `PairSource`, and its journal."""

    @click.argument("path", type=click.Path(path_type=Path), metavar="FOLDER|MANIFEST.csv")
    @region_option("The region of pairs without a region. Default: the stack's.")
    @click.option("--source-name", default="source", show_default=True, metavar="NAME",
        help="The name of the source photo in a pair's folder, without extension.")  # fmt: skip
    @click.option("--target-name", default="target", show_default=True, metavar="NAME",
        help="The name of the target photo in a pair's folder, without extension.")  # fmt: skip
    @click.option(
        "--encoding", callback=_check_encoding, help="The manifest's encoding. Default: UTF-8 or UTF-16."
    )
    @click.option("--journal", "journal_path", type=click.Path(path_type=Path),
        help="The file that records submitted pairs. Default: next to the pairs.")  # fmt: skip
    @functools.wraps(command)
    def run(
        invocation: Invocation,
        *,
        path: Path,
        source_name: str,
        target_name: str,
        encoding: str | None,
        **arguments: Any,  # noqa: ANN401 - the command's own
    ) -> Any:  # noqa: ANN401 - what the command returns
        names = {Role.SOURCE: source_name, Role.TARGET: target_name}
        return command(invocation, pairs=PairSource(path, names, encoding), **arguments)

    return run


def _check_encoding(_: click.Context, __: click.Parameter, name: str | None) -> str | None:
    try:
        return name and codecs.lookup(name).name
    except LookupError:
        raise click.BadParameter(f"{name!r} is not an encoding. Examples: gbk, windows-1252.") from None


def price_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--price`, for regions without a stated price or with another price."""
    return click.option(
        "prices",
        "--price",
        metavar="REGION=USD",
        multiple=True,
        callback=_read_prices,
        help="The price of one successful call, repeatable. Default: the provider's stated price, if any.",
    )(command)


def _read_prices(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[Region, float]:
    prices: dict[Region, float] = {}
    for text in texts:
        name, _separator, price = text.partition("=")
        try:
            prices[Region(name)] = float(price)
        except ValueError:
            suggestion = "" if name in set(Region) else suggest_region(name)
            raise click.BadParameter(
                f"{text!r} is not REGION=USD. Example: singapore=0.002.{suggestion}"
            ) from None
    return prices
