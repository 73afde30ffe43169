"""The environment of the functions: queues, the bucket, the provider, the ledger's stream."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Final

from facematch.domain.comparison import StoredPhoto
from facematch.domain.errors import ProviderFaultError, UnreachableError
from facematch.domain.priority import Priority
from facematch.domain.provider import Answer, BeforeSend, Call, send_at_once
from facematch.domain.regions import Region
from tests.factories import make_answer
from tests.fakes.photo_store import InMemoryPhotoStore
from tests.integration.schedules.stepping import Process, ProcessClock, Step, Time

VISIBILITY_MS: Final = 120_000
RECEIVES: Final = 5
LONGEST_DELAY_S: Final = 900


@dataclass(slots=True, eq=False)
class Message:
    body: Any
    visible_at_ms: float
    receives: int = 0


@dataclass(slots=True)
class Queue:
    """A queue that delivers at least once and in any order, up to five times."""

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
class ComparisonMessage:
    """The body of a message on a lane's queue; one queue represents all lanes."""

    region: str
    priority: Priority
    comparison_id: str


@dataclass(frozen=True, slots=True)
class QueuesPort:
    queue: Queue

    def send(self, region: str, priority: Priority, comparison_id: str, *, delay_s: float = 0) -> None:
        self.queue.put(ComparisonMessage(region, priority, comparison_id), delay_s=delay_s)


@dataclass(slots=True)
class Bucket(InMemoryPhotoStore):
    """The bucket; `on_copy` sees each copy with its key, `on_delete` each photo that was deleted."""

    on_copy: Callable[[StoredPhoto, str], None] = lambda *_: None
    on_delete: Callable[[StoredPhoto], None] = lambda _: None

    def copy(self, photo: StoredPhoto, key: str) -> None:
        InMemoryPhotoStore.copy(self, photo, key)
        self.on_copy(photo, key)

    def delete(self, photo: StoredPhoto) -> None:
        known = self.find(photo.key)
        InMemoryPhotoStore.delete(self, photo)
        if known is not None and self.find(photo.key) is None:
            self.on_delete(known)

    def delete_all(self, prefix: str) -> None:
        known = [StoredPhoto(key=key) for key in self.objects if key.startswith(prefix)]
        InMemoryPhotoStore.delete_all(self, prefix)
        for photo in known:
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
    """Answers calls, and remembers each; every success has another score."""

    draw_reply: Callable[[], Reply] = succeed
    on_call: Callable[[Process, Call, int], None] = lambda *_: None
    """Sees who calls, what, and when by the caller's own clock."""
    replies: dict[str, Reply] = field(default_factory=dict)
    """By `MerchantBizId`."""

    def answer_call(self, process: Process, call: Call, called_at_ms: int) -> Answer | Exception:
        self.on_call(process, call, called_at_ms)
        reply = self.draw_reply()
        self.replies[call.merchant_biz_id] = reply
        match reply:
            case Reply.SUCCESS:
                number = len(self.replies)
                return make_answer(passed=number % 2 == 0, score=number % 100)
            case Reply.LOST:
                return ProviderFaultError("timeout", "A sentence.", possibly_billed=True)
            case Reply.UNREACHABLE:
                return UnreachableError()
            case _:
                code, http_status = _CODES[reply]
                return make_answer(code, http_status=http_status)


@dataclass(frozen=True, slots=True)
class ProviderPort:
    """A process's flow to the provider: the call, and `latency_s` later its answer."""

    process: Process
    time: Time
    provider: Provider
    latency_s: float

    def probe(self, _: Region) -> None:
        self.process.take(Step("provider.probe", UnreachableError), lambda: None)

    def warm_up(self, _: Region) -> None:
        """Connect, which leaves no trace."""

    def compare(self, call: Call, before_send: BeforeSend = send_at_once) -> Answer:
        before_send()
        called_at_ms = ProcessClock(self.time, self.process).now_ms()
        answer = self.process.take(
            Step("provider.call"), partial(self.provider.answer_call, self.process, call, called_at_ms)
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
