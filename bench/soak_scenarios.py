"""The loads and faults that a stack has to survive: each is small, and says what it asked of the stack.

A scenario has one region of a stack to itself while it runs. It provokes and counts; whether the promises
were kept is for the books to say (`tests.e2e.accounting`), once the stack has settled.
"""

import json
import math
import signal
import statistics
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection
from typing import Any, Final

from bench.capacity import predict_burst
from facematch.domain.errors import AlreadyEndedError, PostponedError
from facematch.domain.quota import BULK_HORIZON_S
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from facematch.use_cases.compare_pair import Effort, RetryPolicy
from local.signed_http import HttpAnswer
from tests.e2e.accounting import Call, Traffic, audit, measure_traffic, quantile, read_time_s, trim_calls
from tests.e2e.faults import Site, wait_until
from tests.e2e.workers import (
    QUOTA_SHARE,
    FatalLedger,
    FreezingClock,
    KilledError,
    SkewedClock,
    make_worker,
    register_pair,
    sweep,
    work_off,
)

_TAKEN: Final = (HTTPStatus.OK, HTTPStatus.ACCEPTED)
_REDELIVERED_AFTER_S: Final = 3
_REPAIRED_AFTER_S: Final = 12
_STREAM_S: Final = 3
_FUNCTIONS: Final = 10
_WARM_WORKERS: Final = 12
_WARM_REQUESTS: Final = 4
_WORKERS: Final = 20
_OVERHEAD_S: Final = 0.2
"""What a worker does for a pair beside waiting and calling, on this kind of machine."""
_MODEL_TOLERANCE: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What a scenario asked of the stack, and what it saw itself.

    `accepted` are pair ids with the number of comparisons that each must come to; `latencies_s` are those of
    requests that waited for a verdict, infinite where none was in the answer; `findings` is what was not as
    it has to be, in words.
    """

    accepted: Mapping[str, int]
    latencies_s: Sequence[float] = ()
    traffic: Traffic | None = None
    findings: Sequence[str] = ()
    notes: Sequence[str] = ()


type Run = Callable[[Site], Played]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One load or fault; `settles_in_s` is how long the stack may take afterwards."""

    name: str
    region: Region
    run: Run
    settles_in_s: float = 60


def burst(*, pairs: int, qps: int, window: str, request_interval_s: float) -> Run:
    """Have a backlog of pairs compared, and meanwhile ask the API for more at a steady rate."""

    def run(site: Site) -> Played:
        site.emulator.enforce(window)
        pair_ids = site.name_pairs(pairs)
        with site.cloud.halt("Compare"):
            site.put_pairs(pair_ids)
            queue_url = site.driver.stack.comparisons_queue_url
            wait_until(lambda: site.driver.count_messages(queue_url) >= pairs)
        started_at_s = time.time()
        requests = _Requests(site)
        with ThreadPoolExecutor(_WARM_REQUESTS) as pool:
            while not site.driver.events.keys() >= set(pair_ids):
                requests.send(pool, request_interval_s)
                site.driver.collect_events()
        backlog = {record["id"] for record in site.cloud.read_records() if record.get("pair_id") in pair_ids}
        calls = trim_calls(_list_calls_since(site, started_at_s), backlog)
        traffic, foreseen = measure_traffic(calls, qps), _foresee_use(calls, qps)
        findings = requests.findings
        if abs(traffic.used / foreseen - 1) > _MODEL_TOLERANCE:
            findings.append(f"{traffic.used:.1%} of the quota was used; the model has {foreseen:.1%}")
        return Played(
            accepted={**dict.fromkeys(pair_ids, 1), **requests.accepted},
            latencies_s=requests.latencies_s,
            traffic=traffic,
            findings=findings,
            notes=[_tell_lateness(site, calls), f"the model has {foreseen:.1%} of the quota used"],
        )

    return run


