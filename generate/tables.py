"""The tables of the documentation: jurisdictions, and the template's parameters."""

from collections.abc import Iterable, Sequence

from facematch.domain.regions import PROFILES, Network, Region
from generate.cloudformation import parse_template


def tabulate_regions() -> str:
    """Return the provider's data about each region, and the AWS region in the same jurisdiction."""
    return _tabulate(
        ["region", "provider's host", "quota a second", "USD a call", "AWS region"],
        ([f"`{region}`", *_describe(region)] for region in Region),
    )


def _describe(region: Region) -> list[str]:
    profile = PROFILES[region]
    price = "not stated" if profile.stated_price_usd is None else str(profile.stated_price_usd)
    return [
        f"`{profile.host(Network.PUBLIC)}`",
        str(profile.default_qps),
        price,
        f"`{profile.aws_region}`",
    ]


def tabulate_parameters(template: str) -> str:
    """Return the parameters of a template with their defaults and descriptions."""
    return _tabulate(
        ["parameter", "default", "decides"],
        (
            [
                f"`{name}`",
                f"`{parameter['Default']}`" if "Default" in parameter else "",
                parameter["Description"].strip(),
            ]
            for name, parameter in parse_template(template)["Parameters"].items()
        ),
    )


def _tabulate(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
