"""Outages in simulated time: what ends by itself must not make a comparison fail, nor be paid for twice."""

import pytest

from facematch.domain.comparison import Comparison, Outcome, State
from facematch.domain.errors import OperatorError, ProviderError, ProviderFaultError
from facematch.domain.provider import Answer, Call
from tests.fakes.simulation import Simulation

BUDGET = 4
HOUR_S = 3600.0


def make_timeout() -> ProviderFaultError:
    return ProviderFaultError("timeout", "The provider did not answer in time.", possibly_billed=True)


def make_refusal() -> OperatorError:
    return OperatorError("InvalidAccessKeyId.Inactive", "The provider refused the key.")


def make_internal_error() -> Answer:
    return Answer(code="InternalError", http_status=500)


def simulate_outage(
    pairs: int, duration_s: float, fault: Answer | ProviderError, *, probe: ProviderError | None
) -> tuple[Simulation, list[Comparison]]:
    """Run an outage of every call; with `probe`, the free operation fails as well."""
    simulation = Simulation(
        pairs,
        fault=lambda _: fault if simulation.passed_s < duration_s else None,
        probe_fault=lambda: probe if simulation.passed_s < duration_s else None,
    )
    return simulation, simulation.run()


def count_failed(comparisons: list[Comparison]) -> int:
    return sum(comparison.state is not State.COMPLETED for comparison in comparisons)


@pytest.mark.parametrize(
    ("pairs", "duration_s"), [(1, 30.0), (1, 1800.0), (2, 1800.0), (4, 300.0), (60, 1800.0)]
)
@pytest.mark.parametrize("probe_fails", [True, False])
@pytest.mark.parametrize("fault", [make_internal_error(), make_timeout()], ids=["error", "timeout"])
def test_an_outage_that_ends_leaves_no_failed_pair(
    pairs: int, duration_s: float, fault: Answer | ProviderError, *, probe_fails: bool
) -> None:
    probe = make_timeout() if probe_fails else None

    simulation, comparisons = simulate_outage(pairs, duration_s, fault, probe=probe)

    assert count_failed(comparisons) == 0
    assert all(len(comparison.attempts) <= BUDGET for comparison in comparisons)
    assert simulation.provider.outcomes["Success"] == pairs


def test_an_operator_error_of_12_hours_needs_no_redrive_and_few_calls() -> None:
    simulation, comparisons = simulate_outage(60, 12 * HOUR_S, make_refusal(), probe=make_refusal())

    refused = simulation.provider.outcomes["InvalidAccessKeyId.Inactive"]
    assert count_failed(comparisons) == 0
    assert refused + simulation.provider.probes <= 200


def test_an_operator_error_that_the_probe_does_not_see_needs_few_calls_too() -> None:
    simulation, comparisons = simulate_outage(60, 12 * HOUR_S, make_refusal(), probe=None)

    assert count_failed(comparisons) == 0
    assert simulation.provider.outcomes["InvalidAccessKeyId.Inactive"] + simulation.provider.probes <= 200


def test_one_pair_that_is_throttled_for_12_hours_completes_within_a_bounded_record() -> None:
    def throttle(call: Call) -> Answer | None:
        is_throttled = call.merchant_biz_id.startswith("0" * 26) and simulation.passed_s < 12 * HOUR_S
        return Answer(code="Throttling.Api", http_status=403) if is_throttled else None

    simulation = Simulation(20, fault=throttle, probe_fault=lambda: None)
    comparisons = simulation.run()

    throttled = comparisons[0]
    assert count_failed(comparisons) == 0
    assert len(throttled.attempts) == 1
    assert throttled.unbilled_calls[Outcome.THROTTLED] == throttled.call_count - 1


def test_a_pair_that_always_fails_holds_nobody_else_and_ends_at_its_time_limit() -> None:
    simulation = Simulation(
        51,
        fault=lambda call: make_internal_error() if call.merchant_biz_id.startswith("0" * 26) else None,
        probe_fault=lambda: None,
    )

    poison, *others = simulation.run()

    assert count_failed(others) == 0
    assert poison.ending is not None
    assert poison.ending.verdict.reason == "provider_unavailable"
    assert simulation.limiter.holds == []