def warm_up(site: Site) -> Played:
    """Have every worker, and some functions of the API, started."""
    site.emulator.play(site.region, "answer", latency_ms=4000, for_s=20)
    pair_ids = [f"{site.prefix}-warm-{number}" for number in range(_WARM_WORKERS * 2)]
    posted = [f"{site.prefix}-warm-api-{number}" for number in range(_WARM_REQUESTS)]
    with ThreadPoolExecutor(_WARM_REQUESTS) as pool:
        list(pool.map(site.post, posted))
        site.put_pairs(pair_ids)
    everything = dict.fromkeys([*pair_ids, *posted], 1)

    def all_ended() -> bool:
        site.driver.collect_events()
        return site.driver.events.keys() >= everything.keys()

    wait_until(all_ended, limit_s=120, interval_s=0.1)
    site.emulator.clear()
    return Played(accepted=everything)


def throttled(*, pairs: int, duration_s: float, retry_after_ms: int | None) -> Run:
    """Have the provider throttle every call for a while."""
    hint = {} if retry_after_ms is None else {"retry_after_ms": retry_after_ms}
    return _under(pairs, effect="refuse", code="Throttling.Api", for_s=duration_s, **hint)


def failing(*, pairs: int, **scenario: Any) -> Run:  # noqa: ANN401 - the emulator's own fields
    """Have the provider fail in one of its ways."""
    return _under(pairs, **scenario)


def forbidden(*, pairs: int) -> Run:
    """Have the provider refuse the account until all is dead letters; then repair it and put them back."""

    def run(site: Site) -> Played:
        stack, queues = site.driver.stack, site.cloud
        fault = site.emulator.play(
            site.region, "refuse", code="Forbidden.AccountAccessDenied", for_s=_REPAIRED_AFTER_S
        )
        with queues.redeliver_after(stack.comparisons_queue_url, _REDELIVERED_AFTER_S, receives=1):
            site.put_pairs(site.name_pairs(pairs))
            wait_until(lambda: site.driver.count_messages(stack.comparisons_dead_letters_url) >= pairs)
        accepted = dict.fromkeys(site.name_pairs(pairs), 1)
        waiting = audit(queues.read_books(), accepted)
        wait_until(lambda: not site.emulator.is_playing(fault))
        wait_until(
            lambda: (
                queues.redrive(stack.comparisons_dead_letters_url, stack.comparisons_queue_url) > 0
                or site.driver.count_messages(stack.comparisons_dead_letters_url) == 0
            )
        )
        findings = [
            f"{pair_id} neither waited nor ended: {reason}" for pair_id, reason in waiting.lost.items()
        ]
        if waiting.waiting != pairs:
            findings.append(f"{waiting.waiting} of {pairs} pairs waited as dead letters")
        return Played(accepted=accepted, findings=findings)

    return run


def outage(*, pairs: int, duration_s: float) -> Run:
    """Have the provider out for a while: its circuit opens, and the API says so; the backlog waits."""

    def run(site: Site) -> Played:
        fault = site.emulator.play(site.region, "html", http_status=503, for_s=duration_s)
        site.put_pairs(site.name_pairs(pairs))
        wait_until(
            lambda: site.read_item(f"circuit#{site.region}").get("state") == "OPEN", limit_s=duration_s
        )
        accepted, answers = dict.fromkeys(site.name_pairs(pairs), 1), list[HttpAnswer]()
        # One that comes when the provider is probed is let through, and told to come back for its verdict.
        while site.emulator.is_playing(fault) and not any(map(_says_unavailable, answers)):
            pair_id = f"{site.prefix}-api-{len(answers)}"
            answers.append(site.post(pair_id)[0])
            if answers[-1].status in _TAKEN:
                accepted[pair_id] = 1
        wait_until(lambda: not site.emulator.is_playing(fault), limit_s=duration_s + 10)
        statuses = [answer.status.value for answer in answers]
        calls = sum(call["scenario"] == fault for call in site.emulator.list_calls(site.region))
        return Played(
            accepted=accepted,
            findings=[] if any(map(_says_unavailable, answers)) else [f"the API said {statuses}, never 503"],
            notes=[f"{calls} calls ran into the outage"],
        )

    return run


def _says_unavailable(answer: HttpAnswer) -> bool:
    return answer.status is HTTPStatus.SERVICE_UNAVAILABLE and "Retry-After" in answer.headers


