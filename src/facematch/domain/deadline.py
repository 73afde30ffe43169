"""The time limits of one comparison, from the function's timeout down to one call.

Each limit contains the next one. API Gateway's 29 s and the functions' timeouts contain the deadline and one
call that starts just before it. The lease outlasts both. The visibility timeout outlasts the function.
"""

from dataclasses import dataclass
from typing import Final

from facematch.domain.clock import Clock

CALL_TIMEOUT_S: Final = 16.0
"""The longest duration of one call: a warm-up (1 s), connecting (3 s), reading (10 s) and a reserve."""
LEASE_MARGIN_S: Final = 4.0
"""How long a lease lasts after its last call: clocks differ, and the verdict must still be recorded."""
CLOSING_TIME_S: Final = 20.0
"""The part of a function's time that a worker reserves for a last call and for recording its result."""
ANSWER_TIME_S: Final = 10.0
"""How long the API waits for a verdict before it answers 202. The last call may still run after that."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The time (Unix milliseconds) after which no wait and no call may begin."""

    at_ms: int

    @classmethod
    def after(cls, duration_s: float, clock: Clock) -> "Deadline":
        """Return the deadline `duration_s` from now. A negative duration counts as 0."""
        return cls(clock.now_ms() + round(max(duration_s, 0) * 1000))

    @property
    def lease_until_ms(self) -> int:
        """When the lease of a comparison with this deadline ends: after the timeout of its last call."""
        return self.at_ms + round((CALL_TIMEOUT_S + LEASE_MARGIN_S) * 1000)

    def allows(self, duration_s: float, clock: Clock) -> bool:
        """Return whether `duration_s` from now is before the deadline."""
        return clock.now_ms() + duration_s * 1000 < self.at_ms
