"""Workers, a queue and a provider in simulated time: hours of an outage in a second."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from threading import Lock, Thread
from typing import Final

from facematch.domain.comparison import Comparison
from facematch.domain.deadline import Deadline
from facematch.domain.errors import AlreadyEndedError, PostponedError, ProviderError
from facematch.domain.priority import Priority
from facematch.domain.provider import Answer, Call, Deletion, Depart, depart_at_once
from facematch.domain.regions import Region, RegionPolicy
from facematch.domain.retries import RetryPolicy
from facematch.domain.verdict import Role
from facematch.use_cases.call_provider import ProviderCaller
from facematch.use_cases.compare_pair import PairComparer
from facematch.use_cases.load_photos import PhotoLoader, prepare_url
from facematch.use_cases.prepare_photos import PhotoPreparer
from tests.factories import make_answer, make_comparison
from tests.fakes.clock import START_MS, SharedClock
from tests.fakes.ledger import InMemoryLedger
from tests.fakes.photo_store import InMemoryPhotoStore
from tests.fakes.rate_limiter import InMemoryRateLimiter

READ_TIMEOUT_S: Final = 10.0
_LATENCY_S: Final = 1.0
_WORKER_TIME_S: Final = 40.0
_LOOK_S: Final = 5.0

_PREPARED: Final = dict.fromkeys(Role, prepare_url("https://photos.example.com/a.jpg"))

type Fault = Callable[[Call], Answer | ProviderError | None]
"""What is wrong with a call now: an answer, an error, or None for nothing."""


@dataclass(slots=True)
class FaultyProvider:
    """Answers after a second, unless `fault` says something else; `probe_fault` likewise for probes."""

    clock: SharedClock
    fault: Fault
    probe_fault: Callable[[], ProviderError | None]
    calls: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    probes: int = 0
    _lock: Lock = field(default_factory=Lock)

    def probe(self, _region: Region) -> None:
        with self._lock:
            self.probes += 1
        error = self.probe_fault()
        if error is not None:
            raise error

    def delete_result(self, _region: Region, _transaction_id: str) -> Deletion:
        raise AssertionError("Nothing is erased in a simulation.")

    def make_ready(self, _region: Region) -> None:
        """Do nothing: connections are not simulated."""

    def compare(self, call: Call, depart: Depart = depart_at_once) -> Answer:
        depart()
        found = self.fault(call)
        with self._lock:
            self.calls[call.merchant_biz_id[:26]] += 1
            self.outcomes["Success" if found is None else found.code] += 1
        self.clock.sleep(
            READ_TIMEOUT_S if isinstance(found, ProviderError) and found.possibly_billed else _LATENCY_S
        )
        if isinstance(found, ProviderError):
            raise found
        return found or make_answer()


@dataclass(slots=True)
class Simulation:
    """`pairs` comparisons of one region, worked on by `workers` threads until all of them have ended."""

    pairs: int
    fault: Fault
    probe_fault: Callable[[], ProviderError | None]
    workers: int = 10
    calls_per_s: float = 10.0
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    ledger: InMemoryLedger = field(default_factory=InMemoryLedger)
    clock: SharedClock = field(init=False)
    provider: FaultyProvider = field(init=False)
    limiter: InMemoryRateLimiter = field(init=False)
    receives: int = 0
    _queue: list[tuple[float, int, str]] = field(default_factory=list)
    _in_flight: int = 0
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.clock = SharedClock(self.workers)
        self.provider = FaultyProvider(self.clock, self.fault, self.probe_fault)
        self.limiter = InMemoryRateLimiter(dict.fromkeys(Region, self.calls_per_s))

    def run(self) -> list[Comparison]:
        """Return the comparisons as they ended."""
        for number in range(self.pairs):
            comparison = make_comparison(id=f"{number:026d}", pair_id=f"pair-{number}")
            self.ledger.register(comparison)
            self._send(comparison.id, 0)
        threads = [Thread(target=self._work, args=(number,)) for number in range(self.workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return list(self.ledger.comparisons.values())

    @property
    def passed_s(self) -> float:
        """How much time has passed."""
        return (self.clock.now_ms() - START_MS) / 1000

    def _work(self, number: int) -> None:
        chance = random.Random(number)  # noqa: S311 - pauses, not secrets
        caller = ProviderCaller(
            ledger=self.ledger,
            limiter=self.limiter,
            provider=self.provider,
            clock=self.clock,
            retries=self.retries,
            draw=chance.uniform,
        )
        comparer = PairComparer(
            ledger=self.ledger,
            loader=PhotoLoader(InMemoryPhotoStore(), PhotoPreparer()),
            caller=caller,
            clock=self.clock,
            regions=RegionPolicy(None, frozenset(Region)),
            retries=self.retries,
        )
        try:
            while (comparison_id := self._receive()) is not None:
                self._compare(comparer, comparison_id)
        finally:
            self.clock.leave()

    def _compare(self, comparer: PairComparer, comparison_id: str) -> None:
        try:
            comparer.compare(
                comparison_id, Priority.BULK, Deadline.after(_WORKER_TIME_S, self.clock), _PREPARED
            )
        except PostponedError as error:
            self._send(comparison_id, error.retry_after_s)
        except AlreadyEndedError:
            pass
        finally:
            with self._lock:
                self._in_flight -= 1

    def _send(self, comparison_id: str, delay_s: float) -> None:
        with self._lock:
            heappush(self._queue, (self.clock.at_ms + delay_s * 1000, len(self._queue), comparison_id))

    def _receive(self) -> str | None:
        """Return the next message, once there is one; None once there is none and nobody works."""
        while True:
            with self._lock:
                if self._queue and self._queue[0][0] <= self.clock.at_ms:
                    self._in_flight += 1
                    self.receives += 1
                    return heappop(self._queue)[2]
                if not self._queue and not self._in_flight:
                    return None
                wait_s = (self._queue[0][0] - self.clock.at_ms) / 1000 if self._queue else _LOOK_S
            self.clock.sleep(wait_s)
