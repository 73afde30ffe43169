"""The time, behind a protocol, so that tests need not wait."""

import time
from typing import Protocol


class Clock(Protocol):
    """Returns the time, and sleeps."""

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""
        ...

    def sleep(self, duration_s: float) -> None:
        """Return after `duration_s` seconds."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Return the Unix time in milliseconds."""
        return time.time_ns() // 1_000_000

    def sleep(self, duration_s: float) -> None:
        """Return after `duration_s` seconds."""
        time.sleep(duration_s)
