import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.capacity.model import (
    DAY_S,
    MONTH_DAYS,
    SMALL_GB,
    WORKER_GB,
    Outcome,
    Prices,
    Scenario,
    arrival_curve,
    predict_burst,
    price_month,
    simulate,
    simulate_burst,
)
from bench.capacity.report import (
    choose_workers,
    find_limits,
    format_duration,
    main,
    render_report,
)
from facematch.adapters.rate_limiter import DynamoDbRateLimiter
from facematch.domain.deadline import CALL_TIMEOUT_S, CLOSING_TIME_S, LEASE_MARGIN_S, Deadline
from facematch.domain.priority import Priority
from facematch.domain.rate_limiter import LEAD_S, reserve_slot
from facematch.domain.regions import Region
from harness.template import read_template
from tests.fakes.clock import START_MS, FakeClock
from tests.fakes.rate_limiter import InMemoryRateLimiter

SINGAPORE = Region.SINGAPORE


def make_scenario(**changes: Any) -> Scenario:
    """Make a day without a peak, with one latency and one pair per worker, all from the bucket."""
    steady = {
        "peak_factor": 1.0,
        "interactive_share": 0.0,
        "latency_ms": 900.0,
        "latency_p95_ms": 900.0,
        "load_ms": 0.0,
        "overhead_ms": 500.0,
        "pairs_per_worker": 1,
        "worker_concurrency": 20,
    }
    return Scenario(**(steady | changes))


def make_day(pairs_per_s: float, **changes: Any) -> Outcome:
    return simulate(make_scenario(pairs_per_day=round(pairs_per_s * DAY_S), **changes))


# Known cases.


@pytest.mark.parametrize(("qps", "calls_per_s"), [(3, 2.91), (10, 9.7)])
def test_a_burst_leaves_at_the_rate_of_the_slots_where_workers_suffice(
    qps: float, calls_per_s: float
) -> None:
    burst = predict_burst(300, qps=qps, share=0.97, concurrency=12, latency_s=0.3, overhead_s=0.5)

    assert burst.calls_per_s == pytest.approx(calls_per_s, rel=1e-4)
    assert burst.duration_s == pytest.approx(0.5 + LEAD_S + 299 / calls_per_s + 0.3, abs=0.01)
    assert burst.throughput_per_s == pytest.approx(300 / burst.duration_s)


@pytest.mark.parametrize("workers", [1, 4, 8])
def test_by_littles_law_few_workers_end_as_many_as_they_can_hold(workers: int) -> None:
    burst = predict_burst(2000, qps=1000, share=1, concurrency=workers, latency_s=0.9, overhead_s=0.6)

    assert burst.throughput_per_s == pytest.approx(workers / (1.5 + LEAD_S), rel=0.01)


def test_by_littles_law_the_running_functions_are_the_arrivals_times_their_duration() -> None:
    day = make_day(0.2, overhead_ms=600)

    assert day.mean_concurrency == pytest.approx(0.2 * (1.5 + LEAD_S), rel=0.01)


def test_arrivals_below_the_quota_leave_no_backlog() -> None:
    day = make_day(0.1, qps=0.5)

    assert day.left_at_midnight < 20
    assert day.oldest_s < 1
    assert sum(day.verdicts) == sum(day.arrivals) == day.scenario.pairs_per_day


def test_over_the_quota_the_backlog_grows_by_the_difference() -> None:
    day = make_day(0.2, qps=0.1, quota_share=1.0, worker_concurrency=1)

    for hour in (3, 6, 12, 24):
        surplus = sum(day.arrivals[: hour * 60]) - day.scenario.slots_per_s * hour * 3600
        assert day.backlog[hour * 60 - 1] == pytest.approx(surplus, rel=0.02)
    assert day.oldest_s == pytest.approx(DAY_S, rel=0.02)


