import pytest

from facematch.domain.comparison import Outcome
from facematch.domain.regions import Region
from facematch_client.prices import Bill
from tests.factories import make_attempt


def make_bill(region: str = "hong-kong") -> Bill:
    bill = Bill()
    attempts = (
        make_attempt(1, Outcome.POSSIBLY_BILLED, code="timeout"),
        make_attempt(3, Outcome.ANSWERED, code="Success"),
    )
    bill.add(region, attempts)
    bill.add(region, (make_attempt(1, Outcome.ANSWERED, code="NoFaceDetected"),))
    return bill


def test_only_successful_calls_are_billed_and_unknown_ones_perhaps() -> None:
    assert make_bill().describe({}) == "1 call billed, 1 possibly billed; USD 0.001"


def test_no_price_is_invented_where_the_provider_states_none() -> None:
    bill = make_bill("singapore")

    assert bill.cost_usd({}) is None
    assert "no price for singapore" in bill.describe({})
    assert bill.cost_usd({Region.SINGAPORE: 0.0025}) == pytest.approx(0.0025)


def test_nothing_billed_costs_nothing_wherever_it_was() -> None:
    bill = Bill()
    bill.add("singapore", (make_attempt(1, Outcome.REFUSED, code="Forbidden.AccountAccessDenied"),))

    assert bill.cost_usd({}) == 0
