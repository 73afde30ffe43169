"""The rate limiter in memory: slots and holds, lane by lane."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import RLock

from facematch.domain.errors import NoSlotError
from facematch.domain.lane import Hold, HoldReason, Lane
from facematch.domain.regions import Region
from tests.fakes.hooks import StepHooks


@dataclass(slots=True)
class InMemoryRateLimiter:
    """One lane per region; `reserved` and `holds` are what was asked of it."""

    calls_per_s: Mapping[Region, float]
    next_ms: dict[Region, int] = field(default_factory=dict)
    reserved: list[tuple[Region, int]] = field(default_factory=list)
    holds: list[tuple[Region, Hold]] = field(default_factory=list)
    current: dict[Region, Hold] = field(default_factory=dict)
    failed: defaultdict[Region, set[str]] = field(default_factory=lambda: defaultdict(set))
    hooks: StepHooks = field(default_factory=StepHooks)
    _lock: RLock = field(default_factory=RLock)

    def reserve(self, region: Region, *, now_ms: int, horizon_ms: int) -> int:
        self.hooks.run("reserve")
        with self._lock:
            slot_ms = max(self.next_ms.get(region, now_ms), now_ms)
            latest_ms = now_ms + horizon_ms
            if slot_ms > latest_ms:
                raise NoSlotError((slot_ms - latest_ms) / 1000)
            self.next_ms[region] = slot_ms + math.ceil(1000 / self.calls_per_s[region])
            self.reserved.append((region, slot_ms))
            return slot_ms

    def find_lane(self, region: Region) -> Lane:
        self.hooks.run("find_lane")
        return Lane(self.current.get(region), len(self.failed[region]))

    def hold(self, region: Region, hold: Hold, *, replacing: Hold | None) -> bool:
        self.hooks.run("hold")
        with self._lock:
            known = self.current.get(region)
            is_replaced = known and replacing and known.until_ms == replacing.until_ms
            if known and known.reason is not HoldReason.THROTTLING and not is_replaced:
                return False
            self.current[region] = hold
            self.failed[region].clear()
            if not hold.is_trial:
                self.holds.append((region, hold))
                self.next_ms[region] = max(self.next_ms.get(region, 0), hold.until_ms)
            return True

    def lift(self, region: Region, hold: Hold | None) -> None:
        self.hooks.run("lift")
        with self._lock:
            known = self.current.get(region)
            if hold is None and (known is None or known.reason is HoldReason.THROTTLING):
                self.failed[region].clear()
            if hold is not None and known is not None and known.until_ms == hold.until_ms:
                del self.current[region]
                self.failed[region].clear()

    def record_failure(self, region: Region, comparison_id: str) -> int:
        self.hooks.run("record_failure")
        with self._lock:
            self.failed[region].add(comparison_id)
            return len(self.failed[region])
