"""What happens in between: the seams at which a test lets another worker act, or this one die."""

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field


class Crash(BaseException):
    """The process ends here."""


def crash() -> None:
    raise Crash


def pass_by() -> None:
    """Do nothing, so that the next call is the interesting one."""


@dataclass(slots=True)
class Interludes:
    """Runs what a test wants to happen just before a named method does its work, once each and in order."""

    _waiting: defaultdict[str, deque[Callable[[], object]]] = field(
        default_factory=lambda: defaultdict(deque)
    )

    def before(self, method: str, *acts: Callable[[], object]) -> None:
        self._waiting[method].extend(acts)

    def play(self, method: str) -> None:
        if self._waiting[method]:
            self._waiting[method].popleft()()
