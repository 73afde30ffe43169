"""A clock that moves when someone sleeps, and not otherwise."""

from dataclasses import dataclass

START_MS = 1_800_000_000_000


@dataclass(slots=True)
class FakeClock:
    """Time as a number: `sleep` moves it on and returns at once."""

    at_ms: float = START_MS
    slept_s: float = 0.0

    def now_ms(self) -> int:
        return int(self.at_ms)

    def sleep(self, duration_s: float) -> None:
        if duration_s < 0:
            raise ValueError("Nobody sleeps for less than no time.")
        self.slept_s += duration_s
        self.at_ms += duration_s * 1000

    def advance(self, duration_s: float) -> None:
        """Let time pass that nobody slept through; a negative one sets the clock back."""
        self.at_ms += duration_s * 1000
