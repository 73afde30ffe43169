"""A schedule of processes, drawn from bytes: every 0 means the most ordinary choice."""

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any, Final

from facematch.domain.verdict import Role
from tests.integration.schedules.environment import VISIBILITY_MS, Message, Queue, Reply
from tests.integration.schedules.stack import PAIR_DEADLINE_S, ScheduledStack, Task, make_request
from tests.integration.schedules.stepping import Process, StepOutcome, SteppedProcess

_PROCESSES: Final = 4
_STRIDE: Final = 6
_BYTES: Final = 256
_SKEWS_MS: Final = (0, 2000, -2000, 700)
_PAIRS: Final = ("pair-1", "pair-2")
_KEYS: Final = ("key-1", "key-2")


class FaultProfile(StrEnum):
    """Which faults a schedule has, besides concurrent workers, duplicates and any order."""

    NONE = "none"
    CRASHES = "crashes"
    FAULTS = "faults"
    """Ports that refuse, or succeed without an answer; answers that the provider loses."""
    DELAYS = "delays"
    """Processes that are paused for longer than their leases, and clocks 2 s apart."""
    ALL = "all"

    @property
    def crashes(self) -> bool:
        return self in {FaultProfile.CRASHES, FaultProfile.ALL}

    @property
    def faults(self) -> bool:
        return self in {FaultProfile.FAULTS, FaultProfile.ALL}

    @property
    def delays(self) -> bool:
        return self in {FaultProfile.DELAYS, FaultProfile.ALL}


@dataclass(slots=True)
class ChoiceSequence:
    """Bytes that decide; after the last one, it reads 0."""

    content: bytes
    at: int = 0

    @property
    def is_over(self) -> bool:
        return self.at >= len(self.content)

    def read(self) -> int:
        byte = 0 if self.is_over else self.content[self.at]
        self.at += 1
        return byte

    def is_rare(self, one_in: int) -> bool:
        """Decide for what happens only now and then."""
        return self.read() >= _BYTES - _BYTES // one_in

    def choose[T](self, options: list[T]) -> T:
        return options[self.read() % len(options)]


_ORDINARY: Final = [Reply.SUCCESS] * 9 + [Reply.THROTTLED, Reply.FAULTED, Reply.REJECTED, Reply.UNREACHABLE]
_FAULTY: Final = [*_ORDINARY, Reply.LOST, Reply.LOST, Reply.REFUSED]
_FAULTS: Final = [StepOutcome.REFUSED, StepOutcome.UNANSWERED, StepOutcome.REPEATED]
_CRASHES: Final = [StepOutcome.CRASHED_BEFORE, StepOutcome.CRASHED_AFTER]


