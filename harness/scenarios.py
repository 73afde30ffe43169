"""The faults that a stack must survive.

A scenario runs in one region of a stack, alone. It causes faults, and returns what it requested. Afterwards,
`harness.accounting` checks the guarantees.
"""

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from facematch.domain.clock import SystemClock
from facematch.domain.deadline import CALL_TIMEOUT_S, LEASE_MARGIN_S, Deadline
from facematch.domain.errors import AlreadyEndedError, PostponedError
from facematch.domain.priority import Priority
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from harness.accounting import Call, Traffic, measure_traffic, read_time_s
from harness.faults import ScenarioContext, wait_until
from harness.workers import (
    FatalLedger,
    FreezingClock,
    KilledError,
    SkewedClock,
    compare_until_ended,
    make_worker,
    publish_all,
    register_pair,
)

_ACCEPTED: Final = (HTTPStatus.OK, HTTPStatus.ACCEPTED)
_REDELIVERED_AFTER_S: Final = 3
_STREAM_S: Final = 3
_FROZEN_S: Final = 6.0
_HOLD_LIMIT_S: Final = 120
"""The longest time to the first failing calls, with cold starts on a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult:
    """What a scenario requested from the stack, and what it observed.

    `accepted` has the pair ids with their expected numbers of comparisons. `may_fail` has the pairs of which
    one comparison must fail. `latencies_s` are the latencies of requests that waited for a verdict; they are
    infinite without a verdict in the answer. `findings` describes errors.
    """

    accepted: Mapping[str, int]
    may_fail: Sequence[str] = ()
    latencies_s: Sequence[float] = ()
    traffic: Traffic | None = None
    findings: Sequence[str] = ()
    notes: Sequence[str] = ()


type Run = Callable[[ScenarioContext], ScenarioResult]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One load or fault. `settles_in_s` is the time limit of the stack to complete all pairs afterwards."""

    name: str
    region: Region
    run: Run
    settles_in_s: float = 60


def throttled(*, pairs: int, duration_s: float, retry_after_ms: int | None) -> Run:
    """The provider throttles every call for a while."""
    hint = {} if retry_after_ms is None else {"retry_after_ms": retry_after_ms}
    return _compare_during(pairs, effect="refuse", code="Throttling.Api", for_s=duration_s, **hint)


def failing(*, pairs: int, **scenario: Any) -> Run:
    """The provider fails as the emulator's `scenario` describes."""
    return _compare_during(pairs, **scenario)


def forbidden(*, pairs: int, duration_s: float) -> Run:
    """The provider refuses the account for a while. All pairs wait, and complete without a redrive."""

    def run(context: ScenarioContext) -> ScenarioResult:
        fault = context.emulator.play(context.region, "refuse", code="Forbidden.AccountAccessDenied")
        with _ending_after(context, fault, duration_s):
            context.put_pairs(context.name_pairs(pairs))
            wait_until(lambda: context.find_hold() == "operator", limit_s=_HOLD_LIMIT_S)
        refused = sum(call["scenario"] == fault for call in context.emulator.list_calls(context.region))
        return ScenarioResult(
            accepted=dict.fromkeys(context.name_pairs(pairs), 1), notes=[f"{refused} calls were refused"]
        )

    return run


@contextmanager
def _ending_after(context: ScenarioContext, fault: str, duration_s: float) -> Iterator[None]:
    """End a fault after the block, but not before `duration_s` have passed."""
    started_at_s = time.monotonic()
    try:
        yield
        wait_until(lambda: time.monotonic() >= started_at_s + duration_s, limit_s=duration_s + 10)
    finally:
        context.emulator.end(fault)


def outage(*, pairs: int, duration_s: float) -> Run:
    """The provider fails for a while. The region is on hold, the API accepts requests, and no pair fails."""

    def run(context: ScenarioContext) -> ScenarioResult:
        fault = context.emulator.play(context.region, "html", http_status=503)
        with _ending_after(context, fault, duration_s):
            context.put_pairs(context.name_pairs(pairs))
            wait_until(lambda: context.find_hold() == "outage", limit_s=_HOLD_LIMIT_S)
            answer, _ = context.post(f"{context.prefix}-api")
        accepted = {**dict.fromkeys(context.name_pairs(pairs), 1), f"{context.prefix}-api": 1}
        findings = []
        if answer.status is not HTTPStatus.ACCEPTED or answer.body.get("hold", {}).get("reason") != "outage":
            findings.append(f"the API answered {answer.status} without the hold")
        calls = sum(call["scenario"] == fault for call in context.emulator.list_calls(context.region))
        return ScenarioResult(
            accepted=accepted, findings=findings, notes=[f"{calls} calls failed in the outage"]
        )

    return run


