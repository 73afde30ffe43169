"""What surrounds the functions: queues, the bucket, the provider, the ledger's stream."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Final

from facematch.domain.comparison import StoredPhoto
from facematch.domain.errors import CircuitOpenError, ProviderFaultError, UnreachableError
from facematch.domain.provider import Answer, Call, Depart, depart_at_once
from facematch.domain.regions import Region
from tests.factories import make_answer
from tests.fakes.photo_store import InMemoryPhotoStore
from tests.integration.promises.stepping import Process, ProcessClock, Step, Time

VISIBILITY_MS: Final = 120_000
RECEIVES: Final = 5
LONGEST_DELAY_S: Final = 900
_PAUSE_S: Final = 15.0


@dataclass(slots=True, eq=False)
class Message:
    body: Any
    visible_at_ms: float
    receives: int = 0


@dataclass(slots=True)
class Queue:
    """A queue that delivers at least once and in any order, and puts aside what fails five times."""

    time: Time
    messages: list[Message] = field(default_factory=list)
    dead_letters: list[Message] = field(default_factory=list)

    def put(self, body: Any, *, delay_s: float = 0) -> None:
        delay = min(math.ceil(delay_s), LONGEST_DELAY_S)
        self.messages.append(Message(body, self.time.at_ms + delay * 1000))

    def visible(self) -> list[Message]:
        return [message for message in self.messages if message.visible_at_ms <= self.time.at_ms]

    def receive(self, message: Message, *, hidden: bool = True) -> bool:
        """Hide a message, unless this is one of the times when SQS does not; False for a dead letter."""
        if message.receives >= RECEIVES:
            self.messages.remove(message)
            self.dead_letters.append(message)
            return False
        message.receives += 1
        if hidden:
            message.visible_at_ms = self.time.at_ms + VISIBILITY_MS
        return True

    def delete(self, message: Message) -> None:
        if message in self.messages:
            self.messages.remove(message)

    def redrive(self) -> None:
        while self.dead_letters:
            self.put(self.dead_letters.pop().body)


@dataclass(frozen=True, slots=True)
class ComparisonsPort:
    queue: Queue

    def send(self, comparison_id: str, *, delay_s: float = 0) -> None:
        self.queue.put(comparison_id, delay_s=delay_s)


@dataclass(frozen=True, slots=True)
class DeadlinesPort:
    queue: Queue

    def send_deadline(self, region: str, pair_id: str, *, delay_s: float) -> None:
        self.queue.put((region, pair_id), delay_s=delay_s)


@dataclass(slots=True)
class Bucket(InMemoryPhotoStore):
    """The bucket; `on_delete` is told of each photo that really goes."""

    on_delete: Callable[[StoredPhoto], None] = lambda _: None

    def delete(self, photo: StoredPhoto) -> None:
        stood = photo.key in self.objects
        InMemoryPhotoStore.delete(self, photo)
        if stood and photo.key not in self.objects:
            self.on_delete(photo)


class Reply(StrEnum):
    """What the provider makes of a call."""

    SUCCESS = "success"
    LOST = "lost"
    """Compared, and no answer came."""
    REJECTED = "rejected"
    THROTTLED = "throttled"
    FAULTED = "faulted"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    CUT_OFF = "cut_off"
    """Not called, since the circuit opened meanwhile."""

    @property
    def is_billed(self) -> bool:
        return self in {Reply.SUCCESS, Reply.LOST, Reply.REJECTED}


_CODES: Final = {
    Reply.REJECTED: ("NoFaceDetected", 400),
    Reply.THROTTLED: ("Throttling.Api", 403),
    Reply.FAULTED: ("InternalError", 500),
    Reply.REFUSED: ("Forbidden.RAMUserAccessDenied", 403),
}


def succeed() -> Reply:
    return Reply.SUCCESS


@dataclass(slots=True)
class Provider:
    """Takes calls on, and remembers each; every success bears another score."""

    draw_reply: Callable[[], Reply] = succeed
    on_call: Callable[[Process, Call, int], None] = lambda *_: None
    """Is told who calls, what, and by the caller's own clock when."""
    replies: dict[str, Reply] = field(default_factory=dict)
    """By `MerchantBizId`."""

    def take_on(self, process: Process, call: Call, called_at_ms: int) -> Answer | Exception:
        self.on_call(process, call, called_at_ms)
        reply = self.draw_reply()
        self.replies[call.merchant_biz_id] = reply
        match reply:
            case Reply.SUCCESS:
                number = len(self.replies)
                return make_answer(passed=number % 2 == 0, score=number % 100)
            case Reply.LOST:
                return ProviderFaultError("timeout", "A sentence.", answered=False)
            case Reply.UNREACHABLE:
                return UnreachableError()
            case Reply.CUT_OFF:
                return CircuitOpenError(_PAUSE_S)
            case _:
                code, http_status = _CODES[reply]
                return make_answer(code, http_status=http_status)


@dataclass(frozen=True, slots=True)
class ProviderPort:
    """A process's way to the provider: the call, and `latency_s` later its answer."""

    process: Process
    time: Time
    provider: Provider
    latency_s: float

    def check(self, _: Region) -> None:
        self.process.take(Step("provider.check", partial(CircuitOpenError, _PAUSE_S)), lambda: None)

    def make_ready(self, _: Region) -> None:
        """Connect, which leaves no trace."""

    def compare(self, call: Call, depart: Depart = depart_at_once) -> Answer:
        depart()
        called_at_ms = ProcessClock(self.time, self.process).now_ms()
        answer = self.process.take(
            Step("provider.call"), partial(self.provider.take_on, self.process, call, called_at_ms)
        )
        answers_at_ms = self.time.at_ms + self.latency_s * 1000
        self.process.take(
            Step("provider.answer", ready_at_ms=answers_at_ms), partial(self.time.reach, answers_at_ms)
        )
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass(slots=True)
class Results:
    """The results queue, by comparison."""

    time: Time
    events: defaultdict[str, list[Mapping[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    first_at_ms: dict[str, float] = field(default_factory=dict)

    def send(self, event: Mapping[str, Any]) -> None:
        comparison_id = event["data"]["comparison_id"]
        self.events[comparison_id].append(dict(event))
        self.first_at_ms.setdefault(comparison_id, self.time.at_ms)
