"""A provider that follows a script, and credentials that never change."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from facematch.domain.provider import Answer, BeforeSend, Call, Credentials, Deletion, send_at_once
from facematch.domain.regions import Region
from tests.fakes.clock import FakeClock
from tests.fakes.hooks import StepHooks

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
    probes: list[Region] = field(default_factory=list)
    probe_script: deque[BaseException | None] = field(default_factory=deque)
    """What the next probes raise; a probe beyond it succeeds."""
    deletions: list[tuple[Region, str]] = field(default_factory=list)
    deletion_script: deque[BaseException | Deletion] = field(default_factory=deque)
    hooks: StepHooks = field(default_factory=StepHooks)

    def follow(self, *steps: Step) -> None:
        self.script.extend(steps)

    def probe(self, region: Region) -> None:
        self.probes.append(region)
        error = self.probe_script.popleft() if self.probe_script else None
        if error is not None:
            raise error

    def delete_result(self, region: Region, transaction_id: str) -> Deletion:
        self.deletions.append((region, transaction_id))
        step = self.deletion_script.popleft()
        if isinstance(step, BaseException):
            raise step
        return step

    def warm_up(self, region: Region) -> None:
        self.made_ready.append(region)

    def compare(self, call: Call, before_send: BeforeSend = send_at_once) -> Answer:
        self.hooks.run("compare")
        before_send()
        self.calls.append(call)
        self.called_at_ms.append(self.clock.now_ms())
        if not self.script:
            raise AssertionError("The provider was called once more than foreseen.")
        step = self.script.popleft()
        self.clock.advance(self.latency_s)
        if isinstance(step, BaseException):
            raise step
        return step(call) if callable(step) else step


_KEY = Credentials("emulator-key-id", "emulator-key-secret")


@dataclass(slots=True)
class FixedCredentials:
    """A source of one key, by default the emulator's, that counts how often it is invalidated."""

    key: Credentials = _KEY
    invalidated: int = 0

    def read(self) -> Credentials:
        return self.key

    def invalidate(self) -> None:
        self.invalidated += 1
