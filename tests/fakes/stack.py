"""A stack in memory: everything of facematch but the cloud, wired with fakes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from facematch.domain.comparison import Attempt, Comparison, Options, StoredPhoto
from facematch.domain.deadline import Deadline
from facematch.domain.errors import AlreadyEndedError, LeaseHeldError, NotFoundError
from facematch.domain.inbox import make_inbox_key, parse_inbox_key
from facematch.domain.pair import ArrivedPhoto
from facematch.domain.priority import Priority
from facematch.domain.regions import Region, RegionPolicy
from facematch.domain.retries import RetryPolicy
from facematch.domain.stopwatch import Stopwatch
from facematch.domain.verdict import Role, Verdict
from facematch.use_cases.call_provider import ProviderCaller
from facematch.use_cases.compare_pair import PairComparer
from facematch.use_cases.erase_comparison import ComparisonEraser, ProviderEraser
from facematch.use_cases.issue_uploads import UploadDesk
from facematch.use_cases.load_photos import PhotoLoader, PreparedPhoto
from facematch.use_cases.prepare_photos import PhotoPreparer
from facematch.use_cases.publish_result import ResultPublisher
from facematch.use_cases.receive_upload import UploadReceiver
from facematch.use_cases.register_comparison import ComparisonRegistrar
from facematch.use_cases.request_comparison import ComparisonRequester
from facematch.use_cases.sweep import Sweeper
from tests.factories.photos import make_portrait
from tests.fakes.clock import FakeClock
from tests.fakes.hooks import StepHooks
from tests.fakes.ledger import InMemoryLedger
from tests.fakes.photo_store import InMemoryPhotoStore
from tests.fakes.provider import ScriptedProvider, Step
from tests.fakes.queues import RecordingComparisonQueues, RecordingResultQueue
from tests.fakes.rate_limiter import InMemoryRateLimiter

EVENT_SOURCE: Final = "urn:facematch:000000000000:ap-southeast-1:test"
SIZE_LIMIT_BYTES: Final = 20_000_000

type Draw = Callable[[float, float], float]


def draw_highest(_: float, high: float) -> float:
    return high


def draw_lowest(low: float, _: float) -> float:
    return low


@dataclass(slots=True, kw_only=True)
class InMemoryStack:
    """A stack in memory; what the template sets in the cloud are its fields."""

    clock: FakeClock
    provider: ScriptedProvider
    limiter: InMemoryRateLimiter
    regions: RegionPolicy
    options: Options
    retries: RetryPolicy
    pair_deadline_s: int
    deletes_photos: bool
    erases_at_provider: bool
    reads_heic: bool
    draw: Draw
    ledger: InMemoryLedger = field(default_factory=InMemoryLedger)
    photos: InMemoryPhotoStore = field(default_factory=InMemoryPhotoStore)
    queues: RecordingComparisonQueues = field(default_factory=RecordingComparisonQueues)
    results: RecordingResultQueue = field(default_factory=RecordingResultQueue)
    hooks: StepHooks = field(default_factory=StepHooks)
    """Run before each step of any part of the stack."""
    reported: list[Attempt] = field(default_factory=list)
    """Attempts as the caller of the provider reported them."""
    _sequence: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        for part in (self.ledger, self.photos, self.queues, self.results, self.limiter, self.provider):
            part.hooks = self.hooks

    @property
    def registrar(self) -> ComparisonRegistrar:
        return ComparisonRegistrar(self.ledger, self.photos)

    @property
    def receiver(self) -> UploadReceiver:
        return UploadReceiver(
            ledger=self.ledger,
            photos=self.photos,
            queues=self.queues,
            registrar=self.registrar,
            clock=self.clock,
            regions=self.regions,
            options=self.options,
            pair_deadline_s=self.pair_deadline_s,
        )

    @property
    def caller(self) -> ProviderCaller:
        return ProviderCaller(
            ledger=self.ledger,
            limiter=self.limiter,
            provider=self.provider,
            clock=self.clock,
            retries=self.retries,
            report=self.reported.append,
            draw=self.draw,
        )

    @property
    def loader(self) -> PhotoLoader:
        return PhotoLoader(self.photos, PhotoPreparer())

    @property
    def comparer(self) -> PairComparer:
        return PairComparer(
            ledger=self.ledger,
            loader=self.loader,
            caller=self.caller,
            clock=self.clock,
            regions=self.regions,
            retries=self.retries,
        )

    @property
    def requester(self) -> ComparisonRequester:
        return ComparisonRequester(
            ledger=self.ledger,
            limiter=self.limiter,
            photos=self.photos,
            loader=self.loader,
            registrar=self.registrar,
            queues=self.queues,
            comparer=self.comparer,
            clock=self.clock,
            regions=self.regions,
            options=self.options,
        )

    @property
    def eraser(self) -> ComparisonEraser:
        return ComparisonEraser(
            self.ledger, self.photos, self.queues, self.clock, erases_at_provider=self.erases_at_provider
        )

    @property
    def provider_eraser(self) -> ProviderEraser:
        return ProviderEraser(self.ledger, self.provider)

    @property
    def sweeper(self) -> Sweeper:
        return Sweeper(
            ledger=self.ledger,
            limiter=self.limiter,
            queues=self.queues,
            clock=self.clock,
            regions=self.regions,
            pair_deadline_s=self.pair_deadline_s,
        )

    @property
    def upload_desk(self) -> UploadDesk:
        return UploadDesk(self.photos, self.regions, SIZE_LIMIT_BYTES, reads_heic=self.reads_heic)

    @property
    def publisher(self) -> ResultPublisher:
        return ResultPublisher(
            ledger=self.ledger,
            results=self.results,
            clock=self.clock,
            source=EVENT_SOURCE,
            photos=self.photos,
            deletes_photos=self.deletes_photos,
        )

    def upload(
        self,
        role: Role,
        content: bytes | None = None,
        *,
        region: str = "singapore",
        pair_id: str = "pair-1",
        sequencer: int | None = None,
    ) -> str | None:
        """Put a photo into the inbox and receive its notification, as S3 sends it."""
        key = make_inbox_key(region, pair_id, role, "jpg")
        self.photos.write(key, make_portrait(role) if content is None else content)
        return self.notify(key, sequencer=sequencer)

    def notify(self, key: str, *, sequencer: int | None = None) -> str | None:
        """Receive the notification of an object in the inbox."""
        photo = self.photos.find(key)
        if photo is None:
            raise ValueError(f"There is no photo under {key}.")
        return self.receive(photo, sequencer=sequencer)

    def receive(self, photo: StoredPhoto, *, sequencer: int | None = None) -> str | None:
        """Receive the notification of a photo, whether it is still in the inbox or not."""
        inbox_key = parse_inbox_key(photo.key)
        if inbox_key is None:
            raise ValueError(f"{photo.key} is no key of the inbox.")
        arrived = ArrivedPhoto(
            photo=photo,
            sequencer=f"{next(self._sequence) if sequencer is None else sequencer:032x}",
            arrived_at_ms=self.clock.now_ms(),
        )
        return self.receiver.receive(inbox_key, arrived)

    def upload_pair(
        self,
        source: bytes | None = None,
        target: bytes | None = None,
        *,
        region: str = "singapore",
        pair_id: str = "pair-1",
    ) -> str:
        """Upload both photos of a pair and return the id of its comparison."""
        self.upload(Role.SOURCE, source, region=region, pair_id=pair_id)
        comparison_id = self.upload(Role.TARGET, target, region=region, pair_id=pair_id)
        if comparison_id is None:
            raise ValueError("The pair was not complete.")
        return comparison_id

    def compare(
        self,
        comparison_id: str,
        *,
        time_s: float = 120.0,
        priority: Priority = Priority.BULK,
        prepared: Mapping[Role, PreparedPhoto] | None = None,
    ) -> None:
        """Do what the worker does with one message."""
        self.comparer.compare(comparison_id, priority, Deadline.after(time_s, self.clock), prepared)

    def prepare(self, comparison_id: str) -> dict[Role, PreparedPhoto]:
        """Prepare the photos of a comparison once, for a test that compares it often."""
        photos = self.comparison(comparison_id).photos
        return self.loader.load(photos, Deadline.after(120.0, self.clock), Stopwatch(self.clock))

    def work(self) -> None:
        """Have workers take what is on the queues, until nothing can be done without waiting."""
        waiting, self.queues.sent = self.queues.sent, []
        for comparison_id, _ in waiting:
            with suppress(AlreadyEndedError, NotFoundError, LeaseHeldError):
                self.compare(comparison_id)

    def publish(self) -> None:
        """Publish every verdict in the outbox, as the stream and the sweep do."""
        for comparison_id in sorted(self.ledger.pending):
            self.publisher.publish(comparison_id)

    def comparison(self, comparison_id: str) -> Comparison:
        return self.ledger.comparisons[comparison_id]

    def verdict(self, comparison_id: str) -> Verdict:
        ending = self.comparison(comparison_id).ending
        if ending is None:
            raise ValueError("The comparison has not ended.")
        return ending.verdict


def make_stack(
    *script: Step,
    regions: RegionPolicy | None = None,
    options: Options | None = None,
    retries: RetryPolicy | None = None,
    calls_per_s: float = 10.0,
    latency_s: float = 0.0,
    pair_deadline_s: int = 600,
    deletes_photos: bool = True,
    erases_at_provider: bool = False,
    reads_heic: bool = False,
    draw: Draw = draw_highest,
) -> InMemoryStack:
    """Make a stack whose provider follows `script`."""
    clock = FakeClock()
    provider = ScriptedProvider(clock, latency_s=latency_s)
    provider.follow(*script)
    return InMemoryStack(
        clock=clock,
        provider=provider,
        limiter=InMemoryRateLimiter(dict.fromkeys(Region, calls_per_s)),
        regions=regions or RegionPolicy(Region.SINGAPORE, frozenset(Region)),
        options=options or Options(),
        retries=retries or RetryPolicy(),
        pair_deadline_s=pair_deadline_s,
        deletes_photos=deletes_photos,
        erases_at_provider=erases_at_provider,
        reads_heic=reads_heic,
        draw=draw,
    )
