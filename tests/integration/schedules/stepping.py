"""Processes that run one step at a time. Each call of a port is a step, which may fail or end the process."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Final

from tests.fakes.clock import START_MS
from tests.fakes.hooks import Crash

_STUCK_AFTER_S: Final = 60.0
_threads = ThreadPoolExecutor(max_workers=8, thread_name_prefix="stepped")


class StepOutcome(StrEnum):
    """How a step ends."""

    DONE = "done"
    REPEATED = "repeated"
    """Done twice: its answer was lost, and the SDK retries by itself."""
    REFUSED = "refused"
    """Not done, and answered by an error."""
    UNANSWERED = "unanswered"
    """Done, and answered by an error."""
    CRASHED_BEFORE = "crashed_before"
    """Not done: the process ends."""
    CRASHED_AFTER = "crashed_after"
    """Done, and the process ends before it knows."""


@dataclass(frozen=True, slots=True)
class Step:
    """One call to the outside world; `refusal` is the error it can fail with, where it can."""

    name: str
    refusal: Callable[[], Exception] | None = None
    repeats: bool = False
    ready_at_ms: float = 0.0
    """When an answer is there at the earliest: what sleeps or waits can't go on before."""


@dataclass(slots=True)
class Time:
    """The true time, which no process knows exactly."""

    at_ms: float = START_MS

    def reach(self, at_ms: float) -> None:
        self.at_ms = max(self.at_ms, at_ms)


type StepPolicy = Callable[[Step], StepOutcome]


def complete_step(_: Step) -> StepOutcome:
    """Do every step."""
    return StepOutcome.DONE


@dataclass(slots=True, eq=False)
class Process:
    """One run of a function; `policy` decides when each of its steps is done, and how it ends."""

    name: str
    policy: StepPolicy = complete_step
    skew_ms: int = 0
    dead: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take[T](self, step: Step, act: Callable[[], T]) -> T:
        """Take a step.

        Raises
        ------
        Crash
            The process has ended, here or before.
        """
        with self._lock:
            self._end_if(self.dead)
            outcome = self.policy(step)
            self._end_if(outcome is StepOutcome.CRASHED_BEFORE)
            if outcome is StepOutcome.REFUSED and step.refusal:
                raise step.refusal()
            if outcome is StepOutcome.REPEATED and step.repeats:
                with suppress(Exception):
                    act()
            answer = act()
            self._end_if(outcome is StepOutcome.CRASHED_AFTER)
            if outcome is StepOutcome.UNANSWERED and step.refusal:
                raise step.refusal()
            return answer

    def _end_if(self, ends: bool) -> None:  # noqa: FBT001 - a condition, as in `if`
        if ends:
            self.dead = True
            raise Crash


@dataclass(frozen=True, slots=True)
class ProcessClock:
    """A process's own clock, `skew_ms` off the true time."""

    time: Time
    process: Process

    def now_ms(self) -> int:
        return int(self.time.at_ms) + self.process.skew_ms

    def sleep(self, duration_s: float) -> None:
        wake_at_ms = self.time.at_ms + duration_s * 1000
        self.process.take(Step("clock.sleep", ready_at_ms=wake_at_ms), partial(self.time.reach, wake_at_ms))


@dataclass(frozen=True, slots=True)
class SteppedPort:
    """Wraps a port: each call of one of its methods is a step of `process`."""

    process: Process
    name: str
    port: Any
    refusal: Callable[[], Exception]

    def __getattr__(self, method: str) -> Callable[..., Any]:
        act = getattr(self.port, method)

        def take(*args: Any, **options: Any) -> Any:
            step = Step(f"{self.name}.{method}", self.refusal, repeats=True)
            return self.process.take(step, partial(act, *args, **options))

        return take


class SourceFirst:
    """Orders the steps that a process takes for both photos in two threads: the source's is the first."""

    def __init__(self, port: SteppedPort) -> None:
        self._port = port
        self._source_is_through = threading.Event()

    def __getattr__(self, method: str) -> Callable[..., Any]:
        take: Callable[..., Any] = getattr(self._port, method)

        def take_turn(photo: Any, *args: Any, **options: Any) -> Any:
            if not threading.current_thread().name.startswith("ThreadPoolExecutor"):
                return take(photo, *args, **options)
            if "/target" in str(photo):
                self._source_is_through.wait()
                self._source_is_through.clear()
                return take(photo, *args, **options)
            try:
                return take(photo, *args, **options)
            finally:
                self._source_is_through.set()

        return take_turn


class SteppedProcess:
    """A process in its own thread that waits before each step until `resume`."""

    def __init__(self, name: str, skew_ms: int) -> None:
        self.process = Process(name, self._wait_for_outcome, skew_ms)
        self.next_step: Step | None = None
        self._outcome = StepOutcome.DONE
        self._reported, self._arrived = threading.Lock(), threading.Lock()
        self._reported.acquire()
        self._arrived.acquire()

    @property
    def is_over(self) -> bool:
        return self.next_step is None

    def start(self, task: Callable[[], object]) -> None:
        """Run `task` up to its first step."""
        _threads.submit(self._run, task)
        self._wait_for_arrival()

    def resume(self, outcome: StepOutcome) -> None:
        """Take the next step, and run up to the one after it."""
        self.next_step, self._outcome = None, outcome
        self._reported.release()
        self._wait_for_arrival()

    def _wait_for_arrival(self) -> None:
        if not self._arrived.acquire(timeout=_STUCK_AFTER_S):
            raise AssertionError(f"{self.process.name} came to no further step, nor to its end.")

    def _wait_for_outcome(self, step: Step) -> StepOutcome:
        self.next_step = step
        self._arrived.release()
        self._reported.acquire()
        return self._outcome

    def _run(self, task: Callable[[], object]) -> None:
        try:
            with suppress(Crash):
                task()
        finally:
            self._arrived.release()
