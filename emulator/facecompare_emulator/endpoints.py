"""The provider's eight endpoints, and the quota of each region."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

PUBLIC: Final = "public"
INTERNAL: Final = "internal"
NETWORKS: Final = (PUBLIC, INTERNAL)

# The provider's own region ids. Its ap-southeast-3 is Kuala Lumpur and its ap-southeast-5 is Jakarta.
_PROVIDER_REGION_IDS: Final = {
    "singapore": "ap-southeast-1",
    "indonesia": "ap-southeast-5",
    "malaysia": "ap-southeast-3",
    "hong-kong": "cn-hongkong",
}
REGIONS: Final = tuple(_PROVIDER_REGION_IDS)

DEFAULT_QPS: Final[Mapping[str, int]] = MappingProxyType(
    {"singapore": 10, "indonesia": 3, "malaysia": 3, "hong-kong": 10},
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One way into one region."""

    region: str
    network: str
    host: str

    @property
    def sts_host(self) -> str:
        """The host of STS in the same region and network."""
        product = "sts-vpc" if self.network == INTERNAL else "sts"
        return f"{product}.{_PROVIDER_REGION_IDS[self.region]}.aliyuncs.com"


def _host(region: str, network: str) -> str:
    product = "cloudauth-intl-vpc" if network == INTERNAL else "cloudauth-intl"
    return f"{product}.{_PROVIDER_REGION_IDS[region]}.aliyuncs.com"


ENDPOINTS: Final = tuple(
    Endpoint(region, network, _host(region, network)) for region in REGIONS for network in NETWORKS
)
