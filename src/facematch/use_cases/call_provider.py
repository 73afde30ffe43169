"""The calls of one comparison: in its region's lane, each recorded before it is sent."""

import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from facematch.domain.clock import Clock
from facematch.domain.comparison import Attempt, Comparison, Outcome
from facematch.domain.deadline import Deadline
from facematch.domain.errors import (
    LaneHeldError,
    LeaseLostError,
    LedgerUnavailableError,
    OperatorError,
    PhotoDownloadError,
    PostponedError,
    ProviderError,
    ProviderThrottledError,
    UnreachableError,
)
from facematch.domain.lane import (
    FAILURES_TO_HOLD,
    Hold,
    HoldReason,
    Lane,
    make_hold,
    make_throttling_hold,
)
from facematch.domain.ports import Ledger, RateLimiter
from facematch.domain.priority import Priority
from facematch.domain.provider import Call, Provider, judge
from facematch.domain.rate_limiter import LATENESS_LIMIT_MS, reserve_slot, wait_until
from facematch.domain.reasons import Reason
from facematch.domain.regions import Region
from facematch.domain.retries import RetryPolicy
from facematch.domain.stopwatch import Stopwatch
from facematch.domain.verdict import Role, Verdict, fail
from facematch.use_cases.load_photos import PreparedPhoto

_SHORT_HOLD_S: Final = 2.0
"""A worker waits for the end of a throttling hold this short: no slot is reserved before its end anyway."""
_LONG_PAUSE_S: Final = 3.0
"""A comparison with a longer pause waits in the queue, where waiting costs nothing."""
_SCATTER: Final = 0.25
"""Workers spread their retries after a hold over this part of its duration."""
_TRIAL_PAUSE_S: Final = (2.0, 5.0)
"""When to retry while another comparison is the trial, which takes a few seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The work on one comparison until `deadline`. `owner` identifies the lease."""

    comparison_id: str
    owner: str
    priority: Priority
    deadline: Deadline
    stopwatch: Stopwatch


def _ignore(_attempt: Attempt) -> None:
    """Do not report an attempt."""