def killed_before_the_call(site: Site) -> Played:
    """End the worker's process while it waits for its slot."""
    pair_id = f"{site.prefix}-000"
    site.hold_back(30)
    with site.cloud.redeliver_after(site.driver.stack.comparisons_queue_url, _REDELIVERED_AFTER_S):
        site.put_pair(pair_id)
        key = f"comparison#{site.find_comparison_id(pair_id)}"
        wait_until(lambda: "lease_owner" in site.read_item(key) and bool(site.list_callers()))
        site.signal_callers(signal.SIGKILL)
    site.hold_back(0)
    calls = len(site.emulator.list_calls(site.region))
    return Played(
        accepted={pair_id: 1}, findings=[f"{calls} calls before the worker was killed"] * bool(calls)
    )


def killed_during_the_call(site: Site) -> Played:
    """End the worker's process while the provider compares."""
    pair_id = f"{site.prefix}-000"
    call = site.emulator.play(site.region, "answer", latency_ms=4000, times=1)
    with site.cloud.redeliver_after(site.driver.stack.comparisons_queue_url, _REDELIVERED_AFTER_S):
        site.put_pair(pair_id)
        wait_until(lambda: site.emulator.count_played(call) == 1)
        site.signal_callers(signal.SIGKILL)
    return Played(accepted={pair_id: 1})


def killed_after_the_answer(site: Site) -> Played:
    """Freeze the worker's process during its call, and end it once the provider has answered."""
    pair_id = f"{site.prefix}-000"
    call = site.emulator.play(site.region, "answer", latency_ms=1500, times=1)
    with site.cloud.redeliver_after(site.driver.stack.comparisons_queue_url, _REDELIVERED_AFTER_S):
        site.put_pair(pair_id)
        wait_until(lambda: site.emulator.count_played(call) == 1)
        site.signal_callers(signal.SIGSTOP)
        wait_until(lambda: any(one["scenario"] == call for one in site.emulator.list_calls(site.region)))
        site.signal_callers(signal.SIGKILL)
    return Played(accepted={pair_id: 1})


def killed_after_the_ledger_write(site: Site) -> Played:
    """End a worker when its ending is in the ledger, and deliver its message once more."""
    pair_id = f"{site.prefix}-000"
    comparison_id = register_pair(site, pair_id)
    with suppress(KilledError):
        work_off(make_worker(site, make_ledger=FatalLedger), comparison_id)
    site.send(comparison_id)
    return Played(accepted={pair_id: 1})


def repeated_events(*, times: int) -> Run:
    """Have the same event of each photo delivered many times at once."""

    def run(site: Site) -> Played:
        pair_id = f"{site.prefix}-000"
        site.put_pair(pair_id)
        for role in Role:
            site.repeat_upload_event(pair_id, role, times)
        return Played(accepted={pair_id: 1})

    return run


def same_millisecond(*, pairs: int) -> Run:
    """Put both photos of each pair at once."""

    def run(site: Site) -> Played:
        pair_ids = site.name_pairs(pairs)
        with ThreadPoolExecutor(len(Role)) as pool:
            for pair_id in pair_ids:
                start = threading.Barrier(len(Role))
                put = [pool.submit(_put_at_once, site, start, pair_id, role) for role in Role]
                for photo in put:
                    photo.result()
        return Played(accepted=dict.fromkeys(pair_ids, 1))

    return run


def _put_at_once(site: Site, start: threading.Barrier, pair_id: str, role: Role) -> None:
    start.wait()
    site.put_photo(pair_id, role, len(role))


def source_replaced(site: Site) -> Played:
    """Replace the source while its pair is being compared: both pairs of photos are compared."""
    pair_id = f"{site.prefix}-000"
    call = site.emulator.play(site.region, "answer", latency_ms=1500, times=1)
    site.put_pair(pair_id)
    wait_until(lambda: site.emulator.count_played(call) == 1)
    site.put_photo(pair_id, Role.SOURCE, 5)
    return Played(accepted={pair_id: 2})


