"""The ledger in memory, with exactly the semantics of the port."""

from dataclasses import dataclass, field, replace
from threading import RLock

from facematch.domain.comparison import Attempt, Comparison, Ending, Outcome, State, end_state
from facematch.domain.errors import AlreadyEndedError, LeaseHeldError, LeaseLostError, NotFoundError
from facematch.domain.ports import ArrivedPhoto, Pair
from facematch.domain.verdict import Role, fail
from tests.fakes.interludes import Interludes


@dataclass(frozen=True, slots=True)
class Lease:
    owner: str
    until_ms: int


@dataclass(slots=True)
class InMemoryLedger:
    """Comparisons, pairs, leases and the outbox in dictionaries; `interludes` come before a method's work."""

    comparisons: dict[str, Comparison] = field(default_factory=dict)
    pairs: dict[tuple[str, str], Pair] = field(default_factory=dict)
    leases: dict[str, Lease] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    pending_since_ms: dict[str, int] = field(default_factory=dict)
    """The outbox: comparisons that ended and were not published, and since when."""
    interludes: Interludes = field(default_factory=Interludes)
    _lock: RLock = field(default_factory=RLock)

    @property
    def pending(self) -> set[str]:
        return set(self.pending_since_ms)

    def put_photo(self, region: str, pair_id: str, role: Role, arrived: ArrivedPhoto) -> Pair:
        self.interludes.play("put_photo")
        with self._lock:
            pair = self.pairs.get((region, pair_id), Pair(region, pair_id, {}))
            known = pair.arrived.get(role)
            if known is None or _is_later(arrived, known):
                pair = replace(pair, arrived={**pair.arrived, role: arrived})
                self.pairs[region, pair_id] = pair
            return pair

    def find_pair(self, region: str, pair_id: str) -> Pair | None:
        self.interludes.play("find_pair")
        return self.pairs.get((region, pair_id))

    def forget_pair(self, pair: Pair) -> bool:
        self.interludes.play("forget_pair")
        with self._lock:
            if (pair.region, pair.pair_id) in self.pairs and not self._is_unchanged(pair):
                return False
            self.pairs.pop((pair.region, pair.pair_id), None)
            return True

    def retire_pair(self, pair: Pair) -> bool:
        self.interludes.play("retire_pair")
        with self._lock:
            if not self._is_unchanged(pair):
                return False
            standing = self.pairs[pair.region, pair.pair_id]
            gone = {role: replace(arrived, discarded=True) for role, arrived in standing.arrived.items()}
            self.pairs[pair.region, pair.pair_id] = replace(standing, arrived=gone)
            return True

    def put_request(self, request_id: str, fingerprint: str, *, now_ms: int) -> str:  # noqa: ARG002
        self.interludes.play("put_request")
        with self._lock:
            return self.requests.setdefault(request_id, fingerprint)

    def find_request(self, request_id: str) -> str | None:
        self.interludes.play("find_request")
        return self.requests.get(request_id)

    def register(self, comparison: Comparison) -> Comparison:
        self.interludes.play("register")
        with self._lock:
            if comparison.id not in self.comparisons:
                self._put_new(comparison)
            return self.comparisons[comparison.id]

    def register_lone_photo(self, comparison: Comparison, pair: Pair) -> bool:
        self.interludes.play("register_lone_photo")
        with self._lock:
            if comparison.id in self.comparisons or not self._is_unchanged(pair):
                return False
            self._put_new(comparison)
            return True

    def find(self, comparison_id: str) -> Comparison | None:
        self.interludes.play("find")
        return self.comparisons.get(comparison_id)

    def claim(self, comparison_id: str, owner: str, *, now_ms: int, until_ms: int) -> Comparison:
        self.interludes.play("claim")
        with self._lock:
            comparison = self.comparisons.get(comparison_id)
            if comparison is None:
                raise NotFoundError(comparison_id)
            if comparison.ended:
                raise AlreadyEndedError
            lease = self.leases.get(comparison_id)
            if lease is not None and lease.until_ms > now_ms and lease.owner != owner:
                raise LeaseHeldError((lease.until_ms - now_ms) / 1000)
            self.leases[comparison_id] = Lease(owner, until_ms)
            return comparison

    def release(self, comparison_id: str, owner: str) -> None:
        self.interludes.play("release")
        with self._lock:
            if self._owner(comparison_id) == owner:
                del self.leases[comparison_id]

    def begin_attempt(self, comparison_id: str, owner: str, attempt: Attempt) -> None:
        self.interludes.play("begin_attempt")
        with self._lock:
            comparison = self.comparisons.get(comparison_id)
            lease = self.leases.get(comparison_id)
            if (
                comparison is None
                or comparison.ended
                or lease is None
                or lease.owner != owner
                or lease.until_ms <= attempt.started_at_ms
                or any(
                    known.number == attempt.number and known.merchant_biz_id != attempt.merchant_biz_id
                    for known in comparison.attempts
                )
            ):
                raise LeaseLostError
            self._put_attempt(comparison, attempt)

    def settle_attempt(self, comparison_id: str, attempt: Attempt) -> None:
        self.interludes.play("settle_attempt")
        with self._lock:
            comparison = self.comparisons.get(comparison_id)
            attempts = {known.number: known for known in comparison.attempts} if comparison else {}
            if comparison is None or attempt.number not in attempts:
                raise NotFoundError(comparison_id)
            if attempts[attempt.number].outcome is Outcome.UNKNOWN:
                late = replace(attempt, outcome=Outcome.UNKNOWN)
                self._put_attempt(comparison, late if comparison.ended else attempt)

    def end(self, comparison_id: str, ending: Ending, attempt: Attempt | None) -> None:
        self.interludes.play("end")
        with self._lock:
            comparison = self.comparisons.get(comparison_id)
            if comparison is None or comparison.ended:
                raise AlreadyEndedError
            if attempt is not None:
                comparison = self._put_attempt(comparison, attempt)
            # What was handed in is copied, as a real store would.
            kept = replace(ending, photos=dict(ending.photos), timings_ms=dict(ending.timings_ms))
            state = end_state(ending.verdict.decision)
            self.comparisons[comparison_id] = replace(comparison, state=state, ending=kept)
            self.pending_since_ms[comparison_id] = ending.ended_at_ms
            self.leases.pop(comparison_id, None)

    def mark_published(self, comparison_id: str, *, now_ms: int) -> None:
        self.interludes.play("mark_published")
        with self._lock:
            if comparison_id in self.pending_since_ms:
                del self.pending_since_ms[comparison_id]
                comparison = self.comparisons[comparison_id]
                self.comparisons[comparison_id] = replace(comparison, published_at_ms=now_ms)

    def list_unpublished(self, *, before_ms: int) -> list[str]:
        self.interludes.play("list_unpublished")
        due = [
            comparison_id for comparison_id, since_ms in self.pending_since_ms.items() if since_ms < before_ms
        ]
        return sorted(due, key=self.pending_since_ms.__getitem__)

    def erase(self, comparison_id: str, *, now_ms: int) -> None:
        self.interludes.play("erase")
        with self._lock:
            comparison = self.comparisons.get(comparison_id)
            self.requests.pop(comparison_id, None)
            if comparison is None or comparison.state is State.ERASED:
                return
            verdict = fail("erased", "The comparison was erased before its verdict left.")
            self.comparisons[comparison_id] = replace(
                comparison,
                state=State.ERASED,
                photos={},
                ending=Ending(verdict=verdict, ended_at_ms=now_ms),
                pair_id=None,
                caller=None,
                fingerprint=None,
            )
            self.leases.pop(comparison_id, None)
            if comparison.published_at_ms is None:
                self.pending_since_ms.setdefault(comparison_id, now_ms)

    def _put_new(self, comparison: Comparison) -> None:
        self.comparisons[comparison.id] = comparison
        if comparison.ending is not None:
            self.pending_since_ms[comparison.id] = comparison.ending.ended_at_ms

    def _put_attempt(self, comparison: Comparison, attempt: Attempt) -> Comparison:
        attempts = {known.number: known for known in comparison.attempts} | {attempt.number: attempt}
        in_order = tuple(attempts[number] for number in sorted(attempts))
        self.comparisons[comparison.id] = replace(comparison, attempts=in_order)
        return self.comparisons[comparison.id]

    def _is_unchanged(self, pair: Pair) -> bool:
        standing = self.pairs.get((pair.region, pair.pair_id), Pair(pair.region, pair.pair_id, {}))
        return {role: photo.sequencer for role, photo in standing.arrived.items()} == {
            role: photo.sequencer for role, photo in pair.arrived.items()
        }

    def _owner(self, comparison_id: str) -> str | None:
        lease = self.leases.get(comparison_id)
        return lease.owner if lease else None


def _is_later(arrived: ArrivedPhoto, known: ArrivedPhoto) -> bool:
    """Tell which of two photos for one role stands: sequencers compare only under one key."""
    if arrived.photo.key == known.photo.key:
        return arrived.sequencer > known.sequencer
    return arrived.arrived_at_ms > known.arrived_at_ms
