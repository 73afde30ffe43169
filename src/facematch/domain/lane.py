"""A lane: the calls of one region, and the hold that stops them while they cannot succeed.

A hold begins when three different comparisons in a row fail, when the provider throttles, or when it refuses
the account or the key. After a hold, one worker makes a trial: a free `KeepaliveIntl`, then one comparison.
Success lifts the hold, failure doubles it.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

FAILURES_TO_HOLD: Final = 3
"""How many distinct comparisons must fail without a success in between. One bad pair alone holds no lane."""
TRIAL_LEASE_S: Final = 60.0
"""How long one trial may take before another worker may try: probe, slot, call and a reserve."""


class HoldReason(StrEnum):
    """Why a lane is on hold."""

    OUTAGE = "outage"
    THROTTLING = "throttling"
    OPERATOR = "operator"


_FIRST_S: Final = {HoldReason.OUTAGE: 15.0, HoldReason.OPERATOR: 60.0}
_LONGEST_S: Final = {HoldReason.OUTAGE: 120.0, HoldReason.OPERATOR: 900.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold: no calls are made before `until_ms`.

    `code` is the provider's, or the reason why no answer came. `duration_s` is the length of this hold. The
    next hold for the same reason is twice as long. `is_trial` means that one worker makes the trial while
    the others wait for its result.
    """

    reason: HoldReason
    code: str
    since_ms: int
    until_ms: int
    duration_s: float
    is_trial: bool = False

    def remaining_s(self, now_ms: int) -> float:
        """Return the remaining seconds, 0 or less if the hold has expired."""
        return (self.until_ms - now_ms) / 1000

    def has_expired(self, now_ms: int) -> bool:
        """Return whether a trial may begin."""
        return self.until_ms <= now_ms

    def begin_trial(self, now_ms: int) -> "Hold":
        """Return the hold during a trial. It stops the other workers."""
        return replace(self, until_ms=now_ms + round(TRIAL_LEASE_S * 1000), is_trial=True)


@dataclass(frozen=True, slots=True)
class Lane:
    """The state of a region's lane: its hold, and how many comparisons failed in a row."""

    hold: Hold | None = None
    failures: int = 0


def make_hold(reason: HoldReason, code: str, now_ms: int, previous: Hold | None = None) -> Hold:
    """Return the hold for an outage or an operator error, longer if the trial after `previous` failed."""
    duration_s, since_ms = _FIRST_S[reason], now_ms
    if previous is not None and previous.reason is reason:
        duration_s = min(previous.duration_s * 2, _LONGEST_S[reason])
        since_ms = previous.since_ms
    return Hold(
        reason=reason,
        code=code,
        since_ms=since_ms,
        until_ms=now_ms + round(duration_s * 1000),
        duration_s=duration_s,
    )


def make_throttling_hold(code: str, now_ms: int, duration_s: float) -> Hold:
    """Return the hold for the time that the provider asked for."""
    return Hold(
        reason=HoldReason.THROTTLING,
        code=code,
        since_ms=now_ms,
        until_ms=now_ms + round(duration_s * 1000),
        duration_s=duration_s,
    )
