"""The quota in memory: a generic cell rate algorithm, bucket by bucket."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from facematch.domain.errors import NoSlotError
from facematch.domain.regions import Region


@dataclass(slots=True)
class InMemoryQuota:
    """One bucket a region; `bookings` and `held_back` are what was asked of it."""

    calls_per_s: Mapping[Region, float]
    next_ms: dict[Region, int] = field(default_factory=dict)
    bookings: list[tuple[Region, int]] = field(default_factory=list)
    held_back: list[tuple[Region, int]] = field(default_factory=list)

    def reserve(self, region: Region, *, now_ms: int, horizon_ms: int) -> int:
        slot_ms = max(self.next_ms.get(region, now_ms), now_ms)
        latest_ms = now_ms + horizon_ms
        if slot_ms > latest_ms:
            raise NoSlotError((slot_ms - latest_ms) / 1000)
        self.next_ms[region] = slot_ms + math.ceil(1000 / self.calls_per_s[region])
        self.bookings.append((region, slot_ms))
        return slot_ms

    def hold_back(self, region: Region, *, until_ms: int) -> None:
        self.held_back.append((region, until_ms))
        self.next_ms[region] = max(self.next_ms.get(region, 0), until_ms)
