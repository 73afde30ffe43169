"""What a jurisdiction is called in the template."""

from facematch.domain.priority import Priority
from facematch.domain.regions import Region


def name_region(region: Region) -> str:
    """Return the region's part of the names of parameters and resources, such as `HongKong`."""
    return region.display_name.replace(" ", "")


def name_queue(region: Region, priority: Priority) -> str:
    """Return the name of a lane's queue, such as `HongKongBulkQueue`."""
    return f"{name_region(region)}{priority.title()}Queue"


def name_condition(region: Region) -> str:
    """Return the name of the condition under which a stack has the region's lanes."""
    return f"ComparesIn{name_region(region)}"


def assign_letters() -> dict[Region, str]:
    """Return a letter for each region, which no other region has: the first of its name that is free."""
    letters: dict[Region, str] = {}
    for region in Region:
        free = (letter for letter in region if letter.isalpha() and letter not in letters.values())
        letters[region] = next(free)
    return letters
