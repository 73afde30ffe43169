import time

from facematch.clock import SystemClock


def test_the_machines_clock_tells_unix_milliseconds() -> None:
    earliest_ms = int(time.time() * 1000) - 1

    now_ms = SystemClock().now_ms()

    assert earliest_ms <= now_ms <= int(time.time() * 1000) + 1


def test_the_machines_clock_lets_time_pass() -> None:
    clock = SystemClock()
    before = time.monotonic()

    clock.sleep(0.002)

    assert time.monotonic() - before >= 0.002
