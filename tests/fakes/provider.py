"""A provider that follows a script."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from facematch.provider import Answer, Call
from tests.fakes.clock import FakeClock

type Step = Answer | BaseException | Callable[[Call], Answer]


@dataclass(slots=True)
class ScriptedProvider:
    """Answers call by call from `script`: an answer, an error to raise, or a function of the call.

    A call beyond the script is a fault of the code under test, and says so.
    """

    clock: FakeClock
    script: deque[Step] = field(default_factory=deque)
    latency_s: float = 0.0
    calls: list[Call] = field(default_factory=list)
    called_at_ms: list[int] = field(default_factory=list)

    def follow(self, *steps: Step) -> None:
        self.script.extend(steps)

    def compare(self, call: Call) -> Answer:
        self.calls.append(call)
        self.called_at_ms.append(self.clock.now_ms())
        if not self.script:
            raise AssertionError("The provider was called once more than foreseen.")
        step = self.script.popleft()
        self.clock.advance(self.latency_s)
        if isinstance(step, BaseException):
            raise step
        return step(call) if callable(step) else step
