"""The options that commands share, and what a command is given by them."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import click

from facematch.domain.clock import Clock, SystemClock
from facematch.domain.regions import Region
from facematch_cli.output import Output, make_output
from facematch_cli.stack import Place, Stack, find_stack


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a run stands in, so that a test can give it another."""

    find_stack: Callable[[Place], Stack] = find_stack
    clock: Clock = field(default_factory=SystemClock)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a command that works on a stack."""

    output: Output
    place: Place
    surroundings: Surroundings

    @property
    def clock(self) -> Clock:
        """The clock to go by."""
        return self.surroundings.clock

    def find_stack(self) -> Stack:
        """Return the stack that the user named.

        Raises
        ------
        CommandError
            There is none.
        """
        return self.surroundings.find_stack(self.place)


def json_option[F: Callable[..., Any]](command: F) -> F:
    """Add `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(command)


def stack_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose a stack, and `--json`; the command gets an `Invocation` for them."""

    @click.option(
        "--stack", metavar="NAME", envvar="FACEMATCH_STACK", show_envvar=True, help="A deployed stack."
    )
    @click.option("--local", is_flag=True, help="The stack on this machine, which `make up` started.")
    @click.option("--profile", metavar="NAME", help="The AWS profile to go by.")
    @click.option("--aws-region", metavar="ID", help="The AWS region that the stack lives in.")
    @json_option
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
        place = Place(stack, local, profile, aws_region)
        return command(Invocation(make_output(as_json=as_json), place, context.obj), **arguments)

    return run


def region_option(help_text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add `--region`, the jurisdiction."""
    return click.option("--region", type=click.Choice([region.value for region in Region]), help=help_text)


def price_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--price`, for regions whose price the vendor does not state or states otherwise."""
    return click.option(
        "prices",
        "--price",
        metavar="REGION=USD",
        multiple=True,
        callback=_read_prices,
        help="What one successful call costs you; may repeat. Else the vendor's word, where it gives one.",
    )(command)


def _read_prices(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> dict[Region, float]:
    prices: dict[Region, float] = {}
    for text in texts:
        name, _separator, price = text.partition("=")
        try:
            prices[Region(name)] = float(price)
        except ValueError:
            raise click.BadParameter(f"{text!r} is not REGION=USD, as in singapore=0.002.") from None
    return prices
