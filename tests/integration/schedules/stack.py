"""A stack whose functions run one step at a time, and what keeps delivering to them."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache
from itertools import count
from typing import Any, Final

from facematch.adapters.ledger import OUTBOX, DynamoDbLedger
from facematch.domain.comparison import Options
from facematch.domain.deadline import ANSWER_TIME_S, Deadline
from facematch.domain.errors import (
    AlreadyEndedError,
    InvalidInputError,
    LedgerUnavailableError,
    NotFoundError,
    PostponedError,
)
from facematch.domain.inbox import make_inbox_key, parse_inbox_key
from facematch.domain.pair import ArrivedPhoto
from facematch.domain.ports import Ledger
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from facematch.use_cases.load_photos import PhotoLoader
from facematch.use_cases.photo_inputs import InlinePhoto, UploadedPhoto
from facematch.use_cases.prepare_photos import PhotoPreparer
from facematch.use_cases.request_comparison import Caller, ComparisonRequest
from facematch.use_cases.sweep import FORGOTTEN_AFTER_S
from imaging import Limits, NormalisedPhoto, normalise
from tests.factories import CALLER
from tests.factories.photos import make_portrait
from tests.fakes import stack as fakes
from tests.fakes.ledger import InMemoryLedger
from tests.fakes.rate_limiter import InMemoryRateLimiter
from tests.fakes.stack import InMemoryStack
from tests.integration.schedules.environment import (
    Bucket,
    ComparisonMessage,
    Message,
    Provider,
    ProviderPort,
    Queue,
    QueuesPort,
    succeed,
)
from tests.integration.schedules.model import Model, WatchedLedger
from tests.integration.schedules.stepping import Process, ProcessClock, SourceFirst, SteppedPort, Time

_CALLER = Caller(CALLER, is_administrator=True)
"""Asks for and erases what comes through the bucket as well."""

REGION: Final = "singapore"
PAIR_DEADLINE_S: Final = 1000
WORKER_TIME_S: Final = 40.0
_SWEEP_LIMIT: Final = 100
_DELIVERIES: Final = 2000

type Task = Callable[[Process], None]


class UnavailableError(Exception):
    """What a queue or a bucket answers that is out of order."""


@cache
def _normalised() -> NormalisedPhoto:
    return normalise(make_portrait())


def _pass_through(_content: bytes, _limits: Limits) -> NormalisedPhoto:
    return _normalised()


class Wiring(InMemoryStack):
    """The use cases of one process; its photos are prepared at once."""

    def __post_init__(self) -> None:
        """Set no hooks: every port is a step."""

    @property
    def loader(self) -> PhotoLoader:
        return PhotoLoader(self.photos, PhotoPreparer(normalise=_pass_through))


@dataclass(frozen=True, slots=True)
class PhotoEvent:
    """The part of a notification of S3 that describes an object."""

    key: str
    arrived: ArrivedPhoto


@dataclass(slots=True)
class ScheduledStack:
    """Queues, bucket, provider and ledger, and each function's flow of working on what they deliver."""

    ledger: Ledger
    is_pending: Callable[[str], bool]
    """Whether the ledger's record of a comparison is in the outbox, which its stream is filtered by."""
    time: Time = field(default_factory=Time)
    model: Model = field(init=False)
    provider: Provider = field(default_factory=Provider)
    bucket: Bucket = field(default_factory=Bucket)
    limiter: InMemoryRateLimiter = field(
        default_factory=lambda: InMemoryRateLimiter(dict.fromkeys(Region, 10.0))
    )
    uploads: Queue = field(init=False)
    comparisons: Queue = field(init=False)
    stream: list[str] = field(default_factory=list)
    unanswered: list[Task] = field(default_factory=list)
    """What callers of the API ask for again, since they were not answered."""
    failures: list[Exception] = field(default_factory=list)
    """What functions failed with."""
    latency_s: float = 0.3
    _numbers: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.model = Model(self.time)
        self.uploads, self.comparisons = Queue(self.time), Queue(self.time)
        self.provider.on_call = self.model.observe_call
        self.bucket.on_copy = self.model.observe_copied
        self.bucket.on_delete = self.model.observe_deleted

    # What happens outside.

    def upload(self, pair_id: str, role: Role, version: int) -> PhotoEvent:
        """Put a photo into the inbox, which sends a notification."""
        key = make_inbox_key(REGION, pair_id, role, "jpg")
        self.bucket.objects[key] = f"{pair_id} {role} {version}".encode()
        photo = self.bucket.find(key)
        assert photo is not None
        self.model.observe_uploaded((pair_id, role), photo)
        arrived = ArrivedPhoto(
            photo=photo, sequencer=f"{next(self._numbers):032x}", arrived_at_ms=int(self.time.at_ms)
        )
        event = PhotoEvent(key, arrived)
        self.uploads.put(event)
        return event

    # One run of each function.

    def take_upload(self, message: Message) -> Task:
        def work(process: Process) -> None:
            event: PhotoEvent = message.body
            key = parse_inbox_key(event.key)
            assert key is not None
            self._wire(process).receiver.receive(key, event.arrived)

        return self._consume(self.uploads, message, work)

    def take_comparison(self, message: Message) -> Task:
        def work(process: Process) -> None:
            wiring, body = self._wire(process), message.body
            assert isinstance(body, ComparisonMessage)
            deadline = Deadline.after(WORKER_TIME_S, wiring.clock)
            try:
                wiring.comparer.compare(body.comparison_id, body.priority, deadline)
            except (AlreadyEndedError, NotFoundError):
                pass
            except PostponedError as error:
                wiring.queues.send(
                    body.region, body.priority, body.comparison_id, delay_s=error.retry_after_s
                )

        return self._consume(self.comparisons, message, work)

    def publish(self, comparison_id: str) -> Task:
        """Return the publishing of what the stream points to, which repeats it until that succeeds."""

        def work(process: Process) -> None:
            try:
                self._wire(process).publisher.publish(comparison_id)
            except Exception as error:  # noqa: BLE001 - the function fails, whatever it is
                self.failures.append(error)
                return
            if comparison_id in self.stream:
                self.stream.remove(comparison_id)

        return work

    def sweep(self, process: Process) -> None:
        wiring = self._wire(process)
        try:
            for comparison_id in wiring.sweeper.find_unpublished():
                wiring.publisher.publish(comparison_id)
            for region, folder in wiring.sweeper.find_due_pairs():
                wiring.receiver.expire(region, folder)
            wiring.sweeper.enqueue_forgotten(_SWEEP_LIMIT)
        except Exception as error:  # noqa: BLE001 - the function fails, whatever it is
            self.failures.append(error)

    def submit(self, request: ComparisonRequest, *, at_once: bool) -> Task:
        def ask(wiring: Wiring) -> None:
            deadline = Deadline.after(ANSWER_TIME_S, wiring.clock) if at_once else None
            wiring.requester.submit(request, deadline)

        return self._answer(ask)

    def erase(self, comparison_id: str) -> Task:
        self.model.erased.add(comparison_id)
        return self._answer(lambda wiring: wiring.eraser.erase(wiring.requester.find(comparison_id, _CALLER)))

    # Rest.

    def drain(self) -> None:
        """Deliver what there is to deliver, without faults, until nothing is left to do."""
        self.provider.draw_reply = succeed
        self.failures.clear()
        for _ in range(_DELIVERIES):
            if task := self._next_task():
                self._run_well(task)
            elif waiting := [*self.uploads.messages, *self.comparisons.messages]:
                self.time.reach(min(message.visible_at_ms for message in waiting))
            elif self.uploads.dead_letters or self.comparisons.dead_letters:
                self.uploads.redrive()
                self.comparisons.redrive()
            else:
                self.time.reach(self.time.at_ms + FORGOTTEN_AFTER_S * 1000 + 5000)
                self._run_well(self.sweep)
                if not (self.stream or self.uploads.messages or self.comparisons.messages):
                    return
        raise AssertionError("It never comes to rest.")

    def _run_well(self, task: Task) -> None:
        run(task)
        if self.failures:
            raise AssertionError("A function failed without a fault.") from self.failures[0]

    def check(self) -> None:
        if not self.model.violations:
            self.model.check(self.ledger, self.provider.replies)
        assert not self.model.violations, "\n".join(self.model.violations)

    def count_surplus(self) -> dict[str, tuple[int, int]]:
        return self.model.count_surplus(self.ledger, self.provider.replies)

    def _next_task(self) -> Task | None:
        if self.unanswered:
            return self.unanswered.pop(0)
        for message in self.uploads.visible():
            if self.uploads.receive(message):
                return self.take_upload(message)
        for message in self.comparisons.visible():
            if self.comparisons.receive(message):
                return self.take_comparison(message)
        return self.publish(self.stream[0]) if self.stream else None

    def _consume(self, queue: Queue, message: Message, work: Task) -> Task:
        def consume(process: Process) -> None:
            try:
                work(process)
            except Exception as error:  # noqa: BLE001 - the message fails, and is delivered again
                self.failures.append(error)
                return
            queue.delete(message)

        return consume

    def _answer(self, ask: Callable[[Wiring], object]) -> Task:
        def answer(process: Process) -> None:
            is_answered = False
            try:
                ask(self._wire(process))
                is_answered = True
            except (InvalidInputError, NotFoundError):
                is_answered = True
            except Exception as error:  # noqa: BLE001 - the caller must retry after any error
                self.failures.append(error)
            finally:
                if not is_answered:
                    self.unanswered.append(answer)

        return answer

    def _wire(self, process: Process) -> Wiring:
        """Return the use cases with every port a step away."""
        made = fakes.make_stack(pair_deadline_s=PAIR_DEADLINE_S)
        ledger = WatchedLedger(self.ledger, process, self.model, self._observe_write)
        ports: dict[str, Any] = {
            "clock": ProcessClock(self.time, process),
            "ledger": SteppedPort(process, "ledger", ledger, LedgerUnavailableError),
            "limiter": SteppedPort(process, "limiter", self.limiter, LedgerUnavailableError),
            "provider": ProviderPort(process, self.time, self.provider, self.latency_s),
            "photos": SourceFirst(SteppedPort(process, "photos", self.bucket, UnavailableError)),
            "queues": SteppedPort(process, "queues", QueuesPort(self.comparisons), UnavailableError),
            "results": SteppedPort(process, "results", self.model.results, UnavailableError),
        }
        given = {one.name: getattr(made, one.name) for one in fields(made) if one.init}
        return Wiring(**{**given, **ports})

    def _observe_write(self, comparison_id: str) -> None:
        if comparison_id not in self.stream and self.is_pending(comparison_id):
            self.stream.append(comparison_id)


