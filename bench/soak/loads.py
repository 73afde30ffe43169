"""The loads of the soak test: backlogs, and requests to the API at the same time."""

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Final

from bench.capacity.model import predict_burst
from facematch.domain.regions import Region
from harness.accounting import Call, measure_traffic, quantile, read_time_s, trim_calls
from harness.faults import ScenarioContext, wait_until
from harness.scenarios import Run, ScenarioResult, list_calls_since
from harness.workers import (
    QUOTA_SHARE,
)

_ACCEPTED: Final = (HTTPStatus.OK, HTTPStatus.ACCEPTED)
_FUNCTIONS: Final = 10
_WARM_WORKERS: Final = 12
_WARM_REQUESTS: Final = 4
_WORKERS: Final = {10: 5, 3: 3}
_PAIRS_PER_WORKER: Final = 8
_LOAD_S: Final = 0.05
_OVERHEAD_S: Final = 0.15
"""A worker's own time for a pair of small photos, on a machine with two cores."""
_MODEL_TOLERANCE: Final = 0.1
_URGENT_LIMIT_S: Final = 10.0
_USED_LIMIT: Final = 0.95
_NEIGHBOUR_S: Final = 90
_FILL_S: Final = 12


def burst(*, pairs: int, qps: int, window: str, request_interval_s: float) -> Run:
    """Compare a backlog of pairs, and send requests to the API at a steady rate."""

    def run(context: ScenarioContext) -> ScenarioResult:
        context.emulator.set_quota_window(window)
        pair_ids = context.name_pairs(pairs)
        with context.cloud.halt("Compare"):
            context.put_pairs(pair_ids)
            wait_until(lambda: context.driver.count_messages(context.queue_url()) >= pairs)
        started_at_s = time.time()
        requests = _Requests(context)
        with ThreadPoolExecutor(_WARM_REQUESTS) as pool:
            while not context.driver.events.keys() >= set(pair_ids):
                requests.send(pool, request_interval_s)
                context.driver.collect_events()
        backlog = {
            record["id"] for record in context.cloud.read_records() if record.get("pair_id") in pair_ids
        }
        calls = trim_calls(list_calls_since(context, started_at_s), backlog)
        traffic, predicted = measure_traffic(calls, qps), _predict_use(calls, qps)
        findings = requests.findings
        if abs(traffic.used / predicted - 1) > _MODEL_TOLERANCE:
            findings.append(f"{traffic.used:.1%} of the quota was used; the model predicts {predicted:.1%}")
        return ScenarioResult(
            accepted={**dict.fromkeys(pair_ids, 1), **requests.accepted},
            latencies_s=requests.latencies_s,
            traffic=traffic,
            findings=findings,
            notes=[_describe_lateness(context, calls), f"the model has {predicted:.1%} of the quota used"],
        )

    return run


def warm_up(context: ScenarioContext) -> ScenarioResult:
    """Start every worker, and some instances of the API function."""
    context.emulator.play(context.region, "answer", latency_ms=4000, for_s=20)
    pair_ids = [f"{context.prefix}-warm-{number}" for number in range(_WARM_WORKERS * 2)]
    posted = [f"{context.prefix}-warm-api-{number}" for number in range(_WARM_REQUESTS)]
    with ThreadPoolExecutor(_WARM_REQUESTS) as pool:
        list(pool.map(context.post, posted))
        context.put_pairs(pair_ids)
    everything = dict.fromkeys([*pair_ids, *posted], 1)

    def all_ended() -> bool:
        context.driver.collect_events()
        return context.driver.events.keys() >= everything.keys()

    wait_until(all_ended, limit_s=120, interval_s=0.1)
    context.emulator.clear()
    return ScenarioResult(accepted=everything)


def late_requests(*, backlog: int, requests: int) -> Run:
    """Send asynchronous requests to the API during a bulk backlog. Urgent calls are made first."""

    def run(context: ScenarioContext) -> ScenarioResult:
        pair_ids = context.name_pairs(backlog)
        with context.cloud.halt("Compare"):
            context.put_pairs(pair_ids)
            wait_until(lambda: context.driver.count_messages(context.queue_url()) >= backlog)
        posted = [f"{context.prefix}-api-{number:03d}" for number in range(requests)]
        answers = [context.post(pair_id, {"Prefer": "respond-async"})[0] for pair_id in posted]
        ids = [str(answer.body["id"]) for answer in answers]
        for comparison_id in ids:
            context.wait_until_ended(comparison_id)
        waits_s = [context.measure_wait_s(comparison_id) for comparison_id in ids]
        p95_s = quantile(waits_s, 0.95)
        return ScenarioResult(
            accepted=dict.fromkeys([*pair_ids, *posted], 1),
            findings=[f"verdicts took {p95_s:.1f} s at p95"] if p95_s > _URGENT_LIMIT_S else [],
            notes=[f"verdicts took {p95_s:.1f} s at p95"],
        )

    return run


