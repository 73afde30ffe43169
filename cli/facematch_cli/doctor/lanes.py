"""Checks the lanes: their shares of the quota, together with other stacks, and their holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from facematch.domain.lane import Hold, HoldReason
from facematch.domain.regions import Region, home_region
from facematch_cli.doctor.check import Check, failed, passed, warned
from facematch_client.holds import describe_hold
from facematch_client.text import count_of

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_AUTOMATIC: Final = "auto"
_SHARE: Final = "QuotaShare"
_ROUNDING: Final = 1e-9
_REPAIRS: Final = {
    HoldReason.OPERATOR: "Repair the account or its key. See the lines about the provider.",
    HoldReason.OUTAGE: "Wait until the provider responds again. If it does not, check its status page.",
    HoldReason.THROTTLING: "If it persists, check for other users of the account, or lower QuotaShare.",
}


@dataclass(frozen=True, slots=True)
class Share:
    """The share of the account's quota that a stack uses, and its regions."""

    stack: str
    part: float
    regions: frozenset[Region]


def list_shares(
    client: "CloudFormationClient", parameters: Mapping[str, str], aws_region: str
) -> list[Share]:
    """Return the shares of all stacks in this AWS account and region that use the same provider account.

    Stacks share an account if they have the same secret, or RAM roles of the same account.
    """
    account = _identify_account(parameters)
    pages = client.get_paginator("describe_stacks").paginate()
    described = [
        (
            stack["StackName"],
            {item["ParameterKey"]: item["ParameterValue"] for item in stack.get("Parameters", [])},
        )
        for page in pages
        for stack in page["Stacks"]
        if stack["StackStatus"] != "DELETE_COMPLETE"
    ]
    return [
        Share(name, float(other[_SHARE]), _list_regions(other, aws_region))
        for name, other in described
        if _SHARE in other and _identify_account(other) == account
    ]


def check_shares(
    shares: Sequence[Share], calls_per_s: Mapping[Region, float], allowed: Sequence[Region]
) -> Iterator[Check]:
    """Check that the stacks together do not exceed the quota of each region."""
    for region in allowed:
        here = [share for share in shares if region in share.regions]
        total = sum(share.part for share in here)
        name = f"lanes.quota.{region}"
        if total > 1 + _ROUNDING:
            stacks = ", ".join(f"{share.stack} {share.part:g}" for share in here)
            yield failed(
                name,
                f"The stacks use {total:.0%} of the quota in {region} ({stacks}).",
                "Lower their QuotaShare, so that the sum is at most 0.97.",
            )
        else:
            others = len(here) - 1
            beside = f", next to {count_of(others, 'other stack')}" if others > 0 else ""
            yield passed(
                name, f"The stack uses {calls_per_s[region]:g} calls per second in {region}{beside}."
            )


def check_holds(holds: Mapping[Region, Hold | None], now_ms: int) -> Iterator[Check]:
    """Check that no lane is on hold or waits for its trial."""
    found = {region: hold for region, hold in holds.items() if hold is not None}
    for region, hold in found.items():
        name, finding = (
            f"lanes.hold.{region}",
            f"Calls to {region} are on hold: {describe_hold(hold, now_ms)}.",
        )
        is_serious = hold.reason is not HoldReason.THROTTLING and not hold.has_expired(now_ms)
        make_check = failed if is_serious else warned
        yield make_check(name, finding, _REPAIRS[hold.reason])
    if not found:
        yield passed("lanes.hold", "No lane is on hold.")


def _identify_account(parameters: Mapping[str, str]) -> str | None:
    if parameters.get("ProviderCredentials") == "federated":
        return parameters.get("ProviderRoleArn", "").partition(":role/")[0]
    return parameters.get("ProviderSecretArn")


def _list_regions(parameters: Mapping[str, str], aws_region: str) -> frozenset[Region]:
    """Return the regions that a stack with these parameters compares in."""
    names = parameters.get("AllowedRegions", _AUTOMATIC)
    if names != _AUTOMATIC:
        return frozenset(Region(name) for name in names.split(","))
    default = parameters.get("DefaultRegion", _AUTOMATIC)
    region = home_region(aws_region) if default == _AUTOMATIC else Region(default)
    return frozenset({region} if region else set())
