"""The ledger in memory, with exactly the semantics of the port."""

from dataclasses import dataclass, field, replace
from threading import RLock

from facematch.domain.comparison import (
    Attempt,
    Comparison,
    Ending,
    Outcome,
    ProviderErasure,
    State,
    end_state,
)
from facematch.domain.errors import AlreadyEndedError, LeaseHeldError, LeaseLostError, NotFoundError
from facematch.domain.pair import ArrivedPhoto, Pair
from facematch.domain.ports import IdempotentRequest
from facematch.domain.regions import Region
from facematch.domain.verdict import Role, Verdict
from tests.fakes.hooks import StepHooks


@dataclass(frozen=True, slots=True)
class Lease:
    owner: str
    until_ms: int


@dataclass(slots=True)
class InMemoryLedger:
    """Comparisons, pairs, leases and the outbox in dictionaries; `hooks` run before a method's work."""

    comparisons: dict[str, Comparison] = field(default_factory=dict)
    pairs: dict[tuple[str, str], Pair] = field(default_factory=dict)
    waiting_since_ms: dict[tuple[str, str], int] = field(default_factory=dict)
    """Pairs that wait for a photo, or to be registered, and since when."""
    leases: dict[str, Lease] = field(default_factory=dict)
    requests: dict[str, IdempotentRequest] = field(default_factory=dict)
    pending_since_ms: dict[str, int] = field(default_factory=dict)
    """The outbox: comparisons that ended and were not published, and since when."""
    touched_at_ms: dict[str, int] = field(default_factory=dict)
    hooks: StepHooks = field(default_factory=StepHooks)
    _lock: RLock = field(default_factory=RLock)

    @property
    def waiting(self) -> set[tuple[str, str]]:
        return set(self.waiting_since_ms)

    @property
    def pending(self) -> set[str]:
        return set(self.pending_since_ms)

    def put_photo(self, region: str, folder: str, role: Role, arrived: ArrivedPhoto) -> Pair:
        self.hooks.run("put_photo")
        with self._lock:
            pair = self.pairs.get((region, folder), Pair(region, folder, {}))
            known = pair.arrived.get(role)
            if known is None or _is_later(arrived, known):
                pair = replace(pair, arrived={**pair.arrived, role: arrived})
                self.pairs[region, folder] = pair
                self.waiting_since_ms[region, folder] = arrived.arrived_at_ms
            return pair

    def find_pair(self, region: str, folder: str) -> Pair | None:
        self.hooks.run("find_pair")
        return self.pairs.get((region, folder))

    def take_pair(self, pair: Pair, comparison_id: str) -> bool:
        self.hooks.run("take_pair")
        with self._lock:
            if not self._is_unchanged(pair):
                return False
            self._take(pair, comparison_id)
            return True

    def forget_pair(self, pair: Pair) -> bool:
        self.hooks.run("forget_pair")
        with self._lock:
            if (pair.region, pair.folder) in self.pairs and not self._is_unchanged(pair):
                return False
            self.pairs.pop((pair.region, pair.folder), None)
            self.waiting_since_ms.pop((pair.region, pair.folder), None)
            return True

    def list_incomplete_pairs(self, *, before_ms: int) -> list[tuple[str, str]]:
        self.hooks.run("list_incomplete_pairs")
        due = [place for place, since_ms in self.waiting_since_ms.items() if since_ms < before_ms]
        return sorted(due, key=self.waiting_since_ms.__getitem__)

    def register(
        self,
        comparison: Comparison,
        *,
        pair: Pair | None = None,
        takes_photos: bool = True,
        request: IdempotentRequest | None = None,
    ) -> bool:
        self.hooks.run("register")
        with self._lock:
            if (
                comparison.id in self.comparisons
                or (request is not None and request.id in self.requests)
                or (pair is not None and not self._is_unchanged(pair))
            ):
                return False
            if request is not None:
                self.requests[request.id] = request
                comparison = replace(comparison, request_ids=(request.id,))
            if pair is not None and takes_photos:
                self._take(pair, comparison.id)
            elif pair is not None:
                place = (pair.region, pair.folder)
                self.waiting_since_ms.pop(place, None)
                self.pairs[place] = replace(self.pairs[place], comparison_id=comparison.id)
            self.comparisons[comparison.id] = comparison
            if comparison.ending is not None:
                self.pending_since_ms[comparison.id] = comparison.ending.ended_at_ms
            return True

    def find_request(self, request_id: str) -> IdempotentRequest | None:
        self.hooks.run("find_request")
        return self.requests.get(request_id)

    def add_request(self, request: IdempotentRequest) -> bool:
        self.hooks.run("add_request")
        with self._lock:
            comparison = self.comparisons.get(request.comparison_id)
            if comparison is None or comparison.state is State.ERASED or request.id in self.requests:
                return False
            self.requests[request.id] = request
            ids = (*comparison.request_ids, request.id)
            self.comparisons[comparison.id] = replace(comparison, request_ids=ids)
            return True

    def find(self, comparison_id: str) -> Comparison | None:
        self.hooks.run("find")
        return self.comparisons.get(comparison_id)

    def claim(self, comparison_id: str, owner: str, *, now_ms: int, until_ms: int) -> Comparison:
        self.hooks.run("claim")
        with self._lock:
            comparison = self.comparisons.get(comparison_id)
            if comparison is None:
                raise NotFoundError(comparison_id)
            if comparison.has_ended:
                raise AlreadyEndedError
            lease = self.leases.get(comparison_id)
            if lease is not None and lease.until_ms > now_ms and lease.owner != owner:
                raise LeaseHeldError((lease.until_ms - now_ms) / 1000)
            self.leases[comparison_id] = Lease(owner, until_ms)
            self.touched_at_ms[comparison_id] = now_ms
            return comparison

    def release(self, comparison_id: str, owner: str) -> None:
        self.hooks.run("release")
        with self._lock:
            if self._owner(comparison_id) == owner:
                del self.leases[comparison_id]

    def begin_attempt(self, comparison_id: str, owner: str, attempt: Attempt) -> None:
        self.hooks.run("begin_attempt")
        with self._lock:
            comparison = self.comparisons.get(comparison_id)
            lease = self.leases.get(comparison_id)
            if (
                comparison is None
                or comparison.has_ended
                or lease is None
                or lease.owner != owner
                or lease.until_ms <= attempt.started_at_ms
                or any(
                    known.number == attempt.number and known.merchant_biz_id != attempt.merchant_biz_id
                    for known in comparison.attempts
                )
            ):
                raise LeaseLostError
            self.comparisons[comparison_id] = comparison.settle(attempt)

    def settle_attempt(self, comparison_id: str, attempt: Attempt) -> None:
        self.hooks.run("settle_attempt")
        with self._lock:
            comparison = self.comparisons.get(comparison_id)
            attempts = {known.number: known for known in comparison.attempts} if comparison else {}
            if comparison is None or comparison.has_ended or attempt.number not in attempts:
                return
            if attempts[attempt.number].outcome in {Outcome.NOT_SETTLED, Outcome.POSSIBLY_BILLED}:
                self.comparisons[comparison_id] = comparison.settle(attempt)

    def end(self, comparison_id: str, ending: Ending, attempt: Attempt | None) -> None:
        self.hooks.run("end")
        with self._lock:
            comparison = self.comparisons.get(comparison_id)
            if comparison is None or comparison.has_ended:
                raise AlreadyEndedError
            if attempt is not None:
                comparison = comparison.settle(attempt)
            # What was handed in is copied, as a real store would.
            kept = replace(ending, photos=dict(ending.photos), timings_ms=dict(ending.timings_ms))
            state = end_state(ending.verdict.decision)
            self.comparisons[comparison_id] = replace(comparison, state=state, ending=kept)
            self.pending_since_ms[comparison_id] = ending.ended_at_ms
            self.leases.pop(comparison_id, None)

    def mark_published(self, comparison_id: str, *, now_ms: int) -> None:
        self.hooks.run("mark_published")
        with self._lock:
            if comparison_id in self.pending_since_ms:
                del self.pending_since_ms[comparison_id]
                comparison = self.comparisons[comparison_id]
                self.comparisons[comparison_id] = replace(comparison, published_at_ms=now_ms)

    def list_unpublished(self, *, before_ms: int) -> list[str]:
        self.hooks.run("list_unpublished")
        due = [
            comparison_id for comparison_id, since_ms in self.pending_since_ms.items() if since_ms < before_ms
        ]
        return sorted(due, key=self.pending_since_ms.__getitem__)

    def find_oldest_open(self, region: Region) -> int | None:
        self.hooks.run("find_oldest_open")
        return min((known.created_at_ms for known in self._list_open(region)), default=None)

    def list_forgotten(self, region: Region, *, before_ms: int) -> list[str]:
        self.hooks.run("list_forgotten")
        found = [
            known
            for known in self._list_open(region)
            if max(known.created_at_ms, self.touched_at_ms.get(known.id, 0)) < before_ms
        ]
        return [known.id for known in sorted(found, key=lambda known: known.created_at_ms)]

    def touch(self, comparison_id: str, *, now_ms: int) -> None:
        self.hooks.run("touch")
        self.touched_at_ms[comparison_id] = now_ms

    def settle_erasure(self, comparison_id: str, erasure: ProviderErasure) -> None:
        self.hooks.run("settle_erasure")
        with self._lock:
            known = self.comparisons.get(comparison_id)
            if known is not None and known.state is State.ERASED:
                self.comparisons[comparison_id] = replace(known, provider_erasure=erasure)

    def erase(
        self, comparison: Comparison, verdict: Verdict, erasure: ProviderErasure | None = None, *, now_ms: int
    ) -> None:
        self.hooks.run("erase")
        with self._lock:
            known = self.comparisons.get(comparison.id)
            if known is None or known.state is State.ERASED:
                return
            for request_id in known.request_ids:
                self.requests.pop(request_id, None)
            self.comparisons[comparison.id] = replace(
                known,
                state=State.ERASED,
                photos={},
                request_ids=(),
                ending=Ending(verdict=verdict, ended_at_ms=now_ms),
                pair_id=None,
                caller=None,
                last_code=None,
                provider_erasure=erasure,
            )
            self.leases.pop(comparison.id, None)
            if known.published_at_ms is None:
                self.pending_since_ms[comparison.id] = now_ms

    def _list_open(self, region: Region) -> list[Comparison]:
        found = list(self.comparisons.values())
        return [known for known in found if not known.has_ended and known.region == region]

    def _take(self, pair: Pair, comparison_id: str) -> None:
        place = (pair.region, pair.folder)
        # The same photos may have been reported once more since `pair` was read.
        known = self.pairs.get(place, pair)
        taken = {role: replace(arrived, taken=True) for role, arrived in known.arrived.items()}
        self.pairs[place] = Pair(pair.region, pair.folder, taken, comparison_id)
        self.waiting_since_ms.pop(place, None)

    def _is_unchanged(self, pair: Pair) -> bool:
        known = self.pairs.get((pair.region, pair.folder), Pair(pair.region, pair.folder, {}))
        return {role: photo.sequencer for role, photo in known.arrived.items()} == {
            role: photo.sequencer for role, photo in pair.arrived.items()
        }

    def _owner(self, comparison_id: str) -> str | None:
        lease = self.leases.get(comparison_id)
        return lease.owner if lease else None


def _is_later(arrived: ArrivedPhoto, known: ArrivedPhoto) -> bool:
    """Return whether a photo is newer: sequencers can be compared only under one key."""
    if arrived.photo.key == known.photo.key:
        return arrived.sequencer > known.sequencer
    return arrived.arrived_at_ms > known.arrived_at_ms
