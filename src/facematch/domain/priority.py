"""The two priorities of a region's lane, and how far ahead each may reserve slots."""

from enum import StrEnum


class Priority(StrEnum):
    """How soon a comparison is needed: `urgent` for callers of the API, `bulk` for uploads."""

    URGENT = "urgent"
    BULK = "bulk"

    @property
    def horizon_s(self) -> float:
        """How far ahead a slot may be reserved, in seconds.

        Bulk work reserves 1.5 s ahead at most. An urgent call therefore finds a slot within 2.5 s,
        however long the bulk backlog is.
        """
        return 2.5 if self is Priority.URGENT else 1.5
