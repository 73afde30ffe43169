"""Slots: one per call, from one rate limiter per region.

The limiter is a generic cell rate algorithm. It stores the time of the next free slot. A reservation
moves that time forward by one interval, in one conditional write. The caller waits for its slot.
"""

from collections.abc import Callable
from typing import Final

from facematch.domain.clock import Clock
from facematch.domain.deadline import Deadline
from facematch.domain.errors import NoSlotError
from facematch.domain.ports import RateLimiter
from facematch.domain.priority import Priority
from facematch.domain.regions import Region

LEAD_S: Final = 0.05
"""A slot is at least this far ahead, so that the attempt can be recorded before the call is due."""
LATENESS_LIMIT_MS: Final = 25
"""How late a slot may still be used. With 97 % of the quota, any second has room for 30 ms."""
SCATTER: Final = 0.25
"""Workers without a slot spread their retries over this part of their horizon."""


def reserve_slot(
    limiter: RateLimiter,
    region: Region,
    priority: Priority,
    deadline: Deadline,
    *,
    clock: Clock,
    draw: Callable[[float, float], float],
) -> int:
    """Reserve a slot and return its time (Unix milliseconds).

    `draw` returns a random number between two others.

    Raises
    ------
    NoSlotError
        There is no slot before the deadline; nothing was reserved.
    """
    while True:
        if not deadline.allows(LEAD_S, clock):
            raise NoSlotError(LEAD_S)
        now_ms = clock.now_ms()
        earliest_ms = now_ms + round(LEAD_S * 1000)
        latest_ms = min(now_ms + round(priority.horizon_s * 1000), deadline.at_ms)
        try:
            return limiter.reserve(region, now_ms=earliest_ms, horizon_ms=latest_ms - earliest_ms)
        except NoSlotError as refusal:
            pause_s = refusal.retry_after_s + draw(0, priority.horizon_s * SCATTER)
            if not deadline.allows(pause_s, clock):
                raise
            clock.sleep(pause_s)


def wait_until(at_ms: int, clock: Clock) -> None:
    """Sleep until `at_ms` (Unix milliseconds)."""
    clock.sleep(max(at_ms - clock.now_ms(), 0) / 1000)