def poison(*, pairs: int) -> Run:
    """Put a message that nobody can read into a batch: it alone comes again, and ends as a dead letter."""

    def run(site: Site) -> Played:
        stack = site.driver.stack
        with site.cloud.redeliver_after(stack.uploads_queue_url, 1):
            with site.cloud.halt("Uploads"):
                site.put_pairs(site.name_pairs(pairs))
                site.cloud.client("sqs").send_message(QueueUrl=stack.uploads_queue_url, MessageBody="poison")
            wait_until(lambda: site.driver.count_messages(stack.uploads_dead_letters_url) > 0)
        dead = site.cloud.take_dead_letters(stack.uploads_dead_letters_url)
        findings = [] if dead == ["poison"] else [f"dead letters: {len(dead)} instead of the one"]
        return Played(accepted=dict.fromkeys(site.name_pairs(pairs), 1), findings=findings)

    return run


def publish_fails(*, pairs: int, duration_s: float) -> Run:
    """Have the publish function fail for a while: verdicts wait in the ledger's stream."""

    def run(site: Site) -> Played:
        pair_ids = site.name_pairs(pairs)
        with site.cloud.misconfigure("Publish", Handler="facematch.nowhere.handle"):
            site.put_pairs(pair_ids)
            time.sleep(duration_s)
            site.driver.collect_events()
            told = site.driver.events.keys() & set(pair_ids)
        return Played(accepted=dict.fromkeys(pair_ids, 1), findings=[f"{len(told)} were told"] * bool(told))

    return run


def results_refused(*, pairs: int) -> Run:
    """Have the results queue refuse; the local cloud's stream does not repeat, so the sweep has to."""

    def run(site: Site) -> Played:
        pair_ids = site.name_pairs(pairs)
        with site.cloud.deny_results():
            site.put_pairs(pair_ids)
            for pair_id in pair_ids:
                site.wait_until_ended(site.find_comparison_id(pair_id))
            time.sleep(_STREAM_S)
        return Played(accepted=dict.fromkeys(pair_ids, 1))

    return run


def lease_outlived(site: Site) -> Played:
    """Freeze a worker before its call until its lease is over and another has compared: it must not call."""
    pair_id = f"{site.prefix}-000"
    comparison_id = register_pair(site, pair_id)
    frozen = make_worker(site, clock=FreezingClock(6), retries=RetryPolicy(call_timeout_s=0.5))
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(frozen.compare, comparison_id, Effort(BULK_HORIZON_S, 1.0))
        wait_until(lambda: "lease_owner" in site.read_item(f"comparison#{comparison_id}"), interval_s=0.02)
        site.send(comparison_id)
        error = work.exception()
    finding = f"the frozen worker met {error!r}"
    return Played(
        accepted={pair_id: 1},
        findings=[] if isinstance(error, PostponedError | AlreadyEndedError) else [finding],
    )


def clocks_apart(*, pairs: int, qps: int) -> Run:
    """Have two workers whose clocks are 2 s apart compare the same pairs."""

    def run(site: Site) -> Played:
        started_at_s = time.time()
        ids = {pair_id: register_pair(site, pair_id) for pair_id in site.name_pairs(pairs)}
        workers = [make_worker(site, clock=SkewedClock(ahead_ms)) for ahead_ms in (0, 2000)]
        orders = [list(ids.values()), list(reversed(ids.values()))]
        with ThreadPoolExecutor(2 * len(workers)) as pool:
            jobs = [
                pool.submit(work_off, worker, comparison_id)
                for both in zip(*orders, strict=True)
                for worker, comparison_id in zip(workers, both, strict=True)
            ]
        for job in jobs:
            job.result()
        sweep(site)
        return Played(
            accepted=dict.fromkeys(ids, 1),
            traffic=measure_traffic(_list_calls_since(site, started_at_s), qps),
        )

    return run


