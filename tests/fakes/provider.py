"""A provider that follows a script."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from facematch.domain.errors import CircuitOpenError
from facematch.domain.provider import Answer, Call, Depart, depart_at_once
from facematch.domain.regions import Region
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
    made_ready: list[Region] = field(default_factory=list)
    circuit_open_s: float | None = None

    def follow(self, *steps: Step) -> None:
        self.script.extend(steps)

    def check(self, _region: Region) -> None:
        if self.circuit_open_s is not None:
            raise CircuitOpenError(self.circuit_open_s)

    def make_ready(self, region: Region) -> None:
        self.made_ready.append(region)

    def compare(self, call: Call, depart: Depart = depart_at_once) -> Answer:
        depart()
        self.calls.append(call)
        self.called_at_ms.append(self.clock.now_ms())
        if not self.script:
            raise AssertionError("The provider was called once more than foreseen.")
        step = self.script.popleft()
        self.clock.advance(self.latency_s)
        if isinstance(step, BaseException):
            raise step
        return step(call) if callable(step) else step