@dataclass(frozen=True, slots=True)
class ProviderCaller:
    """Calls the provider for comparisons. It is thread-safe.

    `report` receives each attempt with its outcome. `draw` returns a random number between two others.
    """

    ledger: Ledger
    limiter: RateLimiter
    provider: Provider
    clock: Clock
    retries: RetryPolicy
    report: Callable[[Attempt], None] = _ignore
    # From the system: functions restored from one snapshot would otherwise draw the same numbers.
    draw: Callable[[float, float], float] = random.SystemRandom().uniform

    def check_lane(self, comparison: Comparison, region: Region) -> Lane:
        """Return the lane of a region if calls or a trial may be made now.

        Raises
        ------
        LaneHeldError
            The lane is on hold.
        """
        lane = self.limiter.find_lane(region)
        hold = lane.hold
        if hold is None:
            return lane
        remaining_s = hold.remaining_s(self.clock.now_ms())
        if hold.reason is HoldReason.THROTTLING and remaining_s <= _SHORT_HOLD_S:
            return replace(lane, hold=None)
        if remaining_s > 0:
            raise self._make_held_error(hold, comparison)
        return lane

    def call_until_answered(
        self,
        job: Job,
        comparison: Comparison,
        region: Region,
        prepared: Mapping[Role, PreparedPhoto],
    ) -> tuple[Verdict, Attempt | None]:
        """Call until there is a verdict or no call is left; return the verdict and its attempt.

        Raises
        ------
        PostponedError
            The comparison cannot continue now.
        """
        while not self.retries.is_exhausted(comparison):
            self._check_pause(comparison)
            lane = self._enter_lane(comparison, region)
            attempt = self._begin_attempt(job, comparison, region)
            call = Call(
                region=region,
                merchant_biz_id=attempt.merchant_biz_id,
                source=prepared[Role.SOURCE].photo,
                target=prepared[Role.TARGET].photo,
                face_quality_check=comparison.options.face_quality_check,
            )
            try:
                verdict, attempt = self._send(job, call, attempt, comparison)
            except LeaseLostError as error:
                self._settle(comparison, replace(attempt, outcome=Outcome.UNSENT, code=error.code))
                raise
            except _NoVerdictError as failure:
                refusal = failure.error
                comparison = self._settle(comparison, failure.attempt)
                pause_s = self._handle_failure(comparison, region, lane, refusal)
            else:
                self.report(attempt)
                self._lift_hold(region, lane)
                return verdict, attempt
            if self.retries.is_late(comparison, self.clock.now_ms() + round(pause_s * 1000)):
                return fail_late(comparison), None
            if not self.retries.is_exhausted(comparison):
                self._pause(job, refusal, pause_s)
        return _fail_exhausted(comparison), None

    def settle_lost(self, comparison: Comparison, attempt: Attempt) -> Comparison:
        """Record that the worker of an attempt died. The provider may have processed the call."""
        lost = replace(attempt, outcome=Outcome.POSSIBLY_BILLED, code="worker_lost")
        return self._settle(comparison, lost)

    def _check_pause(self, comparison: Comparison) -> None:
        """Check that the last call of a comparison is long enough ago.

        Raises
        ------
        PostponedError
            It is not, because a message or a request was repeated.
        """
        pause_s = self.retries.remaining_pause_s(comparison, self.clock.now_ms())
        if pause_s > 0:
            code = comparison.last_code or "paused"
            raise PostponedError(code, "The last call may still be billed.", retry_after_s=pause_s)

    def _enter_lane(self, comparison: Comparison, region: Region) -> Lane:
        """Return the lane. After a hold, only one worker gets it, for the trial.

        Raises
        ------
        LaneHeldError
            The lane is on hold, or another comparison is its trial.
        """
        lane = self.check_lane(comparison, region)
        expired, now_ms = lane.hold, self.clock.now_ms()
        if expired is None:
            return lane
        trial = expired.begin_trial(now_ms)
        if not self.limiter.hold(region, trial, replacing=expired):
            raise self._make_held_error(trial, comparison)
        try:
            self.provider.probe(region)
        except ProviderError as error:
            raise self._hold_again(comparison, region, error, trial) from None
        return replace(lane, hold=trial)

    def _begin_attempt(self, job: Job, comparison: Comparison, region: Region) -> Attempt:
        with job.stopwatch.measure("connect"):
            self.provider.warm_up(region)
        with job.stopwatch.measure("wait_for_slot"):
            slot_at_ms = self._reserve(job, region)
            attempt = comparison.next_attempt(slot_at_ms)
            # Recorded before the slot, so that the call is sent on time.
            self.ledger.begin_attempt(comparison.id, job.owner, attempt)
            if self.clock.now_ms() > slot_at_ms + LATENESS_LIMIT_MS:
                attempt = self._reserve_again(job, comparison, region, attempt)
        return attempt

    def _reserve(self, job: Job, region: Region) -> int:
        return reserve_slot(
            self.limiter, region, job.priority, job.deadline, clock=self.clock, draw=self.draw
        )

    def _reserve_again(self, job: Job, comparison: Comparison, region: Region, attempt: Attempt) -> Attempt:
        """Return the attempt with another slot. A late call would collide with the next slot."""
        try:
            return replace(attempt, started_at_ms=self._reserve(job, region))
        except PostponedError as error:
            self._settle(comparison, replace(attempt, outcome=Outcome.UNSENT, code=error.code))
            raise

    def _send(
        self, job: Job, call: Call, attempt: Attempt, comparison: Comparison
    ) -> tuple[Verdict, Attempt]:
        """Make one call in its slot; return the verdict and the attempt with its outcome.

        Raises
        ------
        LeaseLostError
            The process was frozen until its lease expired. Another worker may be calling. Nothing was sent.
        _NoVerdictError
            The call has no verdict.
        """
        sent_at_ms = attempt.started_at_ms

        def before_send() -> None:
            nonlocal sent_at_ms
            with job.stopwatch.measure("wait_for_slot"):
                wait_until(attempt.started_at_ms, self.clock)
            sent_at_ms = self.clock.now_ms()
            if sent_at_ms >= job.deadline.lease_until_ms:
                raise LeaseLostError

        try:
            verdict = judge(self.provider.compare(call, before_send), comparison.options.bounds)
        except ProviderError as error:
            duration_ms = self._record_duration(job, sent_at_ms)
            raise _NoVerdictError(error, _fail_attempt(attempt, error, duration_ms)) from None
        return verdict, replace(
            attempt,
            outcome=Outcome.ANSWERED,
            code=verdict.provider_code,
            request_id=verdict.request_id,
            duration_ms=self._record_duration(job, sent_at_ms),
        )

    def _record_duration(self, job: Job, sent_at_ms: int) -> int:
        """Return the duration of a call in milliseconds, and add it to the comparison's steps."""
        duration_ms = max(self.clock.now_ms() - sent_at_ms, 0)
        job.stopwatch.add("call", duration_ms)
        return duration_ms

    def _lift_hold(self, region: Region, lane: Lane) -> None:
        """Lift the hold after an answer. If the ledger does not answer, the next trial lifts it.

        The answer is billed, so it must be recorded even if this fails.
        """
        if lane != Lane():
            with suppress(LedgerUnavailableError):
                self.limiter.lift(region, lane.hold)

    def _settle(self, comparison: Comparison, attempt: Attempt) -> Comparison:
        self.report(attempt)
        self.ledger.settle_attempt(comparison.id, attempt)
        return comparison.settle(attempt)

    def _handle_failure(
        self, comparison: Comparison, region: Region, lane: Lane, error: ProviderError
    ) -> float:
        """Hold the lane if necessary; return how long this comparison must pause, in seconds.

        Raises
        ------
        LaneHeldError
            The comparison must wait for the end of the hold.
        """
        now_ms = self.clock.now_ms()
        if isinstance(error, ProviderThrottledError):
            pause_s = error.retry_after_s or self.retries.pause_throttled(comparison)
            self.limiter.lift(region, lane.hold)
            self.limiter.hold(region, make_throttling_hold(error.code, now_ms, pause_s), replacing=None)
            return max(pause_s, self.draw(0, self.retries.pause_unbilled(comparison)))
        if isinstance(error, PhotoDownloadError):
            self._lift_hold(region, lane)
        elif isinstance(error, OperatorError) or lane.hold is not None:
            raise self._hold_again(comparison, region, error, lane.hold)
        elif self.limiter.record_failure(region, comparison.id) >= FAILURES_TO_HOLD:
            self.limiter.hold(region, make_hold(HoldReason.OUTAGE, error.code, now_ms), replacing=None)
        if error.possibly_billed:
            longest_s = self.retries.pause_possibly_billed(comparison)
        else:
            longest_s = self.retries.pause_unbilled(comparison)
        return self.draw(longest_s / 2, longest_s)

    def _hold_again(
        self, comparison: Comparison, region: Region, error: ProviderError, trial: Hold | None
    ) -> LaneHeldError:
        """Hold the lane after an operator error or a failed trial; return the error to raise."""
        now_ms = self.clock.now_ms()
        if isinstance(error, ProviderThrottledError):
            hold = make_throttling_hold(error.code, now_ms, error.retry_after_s or _SHORT_HOLD_S)
        else:
            reason = HoldReason.OPERATOR if isinstance(error, OperatorError) else HoldReason.OUTAGE
            hold = make_hold(reason, error.code, now_ms, previous=trial)
        self.limiter.hold(region, hold, replacing=trial)
        return self._make_held_error(hold, comparison)

    def _make_held_error(self, hold: Hold, comparison: Comparison) -> LaneHeldError:
        """Return the error with the time to retry. Comparisons without calls retry first: better trials."""
        if hold.is_trial:
            return LaneHeldError(hold.code, self.draw(*_TRIAL_PAUSE_S))
        remaining_s = max(hold.remaining_s(self.clock.now_ms()), 0)
        scatter_s = hold.duration_s * _SCATTER
        earliest_s = remaining_s + (scatter_s if comparison.call_count else 0.0)
        return LaneHeldError(hold.code, self.draw(earliest_s, earliest_s + scatter_s))

    def _pause(self, job: Job, error: ProviderError, pause_s: float) -> None:
        if pause_s > _LONG_PAUSE_S or not job.deadline.allows(pause_s, self.clock):
            raise PostponedError(error.code, error.message, retry_after_s=pause_s)
        with job.stopwatch.measure("back_off"):
            self.clock.sleep(pause_s)