def faulty_pair(*, pairs: int, duration_s: float) -> Run:
    """All calls of one pair fail for a while. The other pairs complete, and the region is not on hold."""

    def run(context: ScenarioContext) -> ScenarioResult:
        faulty, *others = context.name_pairs(pairs)
        with context.cloud.halt("Compare"):
            context.put_pair(faulty)
            prefix = context.find_comparison_id(faulty)
            context.emulator.play(
                context.region,
                "refuse",
                code="InternalError",
                http_status=500,
                merchant_biz_id_prefix=prefix,
                for_s=duration_s,
            )
        context.put_pairs(others)
        for pair_id in others:
            context.wait_until_ended(context.find_comparison_id(pair_id))
        hold = context.find_hold()
        return ScenarioResult(
            accepted=dict.fromkeys([faulty, *others], 1),
            findings=[f"the region was on hold: {hold}"] if hold else [],
        )

    return run


def killed_before_the_call(context: ScenarioContext) -> ScenarioResult:
    """Kill the worker while it waits for its slot."""
    pair_id = f"{context.prefix}-000"
    context.delay_next_slot(30)
    with context.cloud.redeliver_after(context.queue_url(), _REDELIVERED_AFTER_S):
        context.put_pair(pair_id)
        key = f"comparison#{context.find_comparison_id(pair_id)}"
        wait_until(lambda: "lease_owner" in context.read_item(key) and bool(context.list_callers()))
        context.signal_callers(signal.SIGKILL)
    context.delay_next_slot(0)
    calls = len(context.emulator.list_calls(context.region))
    return ScenarioResult(
        accepted={pair_id: 1}, findings=[f"{calls} calls before the worker was killed"] * bool(calls)
    )


def killed_during_the_call(context: ScenarioContext) -> ScenarioResult:
    """Kill the worker while the provider compares."""
    pair_id = f"{context.prefix}-000"
    call = context.emulator.play(context.region, "answer", latency_ms=4000, times=1)
    with context.cloud.redeliver_after(context.queue_url(), _REDELIVERED_AFTER_S):
        context.put_pair(pair_id)
        wait_until(lambda: context.emulator.count_played(call) == 1)
        context.signal_callers(signal.SIGKILL)
    return ScenarioResult(accepted={pair_id: 1})


def killed_after_the_answer(context: ScenarioContext) -> ScenarioResult:
    """Freeze the worker during its call, and kill it after the provider has answered."""
    pair_id = f"{context.prefix}-000"
    call = context.emulator.play(context.region, "answer", latency_ms=1500, times=1)
    with context.cloud.redeliver_after(context.queue_url(), _REDELIVERED_AFTER_S):
        context.put_pair(pair_id)
        wait_until(lambda: context.emulator.count_played(call) == 1)
        context.signal_callers(signal.SIGSTOP)
        wait_until(
            lambda: any(logged["scenario"] == call for logged in context.emulator.list_calls(context.region))
        )
        context.signal_callers(signal.SIGKILL)
    return ScenarioResult(accepted={pair_id: 1})


def killed_after_the_ledger_write(context: ScenarioContext) -> ScenarioResult:
    """Kill a worker after it has recorded the verdict, and deliver its message again."""
    pair_id = f"{context.prefix}-000"
    comparison_id = register_pair(context, pair_id)
    with suppress(KilledError):
        compare_until_ended(make_worker(context, make_ledger=FatalLedger), comparison_id)
    context.send(comparison_id)
    return ScenarioResult(accepted={pair_id: 1})


def repeated_events(*, times: int) -> Run:
    """Deliver the event of each photo many times at once."""

    def run(context: ScenarioContext) -> ScenarioResult:
        pair_id = f"{context.prefix}-000"
        context.put_pair(pair_id)
        for role in Role:
            context.repeat_upload_event(pair_id, role, times)
        return ScenarioResult(accepted={pair_id: 1})

    return run


def same_millisecond(*, pairs: int) -> Run:
    """Upload both photos of each pair at the same time."""

    def run(context: ScenarioContext) -> ScenarioResult:
        pair_ids = context.name_pairs(pairs)
        with ThreadPoolExecutor(len(Role)) as pool:
            for pair_id in pair_ids:
                start = threading.Barrier(len(Role))
                put = [pool.submit(_put_at_once, context, start, pair_id, role) for role in Role]
                for photo in put:
                    photo.result()
        return ScenarioResult(accepted=dict.fromkeys(pair_ids, 1))

    return run


def _put_at_once(context: ScenarioContext, start: threading.Barrier, pair_id: str, role: Role) -> None:
    start.wait()
    context.put_photo(pair_id, role, len(role))


