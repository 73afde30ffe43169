"""The heart: one comparison, from its stored photos to its verdict in the ledger."""

import random
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from facematch.domain.clock import Clock
from facematch.domain.comparison import Attempt, Comparison, Ending, Outcome, PhotoKind, StoredPhoto
from facematch.domain.errors import (
    AlreadyEndedError,
    CircuitOpenError,
    InvalidInputError,
    LeaseLostError,
    LedgerUnavailableError,
    NoSlotError,
    OperatorFaultError,
    PhotoGoneError,
    PostponedError,
    ProviderError,
    ProviderThrottledError,
    RejectedPhotoError,
    UnreachableError,
)
from facematch.domain.photo_url import URL_LENGTH_LIMIT
from facematch.domain.ports import Ledger, PhotoStore
from facematch.domain.provider import Call, InlinePicture, Picture, PictureUrl, Provider, judge
from facematch.domain.quota import LATENESS_LIMIT_MS, Patience, Quota, book_slot, wait_until
from facematch.domain.regions import Region, RegionPolicy
from facematch.domain.stopwatch import Stopwatch
from facematch.domain.verdict import Role, Verdict, fail, reject_photo
from facematch.use_cases.prepare_photos import PhotoPreparer
from imaging import NormalisedPhoto


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how soon a comparison is tried again.

    `attempt_budget` survives restarts; `call_timeout_s` is the longest that one call can take. A lease lasts
    `lease_margin_s` longer than its owner can need it: workers' clocks differ, and the verdict is still to be
    recorded.
    """

    attempt_budget: int = 4
    call_timeout_s: float = 16.0
    lease_margin_s: float = 4.0
    backoff_base_s: float = 0.5
    backoff_cap_s: float = 20.0
    throttled_pause_s: float = 0.3
    throttled_cap_s: float = 2.0
    ledger_pause_s: float = 0.5

    def pause_throttled(self, comparison: Comparison) -> float:
        """Return for how long, in seconds, a throttled call leaves its region alone.

        A call that came a little early costs little; what goes on is given twice as long each time.
        """
        throttled = sum(attempt.outcome is Outcome.THROTTLED for attempt in comparison.attempts)
        return min(self.throttled_pause_s * 2.0 ** (throttled - 1), self.throttled_cap_s)


@dataclass(frozen=True, slots=True)
class Effort:
    """What a worker can give to one comparison: how far ahead it books a slot, and how long it has in all."""

    horizon_s: float
    time_s: float


@dataclass(frozen=True, slots=True)
class PreparedPhoto:
    """A photo on its way out: what the provider gets, and what was done for that."""

    picture: Picture
    report: Mapping[str, Any]


def _ignore(_region: Region, _attempt: Attempt) -> None:
    """Take no notice of an attempt."""


@dataclass(frozen=True, slots=True)
class PairComparer:
    """Brings one comparison to its end, or says when to go on.

    `notice` is told what became of each attempt, `draw` returns a number between two others by chance.
    """

    ledger: Ledger
    photos: PhotoStore
    preparer: PhotoPreparer
    quota: Quota
    provider: Provider
    clock: Clock
    regions: RegionPolicy
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    notice: Callable[[Region, Attempt], None] = _ignore
    # Not by the generator that every copy of a snapshot would begin alike.
    draw: Callable[[float, float], float] = random.SystemRandom().uniform

    def compare(
        self,
        comparison_id: str,
        effort: Effort,
        prepared: Mapping[Role, PreparedPhoto] | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        """Compare a registered pair, as its only worker, and record how it ended.

        `prepared` are its photos, where the caller has them at hand, and `stopwatch` holds what that took.

        Raises
        ------
        NotFoundError, AlreadyEndedError
            There is nothing to do.
        PostponedError
            The comparison can't go on now (another worker has it, no slot, a fault): it stays open.
        OperatorFaultError
            The provider refuses the account: it stays open until someone repairs that.
        """
        now_ms = self.clock.now_ms()
        give_up_at_ms = now_ms + round(effort.time_s * 1000)
        task = _Task(
            comparison_id=comparison_id,
            owner=secrets.token_hex(8),
            horizon_s=effort.horizon_s,
            give_up_at_ms=give_up_at_ms,
            lease_until_ms=give_up_at_ms
            + round((self.retries.call_timeout_s + self.retries.lease_margin_s) * 1000),
            stopwatch=stopwatch or Stopwatch(self.clock),
        )
        comparison = self.ledger.claim(comparison_id, task.owner, now_ms=now_ms, until_ms=task.lease_until_ms)
        waited_ms = now_ms - comparison.created_at_ms - sum(task.stopwatch.steps_ms.values())
        task.stopwatch.steps_ms["wait_for_worker"] = max(waited_ms, 0)
        try:
            self._work(task, comparison, prepared)
        except BaseException:
            # An ending has given the lease back already.
            self.ledger.release(comparison_id, task.owner)
            raise

    def prepare(self, contents: Mapping[Role, bytes]) -> dict[Role, PreparedPhoto]:
        """Return photos made acceptable.

        Raises
        ------
        RejectedPhotoError
            A photo can't be made acceptable.
        """
        return {role: _pack(photo) for role, photo in self.preparer.prepare(contents).items()}

    def read(self, photo: StoredPhoto) -> bytes:
        """Return a stored photo or URL, cut just beyond the size that can still be worked with.

        Raises
        ------
        PhotoGoneError
            It is no longer there.
        """
        limit = URL_LENGTH_LIMIT if photo.kind is PhotoKind.URL else self.preparer.size_limit_bytes
        return self.photos.read(photo, size_limit_bytes=limit)

    def _work(
        self, task: "_Task", comparison: Comparison, prepared: Mapping[Role, PreparedPhoto] | None
    ) -> None:
        attempt: Attempt | None = None
        try:
            region = self.regions.choose(comparison.region)
            prepared = prepared or self._load(comparison, task.stopwatch)
            verdict, attempt = self._call_until_judged(task, comparison, region, prepared)
        except RejectedPhotoError as error:
            verdict = reject_photo(error.code, error.message, photo=Role(error.field))
        except PhotoGoneError as error:
            verdict = fail(error.code, error.message, photo=Role(error.field) if error.field else None)
        except InvalidInputError as error:
            verdict = fail(error.code, error.message)
        ending = Ending(
            verdict=verdict,
            ended_at_ms=self.clock.now_ms(),
            photos={role: photo.report for role, photo in (prepared or {}).items()},
            timings_ms=task.stopwatch.steps_ms,
        )
        try:
            self._record(task, comparison, ending, attempt)
        except AlreadyEndedError:
            if attempt is not None:
                self.ledger.settle_attempt(comparison.id, attempt)
            raise

    def _record(self, task: "_Task", comparison: Comparison, ending: Ending, attempt: Attempt | None) -> None:
        """Record the ending, for as long as the lease lasts: an answer that is lost is paid for twice."""
        while True:
            try:
                return self.ledger.end(comparison.id, ending, attempt)
            except LedgerUnavailableError:
                if self.clock.now_ms() >= task.lease_until_ms:
                    raise
                self.clock.sleep(self.retries.ledger_pause_s)

    def _load(self, comparison: Comparison, stopwatch: Stopwatch) -> dict[Role, PreparedPhoto]:
        with stopwatch.measure("read"), ThreadPoolExecutor(max_workers=2) as pool:
            contents = dict(pool.map(self._read_one, comparison.photos.items()))
        with stopwatch.measure("prepare"):
            urls = {
                role: PreparedPhoto(PictureUrl(contents.pop(role).decode()), {"url": True})
                for role, photo in comparison.photos.items()
                if photo.kind is PhotoKind.URL
            }
            return {**self.prepare(contents), **urls}

    def _read_one(self, item: tuple[Role, StoredPhoto]) -> tuple[Role, bytes]:
        role, photo = item
        try:
            return role, self.read(photo)
        except PhotoGoneError as error:
            message = f"The {role} photo: {error.message}"
            raise PhotoGoneError(error.code, message, field=role.value) from None

    def _call_until_judged(
        self,
        task: "_Task",
        comparison: Comparison,
        region: Region,
        prepared: Mapping[Role, PreparedPhoto],
    ) -> tuple[Verdict, Attempt | None]:
        while comparison.counted_attempts < self.retries.attempt_budget:
            attempt = self._begin_attempt(task, comparison, region)
            departure = _Departure(task, attempt.started_at_ms, self.clock)
            call = Call(
                region=region,
                merchant_biz_id=attempt.merchant_biz_id,
                source=prepared[Role.SOURCE].picture,
                target=prepared[Role.TARGET].picture,
                face_quality_check=comparison.options.face_quality_check,
            )
            try:
                verdict = judge(self.provider.compare(call, departure.await_slot), comparison.options.bounds)
            except CircuitOpenError as error:
                self._settle(comparison, region, replace(attempt, outcome=Outcome.UNSENT, code=error.code))
                raise
            except ProviderError as error:
                attempt = _describe(attempt, error, departure.note_return())
                self._settle(comparison, region, attempt)
                comparison = replace(comparison, attempts=(*comparison.attempts, attempt))
                self._pause(task, comparison, region, error)
            else:
                attempt = replace(
                    attempt,
                    outcome=Outcome.ANSWERED,
                    code=verdict.provider_code,
                    request_id=verdict.request_id,
                    duration_ms=departure.note_return(),
                )
                self.notice(region, attempt)
                return verdict, attempt
        return _give_up(comparison), None

    def _settle(self, comparison: Comparison, region: Region, attempt: Attempt) -> None:
        self.notice(region, attempt)
        self.ledger.settle_attempt(comparison.id, attempt)

    def _begin_attempt(self, task: "_Task", comparison: Comparison, region: Region) -> Attempt:
        self.provider.check(region)
        with task.stopwatch.measure("connect"):
            self.provider.make_ready(region)
        with task.stopwatch.measure("wait_for_slot"):
            slot_at_ms = self._book(task, region)
            attempt = comparison.next_attempt(slot_at_ms)
            # Written while the slot is still to come, so that the call leaves on time.
            self.ledger.begin_attempt(comparison.id, task.owner, attempt)
            if self.clock.now_ms() > slot_at_ms + LATENESS_LIMIT_MS:
                attempt = self._book_again(task, comparison, region, attempt)
        return attempt

    def _book(self, task: "_Task", region: Region) -> int:
        remaining_s = max(task.give_up_at_ms - self.clock.now_ms(), 0) / 1000
        return book_slot(self.quota, region, Patience(task.horizon_s, remaining_s), self.clock, self.draw)

    def _book_again(self, task: "_Task", comparison: Comparison, region: Region, attempt: Attempt) -> Attempt:
        """Return the attempt with another slot: its own has passed, and a late call takes its neighbour's."""
        try:
            return replace(attempt, started_at_ms=self._book(task, region))
        except NoSlotError as error:
            self._settle(comparison, region, replace(attempt, outcome=Outcome.UNSENT, code=error.code))
            raise

    def _pause(self, task: "_Task", comparison: Comparison, region: Region, error: ProviderError) -> None:
        now_ms = self.clock.now_ms()
        if isinstance(error, OperatorFaultError):
            raise error
        if isinstance(error, ProviderThrottledError):
            pause_s = error.retry_after_s or self.retries.pause_throttled(comparison)
            self.quota.hold_back(region, until_ms=now_ms + round(pause_s * 1000))
        else:
            ceiling_s = self.retries.backoff_base_s * 2.0**comparison.counted_attempts
            pause_s = self.draw(0, min(ceiling_s, self.retries.backoff_cap_s))
        if comparison.counted_attempts >= self.retries.attempt_budget:
            return
        if now_ms + pause_s * 1000 >= task.give_up_at_ms:
            raise PostponedError(error.code, error.message, retry_after_s=pause_s)
        with task.stopwatch.measure("back_off"):
            self.clock.sleep(pause_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    comparison_id: str
    owner: str
    horizon_s: float
    give_up_at_ms: int
    lease_until_ms: int
    stopwatch: Stopwatch


@dataclass(slots=True)
class _Departure:
    """When one call leaves, and when it is back."""

    task: _Task
    slot_at_ms: int
    clock: Clock
    left_at_ms: int | None = None

    def await_slot(self) -> None:
        """Return when the slot comes.

        Raises
        ------
        LeaseLostError
            The process was frozen meanwhile: someone else may be calling by now.
        """
        with self.task.stopwatch.measure("wait_for_slot"):
            wait_until(self.slot_at_ms, self.clock)
        self.left_at_ms = self.clock.now_ms()
        if self.left_at_ms >= self.task.lease_until_ms:
            raise LeaseLostError

    def note_return(self) -> int:
        """Return how long the call took, in milliseconds, and add that to the steps of its comparison."""
        returned_at_ms = self.clock.now_ms()
        duration_ms = returned_at_ms - (self.left_at_ms or returned_at_ms)
        self.task.stopwatch.add("call", duration_ms)
        return duration_ms


def _pack(photo: NormalisedPhoto) -> PreparedPhoto:
    report = {**asdict(photo.report), "width": photo.width, "height": photo.height}
    return PreparedPhoto(InlinePicture(photo.jpeg), report)


def _describe(attempt: Attempt, error: ProviderError, duration_ms: int) -> Attempt:
    if not error.answered:
        outcome = Outcome.UNKNOWN
    elif isinstance(error, UnreachableError):
        outcome = Outcome.UNSENT
    elif isinstance(error, ProviderThrottledError):
        outcome = Outcome.THROTTLED
    elif isinstance(error, OperatorFaultError):
        outcome = Outcome.REFUSED
    else:
        outcome = Outcome.FAULTED
    return replace(
        attempt, outcome=outcome, code=error.code, request_id=error.request_id, duration_ms=duration_ms
    )


def _give_up(comparison: Comparison) -> Verdict:
    last = comparison.attempts[-1]
    verdict = fail(
        "attempts_exhausted",
        f"The provider gave no verdict in {comparison.counted_attempts} attempts; "
        f"the last one: {last.code or 'no answer'}.",
    )
    return replace(verdict, provider_code=last.code, request_id=last.request_id)
