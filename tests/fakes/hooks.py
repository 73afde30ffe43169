"""Hooks before the steps of a stack: a test lets another worker act there, or injects a fault or a crash."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from facematch.domain.errors import LedgerUnavailableError


class Crash(BaseException):
    """The process ends here."""


def crash() -> None:
    raise Crash


def fail_to_answer() -> None:
    raise LedgerUnavailableError


def do_nothing() -> None:
    """Do nothing, so that the next call is the interesting one."""


@dataclass(slots=True)
class StepHooks:
    """Runs the actions of a test just before a named method does its work, once each and in order.

    `steps` are the methods that were called. The process ends before step `crash_at`, counted from 0.
    """

    steps: list[str] = field(default_factory=list)
    crash_at: int | None = None
    _waiting: defaultdict[str, deque[Callable[[], object]]] = field(
        default_factory=lambda: defaultdict(deque)
    )
    _lock: Lock = field(default_factory=Lock)

    def before(self, method: str, *acts: Callable[[], object]) -> None:
        self._waiting[method].extend(acts)

    def run(self, method: str) -> None:
        with self._lock:
            is_last = len(self.steps) == self.crash_at
            self.steps.append(method)
            act = self._waiting[method].popleft() if self._waiting[method] else do_nothing
        if is_last:
            crash()
        act()
