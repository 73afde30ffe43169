"""One comparison, from its stored photos to its verdict in the ledger."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from facematch.domain.clock import Clock
from facematch.domain.comparison import Attempt, Comparison, Ending, Outcome
from facematch.domain.deadline import Deadline
from facematch.domain.errors import (
    InvalidInputError,
    LaneHeldError,
    LedgerUnavailableError,
    PhotoMissingError,
    RejectedPhotoError,
)
from facematch.domain.ports import Ledger
from facematch.domain.priority import Priority
from facematch.domain.regions import RegionPolicy
from facematch.domain.retries import RetryPolicy
from facematch.domain.stopwatch import Stopwatch
from facematch.domain.verdict import Role, Verdict, fail, reject_photo
from facematch.use_cases.call_provider import Job, ProviderCaller, fail_late
from facematch.use_cases.load_photos import PhotoLoader, PreparedPhoto


@dataclass(frozen=True, slots=True)
class PairComparer:
    """Completes one comparison, or postpones it."""

    ledger: Ledger
    loader: PhotoLoader
    caller: ProviderCaller
    clock: Clock
    regions: RegionPolicy
    retries: RetryPolicy

    def compare(
        self,
        comparison_id: str,
        priority: Priority,
        deadline: Deadline,
        prepared: Mapping[Role, PreparedPhoto] | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """Lease a registered comparison, compare its photos, and record the ending.

        `prepared` are the photos if the caller has already prepared them. `stopwatch` has measured that.

        Raises
        ------
        NotFoundError, AlreadyEndedError
            There is nothing to do.
        PostponedError
            The comparison stays open: another worker has it, no slot is near, or the lane is on hold.
        """
        job = Job(
            comparison_id=comparison_id,
            owner=secrets.token_hex(8),
            priority=priority,
            deadline=deadline,
            stopwatch=stopwatch or Stopwatch(self.clock),
        )
        now_ms = self.clock.now_ms()
        comparison = self.ledger.claim(
            comparison_id, job.owner, now_ms=now_ms, until_ms=deadline.lease_until_ms
        )
        waited_ms = now_ms - comparison.created_at_ms - sum(job.stopwatch.steps_ms.values())
        job.stopwatch.add("wait_for_worker", waited_ms)
        try:
            self._end(job, comparison, prepared)
        except BaseException:
            # A comparison that has ended has no lease any more.
            self.ledger.release(comparison_id, job.owner)
            raise

    def _end(self, job: Job, comparison: Comparison, prepared: Mapping[Role, PreparedPhoto] | None) -> None:
        attempt: Attempt | None = None
        try:
            region = self.regions.choose(comparison.region)
            comparison = self._settle_lost_attempts(comparison)
            self.caller.check_lane(comparison, region)
            prepared = prepared or self.loader.load(comparison.photos, job.deadline, job.stopwatch)
            verdict, attempt = self.caller.call_until_answered(job, comparison, region, prepared)
        except RejectedPhotoError as error:
            verdict = reject_photo(error.code, error.message, photo=Role(error.field))
        except PhotoMissingError as error:
            verdict = fail(error.code, error.message, photo=Role(error.field) if error.field else None)
        except InvalidInputError as error:
            verdict = fail(error.code, error.message)
        except LaneHeldError:
            if not self.retries.is_late(comparison, self.clock.now_ms()):
                raise
            verdict = fail_late(comparison)
        self._record(job, verdict, attempt, prepared or {})

    def _settle_lost_attempts(self, comparison: Comparison) -> Comparison:
        """Mark the calls of crashed workers as possibly billed; return the comparison."""
        for attempt in comparison.attempts:
            if attempt.outcome is Outcome.NOT_SETTLED:
                comparison = self.caller.settle_lost(comparison, attempt)
        return comparison

    def _record(
        self,
        job: Job,
        verdict: Verdict,
        attempt: Attempt | None,
        prepared: Mapping[Role, PreparedPhoto],
    ) -> None:
        ending = Ending(
            verdict=verdict,
            ended_at_ms=self.clock.now_ms(),
            photos={role: photo.report for role, photo in prepared.items()},
            timings_ms=job.stopwatch.steps_ms,
        )
        # Retry until the lease expires: if the answer is lost, the pair is billed twice.
        while True:
            try:
                return self.ledger.end(job.comparison_id, ending, attempt)
            except LedgerUnavailableError:
                if self.clock.now_ms() >= job.deadline.lease_until_ms:
                    raise
                self.clock.sleep(self.retries.ledger_pause_s)
