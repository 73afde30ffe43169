"""The tables of the documentation: jurisdictions, and the template's parameters and outputs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from facematch.domain.regions import PROFILES, Network, Region
from local.cloudformation import parse_template


def tabulate_regions() -> str:
    """Return what the provider states of each jurisdiction, and the AWS region that lies in it."""
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
    """Return the parameters of a template with their defaults: a heading and a table for each group."""
    parsed = parse_template(template)
    groups = parsed["Metadata"]["AWS::CloudFormation::Interface"]["ParameterGroups"]
    return "\n\n".join(
        f"### {group['Label']['default']}\n\n{_tabulate_group(group['Parameters'], parsed['Parameters'])}"
        for group in groups
    )


def _tabulate_group(names: Iterable[str], parameters: Mapping[str, Any]) -> str:
    return _tabulate(
        ["parameter", "default", "meaning"],
        (
            [
                f"`{name}`",
                f"`{parameters[name]['Default']}`" if "Default" in parameters[name] else "",
                parameters[name]["Description"].strip(),
            ]
            for name in names
        ),
    )


def tabulate_outputs(template: str) -> str:
    """Return the outputs of a template, and whether other stacks can import them."""
    return _tabulate(
        ["output", "value", "export"],
        (
            [f"`{name}`", output["Description"].strip(), "yes" if "Export" in output else ""]
            for name, output in parse_template(template)["Outputs"].items()
        ),
    )


def _tabulate(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
