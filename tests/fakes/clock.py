"""A clock that moves when someone sleeps, and not otherwise."""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from threading import Condition

START_MS = 1_800_000_000_000


@dataclass(slots=True)
class FakeClock:
    """Time as a number: `sleep` moves it on and returns at once."""

    at_ms: float = START_MS
    slept_s: float = 0.0

    def now_ms(self) -> int:
        return int(self.at_ms)

    def now_s(self) -> float:
        return self.at_ms / 1000

    def sleep(self, duration_s: float) -> None:
        if duration_s < 0:
            raise ValueError("Nobody sleeps for less than no time.")
        self.slept_s += duration_s
        self.at_ms += duration_s * 1000

    def advance(self, duration_s: float) -> None:
        """Let time pass that nobody slept through; a negative one sets the clock back."""
        self.at_ms += duration_s * 1000


@dataclass(slots=True)
class SharedClock:
    """Simulated time for several threads: it moves on when all of them sleep.

    `threads` is how many use it; each calls `leave` when it is done.
    """

    threads: int
    at_ms: float = START_MS
    _wakes_ms: list[float] = field(default_factory=list)
    _awake: int = field(init=False)
    _moved: Condition = field(default_factory=Condition)

    def __post_init__(self) -> None:
        self._awake = self.threads

    def now_ms(self) -> int:
        return int(self.at_ms)

    def sleep(self, duration_s: float) -> None:
        if duration_s <= 0:
            return
        with self._moved:
            wake_ms = self.at_ms + duration_s * 1000
            heappush(self._wakes_ms, wake_ms)
            self._fall_asleep()
            self._moved.wait_for(lambda: self.at_ms >= wake_ms)

    def leave(self) -> None:
        """End the part of one thread: time does not wait for it any more."""
        with self._moved:
            self._fall_asleep()

    def _fall_asleep(self) -> None:
        self._awake -= 1
        if self._awake or not self._wakes_ms:
            return
        self.at_ms = max(self._wakes_ms[0], self.at_ms)
        while self._wakes_ms and self._wakes_ms[0] <= self.at_ms:
            heappop(self._wakes_ms)
            self._awake += 1
        self._moved.notify_all()
