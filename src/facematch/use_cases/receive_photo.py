"""Intake from the bucket: a photo has landed; a complete pair is registered and enqueued."""

from dataclasses import dataclass, replace

from facematch.domain.clock import Clock
from facematch.domain.comparison import (
    Comparison,
    Ending,
    Options,
    Origin,
    State,
    identify_upload,
)
from facematch.domain.errors import InvalidInputError
from facematch.domain.inbox import InboxKey, check_pair_id, split_folder
from facematch.domain.ports import ArrivedPhoto, ComparisonQueue, DeadlineQueue, Ledger, Pair
from facematch.domain.regions import RegionPolicy
from facematch.domain.verdict import Role, Verdict, fail
from facematch.use_cases.register_upload import register_upload


@dataclass(frozen=True, slots=True)
class PhotoIntake:
    """Registers what lands in the inbox, whatever the order, and however often it is told.

    `pair_deadline_s` is how long half a pair may stay alone; `deletes_uploads` tells whether photos are
    deleted once their verdict is out.
    """

    ledger: Ledger
    comparisons: ComparisonQueue
    deadlines: DeadlineQueue
    clock: Clock
    regions: RegionPolicy
    options: Options
    pair_deadline_s: int
    deletes_uploads: bool

    def receive(self, key: InboxKey, arrived: ArrivedPhoto) -> str | None:
        """Record one photo; return the id of its comparison once the pair is complete, else None."""
        pair = self.ledger.put_photo(key.region, key.folder, key.role, arrived)
        if pair.arrived[key.role].photo != arrived.photo:
            self._take_up(pair, key.role, arrived)
        if pair.over:
            return None
        if not pair.complete:
            self.deadlines.send_deadline(key.region, key.folder, delay_s=self.pair_deadline_s)
            return None
        comparison = self._register(pair)
        if not comparison.ended:
            self.comparisons.send(comparison.id)
        elif self.deletes_uploads and comparison.published_at_ms is not None:
            # The API was faster than this event: what it tells of is gone, or on its way out.
            self.ledger.retire_pair(pair)
        return comparison.id

    def _take_up(self, pair: Pair, role: Role, replaced: ArrivedPhoto) -> None:
        """Enqueue the comparison of a photo that was replaced since, if who registered it died over that."""
        earlier = replace(pair, arrived={**pair.arrived, role: replaced})
        comparison = self.ledger.find(earlier.comparison_id)
        if comparison is not None and not comparison.ended:
            self.comparisons.send(comparison.id)

    def expire(self, region: str, pair_id: str) -> str | None:
        """End half a pair as `pair_incomplete` if its time is up; return the comparison's id then."""
        pair = self.ledger.find_pair(region, pair_id)
        if pair is None or pair.over or pair.complete:
            return None
        now_ms = self.clock.now_ms()
        (present,) = pair.photos
        latest_ms = pair.arrived[present].arrived_at_ms
        remaining_s = latest_ms / 1000 + self.pair_deadline_s - now_ms / 1000
        if remaining_s > 0:
            self.deadlines.send_deadline(region, pair_id, delay_s=remaining_s)
            return None
        comparison = self._make_ended(pair, _missing_half(present), now_ms)
        return comparison.id if self.ledger.register_lone_photo(comparison, pair) else None

    def _register(self, pair: Pair) -> Comparison:
        now_ms = self.clock.now_ms()
        try:
            check_pair_id(split_folder(pair.pair_id)[0])
            self.regions.choose(pair.region)
        except InvalidInputError as error:
            comparison = self._make_ended(pair, fail(error.code, error.message), now_ms)
        else:
            comparison = self._make(pair, now_ms)
        return register_upload(self.ledger, comparison)

    def _make(self, pair: Pair, now_ms: int) -> Comparison:
        etags = {role: photo.etag or "" for role, photo in pair.photos.items()}
        pair_id, caller = split_folder(pair.pair_id)
        return Comparison(
            id=identify_upload(pair.region, pair.pair_id, etags),
            region=pair.region,
            pair_id=pair_id,
            caller=caller,
            origin=Origin.UPLOAD,
            created_at_ms=now_ms,
            photos=pair.photos,
            options=self.options,
        )

    def _make_ended(self, pair: Pair, verdict: Verdict, now_ms: int) -> Comparison:
        return replace(
            self._make(pair, now_ms),
            state=State.FAILED,
            ending=Ending(verdict=verdict, ended_at_ms=now_ms),
        )


def _missing_half(present: Role) -> Verdict:
    missing = Role.TARGET if present is Role.SOURCE else Role.SOURCE
    return fail(
        "pair_incomplete",
        f"The {missing} photo did not come in time; the {present} photo waited alone.",
        photo=missing,
    )