def photo_deleted(site: Site) -> Played:
    """Delete a photo before the worker reads it."""
    pair_id = f"{site.prefix}-000"
    with site.cloud.halt("Compare"):
        site.put_pair(pair_id)
        key = f"comparison#{site.find_comparison_id(pair_id)}"
        wait_until(lambda: bool(site.read_item(key)))
        site.cloud.client("s3").delete_object(
            Bucket=site.driver.stack.bucket, Key=site.name_key(pair_id, Role.SOURCE)
        )
    return Played(accepted={pair_id: 1})


def ledger_throttled(*, pairs: int, share: float) -> Run:
    """Have DynamoDB throttle a share of a worker's requests, its repetitions included."""

    def run(site: Site) -> Played:
        worker = make_worker(site, throttled_share=share)
        for pair_id in site.name_pairs(pairs):
            work_off(worker, register_pair(site, pair_id))
        return Played(accepted=dict.fromkeys(site.name_pairs(pairs), 1))

    return run


def same_key(*, times: int) -> Run:
    """Ask the API many times at once under one `Idempotency-Key`, then with another body."""

    def run(site: Site) -> Played:
        pair_id = f"{site.prefix}-000"
        headers = {"Idempotency-Key": pair_id}
        with ThreadPoolExecutor(times) as pool:
            posts = list(pool.map(lambda _: site.post(pair_id, headers), range(times)))
        answers = [answer for answer, _ in posts]
        calls = len(site.emulator.list_calls(site.region))
        other, _ = site.post(pair_id, headers, seed=7)
        findings = [f"{answer.status}" for answer in answers if answer.status not in _TAKEN]
        results = {json.dumps(answer.body["result"]) for answer in answers if answer.status is HTTPStatus.OK}
        if len({answer.body.get("id") for answer in answers}) != 1 or len(results) != 1:
            findings.append(f"{len(results)} different answers")
        if other.status is not HTTPStatus.UNPROCESSABLE_ENTITY:
            findings.append(f"another body was answered {other.status}")
        if len(site.emulator.list_calls(site.region)) != calls:
            findings.append("another body was billed")
        later = sum(answer.status is HTTPStatus.ACCEPTED for answer in answers)
        return Played(
            accepted={pair_id: 1}, findings=findings, notes=[f"{later} of {times} were told to wait"]
        )

    return run


def client_gone(site: Site) -> Played:
    """Have a client ask the API and go away at once."""
    pair_id = f"{site.prefix}-000"
    site.post_and_leave(pair_id)
    wait_until(
        lambda: any(record.get("pair_id") == pair_id for record in site.cloud.read_records()), limit_s=30
    )
    return Played(accepted={pair_id: 1})


def mixed_requests(*, connections: int, backlog: int) -> Run:
    """Ask the API by many connections at once, with good and bad bodies, while a backlog is compared."""

    def run(site: Site) -> Played:
        pair_ids = site.name_pairs(backlog)
        site.put_pairs(pair_ids)
        # All of them are connected at once; as many functions at once would be more than two cores can start.
        opened = [site.connect() for _ in range(connections)]
        with ThreadPoolExecutor(_FUNCTIONS) as pool:
            asked = list(pool.map(partial(_ask_somehow, site), opened, range(connections)))
        accepted = {pair_id: 1 for pair_id, _, status in asked if status in _TAKEN}
        findings = [
            f"{pair_id} was answered {status}, not {' or '.join(map(str, expected))}"
            for pair_id, expected, status in asked
            if status not in expected
        ]
        return Played(accepted={**dict.fromkeys(pair_ids, 1), **accepted}, findings=findings)

    return run


def _ask_somehow(
    site: Site, connection: HTTPConnection, number: int
) -> tuple[str, Sequence[HTTPStatus], HTTPStatus]:
    """Send the request of that number; return its pair's id, what may be answered and what was."""
    pair_id = f"{site.prefix}-api-{number:03d}"
    good = site.make_body(pair_id)
    bodies: list[tuple[object, Sequence[HTTPStatus]]] = [
        (good, _TAKEN),
        (b"{", [HTTPStatus.BAD_REQUEST]),
        ({"region": site.region.value}, [HTTPStatus.BAD_REQUEST]),
        (good | {"region": "mars"}, [HTTPStatus.BAD_REQUEST]),
        (good | {"source": {"photo": "aGVsbG8="}}, [HTTPStatus.UNPROCESSABLE_ENTITY]),
    ]
    body, expected = bodies[number % len(bodies)]
    return pair_id, expected, site.post_by(connection, body)