def make_stack() -> ScheduledStack:
    """Make a stack with its ledger in memory."""
    ledger = InMemoryLedger()
    return ScheduledStack(ledger, is_pending=lambda comparison_id: comparison_id in ledger.pending)


def make_dynamodb_stack(ledger: DynamoDbLedger) -> ScheduledStack:
    """Make a stack on a ledger in DynamoDB."""

    def is_pending(comparison_id: str) -> bool:
        found = ledger.client.get_item(
            TableName=ledger.table, Key={"pk": {"S": f"comparison#{comparison_id}"}}
        )
        return found["Item"].get("work") == {"S": OUTBOX}

    return ScheduledStack(ledger, is_pending=is_pending)


def run(task: Task, process: Process | None = None) -> None:
    """Run a task by itself, to its end."""
    process = process or Process("alone")
    task(process)
    process.dead = True


def make_request(key: str, *, uploaded: str | None = None) -> ComparisonRequest:
    """Make a request with photos of its own, or with those of a pair that was `uploaded`."""
    photos = {
        role: UploadedPhoto(make_inbox_key(REGION, uploaded, role, "jpg"))
        if uploaded
        else InlinePhoto(f"{key} {role}".encode())
        for role in Role
    }
    return ComparisonRequest(
        caller=_CALLER, photos=photos, options=Options(), region=REGION, idempotency_key=key
    )