def test_a_doubled_quota_halves_a_burst_where_workers_suffice_and_does_nothing_where_they_do_not() -> None:
    def rate(qps: float, workers: int) -> float:
        return predict_burst(
            500, qps=qps, share=1, concurrency=workers, latency_s=0.9, overhead_s=0.5
        ).calls_per_s

    assert rate(10, 30) == pytest.approx(2 * rate(5, 30))
    assert rate(10, 4) == pytest.approx(rate(5, 4), rel=0.01)


def test_a_peak_waits_and_is_gone_by_midnight() -> None:
    day = simulate(
        Scenario(pairs_per_day=6_000, peak_factor=6, qps=0.3, interactive_share=0, worker_concurrency=2)
    )

    assert max(day.backlog) > 200
    assert day.left_at_midnight == 0
    assert day.bulk.p50_s < day.bulk.p95_s <= day.bulk.p99_s <= day.bulk.longest_s


def test_requests_overtake_the_backlog() -> None:
    day = simulate(
        Scenario(pairs_per_day=30_000, peak_factor=1, qps=0.3, interactive_share=0.02, worker_concurrency=1)
    )

    assert day.bulk.p50_s > 3600
    assert day.interactive.p95_s < Priority.URGENT.horizon_s + 0.5 + 1.8 + day.scenario.interval_us / 1e6
    assert day.late_answers == 0


def test_more_requests_than_the_quota_are_answered_late_and_yet_get_their_verdicts() -> None:
    day = make_day(0.15, qps=0.1, interactive_share=1.0, worker_concurrency=1)

    assert day.late_answers > 0
    assert day.interactive.count == day.scenario.pairs_per_day


def test_far_too_many_workers_find_no_slot_in_time_and_load_the_rate_limiter() -> None:
    crowded, ample = (
        simulate_burst(make_scenario(qps=3, worker_concurrency=workers), 300) for workers in (400, 8)
    )

    assert crowded.postponed > 0
    assert crowded.bulk.count == ample.bulk.count == 300
    assert crowded.limiter_writes > 40 * ample.limiter_writes
    assert crowded.worker_s > 15 * ample.worker_s


def test_a_pair_whose_worker_died_is_delivered_again_when_it_is_visible() -> None:
    outcome = simulate_burst(make_scenario(crash_share=0.1, visibility_timeout_s=120), 200)

    assert outcome.bulk.count == 200
    assert outcome.calls == outcome.worker_invocations > 200
    assert outcome.bulk.longest_s > 120


def test_a_lease_outlives_a_short_visibility() -> None:
    scenario = make_scenario(crash_share=0.02, function_timeout_s=60, visibility_timeout_s=60)

    lease_s = 60 - CLOSING_TIME_S + CALL_TIMEOUT_S + LEASE_MARGIN_S
    assert simulate_burst(scenario, 200).bulk.longest_s > lease_s


def test_a_steady_load_costs_one_write_a_slot_and_an_idle_one_two() -> None:
    busy = simulate_burst(make_scenario(worker_concurrency=16), 3000)
    idle = make_day(0.01)

    assert busy.limiter_writes == pytest.approx(3000, rel=0.02)
    assert idle.limiter_writes == pytest.approx(2 * idle.calls, rel=0.01)


def test_the_same_seed_gives_the_same_outcome_and_another_one_another() -> None:
    scenario = Scenario(pairs_per_day=2000, crash_share=0.01)

    assert simulate(scenario) == simulate(scenario)
    assert simulate(replace(scenario, seed=2)) != simulate(scenario)


def test_latencies_have_the_stated_median_and_p95() -> None:
    scenario = Scenario(
        pairs_per_day=20_000,
        peak_factor=1,
        overhead_ms=0,
        load_ms=0,
        qps=1000,
        worker_concurrency=400,
        pairs_per_worker=1,
    )

    day = simulate(scenario)

    assert day.bulk.p50_s == pytest.approx(0.9 + LEAD_S, rel=0.02)
    assert day.bulk.p95_s == pytest.approx(1.8 + LEAD_S, rel=0.03)
    assert day.mean_concurrency == pytest.approx(20_000 / DAY_S * scenario.hold_s, rel=0.02)


