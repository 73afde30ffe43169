import pytest

from facematch.domain.stopwatch import Stopwatch
from tests.fakes.clock import FakeClock


def test_a_step_takes_the_time_of_its_block() -> None:
    clock = FakeClock()
    stopwatch = Stopwatch(clock)

    with stopwatch.measure("read"):
        clock.sleep(0.25)

    assert stopwatch.steps_ms == {"read": 250}


def test_a_step_done_twice_adds_up_and_others_do_not() -> None:
    clock = FakeClock()
    stopwatch = Stopwatch(clock)

    for duration_s in (0.1, 0.2):
        with stopwatch.measure("call"):
            clock.sleep(duration_s)
        with stopwatch.measure("back_off"):
            clock.sleep(1)

    assert stopwatch.steps_ms == {"call": 300, "back_off": 2000}


def test_the_time_of_a_block_that_fails_is_measured() -> None:
    clock = FakeClock()
    stopwatch = Stopwatch(clock)

    def hang() -> None:
        clock.sleep(10)
        raise TimeoutError

    with pytest.raises(TimeoutError), stopwatch.measure("call"):
        hang()

    assert stopwatch.steps_ms == {"call": 10_000}


def test_time_that_was_measured_elsewhere_is_added() -> None:
    stopwatch = Stopwatch(FakeClock())

    stopwatch.add("call", 300)
    stopwatch.add("call", -5)

    assert stopwatch.steps_ms == {"call": 300}


def test_a_clock_that_is_set_back_makes_no_negative_time() -> None:
    clock = FakeClock()
    stopwatch = Stopwatch(clock)

    with stopwatch.measure("call"):
        clock.advance(-2)

    assert stopwatch.steps_ms == {"call": 0}
