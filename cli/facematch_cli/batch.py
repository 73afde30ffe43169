"""The verdicts of one batch (a folder or manifest), from the ledger."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from itertools import batched
from pathlib import Path
from typing import Final

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.clock import Clock
from facematch.domain.comparison import Comparison, State
from facematch.domain.errors import InvalidInputError
from facematch.domain.pair import Pair
from facematch.domain.regions import Region
from facematch.domain.result_event import format_time
from facematch.domain.verdict import Role
from facematch_cli.pairs import PairFiles, PairSource
from facematch_cli.regions import choose_region
from facematch_client.records import find_by_photos, find_uploaded, open_ledger
from facematch_client.stack import Stack

WAITING: Final = "waiting"
"""The pair is submitted and has no verdict yet."""
ABSENT: Final = "not_submitted"
"""The ledger has no photo of the pair."""
_READERS: Final = 16
_PAIRS_PER_READ: Final = 512
_POLL_INTERVAL_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PairVerdict:
    """A pair of a batch. `state` is `waiting`, `not_submitted`, `erased`, or that of its ended comparison."""

    line: int | None
    pair_id: str
    region: str | None
    state: str
    verdict: str | None = None
    score: float | None = None
    reason: str | None = None
    photo: str | None = None
    message: str | None = None
    attempts: int | None = None
    ended_at: str | None = None
    comparison_id: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """The pairs of a batch in a stack.

    `region` is the default for pairs without a region. `etags` are those of the photos that were submitted
    last, by the pair's key in the journal. A verdict on earlier photos does not count.
    """

    stack: Stack
    pairs: PairSource
    region: str | None
    etags: Mapping[str, Mapping[Role, str]]

    def read(self) -> Iterator[PairVerdict]:
        """Yield the verdict of each pair, in the order of the batch. A repeated pair counts once."""
        ledger = open_ledger(self.stack)
        with ThreadPoolExecutor(_READERS) as pool:
            for group in batched(self._choose_regions(), _PAIRS_PER_READ, strict=False):
                yield from pool.map(lambda routed: self._read_one(ledger, *routed), group)

    def _choose_regions(self) -> Iterator[tuple[PairFiles, Region | None]]:
        seen: set[tuple[str, str]] = set()
        for pair in self.pairs.read():
            try:
                region = choose_region(self.stack.settings.regions, pair.region or self.region)
            except InvalidInputError:
                yield pair, None
                continue
            if (region, pair.pair_id) not in seen:
                seen.add((region, pair.pair_id))
                yield pair, region

    def _read_one(self, ledger: DynamoDbLedger, pair: PairFiles, region: Region | None) -> PairVerdict:
        if region is None:
            return PairVerdict(line=pair.line, pair_id=pair.pair_id, region=pair.region, state=ABSENT)
        arrived, comparison = find_uploaded(ledger, region, pair.pair_id)
        submitted = self.etags.get(f"{region}/{pair.pair_id}")
        if arrived is None and submitted is not None:
            # Of an erased pair, only the comparison is left.
            erased = find_by_photos(ledger, region, pair.pair_id, submitted)
            if erased is not None and erased.state is State.ERASED:
                return _describe(pair, erased)
        is_waiting = arrived is None or (submitted is not None and _list_etags(arrived) != submitted)
        if is_waiting or comparison is None:
            state = ABSENT if arrived is None and submitted is None else WAITING
            return PairVerdict(line=pair.line, pair_id=pair.pair_id, region=region, state=state)
        return _describe(pair, comparison)


def wait_for_batch(batch: Batch, *, wait_s: float, clock: Clock) -> list[PairVerdict]:
    """Wait until all submitted pairs have a verdict, or for `wait_s`, and return the verdicts."""
    deadline_ms = clock.now_ms() + round(wait_s * 1000)
    while True:
        verdicts = list(batch.read())
        if clock.now_ms() >= deadline_ms or not any(verdict.state == WAITING for verdict in verdicts):
            return verdicts
        clock.sleep(_POLL_INTERVAL_S)


def write_verdicts(path: Path, verdicts: Iterable[PairVerdict]) -> None:
    """Write verdicts as CSV in UTF-8, one row per pair."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, [column.name for column in fields(PairVerdict)])
        rows.writeheader()
        rows.writerows(asdict(verdict) for verdict in verdicts)


def count_verdicts(verdicts: Iterable[PairVerdict]) -> Counter[str]:
    """Count the pairs by verdict, or by state if they have none."""
    return Counter(pair.verdict or pair.state for pair in verdicts)


def _list_etags(pair: Pair) -> dict[Role, str | None]:
    return {role: photo.photo.etag for role, photo in pair.arrived.items()}


def _describe(pair: PairFiles, comparison: Comparison) -> PairVerdict:
    ending = comparison.ending
    if ending is None or comparison.state is State.ERASED:
        return PairVerdict(
            line=pair.line,
            pair_id=pair.pair_id,
            region=comparison.region,
            state=WAITING if ending is None else State.ERASED.value,
            comparison_id=comparison.id,
        )
    return PairVerdict(
        line=pair.line,
        pair_id=pair.pair_id,
        region=comparison.region,
        state=comparison.state.value,
        verdict=ending.verdict.decision.value,
        score=ending.verdict.score,
        reason=ending.verdict.reason,
        photo=ending.verdict.photo,
        message=ending.verdict.message,
        attempts=comparison.call_count,
        ended_at=format_time(ending.ended_at_ms),
        comparison_id=comparison.id,
    )
