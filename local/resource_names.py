"""The names of a region's resources in the template."""

from facematch.domain.priority import Priority
from facematch.domain.regions import Region


def name_region(region: Region) -> str:
    """Return the region as a part of the names of parameters and resources, such as `HongKong`."""
    return region.display_name.replace(" ", "")


def name_queue(region: Region, priority: Priority) -> str:
    """Return the name of a lane's queue, such as `HongKongBulkQueue`."""
    return f"{name_region(region)}{priority.title()}Queue"


def name_condition(region: Region) -> str:
    """Return the name of the condition of the region's lanes."""
    return f"ComparesIn{name_region(region)}"
