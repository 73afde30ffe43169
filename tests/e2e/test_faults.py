"""The faults that a stack must survive, except the long ones; `python -m bench.soak` runs all."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from facematch.domain.regions import Region
from harness.accounting import Audit
from harness.driver import FOLDER, Driver
from harness.faults import Cloud, Emulator, ScenarioContext, settle
from harness.scenarios import (
    Scenario,
    ScenarioResult,
    failing,
    forbidden,
    killed_after_the_answer,
    killed_after_the_ledger_write,
    killed_during_the_call,
    lease_expired,
    ledger_throttled,
    outage,
    photo_deleted,
    publish_fails,
    repeated_events,
    results_refused,
    same_key,
    same_millisecond,
    source_replaced,
    throttled,
    unreadable_message,
)
from harness.workers import publish_all

pytestmark = pytest.mark.verify

LONGEST_SETTLING_S = 120
LONGEST_HOLD_S = 240
"""A hold of 60 s, a failed trial on a slow machine, and a hold of 120 s."""

KILLED = (
    Scenario(name="killed-during-the-call", region=Region.HONG_KONG, run=killed_during_the_call),
    Scenario(name="killed-after-the-answer", region=Region.HONG_KONG, run=killed_after_the_answer),
)
OUTAGE = Scenario(name="outage", region=Region.MALAYSIA, run=outage(pairs=4, duration_s=12))

FORBIDDEN = Scenario(name="forbidden", region=Region.INDONESIA, run=forbidden(pairs=2, duration_s=12))

POSSIBLY_BILLED = {"killed-during-the-call": 1, "killed-after-the-answer": 1}

FAULTS = (
    Scenario(
        name="throttled-with-retry-after",
        region=Region.SINGAPORE,
        run=throttled(pairs=3, duration_s=2, retry_after_ms=500),
    ),
    Scenario(
        name="broken-json", region=Region.SINGAPORE, run=failing(pairs=2, effect="broken_json", times=1)
    ),
    Scenario(
        name="a-failing-code-under-200",
        region=Region.SINGAPORE,
        run=failing(pairs=2, effect="refuse", code="InternalError", http_status=200, times=2),
    ),
    Scenario(name="killed-after-the-write", region=Region.SINGAPORE, run=killed_after_the_ledger_write),
    Scenario(name="the-same-event-many-times", region=Region.SINGAPORE, run=repeated_events(times=50)),
    Scenario(name="both-photos-at-once", region=Region.SINGAPORE, run=same_millisecond(pairs=4)),
    Scenario(name="source-replaced", region=Region.SINGAPORE, run=source_replaced),
    Scenario(name="unreadable-message-in-a-batch", region=Region.SINGAPORE, run=unreadable_message(pairs=3)),
    Scenario(name="publish-fails", region=Region.SINGAPORE, run=publish_fails(pairs=2, duration_s=3)),
    Scenario(name="lease-expired", region=Region.SINGAPORE, run=lease_expired),
    Scenario(name="photo-deleted", region=Region.SINGAPORE, run=photo_deleted),
    Scenario(name="ledger-throttled", region=Region.SINGAPORE, run=ledger_throttled(pairs=1, share=0.4)),
    Scenario(name="one-key-at-once", region=Region.SINGAPORE, run=same_key(times=4)),
)


@pytest.fixture(scope="module")
def cloud(driver: Driver) -> Cloud:
    return Cloud(driver)


@pytest.fixture(scope="module", autouse=True)
def background(cloud: Cloud) -> Iterator[Mapping[str, Future[ScenarioResult]]]:
    """Start the scenarios that take long, in their own regions, while the other faults run."""
    with ThreadPoolExecutor(1) as pool:
        started = {
            scenario.name: pool.submit(scenario.run, make_context(cloud, scenario)) for scenario in KILLED
        }
        wait(started.values())
    with ThreadPoolExecutor(2) as pool:
        for scenario in (OUTAGE, FORBIDDEN):
            started[scenario.name] = pool.submit(scenario.run, make_context(cloud, scenario))
        yield started


def make_context(cloud: Cloud, scenario: Scenario) -> ScenarioContext:
    return ScenarioContext(
        cloud=cloud,
        emulator=Emulator(cloud.driver.stack.emulator_url),
        region=scenario.region,
        prefix=scenario.name,
        folder=FOLDER,
    )


def check_guarantees(result: ScenarioResult, audit: Audit) -> None:
    assert (audit.lost, audit.double_billed, list(result.findings)) == ({}, [], [])


@pytest.mark.parametrize("scenario", FAULTS, ids=lambda scenario: scenario.name)
def test_nothing_is_lost_and_nothing_billed_twice(cloud: Cloud, scenario: Scenario) -> None:
    result = scenario.run(make_context(cloud, scenario))
    check_guarantees(result, settle(cloud, result.accepted, limit_s=LONGEST_SETTLING_S))


def test_a_broken_connection_leaves_one_possibly_billed_attempt_and_one_verdict(cloud: Cloud) -> None:
    reset = Scenario(
        name="reset",
        region=Region.SINGAPORE,
        run=failing(pairs=1, effect="reset", after_compare=True, times=1),
    )
    result = reset.run(make_context(cloud, reset))
    audit = settle(cloud, result.accepted, limit_s=LONGEST_SETTLING_S)
    check_guarantees(result, audit)
    assert (audit.verdicts, len(audit.possibly_billed)) == (1, 1)


def test_what_the_results_queue_refused_is_swept(cloud: Cloud) -> None:
    scenario = Scenario(name="refused", region=Region.SINGAPORE, run=results_refused(pairs=2))
    context = make_context(cloud, scenario)
    result = scenario.run(context)
    # The results of a killed worker's pairs were also refused.
    assert publish_all(context) >= set(context.name_pairs(2))
    check_guarantees(result, settle(cloud, result.accepted, limit_s=LONGEST_SETTLING_S))


@pytest.mark.parametrize("name", [OUTAGE.name, FORBIDDEN.name])
def test_what_waited_for_a_lane_completes_after_the_hold_without_a_redrive(
    cloud: Cloud, background: Mapping[str, Future[ScenarioResult]], name: str
) -> None:
    result = background[name].result()
    audit = settle(cloud, result.accepted, limit_s=LONGEST_HOLD_S)
    check_guarantees(result, audit)
    assert (audit.verdicts, audit.failed, audit.dead_letters) == (len(result.accepted), 0, 0)


@pytest.mark.parametrize("name", POSSIBLY_BILLED)
def test_a_killed_workers_pair_ends_once_its_lease_is_over(
    cloud: Cloud, background: Mapping[str, Future[ScenarioResult]], name: str
) -> None:
    result = background[name].result()
    audit = settle(cloud, result.accepted, limit_s=LONGEST_SETTLING_S)
    check_guarantees(result, audit)
    assert (audit.verdicts, audit.failed, len(audit.possibly_billed)) == (1, 0, POSSIBLY_BILLED[name])
