"""Three ways to count calls per second. It is not known which one the provider uses."""

import math
from collections import deque
from enum import StrEnum
from typing import Protocol


class QpsWindow(StrEnum):
    """How calls are counted."""

    FIXED = "fixed"
    SLIDING = "sliding"
    BUCKET = "bucket"


class Quota(Protocol):
    """Limits the calls per second."""

    def take(self, now_s: float) -> float:
        """Count one call; return 0 if it is admitted, otherwise the seconds until the next one is."""
        ...


class FixedWindow:
    """Counts in each second of the clock. Around its edge, twice the quota can pass."""

    def __init__(self, qps: int) -> None:
        self._qps = qps
        self._window = -math.inf
        self._taken = 0

    def take(self, now_s: float) -> float:
        """Count one call; return 0 if it is admitted, otherwise the seconds until the next one is."""
        window = math.floor(now_s)
        if window != self._window:
            self._window, self._taken = window, 0
        if self._taken >= self._qps:
            return window + 1 - now_s
        self._taken += 1
        return 0.0


class SlidingWindow:
    """Counts in the second before each call."""

    def __init__(self, qps: int) -> None:
        self._qps = qps
        self._taken_at_s: deque[float] = deque()

    def take(self, now_s: float) -> float:
        """Count one call; return 0 if it is admitted, otherwise the seconds until the next one is."""
        # One expression decides both. Two expressions could differ by rounding.
        while self._taken_at_s and (wait_s := self._taken_at_s[0] + 1 - now_s) <= 0:
            self._taken_at_s.popleft()
        if len(self._taken_at_s) >= self._qps:
            return wait_s
        self._taken_at_s.append(now_s)
        return 0.0


class TokenBucket:
    """A bucket with the tokens of one second, which refills at a constant rate."""

    def __init__(self, qps: int) -> None:
        self._qps = qps
        self._tokens = float(qps)
        self._filled_at_s: float | None = None

    def take(self, now_s: float) -> float:
        """Count one call; return 0 if it is admitted, otherwise the seconds until the next one is."""
        elapsed_s = 0.0 if self._filled_at_s is None else now_s - self._filled_at_s
        self._tokens = min(float(self._qps), self._tokens + elapsed_s * self._qps)
        self._filled_at_s = now_s
        # A call that arrives exactly in time is not refused because of rounding.
        if self._tokens < 1 - 1e-9:
            return (1 - self._tokens) / self._qps
        self._tokens -= 1
        return 0.0


def make_quota(window: QpsWindow, qps: int) -> Quota:
    """Return a quota that counts by `window`."""
    match window:
        case QpsWindow.FIXED:
            return FixedWindow(qps)
        case QpsWindow.SLIDING:
            return SlidingWindow(qps)
        case QpsWindow.BUCKET:
            return TokenBucket(qps)
