"""How often and how soon a comparison is retried."""

from dataclasses import dataclass

from facematch.domain.comparison import Comparison, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Limits and pauses, in seconds.

    `attempt_budget` limits the calls that were possibly billed. `time_limit_s` from the registration limits
    all other failures. It is shorter than the bucket keeps photos.
    """

    attempt_budget: int = 4
    time_limit_s: float = 72_000.0
    unbilled_pause_s: float = 0.5
    unbilled_pause_limit_s: float = 120.0
    possibly_billed_pauses_s: tuple[float, ...] = (2.0, 60.0, 3600.0)
    throttled_pause_s: float = 0.3
    throttled_pause_limit_s: float = 2.0
    ledger_pause_s: float = 0.5

    def is_exhausted(self, comparison: Comparison) -> bool:
        """Return whether the attempt budget is used up."""
        return len(comparison.attempts) >= self.attempt_budget

    def is_late(self, comparison: Comparison, now_ms: int) -> bool:
        """Return whether the time limit for failures that cost nothing has passed."""
        return now_ms >= comparison.created_at_ms + self.time_limit_s * 1000

    def pause_unbilled(self, comparison: Comparison) -> float:
        """Return the longest pause after a failure that cost nothing. It doubles each time."""
        failures = min(comparison.unbilled_count, _DOUBLINGS_LIMIT)
        return min(self.unbilled_pause_s * 2.0**failures, self.unbilled_pause_limit_s)

    def pause_possibly_billed(self, comparison: Comparison) -> float:
        """Return the longest pause after a call without an answer. The budget must outlast an outage."""
        index = min(max(len(comparison.attempts), 1), len(self.possibly_billed_pauses_s)) - 1
        return self.possibly_billed_pauses_s[index]

    def remaining_pause_s(self, comparison: Comparison, now_ms: int) -> float:
        """Return how long a comparison must still wait after its last possibly billed call.

        A repeated request or message may come early. It must not use up the budget during an outage.
        """
        if not comparison.attempts:
            return 0.0
        pause_ms = self.pause_possibly_billed(comparison) * 500
        return max(comparison.attempts[-1].started_at_ms + pause_ms - now_ms, 0) / 1000

    def pause_throttled(self, comparison: Comparison) -> float:
        """Return how long a throttled call holds its lane if the provider asks for no pause."""
        throttled = min(comparison.unbilled_calls.get(Outcome.THROTTLED, 1) - 1, _DOUBLINGS_LIMIT)
        return min(self.throttled_pause_s * 2.0**throttled, self.throttled_pause_limit_s)


_DOUBLINGS_LIMIT = 16
"""After this many doublings, every pause has reached its limit."""