@pytest.mark.parametrize("peak_factor", [1.0, 2.5, 4.0, 20.0])
def test_the_arrivals_curve_has_its_peak(peak_factor: float) -> None:
    curve = arrival_curve(peak_factor)

    assert curve.sum() == pytest.approx(1)
    assert curve.max() * len(curve) == pytest.approx(peak_factor, rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"qps": 0}, "qps must be above 0"),
        ({"quota_share": 1.1}, "quota_share"),
        ({"peak_factor": 0.5}, "peak_factor"),
        ({"interactive_share": 2}, "interactive_share"),
        ({"latency_ms": 2000}, "latency_p95_ms"),
        ({"overhead_ms": -1}, "overhead_ms"),
        ({"load_ms": -1}, "load_ms"),
        ({"pairs_per_worker": 11}, "pairs_per_worker"),
        ({"worker_concurrency": 0}, "worker_concurrency"),
        ({"function_timeout_s": 20}, "function_timeout_s"),
        ({"visibility_timeout_s": 59}, "visibility_timeout_s"),
        ({"crash_share": 1}, "crash_share"),
    ],
    ids=str,
)
def test_an_invalid_input_is_refused(changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        Scenario(**changes)


# What always holds.

BOUNDED = settings(max_examples=30, deadline=None, derandomize=True)
scenarios = st.builds(
    Scenario,
    pairs_per_day=st.integers(1, 400),
    peak_factor=st.floats(1, 20),
    interactive_share=st.floats(0, 1),
    qps=st.floats(0.2, 200),
    quota_share=st.floats(0.1, 1),
    latency_ms=st.floats(1, 2000),
    latency_p95_ms=st.floats(2000, 20_000),
    load_ms=st.floats(0, 1000),
    overhead_ms=st.floats(0, 3000),
    pairs_per_worker=st.integers(1, 10),
    worker_concurrency=st.integers(1, 60),
    crash_share=st.sampled_from([0.0, 0.0, 0.2]),
    seed=st.integers(0, 1000),
)


@BOUNDED
@given(scenarios)
def test_every_pair_of_a_day_gets_one_verdict(scenario: Scenario) -> None:
    day = simulate(scenario)

    assert day.bulk.count + day.interactive.count == sum(day.verdicts) == scenario.pairs_per_day
    assert sum(day.arrivals) == scenario.pairs_per_day
    assert min(day.backlog) >= 0
    assert day.backlog[-1] == 0
    assert day.calls >= scenario.pairs_per_day
    assert day.limiter_writes >= day.calls


@BOUNDED
@given(scenarios, st.integers(2, 300))
def test_no_burst_goes_beyond_its_workers_or_its_slots(scenario: Scenario, pairs: int) -> None:
    outcome = simulate_burst(scenario, pairs)

    assert outcome.most_at_once <= scenario.worker_concurrency
    assert outcome.call_rate_per_s <= scenario.slots_per_s * (1 + 1e-9)
    assert outcome.worker_s <= scenario.worker_concurrency * outcome.last_verdict_s + 1


@BOUNDED
@given(
    pairs=st.integers(1, 200),
    qps=st.floats(0.5, 100),
    concurrency=st.integers(1, 40),
    latency_s=st.floats(0.01, 3),
    overhead_s=st.floats(0, 2),
)
def test_more_workers_and_more_calls_a_second_never_slow_a_burst_down(
    pairs: int, qps: float, concurrency: int, latency_s: float, overhead_s: float
) -> None:
    def duration(qps: float, concurrency: int) -> float:
        return predict_burst(
            pairs, qps=qps, share=1, concurrency=concurrency, latency_s=latency_s, overhead_s=overhead_s
        ).duration_s

    base_s = duration(qps, concurrency)
    # A pair whose worker finds no slot in time rests for a second, and may then just miss a slot.
    rest_s = 1 + 1 / qps
    assert duration(qps, concurrency + 1) <= base_s + rest_s
    assert duration(qps * 2, concurrency) <= base_s + rest_s


# The model is that of the code.


@pytest.mark.parametrize("qps", [3, 10, 100, 1000])
def test_slots_are_as_far_apart_as_in_the_rate_limiter(qps: float) -> None:
    class Client:
        interval_us = 0

        def update_item(self, *, ExpressionAttributeValues: Any, **_: Any) -> Any:  # noqa: N803 - AWS's name
            self.interval_us = int(ExpressionAttributeValues[":interval"]["N"])
            return {"Attributes": {"next_us": {"N": str(START_MS * 1000 + self.interval_us)}}}

    client: Any = Client()
    scenario = Scenario(qps=qps)
    limiter = DynamoDbRateLimiter(client, "ledger", {SINGAPORE: qps * scenario.quota_share})
    limiter.reserve(SINGAPORE, now_ms=START_MS, horizon_ms=1000)

    assert scenario.interval_us == client.interval_us


def test_a_lone_worker_calls_when_the_rate_limiters_code_would() -> None:
    clock, limiter = FakeClock(), InMemoryRateLimiter({SINGAPORE: 0.2})
    slots_ms = []
    for _ in range(5):
        clock.advance(0.5)
        deadline = Deadline.after(40, clock)
        slots_ms.append(reserve_slot(limiter, SINGAPORE, Priority.BULK, deadline, clock=clock, draw=max))
        clock.advance((slots_ms[-1] - clock.now_ms()) / 1000 + 0.9)

    outcome = simulate_burst(make_scenario(qps=0.2, quota_share=1, worker_concurrency=1, overhead_ms=500), 5)

    assert outcome.first_call_s == pytest.approx((slots_ms[0] - START_MS) / 1000)
    assert outcome.last_call_s == pytest.approx((slots_ms[-1] - START_MS) / 1000)
    assert outcome.last_verdict_s == pytest.approx((clock.at_ms - START_MS) / 1000)


def test_the_template_sets_the_workers_that_the_model_recommends() -> None:
    workers = read_template()["Mappings"]["Workers"]["auto"]

    assert workers["AtTenCallsPerSecond"] == choose_workers(Scenario(qps=10)) == Scenario().worker_concurrency
    assert workers["AtThreeCallsPerSecond"] == choose_workers(Scenario(qps=3))


def test_functions_of_one_kind_have_the_memory_that_the_model_prices() -> None:
    resources = read_template()["Resources"]
    workers_mb, others_mb = (
        {resources[name]["Properties"]["MemorySize"] for name in names}
        for names in (("Compare", "Api"), ("Uploads", "Publish"))
    )

    assert (workers_mb, others_mb) == ({WORKER_GB * 1024}, {SMALL_GB * 1024})


# The cost.


def make_prices(**usd: float) -> Prices:
    """Make prices that are nothing but those given."""
    return Prices(**({entry.name: 0.0 for entry in fields(Prices)} | usd))


@pytest.mark.parametrize(
    ("price", "part"),
    [
        ("lambda_gb_second", "Lambda"),
        ("lambda_million_requests", "Lambda"),
        ("sqs_million_requests", "SQS"),
        ("dynamodb_million_writes", "DynamoDB"),
        ("dynamodb_million_reads", "DynamoDB"),
        ("dynamodb_gb_month_with_recovery", "DynamoDB"),
        ("s3_thousand_writes", "S3"),
        ("s3_thousand_reads", "S3"),
        ("api_million_requests", "API Gateway"),
        ("secret_month", "Secrets Manager"),
        ("secrets_thousand_reads", "Secrets Manager"),
        ("logs_gb", "CloudWatch"),
        ("metric_month", "CloudWatch"),
        ("alarm_month", "CloudWatch"),
        ("traces_million", "X-Ray"),
        ("transfer_out_gb", "Data transfer"),
        ("provider_call", "FaceCompare"),
    ],
)
def test_each_price_makes_its_part_of_the_month(price: str, part: str) -> None:
    day = simulate(Scenario(pairs_per_day=500))

    paid = {name for name, usd in price_month(day, make_prices(**{price: 1.0})).items() if usd}

    assert paid == {part}


def test_the_provider_is_paid_by_the_call_and_left_out_where_its_price_is_not_stated() -> None:
    day = simulate_burst(make_scenario(crash_share=0.1), 300)

    assert price_month(day, Prices(provider_call=0.001))["FaceCompare"] == pytest.approx(
        day.calls * MONTH_DAYS * 0.001
    )
    assert "FaceCompare" not in price_month(day, Prices())


def test_the_total_of_the_report_is_the_sum_of_its_parts() -> None:
    day, prices = simulate(Scenario(pairs_per_day=5000)), Prices(provider_call=0.002)

    section = render_report(day, prices).split("in USD\n")[1]
    *parts, total = (float(line.split()[-1].replace(",", "")) for line in section.splitlines())

    assert total == pytest.approx(sum(parts), abs=0.01 * len(parts))
    assert total == pytest.approx(sum(price_month(day, prices).values()), abs=0.01)


def test_waiting_for_slots_is_paid_for() -> None:
    few, many = (simulate_burst(make_scenario(worker_concurrency=n), 500) for n in (20, 100))

    gb_second = make_prices(lambda_gb_second=1.0)
    surplus = price_month(many, gb_second)["Lambda"] - price_month(few, gb_second)["Lambda"]
    assert surplus == pytest.approx((many.worker_s - few.worker_s) * WORKER_GB * MONTH_DAYS, rel=0.001)


def test_a_worker_with_several_pairs_costs_less_per_pair_and_needs_fewer_workers() -> None:
    alone, together = (
        simulate_burst(Scenario(pairs_per_worker=n, worker_concurrency=workers), 2000)
        for n, workers in ((1, 20), (8, 5))
    )

    assert together.quota_used > 0.95
    assert together.worker_s * WORKER_GB / 2000 <= 1.25
    assert together.worker_s < alone.worker_s / 2
    assert together.worker_invocations < alone.worker_invocations / 4


# The command, and the page.


def test_the_command_prints_a_report_and_writes_a_chart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = tmp_path / "folder" / "chart.svg"

    main(["--pairs-per-day", "3000", "--qps", "3", "--price", "provider_call=0.5", "--chart", str(chart)])

    printed = capsys.readouterr().out
    assert "3,000" in printed
    assert re.search(r"FaceCompare +45,000.00", printed)
    assert chart.read_text(encoding="utf-8").startswith("<svg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--price", "gold=1"], "the price gold is unknown"),
        (["--price", "logs_gb=dear"], "dear"),
        (["--qps", "0"], "qps must be above 0"),
    ],
    ids=str,
)
def test_the_command_refuses_what_it_does_not_understand(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert message in capsys.readouterr().err


def test_an_unknown_price_of_the_provider_is_reported() -> None:
    assert "unknown price" in render_report(simulate(Scenario(pairs_per_day=100)), Prices())


@pytest.mark.parametrize(
    ("duration_s", "text"), [(0.25, "0.2 s"), (119.96, "120.0 s"), (600, "10 min"), (7200, "2.0 h")]
)
def test_durations_have_a_suitable_unit(duration_s: float, text: str) -> None:
    assert format_duration(duration_s) == text


@pytest.mark.parametrize(("qps", "workers"), [(0.1, 3), (3, 3), (10, 5), (1000, 500)])
def test_the_recommended_workers_use_all_slots_if_the_template_allows_so_many(
    qps: float, workers: int
) -> None:
    assert choose_workers(Scenario(qps=qps)) == workers


def test_the_limits_come_nearest_first() -> None:
    carried = [limit.pairs_per_s for limit in find_limits(Scenario())]

    assert carried == sorted(carried)