def half_a_pair(site: Site) -> Played:
    """Put half a pair, and the other half after its deadline: the one fails, the other is compared anew."""
    pair_id = f"{site.prefix}-000"
    site.put_photo(pair_id, Role.SOURCE)

    def has_failed() -> bool:
        site.driver.collect_events()
        return pair_id in site.driver.events

    wait_until(has_failed)
    site.put_photo(pair_id, Role.TARGET, 1)
    reason = site.driver.events[pair_id][0]["data"]["reason"]
    return Played(
        accepted={pair_id: 2}, findings=[] if reason == "pair_incomplete" else [f"ended as {reason}"]
    )


def _under(pairs: int, **scenario: Any) -> Run:  # noqa: ANN401 - the emulator's own fields
    """Have pairs compared while a scenario befalls their region's calls."""

    def run(site: Site) -> Played:
        site.emulator.play(site.region, **scenario)
        site.put_pairs(site.name_pairs(pairs))
        return Played(accepted=dict.fromkeys(site.name_pairs(pairs), 1))

    return run


def _list_calls_since(site: Site, started_at_s: float) -> list[Call]:
    return [call for call in site.emulator.list_calls(site.region) if read_time_s(call) >= started_at_s]


@dataclass(slots=True)
class _Requests:
    """Interactive requests at a steady rate, whatever becomes of those before."""

    site: Site
    pending: list[Future[tuple[str, HTTPStatus, float]]] = field(default_factory=list)
    next_at_s: float = 0.0

    def send(self, pool: ThreadPoolExecutor, interval_s: float) -> None:
        """Send the next request if it is time, and wait a little."""
        if time.monotonic() >= self.next_at_s:
            self.next_at_s = time.monotonic() + interval_s
            self.pending.append(pool.submit(self._post, f"{self.site.prefix}-api-{len(self.pending):03d}"))
        time.sleep(min(interval_s, 0.2))

    def _post(self, pair_id: str) -> tuple[str, HTTPStatus, float]:
        answer, latency_s = self.site.post(pair_id)
        return pair_id, answer.status, latency_s

    @property
    def _answers(self) -> list[tuple[str, HTTPStatus, float]]:
        return [request.result() for request in self.pending]

    @property
    def accepted(self) -> dict[str, int]:
        return {pair_id: 1 for pair_id, status, _ in self._answers if status in _TAKEN}

    @property
    def latencies_s(self) -> list[float]:
        return [latency_s if status is HTTPStatus.OK else math.inf for _, status, latency_s in self._answers]

    @property
    def findings(self) -> list[str]:
        return [f"{pair_id}: {status}" for pair_id, status, _ in self._answers if status not in _TAKEN]


def _foresee_use(calls: Sequence[Call], qps: int) -> float:
    """Return how much of the quota the model of capacity has such calls use."""
    burst = predict_burst(
        len(calls),
        qps=qps,
        share=QUOTA_SHARE,
        concurrency=_WORKERS,
        latency_s=statistics.mean(float(call["duration_ms"]) for call in calls) / 1000,
        overhead_s=_OVERHEAD_S,
    )
    return burst.calls_per_s / qps


def _tell_lateness(site: Site, calls: Sequence[Mapping[str, object]]) -> str:
    """Return how long after their slots the calls reached the provider."""
    slots = {
        attempt["merchant_biz_id"]: float(attempt["started_at_ms"]) / 1000
        for record in site.cloud.read_records()
        for attempt in record["attempts"].values()
    }
    late_ms = [
        1000 * (read_time_s(call) - slots[str(call["merchant_biz_id"])])
        for call in calls
        if call["merchant_biz_id"] in slots
    ]
    told = ", ".join(
        f"p{round(share * 100)} {quantile(late_ms, share):.0f}" for share in (0.5, 0.95, 0.99, 1)
    )
    return f"calls reached the provider after their slot by (ms): {told}"