class _NoVerdictError(Exception):
    def __init__(self, error: ProviderError, attempt: Attempt) -> None:
        super().__init__()
        self.error = error
        self.attempt = attempt


def _fail_attempt(attempt: Attempt, error: ProviderError, duration_ms: int) -> Attempt:
    if error.possibly_billed:
        outcome = Outcome.POSSIBLY_BILLED
    elif isinstance(error, UnreachableError):
        outcome = Outcome.UNSENT
    elif isinstance(error, ProviderThrottledError):
        outcome = Outcome.THROTTLED
    elif isinstance(error, OperatorError):
        outcome = Outcome.REFUSED
    else:
        outcome = Outcome.FAULTED
    return replace(
        attempt, outcome=outcome, code=error.code, request_id=error.request_id, duration_ms=duration_ms
    )


def fail_late(comparison: Comparison) -> Verdict:
    """Return the verdict for a comparison that failed until its time limit."""
    last = comparison.last_code or "no answer"
    verdict = fail(
        Reason.PROVIDER_UNAVAILABLE,
        f"The provider gave no verdict within the time limit. Last answer: {last}.",
    )
    return replace(verdict, provider_code=comparison.last_code)


def _fail_exhausted(comparison: Comparison) -> Verdict:
    last = comparison.last_code or "no answer"
    verdict = fail(
        Reason.ATTEMPTS_EXHAUSTED,
        f"{len(comparison.attempts)} calls had no verdict and may have been billed. Last answer: {last}.",
    )
    return replace(verdict, provider_code=comparison.last_code)
