"""A schedule: what happens when, read off a tape of bytes on which every 0 means the most ordinary thing."""

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from typing import Any, Final

from facematch.domain.verdict import Role
from tests.integration.promises.stack import PAIR_DEADLINE_S, Stack, Task, make_request
from tests.integration.promises.stepping import Actor, Fate, Process
from tests.integration.promises.surroundings import VISIBILITY_MS, Message, Queue, Reply

_ACTORS: Final = 4
_STRIDE: Final = 6
_BYTES: Final = 256
_SKEWS_MS: Final = (0, 2000, -2000, 700)
_PAIRS: Final = ("pair-1", "pair-2")
_KEYS: Final = ("key-1", "key-2")


class Weather(StrEnum):
    """What a schedule has to reckon with, besides workers at once, duplicates and any order."""

    CALM = "calm"
    CRASHES = "crashes"
    FAULTS = "faults"
    """Ports that refuse, or do what they are told and do not say so; answers that the provider loses."""
    DELAYS = "delays"
    """Processes that stand still for longer than their leases, and clocks 2 s apart."""
    STORM = "storm"

    @property
    def crashes(self) -> bool:
        return self in {Weather.CRASHES, Weather.STORM}

    @property
    def faults(self) -> bool:
        return self in {Weather.FAULTS, Weather.STORM}

    @property
    def delays(self) -> bool:
        return self in {Weather.DELAYS, Weather.STORM}


@dataclass(slots=True)
class Tape:
    """Bytes that decide; from its end on it reads 0."""

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
_FAULTS: Final = [Fate.REFUSED, Fate.UNANSWERED, Fate.REPEATED]
_CRASHES: Final = [Fate.CRASHED_BEFORE, Fate.CRASHED_AFTER]