def source_replaced(context: ScenarioContext) -> ScenarioResult:
    """Replace the source of a pair during its comparison. Both pairs of photos are compared."""
    pair_id = f"{context.prefix}-000"
    call = context.emulator.play(context.region, "answer", latency_ms=1500, times=1)
    context.put_pair(pair_id)
    wait_until(lambda: context.emulator.count_played(call) == 1)
    context.put_photo(pair_id, Role.SOURCE, 5)
    context.put_photo(pair_id, Role.TARGET, 1)
    return ScenarioResult(accepted={pair_id: 2})


def sent_again(context: ScenarioContext) -> ScenarioResult:
    """Send the same photos again after their verdict. Nothing is compared, and the photos are deleted."""
    pair_id = f"{context.prefix}-000"
    context.put_pair(pair_id)
    context.wait_until_ended(context.find_comparison_id(pair_id))
    calls = len(context.emulator.list_calls(context.region))
    context.put_pair(pair_id)
    wait_until(lambda: not context.driver.list_keys(f"inbox/{context.region}/{pair_id}/"))
    more = len(context.emulator.list_calls(context.region)) - calls
    return ScenarioResult(accepted={pair_id: 1}, findings=[f"{more} more calls"] if more else [])


def unreadable_message(*, pairs: int) -> Run:
    """Add an unreadable message to a batch. Only this message is retried and becomes a dead letter."""

    def run(context: ScenarioContext) -> ScenarioResult:
        stack = context.driver.stack
        with context.cloud.redeliver_after(stack.uploads_queue_url, 1):
            with context.cloud.halt("Uploads"):
                context.put_pairs(context.name_pairs(pairs))
                context.cloud.client("sqs").send_message(
                    QueueUrl=stack.uploads_queue_url, MessageBody="poison"
                )
            wait_until(lambda: context.driver.count_messages(stack.uploads_dead_letters_url) > 0)
        dead = context.cloud.take_dead_letters(stack.uploads_dead_letters_url)
        findings = [] if dead == ["poison"] else [f"{len(dead)} dead letters instead of 1"]
        return ScenarioResult(accepted=dict.fromkeys(context.name_pairs(pairs), 1), findings=findings)

    return run


def publish_fails(*, pairs: int, duration_s: float) -> Run:
    """The publish function fails for a while. Verdicts wait in the ledger's stream."""

    def run(context: ScenarioContext) -> ScenarioResult:
        pair_ids = context.name_pairs(pairs)
        with context.cloud.misconfigure("Publish", Handler="facematch.nowhere.handle"):
            context.put_pairs(pair_ids)
            time.sleep(duration_s)
            context.driver.collect_events()
            published = context.driver.events.keys() & set(pair_ids)
        return ScenarioResult(
            accepted=dict.fromkeys(pair_ids, 1),
            findings=[f"{len(published)} results were published"] * bool(published),
        )

    return run


def results_refused(*, pairs: int) -> Run:
    """The results queue refuses messages. The local cloud's stream does not retry, but the sweep does."""

    def run(context: ScenarioContext) -> ScenarioResult:
        pair_ids = context.name_pairs(pairs)
        with context.cloud.deny_results():
            context.put_pairs(pair_ids)
            for pair_id in pair_ids:
                context.wait_until_ended(context.find_comparison_id(pair_id))
            time.sleep(_STREAM_S)
        return ScenarioResult(accepted=dict.fromkeys(pair_ids, 1))

    return run


def lease_expired(context: ScenarioContext) -> ScenarioResult:
    """Freeze a worker before its call until its lease expires and another one compares. It must not call."""
    pair_id = f"{context.prefix}-000"
    comparison_id = register_pair(context, pair_id)
    frozen = make_worker(context, clock=FreezingClock(CALL_TIMEOUT_S + LEASE_MARGIN_S + _FROZEN_S))
    deadline = Deadline.after(_FROZEN_S / 2, SystemClock())
    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(frozen.compare, comparison_id, Priority.BULK, deadline)
        wait_until(lambda: "lease_owner" in context.read_item(f"comparison#{comparison_id}"), interval_s=0.02)
        context.send(comparison_id)
        error = work.exception()
    finding = f"the frozen worker raised {error!r}"
    return ScenarioResult(
        accepted={pair_id: 1},
        findings=[] if isinstance(error, PostponedError | AlreadyEndedError) else [finding],
    )


