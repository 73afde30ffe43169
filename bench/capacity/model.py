"""The capacity model: simulates a day of a stack's backlog, workers and quota, and prices a month.

Messages are processed in the order of arrival, by `worker_concurrency` workers. A worker receives up to
`pairs_per_worker` messages. It loads one pair after another (`load_ms`). Everything else happens for all its
pairs at the same time: requests to AWS (`overhead_ms`), waiting for slots like
`facematch.domain.rate_limiter.reserve_slot`, and calls. The worker is free when its last pair has ended.
API requests have their own functions, which reserve slots further ahead. Time passes in whole milliseconds,
from event to event. All random numbers come from one seed, so a scenario always has the same outcome.

`python -m bench.capacity --help` lists the inputs.
"""

import heapq
import math
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import cycle
from statistics import NormalDist
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facematch.adapters.secret_credentials import KEPT_S as SECRET_KEPT_S
from facematch.domain.deadline import ANSWER_TIME_S, CALL_TIMEOUT_S, CLOSING_TIME_S, LEASE_MARGIN_S
from facematch.domain.priority import Priority
from facematch.domain.rate_limiter import LEAD_S, SCATTER
from harness.template import read_template

type Times = NDArray[np.int64]
type Numbers = NDArray[np.float64]

_TEMPLATE: Final = read_template()
_PARAMETERS: Final = _TEMPLATE["Parameters"]
_RESOURCES: Final = {name: resource["Properties"] for name, resource in _TEMPLATE["Resources"].items()}

WORKER_CONCURRENCIES: Final = tuple(map(int, _PARAMETERS["WorkerConcurrency"]["AllowedValues"][1:]))
"""The allowed values of `WorkerConcurrency`, except `auto`. The last one is SQS's limit."""
MINUTE_MS: Final = 60_000
DAY_S: Final = 86_400

_LEAD_MS: Final = round(LEAD_S * 1000)
_BULK_HORIZON_MS: Final = round(Priority.BULK.horizon_s * 1000)
_INTERACTIVE_HORIZON_MS: Final = round(Priority.URGENT.horizon_s * 1000)
_ANSWER_TIME_MS: Final = round(ANSWER_TIME_S * 1000)
_DAY_MINUTES: Final = 1440
_BUSIEST_MINUTE: Final = 14 * 60
_HIGHEST_PEAK_FACTOR: Final = 100
_NEVER: Final = 1 << 60
_LARGEST_BATCH: Final = 10
"""Source: Lambda developer guide, SQS event source, batch size without a batching window."""