@dataclass(slots=True)
class Schedule:
    """Plays a tape on a stack: starts processes, lets them step, ends them, and lets time pass."""

    stack: Stack
    tape: Tape
    weather: Weather
    actors: list[Actor] = field(default_factory=list)
    journal: list[tuple[Any, ...]] = field(default_factory=list)
    _numbers: Any = field(default_factory=lambda: count(1))

    def play(self) -> None:
        """Play the tape to its end, then let everything come to rest."""
        self.stack.provider.draw_reply = self._draw_reply
        acts = [self._step] * 9 + [self._deliver] * 4 + [self._publish] * 2
        acts += [self._arrive, self._ask, self._wait, self._overtake if self.weather.delays else self._step]
        try:
            while not self.tape.is_over and not self.stack.model.objections:
                self.tape.choose(acts)()
            while self.actors and not self.stack.model.objections:
                self._resume(self.actors[0], Fate.DONE)
        finally:
            self._end_all()
        if not self.stack.model.objections:
            self.stack.drain()

    def describe(self) -> str:
        return "\n".join(" ".join(str(part) for part in entry) for entry in self.journal)

    # What can happen.

    def _step(self) -> None:
        """Let one of those at work take its next few steps; with nobody at work, begin something."""
        if not self.actors:
            self._deliver()
            return
        choice = self.tape.read()
        actor = self.actors[choice % len(self.actors)]
        for _ in range(1 + choice // len(self.actors) % _STRIDE):
            if not actor.is_over:
                self._resume(actor, self._draw_fate())

    def _deliver(self) -> None:
        """Begin to work on a message, or with none have a photo arrive."""
        queues = [self.stack.uploads, self.stack.comparisons]
        visible = [(queue, message) for queue in queues for message in queue.visible()]
        if not visible:
            self._arrive()
            return
        queue, message = self.tape.choose(visible)
        self._take(queue, message, hidden=not self.tape.is_rare(one_in=8))

    def _publish(self) -> None:
        """Begin to publish what the stream tells of; now and then it comes by the sweep, or twice."""
        due = [*self.stack.stream, *self.stack.model.endings]
        if not due:
            self._step()
        elif self.tape.is_rare(one_in=8):
            self._begin("sweep", self.stack.sweep)
        else:
            self._begin("publish", self.stack.publish(self.tape.choose(due)))

    def _arrive(self) -> None:
        """Have a photo arrive: of any pair and role, new or with the bytes of an older one."""
        role, pair_id = self.tape.choose(list(Role)), _PAIRS[self.tape.is_rare(one_in=8)]
        event = self.stack.upload(pair_id, role, self.tape.choose([1, 1, 1, 2, 3]))
        self.stack.time.at_ms += 1
        if self.tape.is_rare(one_in=4):
            self.stack.uploads.put(event)
        self.journal.append(("upload", pair_id, role))

    def _ask(self) -> None:
        """Have the API asked for a comparison, of inline photos or of those uploaded; or for an erasure."""
        kind, at_once = (
            self.tape.choose(["inline", "uploaded", "inline", "erase"]),
            not self.tape.is_rare(one_in=3),
        )
        if kind == "inline":
            request = make_request(self.tape.choose(list(_KEYS)))
            self._begin("submit", self.stack.submit(request, at_once=at_once))
        elif kind == "uploaded":
            request = make_request("key-of-uploads", uploaded=_PAIRS[0])
            self._begin("submit_uploaded", self.stack.submit(request, at_once=at_once))
        elif self.stack.model.registered:
            comparison_id = self.tape.choose(list(self.stack.model.registered))
            self._begin("erase", self.stack.erase(comparison_id))

    def _wait(self) -> None:
        """Let time pass: a little, or where that may happen longer than any lease lasts."""
        durations_s = [0.3, 2.0, 5.0]
        if self.weather.delays:
            durations_s = [0.3, 57.0, 121.0, 121.0]
        elif not self.actors:
            durations_s += [121.0, PAIR_DEADLINE_S]
        duration_s = self.tape.choose(durations_s)
        self.stack.time.reach(self.stack.time.at_ms + duration_s * 1000)
        self.journal.append(("wait", duration_s))

    def _overtake(self) -> None:
        """Have everyone stand still for longer than a lease, and another take up what they work on."""
        self.stack.time.reach(self.stack.time.at_ms + VISIBILITY_MS)
        self.journal.append(("all stand still",))
        visible = self.stack.comparisons.visible()
        if not visible or len(self.actors) >= _ACTORS:
            return
        self._take(self.stack.comparisons, self.tape.choose(visible), hidden=True)
        for _ in range(self.tape.read() % 16):
            if self.actors:
                self._resume(self.actors[-1], self._draw_fate())

    # Who does it.

    def _take(self, queue: Queue, message: Message, *, hidden: bool) -> None:
        if len(self.actors) >= _ACTORS:
            self._step()
        elif queue.receive(message, hidden=hidden):
            take = self.stack.take_upload if queue is self.stack.uploads else self.stack.take_comparison
            self._begin(take.__name__, take(message))

    def _begin(self, name: str, task: Task) -> None:
        if len(self.actors) >= _ACTORS:
            self._step()
            return
        skew_ms = self.tape.choose(list(_SKEWS_MS)) if self.weather.delays else 0
        actor = Actor(f"{name}-{next(self._numbers)}", skew_ms)
        self.actors.append(actor)
        self.journal.append((actor.process.name, "begins"))
        actor.start(lambda: _run(task, actor.process))
        self._leave_if_over(actor)

    def _resume(self, actor: Actor, fate: Fate) -> None:
        step = actor.next_step
        assert step is not None
        # Whoever sleeps is woken in time, and whoever waits for an answer gets it.
        self.stack.time.reach(step.ready_at_ms)
        self.journal.append((actor.process.name, step.name, fate))
        actor.resume(fate)
        self._leave_if_over(actor)

    def _leave_if_over(self, actor: Actor) -> None:
        if actor.is_over:
            self.actors.remove(actor)

    def _end_all(self) -> None:
        while self.actors:
            self._resume(self.actors[0], Fate.CRASHED_BEFORE)

    def _draw_fate(self) -> Fate:
        fates: list[Fate] = []
        if self.weather.crashes:
            fates += _CRASHES
        if self.weather.faults:
            fates += _FAULTS
        if not fates:
            return Fate.DONE
        return self.tape.choose(fates) if self.tape.is_rare(one_in=12) else Fate.DONE

    def _draw_reply(self) -> Reply:
        return self.tape.choose(_FAULTY if self.weather.faults else _ORDINARY)


def _run(task: Task, process: Process) -> None:
    try:
        task(process)
    finally:
        process.dead = True
