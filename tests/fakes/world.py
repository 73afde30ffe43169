"""Everything of facematch but the cloud, wired with fakes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from facematch.domain.comparison import Comparison, Options
from facematch.domain.inbox import make_inbox_key, parse_inbox_key
from facematch.domain.ports import ArrivedPhoto
from facematch.domain.regions import Region, RegionPolicy
from facematch.domain.verdict import Role, Verdict
from facematch.use_cases.collect_photos import PhotoCollector
from facematch.use_cases.compare_pair import Effort, PairComparer, PreparedPhoto, RetryPolicy
from facematch.use_cases.discard_photos import PhotoDisposal
from facematch.use_cases.issue_uploads import UploadDesk
from facematch.use_cases.prepare_photos import PhotoPreparer
from facematch.use_cases.publish_result import ResultPublisher
from facematch.use_cases.receive_photo import PhotoIntake
from facematch.use_cases.request_comparison import ComparisonDesk
from tests.factories import make_portrait
from tests.fakes.clock import FakeClock
from tests.fakes.ledger import InMemoryLedger
from tests.fakes.photo_store import InMemoryPhotoStore
from tests.fakes.provider import ScriptedProvider, Step
from tests.fakes.queues import RecordingComparisonQueue, RecordingDeadlineQueue, RecordingResultQueue
from tests.fakes.quota import InMemoryQuota

EVENT_SOURCE: Final = "urn:facematch:000000000000:ap-southeast-1:test"
SIZE_LIMIT_BYTES: Final = 20_000_000

type Draw = Callable[[float, float], float]


def draw_highest(_: float, high: float) -> float:
    return high


def draw_lowest(low: float, _: float) -> float:
    return low


@dataclass(slots=True, kw_only=True)
class World:
    """A stack in memory; what the template sets in the cloud are its fields."""

    clock: FakeClock
    provider: ScriptedProvider
    quota: InMemoryQuota
    regions: RegionPolicy
    options: Options
    retries: RetryPolicy
    pair_deadline_s: int
    deletes_uploads: bool
    reads_heic: bool
    draw: Draw
    ledger: InMemoryLedger = field(default_factory=InMemoryLedger)
    photos: InMemoryPhotoStore = field(default_factory=InMemoryPhotoStore)
    comparisons: RecordingComparisonQueue = field(default_factory=RecordingComparisonQueue)
    deadlines: RecordingDeadlineQueue = field(default_factory=RecordingDeadlineQueue)
    results: RecordingResultQueue = field(default_factory=RecordingResultQueue)
    _sequence: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def intake(self) -> PhotoIntake:
        return PhotoIntake(
            ledger=self.ledger,
            comparisons=self.comparisons,
            deadlines=self.deadlines,
            clock=self.clock,
            regions=self.regions,
            options=self.options,
            pair_deadline_s=self.pair_deadline_s,
            deletes_uploads=self.deletes_uploads,
        )

    @property
    def comparer(self) -> PairComparer:
        return PairComparer(
            ledger=self.ledger,
            photos=self.photos,
            preparer=PhotoPreparer(),
            quota=self.quota,
            provider=self.provider,
            clock=self.clock,
            regions=self.regions,
            retries=self.retries,
            draw=self.draw,
        )

    @property
    def collector(self) -> PhotoCollector:
        return PhotoCollector(self.photos, self.comparer)

    @property
    def disposal(self) -> PhotoDisposal:
        return PhotoDisposal(self.ledger, self.photos)

    @property
    def desk(self) -> ComparisonDesk:
        return ComparisonDesk(
            ledger=self.ledger,
            photos=self.photos,
            collector=self.collector,
            comparisons=self.comparisons,
            comparer=self.comparer,
            disposal=self.disposal,
            clock=self.clock,
            regions=self.regions,
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
            disposal=self.disposal,
            deletes_uploads=self.deletes_uploads,
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
        """Put a photo into the inbox and have its event received, as S3 does."""
        key = make_inbox_key(region, pair_id, role, "jpg")
        self.photos.write(key, make_portrait(role) if content is None else content)
        return self.tell(key, sequencer=sequencer)

    def tell(self, key: str, *, sequencer: int | None = None) -> str | None:
        """Have the event of an object received that stands in the inbox."""
        inbox_key = parse_inbox_key(key)
        photo = self.photos.find(key)
        if inbox_key is None or photo is None:
            raise ValueError(f"There is no photo under {key}.")
        arrived = ArrivedPhoto(
            photo=photo,
            sequencer=f"{next(self._sequence) if sequencer is None else sequencer:032x}",
            arrived_at_ms=self.clock.now_ms(),
        )
        return self.intake.receive(inbox_key, arrived)

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
        horizon_s: float = 1.0,
        prepared: Mapping[Role, PreparedPhoto] | None = None,
    ) -> None:
        """Do what the worker does with one message."""
        self.comparer.compare(comparison_id, Effort(horizon_s, time_s), prepared)

    def comparison(self, comparison_id: str) -> Comparison:
        return self.ledger.comparisons[comparison_id]

    def verdict(self, comparison_id: str) -> Verdict:
        ending = self.comparison(comparison_id).ending
        if ending is None:
            raise ValueError("The comparison has not ended.")
        return ending.verdict


def make_world(
    *script: Step,
    regions: RegionPolicy | None = None,
    options: Options | None = None,
    retries: RetryPolicy | None = None,
    calls_per_s: float = 10.0,
    latency_s: float = 0.0,
    pair_deadline_s: int = 600,
    deletes_uploads: bool = False,
    reads_heic: bool = False,
    draw: Draw = draw_highest,
) -> World:
    """Make a stack whose provider follows `script`."""
    clock = FakeClock()
    provider = ScriptedProvider(clock, latency_s=latency_s)
    provider.follow(*script)
    return World(
        clock=clock,
        provider=provider,
        quota=InMemoryQuota(dict.fromkeys(Region, calls_per_s)),
        regions=regions or RegionPolicy(Region.SINGAPORE, frozenset(Region)),
        options=options or Options(),
        retries=retries or RetryPolicy(),
        pair_deadline_s=pair_deadline_s,
        deletes_uploads=deletes_uploads,
        reads_heic=reads_heic,
        draw=draw,
    )
