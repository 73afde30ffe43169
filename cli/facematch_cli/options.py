"""The options that commands share, and what a command is given by them."""

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
    """What a run depends on, so that a test can replace it."""

    find_stack: Callable[[StackLocation], Stack] = find_stack
    clock: Clock = field(default_factory=SystemClock)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a command that works on a stack."""

    output: Output
    location: StackLocation
    environment: Environment

    @property
    def clock(self) -> Clock:
        """The clock to use."""
        return self.environment.clock

    def find_stack(self) -> Stack:
        """Return the stack that the user named.

        Raises
        ------
        CommandError
            There is none.
        """
        return self.environment.find_stack(self.location)

    def find_named_stack(self) -> Stack | None:
        """Return the stack that the user named, or None if none is named."""
        return self.find_stack() if self.location.stack is not None or self.location.local else None


def stack_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose a stack, and `--json`; the command gets an `Invocation` for them."""

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
    """A region by its name; a name that resembles one is answered with it."""

    def __init__(self) -> None:
        super().__init__([region.value for region in Region])

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:  # noqa: ANN401 - click's
        return super().get_invalid_choice_message(value, ctx) + suggest_region(str(value))


def region_option(help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--region`, the jurisdiction."""
    return click.option("--region", type=_RegionChoice(), help=help_text)


def batch_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the pairs to work on, as a `PairSource`, and the journal of their submission."""

    @click.argument("path", type=click.Path(path_type=Path), metavar="FOLDER|MANIFEST.csv")
    @region_option("The region of pairs that name none. Default: the stack's.")
    @click.option("--source-name", default="source", show_default=True, metavar="NAME",
        help="How the source photo in a pair's folder is called, without extension.")  # fmt: skip
    @click.option("--target-name", default="target", show_default=True, metavar="NAME",
        help="How the target photo in a pair's folder is called, without extension.")  # fmt: skip
    @click.option(
        "--encoding", callback=_check_encoding, help="The manifest's encoding. Default: UTF-8 or UTF-16."
    )
    @click.option("--journal", "journal_path", type=click.Path(path_type=Path),
        help="The file that records what is submitted. Default: beside the pairs.")  # fmt: skip
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
        raise click.BadParameter(f"{name!r} is not an encoding, as in gbk or windows-1252.") from None


def price_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--price`, for regions whose price the vendor does not state or states otherwise."""
    return click.option(
        "prices",
        "--price",
        metavar="REGION=USD",
        multiple=True,
        callback=_read_prices,
        help="The price of one successful call; may be repeated. Default: the vendor's, where it states one.",
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
                f"{text!r} is not REGION=USD, as in singapore=0.002.{suggestion}"
            ) from None
    return prices
