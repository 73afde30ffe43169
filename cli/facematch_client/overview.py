"""The state of a stack: queues, quota, and today's verdicts."""

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from facematch.domain.comparison import State
from facematch.domain.lane import Hold
from facematch.domain.priority import Priority
from facematch.domain.regions import Region
from facematch_client.holds import find_hold
from facematch_client.prices import Bill
from facematch_client.queues import Depth, measure_depth
from facematch_client.records import Record, RecordReader
from facematch_client.stack import Stack

LATEST_COUNT: Final = 8
"""The number of latest verdicts that a tally keeps."""
_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class RegionUsage:
    """The use of a region's quota: the calls per second of this stack, and the calls of the last minute.

    `hold` is a hold that is active, or that has ended without a trial.
    """

    calls_per_s: float
    calls_last_minute: int
    hold: Hold | None = None

    @property
    def share(self) -> float:
        """The share of the quota that the last minute's calls used."""
        return self.calls_last_minute / (self.calls_per_s * 60)


@dataclass(slots=True)
class Tally:
    """Counts of the ledger's records. "Today" is the day in UTC.

    `latest` is a heap of the latest ended comparisons: the time and the id. An erased comparison counts in
    `erased_today` only, not as a verdict.
    """

    now_ms: int
    records: int = 0
    open: int = 0
    pending: int = 0
    oldest_open_ms: int | None = None
    verdicts_today: Counter[str] = field(default_factory=Counter)
    erased_today: int = 0
    bill_today: Bill = field(default_factory=Bill)
    calls_last_minute: Counter[str] = field(default_factory=Counter)
    latest: list[tuple[int, str]] = field(default_factory=list)

    def add(self, records: Iterable[Record]) -> None:
        """Add records to the counts."""
        midnight_ms = self.now_ms // _DAY_MS * _DAY_MS
        for record in records:
            self.records += 1
            self.pending += record.is_pending
            if record.state == State.REGISTERED:
                self.open += 1
                self.oldest_open_ms = min(self.oldest_open_ms or record.created_at_ms, record.created_at_ms)
            if record.ended_at_ms is not None:
                self._add_ended(record, record.ended_at_ms, midnight_ms)
            today = [attempt for attempt in record.attempts if attempt.started_at_ms >= midnight_ms]
            self.bill_today.add(record.region, today)
            minute_ago_ms = self.now_ms - _MINUTE_MS
            self.calls_last_minute[record.region] += sum(
                minute_ago_ms <= attempt.started_at_ms <= self.now_ms for attempt in record.attempts
            )

    def _add_ended(self, record: Record, ended_at_ms: int, midnight_ms: int) -> None:
        if record.state == State.ERASED:
            self.erased_today += ended_at_ms >= midnight_ms
            return
        self.verdicts_today[record.decision or ""] += ended_at_ms >= midnight_ms
        keep = heapq.heappush if len(self.latest) < LATEST_COUNT else heapq.heappushpop
        keep(self.latest, (ended_at_ms, record.id))


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of a stack. `is_cut` is true if the ledger has more records than were read."""

    queues: Mapping[str, Depth]
    dead_letters: Mapping[str, Depth]
    regions: Mapping[Region, RegionUsage]
    tally: Tally
    is_cut: bool


def read_stack_overview(stack: Stack, *, now_ms: int, page_limit: int | None) -> Overview:
    """Return the state of a stack, from its queues and up to `page_limit` pages (1 MB each) of its ledger."""
    sqs, dynamodb, settings = stack.sqs(), stack.dynamodb(), stack.settings
    regions = [region for region in Region if region in settings.regions.allowed]
    lanes = itertools.product(regions, Priority)
    queues = {
        "uploads": stack.uploads_queue_url,
        **{
            f"{region} {priority}": settings.comparison_queue_urls[region, priority]
            for region, priority in lanes
        },
        "results": settings.results_queue_url,
    }
    dead_letters = {
        "uploads": stack.dead_letters.uploads,
        "comparisons": stack.dead_letters.comparisons,
        "outbox": stack.dead_letters.outbox,
    }
    tally, reader = Tally(now_ms), RecordReader(dynamodb, settings.table)
    tally.add(reader.read(page_limit=page_limit))
    return Overview(
        queues={name: measure_depth(sqs, url) for name, url in queues.items()},
        dead_letters={name: measure_depth(sqs, url) for name, url in dead_letters.items()},
        regions={region: _read_usage(stack, region, tally) for region in regions},
        tally=tally,
        is_cut=reader.is_cut,
    )


def _read_usage(stack: Stack, region: Region, tally: Tally) -> RegionUsage:
    return RegionUsage(
        calls_per_s=stack.settings.calls_per_s[region],
        calls_last_minute=tally.calls_last_minute[region],
        hold=find_hold(stack, region, tally.now_ms),
    )
