"""What goes on in a stack: its queues, its quota, and today's work."""

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from facematch.domain.comparison import State
from facematch.domain.quota import INTERACTIVE_HORIZON_S
from facematch.domain.regions import Region
from facematch_cli.prices import Bill
from facematch_cli.queues import Depth, measure_depth
from facematch_cli.records import Record, RecordReader, read_items
from facematch_cli.stack import Stack

LATEST: Final = 8
"""How many of the latest verdicts are kept in mind."""
_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class Circuit:
    """A region's circuit breaker: its state, in lower case, and for how long it has been open."""

    state: str = "closed"
    open_s: float | None = None

    @property
    def is_closed(self) -> bool:
        """Whether calls go through."""
        return self.state == "closed"


@dataclass(frozen=True, slots=True)
class RegionUse:
    """A region's quota: calls a second that are this stack's, and calls of the last minute.

    `booked_s` is how far ahead slots are booked; `held_back_s` how long there are none, since the provider
    throttled.
    """

    calls_per_s: float
    calls_last_minute: int
    booked_s: float
    held_back_s: float
    circuit: Circuit

    @property
    def share(self) -> float:
        """The part of the last minute's calls that were made."""
        return self.calls_last_minute / (self.calls_per_s * 60)


@dataclass(slots=True)
class Tally:
    """What the ledger's records add up to; "today" is the day in UTC.

    `latest` are when comparisons ended and their ids, the latest few in the order of a heap.
    """

    now_ms: int
    records: int = 0
    open: int = 0
    pending: int = 0
    oldest_open_ms: int | None = None
    verdicts_today: Counter[str] = field(default_factory=Counter)
    bill_today: Bill = field(default_factory=Bill)
    calls_last_minute: Counter[str] = field(default_factory=Counter)
    latest: list[tuple[int, str]] = field(default_factory=list)

    def add(self, records: Iterable[Record]) -> None:
        """Count records in."""
        midnight_ms = self.now_ms // _DAY_MS * _DAY_MS
        for record in records:
            self.records += 1
            self.pending += record.is_pending
            if record.state == State.REGISTERED:
                self.open += 1
                self.oldest_open_ms = min(self.oldest_open_ms or record.created_at_ms, record.created_at_ms)
            if record.ended_at_ms is not None:
                keep = heapq.heappush if len(self.latest) < LATEST else heapq.heappushpop
                keep(self.latest, (record.ended_at_ms, record.id))
            if record.ended_at_ms is not None and record.ended_at_ms >= midnight_ms:
                self.verdicts_today[record.decision or ""] += 1
            today = [attempt for attempt in record.attempts if attempt.started_at_ms >= midnight_ms]
            self.bill_today.add(record.region, today)
            minute_ago_ms = self.now_ms - _MINUTE_MS
            self.calls_last_minute[record.region] += sum(
                minute_ago_ms <= attempt.started_at_ms <= self.now_ms for attempt in record.attempts
            )


@dataclass(frozen=True, slots=True)
class Overview:
    """All that `status` tells; `is_cut` says that the ledger holds more records than were read."""

    queues: Mapping[str, Depth]
    dead_letters: Mapping[str, Depth]
    regions: Mapping[Region, RegionUse]
    tally: Tally
    is_cut: bool


def look_over(stack: Stack, *, now_ms: int, page_limit: int | None) -> Overview:
    """Return how a stack is, from its queues and at the most `page_limit` pages (1 MB each) of its ledger."""
    sqs, dynamodb, settings = stack.sqs(), stack.dynamodb(), stack.settings
    queues = {
        "uploads": settings.uploads_queue_url,
        "comparisons": settings.comparisons_queue_url,
        "results": settings.results_queue_url,
    }
    dead_letters = {
        "uploads": stack.dead_letters.uploads,
        "comparisons": stack.dead_letters.comparisons,
        "outbox": stack.dead_letters.outbox,
    }
    tally, reader = Tally(now_ms), RecordReader(dynamodb, settings.table)
    tally.add(reader.read(page_limit=page_limit))
    buckets = read_items(dynamodb, settings.table, "quota")
    circuits = read_items(dynamodb, settings.table, "circuit")
    return Overview(
        queues={name: measure_depth(sqs, url) for name, url in queues.items()},
        dead_letters={name: measure_depth(sqs, url) for name, url in dead_letters.items()},
        regions={
            region: _read_use(stack, region, buckets.get(region), circuits.get(region), tally)
            for region in Region
            if region in settings.regions.allowed
        },
        tally=tally,
        is_cut=reader.is_cut,
    )


def _read_use(
    stack: Stack,
    region: Region,
    bucket: Mapping[str, Any] | None,
    circuit: Mapping[str, Any] | None,
    tally: Tally,
) -> RegionUse:
    ahead_s = max(int(bucket["next_us"]) / 1000 - tally.now_ms, 0) / 1000 if bucket else 0.0
    # Nobody books as far ahead as this: the provider has throttled, and all wait.
    is_held_back = ahead_s > math.ceil(INTERACTIVE_HORIZON_S)
    return RegionUse(
        calls_per_s=stack.settings.calls_per_s[region],
        calls_last_minute=tally.calls_last_minute[region],
        booked_s=0.0 if is_held_back else ahead_s,
        held_back_s=ahead_s if is_held_back else 0.0,
        circuit=_read_circuit(circuit, tally.now_ms) if circuit else Circuit(),
    )


def _read_circuit(item: Mapping[str, Any], now_ms: int) -> Circuit:
    opened_at_s = item.get("opened_at")
    open_s = None if opened_at_s is None else max(now_ms / 1000 - float(opened_at_s), 0.0)
    return Circuit(str(item.get("state", "closed")).lower(), open_s)