def _input(default: Any, meaning: str) -> Any:  # noqa: ANN401 - like dataclasses.field
    return field(default=default, metadata={"meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """The load and the settings of a stack.

    Raises
    ------
    ValueError
        An input is not valid. The message contains the rules.
    """

    pairs_per_day: int = _input(100_000, "pairs per day, from the bucket and the API")
    peak_factor: float = _input(4.0, "arrivals in the busiest minute, divided by the day's average")
    interactive_share: float = _input(0.05, "share of the pairs whose callers wait for the API")
    qps: float = _input(
        float(_PARAMETERS["SingaporeQps"]["Default"]), "calls per second that the provider grants the account"
    )
    quota_share: float = _input(
        float(_PARAMETERS["QuotaShare"]["Default"]), "the stack's share of these calls: QuotaShare"
    )
    latency_ms: float = _input(900.0, "the provider's latency, median")
    latency_p95_ms: float = _input(1800.0, "the provider's latency, 95th percentile")
    load_ms: float = _input(200.0, "a worker's time to read and normalise one pair; one pair at a time")
    overhead_ms: float = _input(300.0, "a pair's other time in a worker: requests to AWS, connections")
    pairs_per_worker: int = _input(
        _RESOURCES["SingaporeBulkSource"]["BatchSize"], "pairs that a worker receives at once: BatchSize"
    )
    worker_concurrency: int = _input(
        _TEMPLATE["Mappings"]["Workers"]["auto"]["AtTenCallsPerSecond"],
        "workers at the same time: WorkerConcurrency",
    )
    function_timeout_s: float = _input(
        float(_RESOURCES["Compare"]["Timeout"]), "Timeout of the compare function"
    )
    visibility_timeout_s: float = _input(
        float(_RESOURCES["SingaporeBulkQueue"]["VisibilityTimeout"]), "VisibilityTimeout of the lanes' queues"
    )
    crash_share: float = _input(0.0, "share of the pairs whose worker crashes during the call")
    seed: int = _input(1, "seed of the random numbers")

    def __post_init__(self) -> None:
        rules = {
            "pairs_per_day and worker_concurrency must be 1 or more": self.pairs_per_day >= 1
            and self.worker_concurrency >= 1,
            "peak_factor must be from 1 to 100": 1 <= self.peak_factor <= _HIGHEST_PEAK_FACTOR,
            "interactive_share must be from 0 to 1": 0 <= self.interactive_share <= 1,
            "qps must be above 0": self.qps > 0,
            "quota_share must be above 0 and at most 1": 0 < self.quota_share <= 1,
            "latency_ms must be above 0 and at most latency_p95_ms": 0
            < self.latency_ms
            <= self.latency_p95_ms,
            "load_ms and overhead_ms must be 0 or more": self.load_ms >= 0 and self.overhead_ms >= 0,
            "pairs_per_worker must be from 1 to 10": 1 <= self.pairs_per_worker <= _LARGEST_BATCH,
            f"function_timeout_s must be above {CLOSING_TIME_S:g}": self.function_timeout_s > CLOSING_TIME_S,
            "visibility_timeout_s must be at least function_timeout_s": self.visibility_timeout_s
            >= self.function_timeout_s,
            "crash_share must be at least 0 and below 1": 0 <= self.crash_share < 1,
        }
        if broken := [rule for rule, holds in rules.items() if not holds]:
            raise ValueError("; ".join(broken))

    @property
    def interval_us(self) -> int:
        """The time from one slot to the next, in whole microseconds as in the rate limiter."""
        return math.ceil(1e6 / (self.qps * self.quota_share))

    @property
    def slots_per_s(self) -> float:
        """The calls per second that the rate limiter allows."""
        return 1e6 / self.interval_us

    @property
    def latency_sigma(self) -> float:
        """The standard deviation of the latency's logarithm."""
        return math.log(self.latency_p95_ms / self.latency_ms) / NormalDist().inv_cdf(0.95)

    @property
    def hold_s(self) -> float:
        """The average time that a pair occupies a worker, with full batches and a free next slot."""
        typical = self.latency_sigma / 2
        if self.pairs_per_worker > 1:
            # The batch ends with its slowest call. This is the median of the slowest one.
            typical = NormalDist().inv_cdf(0.5 ** (1 / self.pairs_per_worker))
        latency_ms = self.latency_ms * math.exp(self.latency_sigma * typical)
        batch_ms = self.pairs_per_worker * self.load_ms + self.overhead_ms + _LEAD_MS + latency_ms
        return batch_ms / self.pairs_per_worker / 1000

    @property
    def workers_needed(self) -> float:
        """The number of workers that use all slots, by Little's law."""
        return self.slots_per_s * self.hold_s


@dataclass(frozen=True, slots=True)
class Waits:
    """The times from the arrival of pairs to their verdicts."""

    count: int
    p50_s: float
    p95_s: float
    p99_s: float
    longest_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The outcome of a scenario, from its start to the last verdict.

    `arrivals`, `verdicts` and `backlog` have one number per minute. `backlog` is the number of pairs without
    a verdict at the end of the minute. `oldest_s` is the longest time that a pair waited for its worker.
    `worker_s` and `request_s` are the running times of the compare and API functions. `postponed` counts
    messages that were sent again because no slot came in time. `late_answers` counts requests that were
    answered without a verdict for the same reason.
    """

    scenario: Scenario
    bulk: Waits
    interactive: Waits
    late_answers: int
    postponed: int
    oldest_s: float
    arrivals: tuple[int, ...]
    verdicts: tuple[int, ...]
    backlog: tuple[int, ...]
    calls: int
    first_call_s: float
    last_call_s: float
    last_verdict_s: float
    limiter_writes: int
    busiest_limiter_writes_per_s: float
    worker_s: float
    request_s: float
    worker_invocations: int
    most_at_once: int

    @property
    def call_rate_per_s(self) -> float:
        """The calls per second from the first slot to the last."""
        span_s = self.last_call_s - self.first_call_s
        return (self.calls - 1) / span_s if span_s else 0.0

    @property
    def quota_used(self) -> float:
        """The share of the account's quota that was used from the first slot to the last."""
        return self.call_rate_per_s / self.scenario.qps

    @property
    def mean_concurrency(self) -> float:
        """The average number of running compare and API functions, over the day or until the last verdict."""
        return (self.worker_s + self.request_s) / max(self.last_verdict_s, DAY_S)

    @property
    def left_at_midnight(self) -> int:
        """The backlog at the end of the day."""
        return self.backlog[_DAY_MINUTES - 1] if len(self.backlog) >= _DAY_MINUTES else 0


@dataclass(frozen=True, slots=True)
class Burst:
    """The outcome of a burst of pairs. `calls_per_s` is the rate between the first slot and the last."""

    duration_s: float
    throughput_per_s: float
    calls_per_s: float


def simulate(scenario: Scenario) -> Outcome:
    """Return the outcome of a day that begins with empty queues, up to its last verdict."""
    chance = np.random.default_rng(scenario.seed)
    arrived_ms = _draw_arrivals_ms(scenario, chance)
    by_api = chance.random(scenario.pairs_per_day) < scenario.interactive_share
    return _run(scenario, chance, messages_ms=arrived_ms[~by_api], requests_ms=arrived_ms[by_api])


def simulate_burst(scenario: Scenario, pairs: int) -> Outcome:
    """Return the outcome of `pairs` that are all on the queue at the start. No other pairs arrive."""
    chance = np.random.default_rng(scenario.seed)
    nothing = np.zeros(0, dtype=np.int64)
    return _run(scenario, chance, messages_ms=np.zeros(pairs, dtype=np.int64), requests_ms=nothing)


def predict_burst(
    pairs: int,
    *,
    qps: float,
    share: float,
    concurrency: int,
    latency_s: float,
    load_s: float = 0.0,
    overhead_s: float,
    pairs_per_worker: int = 1,
) -> Burst:
    """Return the outcome of a burst if every call takes `latency_s` and every pair the same other time."""
    scenario = Scenario(
        qps=qps,
        quota_share=share,
        worker_concurrency=concurrency,
        latency_ms=latency_s * 1000,
        latency_p95_ms=latency_s * 1000,
        load_ms=load_s * 1000,
        overhead_ms=overhead_s * 1000,
        pairs_per_worker=pairs_per_worker,
    )
    outcome = simulate_burst(scenario, pairs)
    return Burst(
        duration_s=outcome.last_verdict_s,
        throughput_per_s=pairs / outcome.last_verdict_s,
        calls_per_s=outcome.call_rate_per_s,
    )


def arrival_curve(peak_factor: float) -> Numbers:
    """Return each minute's share of a day's arrivals: a von Mises curve with the peak at 14 h."""
    sharpness_low, sharpness_high = 0.0, 1e5
    for _ in range(80):
        sharpness = (sharpness_low + sharpness_high) / 2
        if _von_mises(sharpness).max() * _DAY_MINUTES < peak_factor:
            sharpness_low = sharpness
        else:
            sharpness_high = sharpness
    return _von_mises(sharpness_low)


def _von_mises(sharpness: float) -> Numbers:
    angle = 2 * np.pi * (np.arange(_DAY_MINUTES) - _BUSIEST_MINUTE) / _DAY_MINUTES
    curve = np.exp(sharpness * (np.cos(angle) - 1))
    return np.asarray(curve / curve.sum(), dtype=np.float64)


def _draw_arrivals_ms(scenario: Scenario, chance: np.random.Generator) -> Times:
    """Return random arrival times of a day's pairs, distributed by the curve."""
    counts = chance.multinomial(scenario.pairs_per_day, arrival_curve(scenario.peak_factor))
    minutes = np.repeat(np.arange(_DAY_MINUTES), counts)
    arrived_ms = minutes * MINUTE_MS + chance.integers(0, MINUTE_MS, size=len(minutes))
    return np.asarray(np.sort(arrived_ms), dtype=np.int64)


def _run(
    scenario: Scenario, chance: np.random.Generator, *, messages_ms: Times, requests_ms: Times
) -> Outcome:
    stack = _Stack(scenario, messages_ms, requests_ms, chance)
    stack.run()
    return _summarise(scenario, np.sort(np.concatenate((messages_ms, requests_ms))), stack)


_COLUMNS: Final = ("arrived", "begun", "slot", "ended", "kind")
"""One row per invocation, in milliseconds. `slot` is -1 if there was none in time."""


class _Kind(IntEnum):
    """The function of an invocation, the source of its pair, and whether it ended without a verdict."""

    WORKER = 0
    WORKER_FOR_API = 1
    API = 2
    POSTPONED = 3
    CRASHED = 4
    ANSWERED_LATE = 5


_BY_API: Final = (_Kind.API, _Kind.ANSWERED_LATE)


class _Stack:
    """The state of the simulated stack, with times in whole milliseconds, and the log of invocations."""

    def __init__(
        self, scenario: Scenario, messages_ms: Times, requests_ms: Times, chance: np.random.Generator
    ) -> None:
        self.crash_share = scenario.crash_share
        self.chance = chance
        pairs = len(messages_ms) + len(requests_ms)
        self.latencies_ms: Iterator[int] = cycle(_draw_latencies_ms(scenario, chance, max(pairs, 1)).tolist())
        self.load_ms, self.overhead_ms = round(scenario.load_ms), round(scenario.overhead_ms)
        self.pairs_per_worker = scenario.pairs_per_worker
        patience_ms = round((scenario.function_timeout_s - CLOSING_TIME_S) * 1000)
        # By `_Kind`: how far ahead it reserves slots, and after which time it stops waiting.
        worker = (_BULK_HORIZON_MS, patience_ms)
        self.patience_ms = (worker, worker, (_INTERACTIVE_HORIZON_MS, _ANSWER_TIME_MS))
        # After a crash, the message is hidden and the comparison is leased.
        self.crash_pause_ms = max(
            round(scenario.visibility_timeout_s * 1000),
            patience_ms + round((CALL_TIMEOUT_S + LEASE_MARGIN_S) * 1000),
        )
        # Messages: when they are visible, when their pair arrived, and its source. A sorted list is a heap.
        self.queue = [(at_ms, at_ms, _Kind.WORKER) for at_ms in messages_ms.tolist()]
        # Pairs that wait for a slot: the time of their next try, the start of their function, their arrival,
        # their kind, and the worker's batch.
        ready_ms = self.load_ms + self.overhead_ms
        self.tries = [(at_ms + ready_ms, at_ms, at_ms, _Kind.API, -1) for at_ms in requests_ms.tolist()]
        # The times at which the workers without pairs are free.
        self.workers_ms = [0] * scenario.worker_concurrency
        # By batch: the number of pairs that have not ended, and the latest end so far.
        self.batches: list[tuple[int, int]] = []
        self.spans = array("q")
        self.interval_us = scenario.interval_us
        self.next_slot_us = -1
        self.limiter_writes = Counter[int]()
        self._log = array("q")

    @property
    def log(self) -> Times:
        """The invocations, with the columns `_COLUMNS`."""
        return np.frombuffer(self._log, dtype=np.int64).reshape(-1, len(_COLUMNS))

    def run(self) -> None:
        """Simulate until all pairs have ended."""
        while self.queue or self.tries:
            start_ms = max(self.queue[0][0], self.workers_ms[0]) if self.queue and self.workers_ms else _NEVER
            if self.tries and self.tries[0][0] <= start_ms:
                self._try_slot(*heapq.heappop(self.tries))
            else:
                self._start_worker(start_ms)

    def _start_worker(self, start_ms: int) -> None:
        """Give the oldest messages to a free worker."""
        heapq.heappop(self.workers_ms)
        batch, pairs = len(self.batches), 0
        while pairs < self.pairs_per_worker and self.queue and self.queue[0][0] <= start_ms:
            _, arrived_ms, kind = heapq.heappop(self.queue)
            pairs += 1
            ready_ms = start_ms + pairs * self.load_ms + self.overhead_ms
            heapq.heappush(self.tries, (ready_ms, start_ms, arrived_ms, kind, batch))
        self.batches.append((pairs, start_ms))

    def _try_slot(self, at_ms: int, begun_ms: int, arrived_ms: int, kind: _Kind, batch: int) -> None:
        """Reserve a slot for a pair, schedule another try, or postpone the pair."""
        horizon_ms, patience_ms = self.patience_ms[kind]
        give_up_ms = begun_ms + patience_ms
        earliest_us = (at_ms + _LEAD_MS) * 1000
        latest_us = max(min(at_ms + horizon_ms, give_up_ms) * 1000, earliest_us)
        early_us = self.next_slot_us - latest_us
        if early_us <= 0:
            self._call(self._book(earliest_us, at_ms), begun_ms, arrived_ms, kind, batch)
            return
        self.limiter_writes[at_ms // MINUTE_MS] += 1
        again_ms = at_ms + math.ceil(early_us / 1000 + self.chance.random() * SCATTER * horizon_ms)
        if again_ms < give_up_ms:
            heapq.heappush(self.tries, (again_ms, begun_ms, arrived_ms, kind, batch))
        else:
            pause_s = math.ceil(early_us / 1e6)
            self._postpone(pause_s, at_ms, begun_ms, arrived_ms, kind=kind, batch=batch)

    def _book(self, earliest_us: int, at_ms: int) -> int:
        """Return the next slot. It needs one write, or two if the rate limiter was idle."""
        is_idle = self.next_slot_us <= earliest_us
        self.limiter_writes[at_ms // MINUTE_MS] += 2 if is_idle else 1
        slot_us = earliest_us if is_idle else self.next_slot_us
        self.next_slot_us = slot_us + self.interval_us
        return math.ceil(slot_us / 1000)

    def _call(self, slot_ms: int, begun_ms: int, arrived_ms: int, kind: _Kind, batch: int) -> None:
        if kind is not _Kind.API and self.crash_share and self.chance.random() < self.crash_share:
            heapq.heappush(self.queue, (begun_ms + self.crash_pause_ms, arrived_ms, kind))
            self._end(arrived_ms, begun_ms, slot_ms, slot_ms, kind=_Kind.CRASHED, batch=batch)
        else:
            self._end(
                arrived_ms, begun_ms, slot_ms, slot_ms + next(self.latencies_ms), kind=kind, batch=batch
            )

    def _postpone(
        self, pause_s: int, at_ms: int, begun_ms: int, arrived_ms: int, *, kind: _Kind, batch: int
    ) -> None:
        """Send the pair's message again. SQS delays it by whole seconds."""
        by_api = kind is _Kind.API
        message = (at_ms + pause_s * 1000, arrived_ms, _Kind.WORKER_FOR_API if by_api else kind)
        heapq.heappush(self.queue, message)
        late = _Kind.ANSWERED_LATE if by_api else _Kind.POSTPONED
        self._end(arrived_ms, begun_ms, -1, at_ms, kind=late, batch=batch)

    def _end(
        self, arrived_ms: int, begun_ms: int, slot_ms: int, ended_ms: int, *, kind: _Kind, batch: int
    ) -> None:
        self._log.extend((arrived_ms, begun_ms, slot_ms, ended_ms, kind))
        if kind in _BY_API:
            self.spans.extend((begun_ms, ended_ms))
            return
        left, latest_ms = self.batches[batch]
        left, latest_ms = left - 1, max(latest_ms, ended_ms)
        self.batches[batch] = (left, latest_ms)
        if not left:
            heapq.heappush(self.workers_ms, latest_ms)
            self.spans.extend((begun_ms, latest_ms))


def _draw_latencies_ms(scenario: Scenario, chance: np.random.Generator, count: int) -> Times:
    """Return log-normal latencies, limited by the timeout of a call."""
    latencies_ms = chance.lognormal(math.log(scenario.latency_ms), scenario.latency_sigma, count)
    return np.asarray(np.minimum(latencies_ms, CALL_TIMEOUT_S * 1000).round(), dtype=np.int64)


def _summarise(scenario: Scenario, arrived_ms: Times, stack: _Stack) -> Outcome:
    row = dict(zip(_COLUMNS, stack.log.T, strict=True))
    kind = row["kind"]
    called, by_api = row["slot"] >= 0, np.isin(kind, _BY_API)
    spans = np.frombuffer(stack.spans, dtype=np.int64).reshape(-1, 2)
    request_ms = int((row["ended"] - row["begun"])[by_api].sum())
    has_verdict = kind <= _Kind.API
    waits_ms = row["ended"] - row["arrived"]
    slots_ms = np.sort(row["slot"][called])
    last_verdict_ms = int(row["ended"][has_verdict].max())
    minutes = last_verdict_ms // MINUTE_MS + 1
    verdicts = _count_by_minute(row["ended"][has_verdict], minutes)
    arrivals = _count_by_minute(arrived_ms, minutes)
    return Outcome(
        scenario=scenario,
        bulk=_measure_waits(waits_ms[kind == _Kind.WORKER]),
        interactive=_measure_waits(waits_ms[(kind == _Kind.WORKER_FOR_API) | (kind == _Kind.API)]),
        late_answers=int((kind == _Kind.ANSWERED_LATE).sum()),
        postponed=int((kind == _Kind.POSTPONED).sum()),
        oldest_s=float((row["begun"] - row["arrived"]).max()) / 1000,
        arrivals=tuple(arrivals.tolist()),
        verdicts=tuple(verdicts.tolist()),
        backlog=tuple((arrivals - verdicts).cumsum().tolist()),
        calls=len(slots_ms),
        first_call_s=float(slots_ms[0]) / 1000,
        last_call_s=float(slots_ms[-1]) / 1000,
        last_verdict_s=last_verdict_ms / 1000,
        limiter_writes=stack.limiter_writes.total(),
        busiest_limiter_writes_per_s=max(stack.limiter_writes.values()) / 60,
        worker_s=(int((spans[:, 1] - spans[:, 0]).sum()) - request_ms) / 1000,
        request_s=request_ms / 1000,
        worker_invocations=len(spans) - int(by_api.sum()),
        most_at_once=_count_most_at_once(spans[:, 0], spans[:, 1]),
    )


def _count_by_minute(times_ms: Times, minutes: int) -> Times:
    return np.bincount(times_ms // MINUTE_MS, minlength=minutes).astype(np.int64)


def _measure_waits(waits_ms: Times) -> Waits:
    if not len(waits_ms):
        return Waits(0, 0.0, 0.0, 0.0, 0.0)
    ranks = (50, 95, 99, 100)
    p50_s, p95_s, p99_s, longest_s = np.percentile(waits_ms, ranks, method="inverted_cdf") / 1000
    return Waits(len(waits_ms), float(p50_s), float(p95_s), float(p99_s), float(longest_s))


def _count_most_at_once(begun_ms: Times, ended_ms: Times) -> int:
    """Return the largest number of overlapping spans. Spans that only touch do not overlap."""
    begun_ms = np.sort(begun_ms)
    before = np.searchsorted(np.sort(ended_ms), begun_ms, side="right")
    return int((np.arange(1, len(begun_ms) + 1) - before).max())


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """The AWS requests of one pair, from its photos to its published verdict.

    `ledger_writes`, `ledger_reads` and `index_writes` (of the index `work`) are request units of DynamoDB,
    without those of the lane. `queue_requests` are requests to SQS; each message is received and deleted
    alone, including the results. `photo_writes` are the requests that S3 prices as writes: put, copy and
    list. A round trip is one request of the uploads or publish function.
    """

    ledger_writes: int
    ledger_reads: int
    index_writes: int
    queue_requests: int
    photo_writes: int
    photo_reads: int
    stored_size_bytes: int
    invocations: int
    uploads_round_trips: int
    publish_round_trips: int


BUCKET_PAIR: Final = Footprint(
    ledger_writes=12,
    ledger_reads=2,
    index_writes=9,
    queue_requests=12,
    photo_writes=5,
    photo_reads=2,
    stored_size_bytes=2_300,
    invocations=4,
    uploads_round_trips=9,
    publish_round_trips=5,
)
"""A pair from the bucket: two notifications, a comparison, a result."""
API_PAIR: Final = Footprint(
    ledger_writes=12,
    ledger_reads=4,
    index_writes=5,
    queue_requests=6,
    photo_writes=3,
    photo_reads=0,
    stored_size_bytes=1_900,
    invocations=3,
    uploads_round_trips=0,
    publish_round_trips=5,
)
"""A pair from the API with its photos and an `Idempotency-Key`. A worker also receives it once."""

BUSIEST_INDEX_KEY_WRITES: Final = 4
"""The writes of one pair to the index `work`, under the key of waiting pairs."""
ROUND_TRIP_S: Final = 0.015
"""The assumed time of a request to DynamoDB, SQS or S3 from a function with 512 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """List prices in USD without free tiers, for `ap-southeast-1` in 2025. Check your prices.

    `provider_call` is the provider's price of a successful call, if it states one. See
    `facematch.domain.regions`.
    """

    lambda_gb_second: float = 0.0000166667
    lambda_million_requests: float = 0.20
    sqs_million_requests: float = 0.40
    dynamodb_million_writes: float = 0.7115
    dynamodb_million_reads: float = 0.1423
    dynamodb_gb_month_with_recovery: float = 0.513
    s3_thousand_writes: float = 0.005
    s3_thousand_reads: float = 0.0004
    api_million_requests: float = 4.25
    secret_month: float = 0.40
    secrets_thousand_reads: float = 0.005
    logs_gb: float = 0.70
    metric_month: float = 0.30
    alarm_month: float = 0.10
    dashboard_month: float = 3.00
    traces_million: float = 5.00
    transfer_out_gb: float = 0.12
    provider_call: float | None = None


MONTH_DAYS: Final = 30
RETENTION_DAYS: Final = int(_PARAMETERS["RecordRetentionDays"]["Default"])
WORKER_GB: Final = _RESOURCES["Compare"]["MemorySize"] / 1024
SMALL_GB: Final = _RESOURCES["Publish"]["MemorySize"] / 1024
_GB: Final = 1e9
LOG_SIZE_BYTES: Final = 1_450
"""The log lines of one invocation: two of our own (766 bytes measured) and three of Lambda. One invocation in
five also logs the metrics of a verdict (951 bytes measured)."""
_CALL_SIZE_BYTES: Final = 212_000
"""Two photos of 75 kB as Base64 in a form, which is 1.416 times as large."""
TRACED_SHARE: Final = 0.05
_METRICS: Final = 29
"""The metrics of the functions in a month without faults, in one region. A metric without values is free."""
ALARMED_METRICS: Final = sum(
    "Expression" not in metric
    for name, alarm in _RESOURCES.items()
    if _TEMPLATE["Resources"][name]["Type"] == "AWS::CloudWatch::Alarm"
    for metric in alarm.get("Metrics", [alarm])
)
"""The price of an alarm depends on the number of its metrics."""
LANE_READS: Final = 2
"""Reads of the lane per call: before the photos are read, and before the call. Each uses one unit."""
PUBLISH_BATCHES: Final = _RESOURCES["Publish"]["Events"]["Outbox"]["Properties"]["ParallelizationFactor"]
"""The batches of one shard that the publish function processes at the same time."""
UPLOADS_CONCURRENCY: Final = _RESOURCES["Uploads"]["Events"]["Uploads"]["Properties"]["ScalingConfig"][
    "MaximumConcurrency"
]
_SCHEDULE: Final = _RESOURCES["Sweep"]["Events"]["EveryMinute"]["Properties"]["Schedule"]
SWEEPS_PER_DAY: Final = _DAY_MINUTES // int(_SCHEDULE.removeprefix("rate(").split()[0])
_IDLE_POLLS: Final = 3 * 5 * 3 * 60 * 24 * MONTH_DAYS
"""Lambda's polls of empty queues in a month, with one allowed region: three queues with five pollers each,
every 20 s."""


def price_month(outcome: Outcome, prices: Prices) -> dict[str, float]:
    """Return the cost of a month of such days in USD, by part. An unknown provider's price is left out."""
    by_bucket, by_api = outcome.bulk.count * MONTH_DAYS, outcome.interactive.count * MONTH_DAYS

    def total(part: str) -> int:
        amount: int = getattr(BUCKET_PAIR, part) * by_bucket + getattr(API_PAIR, part) * by_api
        return amount

    invocations = total("invocations") + (outcome.postponed + SWEEPS_PER_DAY) * MONTH_DAYS
    small_s = (total("uploads_round_trips") + total("publish_round_trips")) * ROUND_TRIP_S
    rescue_s = by_api * ROUND_TRIP_S
    worker_s = (outcome.worker_s + outcome.request_s) * MONTH_DAYS + rescue_s
    calls = outcome.calls * MONTH_DAYS
    writes = total("ledger_writes") + total("index_writes") + outcome.limiter_writes * MONTH_DAYS
    reads = total("ledger_reads") + calls * LANE_READS
    stored_gb = total("stored_size_bytes") * RETENTION_DAYS / MONTH_DAYS / _GB
    secret_reads = outcome.mean_concurrency * MONTH_DAYS * DAY_S / SECRET_KEPT_S
    parts = {
        "Lambda": (worker_s * WORKER_GB + small_s * SMALL_GB) * prices.lambda_gb_second
        + invocations / 1e6 * prices.lambda_million_requests,
        "SQS": (total("queue_requests") + _IDLE_POLLS + outcome.postponed * MONTH_DAYS * 3)
        / 1e6
        * prices.sqs_million_requests,
        "DynamoDB": writes / 1e6 * prices.dynamodb_million_writes
        + reads / 1e6 * prices.dynamodb_million_reads
        + stored_gb * prices.dynamodb_gb_month_with_recovery,
        "S3": total("photo_writes") / 1e3 * prices.s3_thousand_writes
        + total("photo_reads") / 1e3 * prices.s3_thousand_reads,
        "API Gateway": by_api / 1e6 * prices.api_million_requests,
        "Secrets Manager": prices.secret_month + secret_reads / 1e3 * prices.secrets_thousand_reads,
        "CloudWatch": invocations * LOG_SIZE_BYTES / _GB * prices.logs_gb
        + _METRICS * prices.metric_month
        + ALARMED_METRICS * prices.alarm_month
        + prices.dashboard_month,
        "X-Ray": invocations * TRACED_SHARE / 1e6 * prices.traces_million,
        "Data transfer": calls * _CALL_SIZE_BYTES / _GB * prices.transfer_out_gb,
    }
    if prices.provider_call is not None:
        parts["FaceCompare"] = calls * prices.provider_call
    return parts
