"""The regions where FaceCompare runs, and the choice of a comparison's region.

This is the only definition of the regions. The template, the schemas and the tables of the documentation are
generated from it: run `make interfaces` after a change. CONTRIBUTING.md lists the steps that add a region.

A region is a jurisdiction, not a cloud's region id. The ids of the two clouds differ: AWS `ap-southeast-3` is
Jakarta, Alibaba Cloud's `ap-southeast-3` is Kuala Lumpur.

Sources: the FaceCompare API page (endpoints), the provider's API overview (calls per second), its billing
page (prices).
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from facematch.domain.errors import ConfigurationError, InvalidInputError
from facematch.domain.reasons import Reason


class Region(StrEnum):
    """A jurisdiction in which FaceCompare runs. Photos are never sent to another one."""

    SINGAPORE = "singapore"
    INDONESIA = "indonesia"
    MALAYSIA = "malaysia"
    HONG_KONG = "hong-kong"

    @property
    def display_name(self) -> str:
        """The name for people, such as `Hong Kong`."""
        return self.replace("-", " ").title()


class Network(StrEnum):
    """The network of a call. `internal` is reachable only inside the provider's network."""

    PUBLIC = "public"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class RegionProfile:
    """The provider's data about one region.

    `default_qps` is calls per second and account. `stated_price_usd` is the price of a successful call, or
    None if the provider states none.
    """

    provider_region_id: str
    aws_region: str
    public_host: str
    internal_host: str
    default_qps: int
    stated_price_usd: float | None

    def host(self, network: Network) -> str:
        """Return the provider's host name on `network`."""
        return self.internal_host if network is Network.INTERNAL else self.public_host


def _profile(
    provider_region_id: str, *, aws_region: str, default_qps: int, stated_price_usd: float | None = None
) -> RegionProfile:
    return RegionProfile(
        provider_region_id=provider_region_id,
        aws_region=aws_region,
        public_host=f"cloudauth-intl.{provider_region_id}.aliyuncs.com",
        internal_host=f"cloudauth-intl-vpc.{provider_region_id}.aliyuncs.com",
        default_qps=default_qps,
        stated_price_usd=stated_price_usd,
    )


PROFILES: Final = {
    Region.SINGAPORE: _profile("ap-southeast-1", aws_region="ap-southeast-1", default_qps=10),
    Region.INDONESIA: _profile(
        "ap-southeast-5", aws_region="ap-southeast-3", default_qps=3, stated_price_usd=0.002
    ),
    Region.MALAYSIA: _profile("ap-southeast-3", aws_region="ap-southeast-5", default_qps=3),
    Region.HONG_KONG: _profile("cn-hongkong", aws_region="ap-east-1", default_qps=10, stated_price_usd=0.001),
}


def home_region(aws_region: str) -> Region | None:
    """Return the region in the same jurisdiction as an AWS region, or None."""
    return next((region for region, profile in PROFILES.items() if profile.aws_region == aws_region), None)


@dataclass(frozen=True, slots=True)
class RegionPolicy:
    """The regions that a stack may use, and the default.

    Raises
    ------
    ConfigurationError
        `default` is not among `allowed`, or nothing is allowed.
    """

    default: Region | None
    allowed: frozenset[Region]

    def __post_init__(self) -> None:
        if not self.allowed:
            raise ConfigurationError("AllowedRegions names no region, so nothing can be compared.")
        if self.default is not None and self.default not in self.allowed:
            raise ConfigurationError(f"DefaultRegion {self.default} is not among AllowedRegions.")

    def choose(self, requested: str | None) -> Region:
        """Return the region for one comparison.

        Raises
        ------
        InvalidInputError
            `region_required`, `unknown_region` or `region_not_allowed`.
        """
        if requested is None:
            if self.default is None:
                raise InvalidInputError(
                    Reason.REGION_REQUIRED, f"Name a region: one of {_listed(self.allowed)}.", field="region"
                )
            return self.default
        if requested not in set(Region):
            raise InvalidInputError(
                Reason.UNKNOWN_REGION,
                f"The region {requested[:40]!r} does not exist; there are {_listed(Region)}.",
                field="region",
            )
        region = Region(requested)
        if region not in self.allowed:
            raise InvalidInputError(
                Reason.REGION_NOT_ALLOWED,
                f"This stack does not compare in {region}. It compares in {_listed(self.allowed)}.",
                field="region",
            )
        return region


def _listed(regions: Collection[Region]) -> str:
    return ", ".join(region for region in Region if region in regions)