def neighbour_throttled(*, pairs: int, throttled_pairs: int, neighbour: Region, qps: int) -> Run:
    """Throttle the backlog of another region. This region still uses its quota."""

    def run(context: ScenarioContext) -> ScenarioResult:
        other = replace(context, region=neighbour, prefix=f"{context.prefix}-other")
        fault = context.emulator.play(
            neighbour, "refuse", code="Throttling.Api", retry_after_ms=2000, for_s=_NEIGHBOUR_S
        )
        other.put_pairs(other.name_pairs(throttled_pairs))
        pair_ids = context.name_pairs(pairs)
        # Delayed slots have the same effect as stopping the workers of this region.
        context.delay_next_slot(_FILL_S)
        context.put_pairs(pair_ids)
        started_at_s = time.time()
        for pair_id in pair_ids:
            context.wait_until_ended(context.find_comparison_id(pair_id), limit_s=120)
        still_throttled = context.emulator.is_playing(fault)
        traffic = measure_traffic(list_calls_since(context, started_at_s), qps)
        accepted = dict.fromkeys([*pair_ids, *other.name_pairs(throttled_pairs)], 1)
        findings = [] if still_throttled else ["the throttling of the other region ended too early"]
        if traffic.used < _USED_LIMIT:
            findings.append(f"{traffic.used:.1%} of the quota was used")
        return ScenarioResult(accepted=accepted, traffic=traffic, findings=findings)

    return run


def mixed_requests(*, connections: int, backlog: int) -> Run:
    """Send valid and invalid requests over many connections at once, while a backlog is compared."""

    def run(context: ScenarioContext) -> ScenarioResult:
        pair_ids = context.name_pairs(backlog)
        context.put_pairs(pair_ids)
        # All connections are open at once. Two cores cannot start as many functions at once.
        opened = [context.connect() for _ in range(connections)]
        with ThreadPoolExecutor(_FUNCTIONS) as pool:
            answers = list(pool.map(partial(_send_request, context), opened, range(connections)))
        accepted = {pair_id: 1 for pair_id, _, status in answers if status in _ACCEPTED}
        findings = [
            f"the status of {pair_id} is {status}, not {' or '.join(map(str, expected))}"
            for pair_id, expected, status in answers
            if status not in expected
        ]
        return ScenarioResult(accepted={**dict.fromkeys(pair_ids, 1), **accepted}, findings=findings)

    return run


def _send_request(
    context: ScenarioContext, connection: HTTPConnection, number: int
) -> tuple[str, Sequence[HTTPStatus], HTTPStatus]:
    """Send the request with this number; return its pair id, the expected statuses and the status."""
    pair_id = f"{context.prefix}-api-{number:03d}"
    good = context.make_body(pair_id)
    bodies: list[tuple[object, Sequence[HTTPStatus]]] = [
        (good, _ACCEPTED),
        (b"{", [HTTPStatus.BAD_REQUEST]),
        ({"region": context.region.value}, [HTTPStatus.BAD_REQUEST]),
        (good | {"region": "mars"}, [HTTPStatus.BAD_REQUEST]),
        (good | {"source": {"photo": "aGVsbG8="}}, [HTTPStatus.UNPROCESSABLE_ENTITY]),
    ]
    body, expected = bodies[number % len(bodies)]
    return pair_id, expected, context.post_over(connection, body)


@dataclass(slots=True)
class _Requests:
    """Interactive requests at a steady rate. They do not wait for earlier ones."""

    context: ScenarioContext
    pending: list[Future[tuple[str, HTTPStatus, float]]] = field(default_factory=list)
    next_at_s: float = 0.0

    def send(self, pool: ThreadPoolExecutor, interval_s: float) -> None:
        """Send the next request if it is due, and wait briefly."""
        if time.monotonic() >= self.next_at_s:
            self.next_at_s = time.monotonic() + interval_s
            self.pending.append(pool.submit(self._post, f"{self.context.prefix}-api-{len(self.pending):03d}"))
        time.sleep(min(interval_s, 0.2))

    def _post(self, pair_id: str) -> tuple[str, HTTPStatus, float]:
        answer, latency_s = self.context.post(pair_id)
        return pair_id, answer.status, latency_s

    @property
    def _answers(self) -> list[tuple[str, HTTPStatus, float]]:
        return [request.result() for request in self.pending]

    @property
    def accepted(self) -> dict[str, int]:
        return {pair_id: 1 for pair_id, status, _ in self._answers if status in _ACCEPTED}

    @property
    def latencies_s(self) -> list[float]:
        return [latency_s if status is HTTPStatus.OK else math.inf for _, status, latency_s in self._answers]

    @property
    def findings(self) -> list[str]:
        return [f"{pair_id}: {status}" for pair_id, status, _ in self._answers if status not in _ACCEPTED]


def _predict_use(calls: Sequence[Call], qps: int) -> float:
    """Return the share of the quota that the capacity model predicts for these calls."""
    burst = predict_burst(
        len(calls),
        qps=qps,
        share=QUOTA_SHARE,
        concurrency=_WORKERS[qps],
        pairs_per_worker=_PAIRS_PER_WORKER,
        load_s=_LOAD_S,
        latency_s=statistics.mean(float(call["duration_ms"]) for call in calls) / 1000,
        overhead_s=_OVERHEAD_S,
    )
    return burst.calls_per_s / qps


def _describe_lateness(context: ScenarioContext, calls: Sequence[Mapping[str, object]]) -> str:
    """Describe how long after their slots the calls reached the provider."""
    slots = {
        attempt["merchant_biz_id"]: float(attempt["started_at_ms"]) / 1000
        for record in context.cloud.read_records()
        for attempt in record["attempts"].values()
    }
    late_ms = [
        1000 * (read_time_s(call) - slots[str(call["merchant_biz_id"])])
        for call in calls
        if call["merchant_biz_id"] in slots
    ]
    quantiles = ", ".join(
        f"p{round(share * 100)} {quantile(late_ms, share):.0f}" for share in (0.5, 0.95, 0.99, 1)
    )
    return f"delay of calls after their slot (ms): {quantiles}"
