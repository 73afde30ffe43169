import time

import pytest

from facematch.domain.clock import SystemClock


def test_the_machines_clock_returns_unix_milliseconds() -> None:
    earliest_ms = int(time.time() * 1000) - 1

    now_ms = SystemClock().now_ms()

    assert earliest_ms <= now_ms <= int(time.time() * 1000) + 1


def test_the_machines_clock_lets_no_negative_time_pass() -> None:
    with pytest.raises(ValueError, match="non-negative"):
        SystemClock().sleep(-1)
