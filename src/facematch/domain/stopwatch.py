"""Where the time of one comparison went."""

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
        """Add the time that the block takes to `step`."""
        started_at_ms = self.clock.now_ms()
        try:
            yield
        finally:
            self.add(step, self.clock.now_ms() - started_at_ms)

    def add(self, step: str, duration_ms: int) -> None:
        """Add to `step`; a clock that was set back adds nothing."""
        self.steps_ms[step] = self.steps_ms.get(step, 0) + max(duration_ms, 0)