@dataclass(slots=True)
class Schedule:
    """Runs a sequence of choices on a stack: starts processes, steps them, ends them, moves time on."""

    stack: ScheduledStack
    choices: ChoiceSequence
    profile: FaultProfile
    processes: list[SteppedProcess] = field(default_factory=list)
    log: list[tuple[Any, ...]] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: count(1))

    def play(self) -> None:
        """Run the whole sequence, then deliver what is left."""
        self.stack.provider.draw_reply = self._draw_reply
        acts = [self._step] * 9 + [self._deliver] * 4 + [self._publish] * 2
        acts += [
            self._upload,
            self._request,
            self._wait,
            self._overtake if self.profile.delays else self._step,
        ]
        try:
            while not self.choices.is_over and not self.stack.model.violations:
                self.choices.choose(acts)()
            while self.processes and not self.stack.model.violations:
                self._resume(self.processes[0], StepOutcome.DONE)
        finally:
            self._end_all()
        if not self.stack.model.violations:
            self.stack.drain()

    def describe(self) -> str:
        return "\n".join(" ".join(str(part) for part in entry) for entry in self.log)

    # What can happen.

    def _step(self) -> None:
        """Let one of those at work take its next few steps; with nobody at work, begin something."""
        if not self.processes:
            self._deliver()
            return
        choice = self.choices.read()
        process = self.processes[choice % len(self.processes)]
        for _ in range(1 + choice // len(self.processes) % _STRIDE):
            if not process.is_over:
                self._resume(process, self._draw_outcome())

    def _deliver(self) -> None:
        """Begin to work on a message, or with none have a photo arrive."""
        queues = [self.stack.uploads, self.stack.comparisons]
        visible = [(queue, message) for queue in queues for message in queue.visible()]
        if not visible:
            self._upload()
            return
        queue, message = self.choices.choose(visible)
        self._take(queue, message, hidden=not self.choices.is_rare(one_in=8))

    def _publish(self) -> None:
        """Begin to publish what the stream reports. Sometimes the sweep does it, or it is reported twice."""
        due = [*self.stack.stream, *self.stack.model.endings]
        if not due:
            self._step()
        elif self.choices.is_rare(one_in=8):
            self._begin("sweep", self.stack.sweep)
        else:
            self._begin("publish", self.stack.publish(self.choices.choose(due)))

    def _upload(self) -> None:
        """Have a photo arrive: of any pair and role, new or with the bytes of an older one."""
        role, pair_id = self.choices.choose(list(Role)), _PAIRS[self.choices.is_rare(one_in=8)]
        event = self.stack.upload(pair_id, role, self.choices.choose([1, 1, 1, 2, 3]))
        self.stack.time.at_ms += 1
        if self.choices.is_rare(one_in=4):
            self.stack.uploads.put(event)
        self.log.append(("upload", pair_id, role))

    def _request(self) -> None:
        """Have the API asked for a comparison, of inline photos or of those uploaded; or for an erasure."""
        kind, at_once = (
            self.choices.choose(["inline", "uploaded", "inline", "erase"]),
            not self.choices.is_rare(one_in=3),
        )
        if kind == "inline":
            request = make_request(self.choices.choose(list(_KEYS)))
            self._begin("submit", self.stack.submit(request, at_once=at_once))
        elif kind == "uploaded":
            request = make_request("key-of-uploads", uploaded=_PAIRS[0])
            self._begin("submit_uploaded", self.stack.submit(request, at_once=at_once))
        elif self.stack.model.registered:
            comparison_id = self.choices.choose(list(self.stack.model.registered))
            self._begin("erase", self.stack.erase(comparison_id))

    def _wait(self) -> None:
        """Let time pass: a little, or where that may happen longer than any lease lasts."""
        durations_s = [0.3, 2.0, 5.0]
        if self.profile.delays:
            durations_s = [0.3, 57.0, 121.0, 121.0]
        elif not self.processes:
            durations_s += [121.0, PAIR_DEADLINE_S]
        duration_s = self.choices.choose(durations_s)
        self.stack.time.reach(self.stack.time.at_ms + duration_s * 1000)
        self.log.append(("wait", duration_s))

    def _overtake(self) -> None:
        """Pause all workers for longer than a lease, and let others continue their comparisons."""
        self.stack.time.reach(self.stack.time.at_ms + VISIBILITY_MS)
        self.log.append(("all paused",))
        visible = self.stack.comparisons.visible()
        if not visible or len(self.processes) >= _PROCESSES:
            return
        self._take(self.stack.comparisons, self.choices.choose(visible), hidden=True)
        for _ in range(self.choices.read() % 16):
            if self.processes:
                self._resume(self.processes[-1], self._draw_outcome())

    # Who does it.

    def _take(self, queue: Queue, message: Message, *, hidden: bool) -> None:
        if len(self.processes) >= _PROCESSES:
            self._step()
        elif queue.receive(message, hidden=hidden):
            take = self.stack.take_upload if queue is self.stack.uploads else self.stack.take_comparison
            self._begin(take.__name__, take(message))

    def _begin(self, name: str, task: Task) -> None:
        if len(self.processes) >= _PROCESSES:
            self._step()
            return
        skew_ms = self.choices.choose(list(_SKEWS_MS)) if self.profile.delays else 0
        process = SteppedProcess(f"{name}-{next(self._numbers)}", skew_ms)
        self.processes.append(process)
        self.log.append((process.process.name, "begins"))
        process.start(lambda: _run(task, process.process))
        self._leave_if_over(process)

    def _resume(self, process: SteppedProcess, outcome: StepOutcome) -> None:
        step = process.next_step
        assert step is not None
        # Whoever sleeps is woken in time, and whoever waits for an answer gets it.
        self.stack.time.reach(step.ready_at_ms)
        self.log.append((process.process.name, step.name, outcome))
        process.resume(outcome)
        self._leave_if_over(process)

    def _leave_if_over(self, process: SteppedProcess) -> None:
        if process.is_over:
            self.processes.remove(process)

    def _end_all(self) -> None:
        while self.processes:
            self._resume(self.processes[0], StepOutcome.CRASHED_BEFORE)

    def _draw_outcome(self) -> StepOutcome:
        outcomes: list[StepOutcome] = []
        if self.profile.crashes:
            outcomes += _CRASHES
        if self.profile.faults:
            outcomes += _FAULTS
        if not outcomes:
            return StepOutcome.DONE
        return self.choices.choose(outcomes) if self.choices.is_rare(one_in=12) else StepOutcome.DONE

    def _draw_reply(self) -> Reply:
        return self.choices.choose(_FAULTY if self.profile.faults else _ORDINARY)


def _run(task: Task, process: Process) -> None:
    try:
        task(process)
    finally:
        process.dead = True
