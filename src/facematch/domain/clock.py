"""Time, as a thing to be given: what waits can be tested without waiting."""

import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time and lets it pass."""

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""
        ...

    def sleep(self, duration_s: float) -> None:
        """Return after `duration_s` seconds."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def sleep(self, duration_s: float) -> None:
        """Return after `duration_s` seconds."""
        time.sleep(duration_s)