def clock_skew(*, pairs: int, qps: int) -> Run:
    """Two workers with clocks that differ by 2 s compare the same pairs."""

    def run(context: ScenarioContext) -> ScenarioResult:
        started_at_s = time.time()
        ids = {pair_id: register_pair(context, pair_id) for pair_id in context.name_pairs(pairs)}
        workers = [make_worker(context, clock=SkewedClock(ahead_ms)) for ahead_ms in (0, 2000)]
        orders = [list(ids.values()), list(reversed(ids.values()))]
        with ThreadPoolExecutor(2 * len(workers)) as pool:
            jobs = [
                pool.submit(compare_until_ended, worker, comparison_id)
                for both in zip(*orders, strict=True)
                for worker, comparison_id in zip(workers, both, strict=True)
            ]
        for job in jobs:
            job.result()
        publish_all(context)
        return ScenarioResult(
            accepted=dict.fromkeys(ids, 1),
            traffic=measure_traffic(list_calls_since(context, started_at_s), qps),
        )

    return run


def photo_deleted(context: ScenarioContext) -> ScenarioResult:
    """Delete a photo before the worker reads it."""
    pair_id = f"{context.prefix}-000"
    with context.cloud.halt("Compare"):
        context.put_pair(pair_id)
        prefix = f"comparisons/{context.find_comparison_id(pair_id)}/"
        for key in context.driver.list_keys(prefix)[:1]:
            context.cloud.client("s3").delete_object(Bucket=context.driver.stack.bucket, Key=key)
    return ScenarioResult(accepted={pair_id: 1}, may_fail=[pair_id])


def ledger_throttled(*, pairs: int, share: float) -> Run:
    """DynamoDB throttles a share of a worker's requests, including retries."""

    def run(context: ScenarioContext) -> ScenarioResult:
        worker = make_worker(context, throttled_share=share)
        for pair_id in context.name_pairs(pairs):
            compare_until_ended(worker, register_pair(context, pair_id))
        return ScenarioResult(accepted=dict.fromkeys(context.name_pairs(pairs), 1))

    return run


def same_key(*, times: int) -> Run:
    """Send many requests with one `Idempotency-Key` at once, then one with another body."""

    def run(context: ScenarioContext) -> ScenarioResult:
        pair_id = f"{context.prefix}-000"
        headers = {"Idempotency-Key": pair_id}
        with ThreadPoolExecutor(times) as pool:
            posts = list(pool.map(lambda _: context.post(pair_id, headers), range(times)))
        answers = [answer for answer, _ in posts]
        calls = len(context.emulator.list_calls(context.region))
        other, _ = context.post(pair_id, headers, seed=7)
        findings = [f"{answer.status}" for answer in answers if answer.status not in _ACCEPTED]
        results = {json.dumps(answer.body["result"]) for answer in answers if answer.status is HTTPStatus.OK}
        if len({answer.body.get("id") for answer in answers}) != 1 or len(results) != 1:
            findings.append(f"{len(results)} different answers")
        if other.status is not HTTPStatus.UNPROCESSABLE_ENTITY:
            findings.append(f"another body was answered {other.status}")
        if len(context.emulator.list_calls(context.region)) != calls:
            findings.append("another body was billed")
        later = sum(answer.status is HTTPStatus.ACCEPTED for answer in answers)
        return ScenarioResult(
            accepted={pair_id: 1}, findings=findings, notes=[f"{later} of {times} answers had status 202"]
        )

    return run


def client_disconnects(context: ScenarioContext) -> ScenarioResult:
    """A client requests a comparison and disconnects at once."""
    pair_id = f"{context.prefix}-000"
    context.post_and_disconnect(pair_id)
    wait_until(
        lambda: any(record.get("pair_id") == pair_id for record in context.cloud.read_records()), limit_s=30
    )
    return ScenarioResult(accepted={pair_id: 1})


def incomplete_pair(context: ScenarioContext) -> ScenarioResult:
    """Upload one photo of a pair, and the other after the deadline. The pair fails, then it is compared."""
    pair_id = f"{context.prefix}-000"
    context.put_photo(pair_id, Role.SOURCE)

    def has_failed() -> bool:
        context.driver.sweep()
        context.driver.collect_events()
        return pair_id in context.driver.events

    wait_until(has_failed)
    context.put_photo(pair_id, Role.TARGET, 1)
    reason = context.driver.events[pair_id][0]["data"]["reason"]
    return ScenarioResult(
        accepted={pair_id: 2},
        may_fail=[pair_id],
        findings=[] if reason == "pair_incomplete" else [f"ended as {reason}"],
    )


def _compare_during(pairs: int, **scenario: Any) -> Run:
    """Compare pairs while the emulator plays a scenario in their region."""

    def run(context: ScenarioContext) -> ScenarioResult:
        context.emulator.play(context.region, **scenario)
        context.put_pairs(context.name_pairs(pairs))
        return ScenarioResult(accepted=dict.fromkeys(context.name_pairs(pairs), 1))

    return run


def list_calls_since(context: ScenarioContext, started_at_s: float) -> list[Call]:
    """Return the FaceCompare calls in the context's region since a time."""
    return [call for call in context.emulator.list_calls(context.region) if read_time_s(call) >= started_at_s]
