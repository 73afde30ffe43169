"""The durations of the steps of one comparison."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from facematch.domain.clock import Clock


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Adds up the milliseconds of named steps."""

    clock: Clock
    steps_ms: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def measure(self, step: str) -> Iterator[None]:
        """Add the duration of the block to `step`."""
        started_at_ms = self.clock.now_ms()
        try:
            yield
        finally:
            self.add(step, self.clock.now_ms() - started_at_ms)

    def add(self, step: str, duration_ms: int) -> None:
        """Add to `step`. A negative duration, after the clock was set back, adds nothing."""
        self.steps_ms[step] = self.steps_ms.get(step, 0) + max(duration_ms, 0)
