"""The jurisdictions that FaceCompare serves, and how a comparison gets its own.

This is the one definition of the jurisdictions. The template, the schemas and the tables of the documentation
repeat it: run `make interfaces` after a change. CONTRIBUTING.md has the steps that add a jurisdiction.

Everything is keyed on the jurisdiction, never on a cloud's region id: the ids of the two clouds are swapped.
AWS `ap-southeast-3` is Jakarta, Alibaba Cloud's `ap-southeast-3` is Kuala Lumpur.

Sources: the FaceCompare API page (endpoints), the vendor's API overview (calls per second), its billing page
(prices).
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from facematch.domain.errors import ConfigurationError, InvalidInputError
from facematch.domain.reasons import Reason


class Region(StrEnum):
    """A jurisdiction in which FaceCompare runs; data never leaves it."""

    SINGAPORE = "singapore"
    INDONESIA = "indonesia"
    MALAYSIA = "malaysia"
    HONG_KONG = "hong-kong"

    @property
    def display_name(self) -> str:
        """The name in a sentence, such as `Hong Kong`."""
        return self.replace("-", " ").title()


class Network(StrEnum):
    """The network that a call takes; `internal` is reachable only inside the vendor's own."""

    PUBLIC = "public"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class RegionProfile:
    """What the provider states of one jurisdiction.

    `default_qps` is in calls per second and account. `stated_price_usd` is the price of a successful call, or
    None where the provider states none.
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
    """Return the jurisdiction that an AWS region id lies in, or None where FaceCompare is not at home."""
    return next((region for region, profile in PROFILES.items() if profile.aws_region == aws_region), None)


@dataclass(frozen=True, slots=True)
class RegionPolicy:
    """Which jurisdictions a stack may use, and which one where nobody says.

    Raises
    ------
    ConfigurationError
        `default` is not among `allowed`, or nothing is allowed.
    """

    default: Region | None
    allowed: frozenset[Region]

    def __post_init__(self) -> None:
        if not self.allowed:
            raise ConfigurationError("AllowedRegions names no region, so nothing could be compared.")
        if self.default is not None and self.default not in self.allowed:
            raise ConfigurationError(f"DefaultRegion {self.default} is not among AllowedRegions.")

    def choose(self, requested: str | None) -> Region:
        """Return the jurisdiction for one comparison.

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
                f"This stack does not compare in {region}; it does in {_listed(self.allowed)}.",
                field="region",
            )
        return region


def _listed(regions: Collection[Region]) -> str:
    return ", ".join(region for region in Region if region in regions)
