"""The two priorities of a region's lane, and how far ahead each may reserve slots."""

from enum import StrEnum


class Priority(StrEnum):
    """The priority of a call: `urgent` for API requests, `bulk` for uploads."""

    URGENT = "urgent"
    BULK = "bulk"

    @property
    def horizon_s(self) -> float:
        """How far ahead a slot may be reserved, in seconds.

        Bulk work reserves at most 1.5 s ahead. So an urgent call finds a slot within 2.5 s, however long the
        backlog is.
        """
        return 2.5 if self is Priority.URGENT else 1.5
