"""The quota: one slot per call from a bucket per region, for all who call with one account.

The bucket is a generic cell rate algorithm: it keeps the time at which the next call may leave, and each slot
moves that time on by one interval. Reserving a slot is one conditional write; waiting for it is the caller's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from facematch.domain.clock import Clock
from facematch.domain.errors import NoSlotError
from facematch.domain.regions import Region

INTERACTIVE_HORIZON_S: Final = 2.5
BULK_HORIZON_S: Final = 1.5
"""How far ahead a slot may be booked. Who may book further goes first: bulk work never books past its own,
shorter horizon, so an interactive call finds a slot within two seconds, however long the backlog."""


LEAD_S: Final = 0.05
"""How far ahead a slot is booked at the least: its attempt is written first, and the call leaves on time."""
LATENESS_LIMIT_MS: Final = 25
"""How late a slot may still be used. With a share of 0.97 of the quota, any second holds room for 30 ms."""
_SCATTER: Final = 0.25
"""Those who found no slot come again over this part of their horizon, rather than all at the same moment."""


class Quota(Protocol):
    """The buckets of all regions, shared by everyone who calls."""

    def reserve(self, region: Region, *, now_ms: int, horizon_ms: int) -> int:
        """Book the next slot and return its time (Unix milliseconds).

        Raises
        ------
        NoSlotError
            The next slot is more than `horizon_ms` away; nothing was booked.
        """
        ...

    def hold_back(self, region: Region, *, until_ms: int) -> None:
        """Let no slot be booked before `until_ms`: the provider has throttled."""
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """How far ahead a caller books (`horizon_s`) and how long it waits for that at the most (`wait_s`)."""

    horizon_s: float
    wait_s: float


def book_slot(
    quota: Quota,
    region: Region,
    patience: Patience,
    clock: Clock,
    draw: Callable[[float, float], float],
) -> int:
    """Book a slot and return its time (Unix milliseconds), which the caller then waits for.

    `draw` returns a number between two others, by chance.

    Raises
    ------
    NoSlotError
        No slot comes within `patience.wait_s`; nothing was booked.
    """
    give_up_at_ms = clock.now_ms() + round(patience.wait_s * 1000)
    while True:
        now_ms = clock.now_ms()
        earliest_ms = now_ms + round(LEAD_S * 1000)
        latest_ms = min(now_ms + round(patience.horizon_s * 1000), give_up_at_ms)
        try:
            return quota.reserve(region, now_ms=earliest_ms, horizon_ms=max(latest_ms - earliest_ms, 0))
        except NoSlotError as refusal:
            pause_s = refusal.retry_after_s + draw(0, patience.horizon_s * _SCATTER)
            if clock.now_ms() + pause_s * 1000 >= give_up_at_ms:
                raise
            clock.sleep(pause_s)


def wait_until(at_ms: int, clock: Clock) -> None:
    """Return at `at_ms` (Unix milliseconds), or at once where that has passed."""
    clock.sleep(max(at_ms - clock.now_ms(), 0) / 1000)
