"""Finds unfinished work: unpublished results, incomplete pairs and forgotten comparisons."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Final

from facematch.domain.clock import Clock
from facematch.domain.lane import HoldReason
from facematch.domain.ports import ComparisonQueues, Ledger, RateLimiter
from facematch.domain.priority import Priority
from facematch.domain.regions import Region, RegionPolicy

UNPUBLISHED_AFTER_S: Final = 300
"""Longer than the stream normally needs, with its retries."""
FORGOTTEN_AFTER_S: Final = 3600
"""Longer than a message normally waits. In a backlog, messages wait longer; a second message is harmless."""


@dataclass(frozen=True, slots=True)
class Sweeper:
    """Lists unfinished work, and enqueues comparisons that no worker has claimed for an hour."""

    ledger: Ledger
    limiter: RateLimiter
    queues: ComparisonQueues
    clock: Clock
    regions: RegionPolicy
    pair_deadline_s: int

    def find_unpublished(self) -> Iterable[str]:
        """Return the ids of comparisons that have been in the outbox for too long, oldest first."""
        return self.ledger.list_unpublished(before_ms=self.clock.now_ms() - UNPUBLISHED_AFTER_S * 1000)

    def find_due_pairs(self) -> Iterable[tuple[str, str]]:
        """Return region and folder of pairs whose deadline has passed."""
        return self.ledger.list_incomplete_pairs(before_ms=self.clock.now_ms() - self.pair_deadline_s * 1000)

    def measure_backlog(self) -> dict[Region, float]:
        """Return the age of the oldest open comparison of each allowed region, in seconds."""
        now_ms = self.clock.now_ms()
        oldest_ms = {region: self.ledger.find_oldest_open(region) for region in self.regions.allowed}
        return {region: (now_ms - (at_ms or now_ms)) / 1000 for region, at_ms in oldest_ms.items()}

    def count_holds(self) -> dict[HoldReason, int]:
        """Return how many lanes are on hold or wait for a trial, by reason."""
        holds = (self.limiter.find_lane(region).hold for region in self.regions.allowed)
        now_ms = self.clock.now_ms()
        reasons = [
            hold.reason
            for hold in holds
            if hold and (hold.reason is not HoldReason.THROTTLING or hold.remaining_s(now_ms) > 0)
        ]
        return {reason: reasons.count(reason) for reason in HoldReason}

    def enqueue_forgotten(self, limit: int) -> int:
        """Enqueue open comparisons that no worker has claimed for an hour; return how many.

        The `limit` is per region, so that a backlog in one region does not delay the others. Regions that are
        not allowed any more are included: a worker ends their comparisons as failed.
        """
        now_ms = self.clock.now_ms()
        before_ms = now_ms - FORGOTTEN_AFTER_S * 1000
        enqueued = 0
        for region in Region:
            for comparison_id in islice(self.ledger.list_forgotten(region, before_ms=before_ms), limit):
                self.queues.send(region, Priority.BULK, comparison_id)
                self.ledger.touch(comparison_id, now_ms=now_ms)
                enqueued += 1
        return enqueued
