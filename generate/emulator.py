"""The emulator's table of regions: the emulator imports nothing of facematch, so it has its own."""

from facematch.domain.regions import PROFILES, Region


def write_regions() -> str:
    """Return the provider's region ids and quotas, as Python."""
    ids = "\n".join(f'    "{region}": "{PROFILES[region].provider_region_id}",' for region in Region)
    quotas = "\n".join(f'        "{region}": {PROFILES[region].default_qps},' for region in Region)
    return (
        f"_PROVIDER_REGION_IDS: Final = {{\n{ids}\n}}\n"
        f"DEFAULT_QPS: Final[Mapping[str, int]] = MappingProxyType(\n    {{\n{quotas}\n    }}\n)"
    )
