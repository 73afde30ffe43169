"""Schedules of interleaved workers, crashes and duplicates against a model of what is promised.

Most run on the ledger in memory, which `test_parity` holds against the one in DynamoDB; some on that.
"""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from facematch.adapters.ledger import DynamoDbLedger
from tests.integration.promises.schedule import Schedule, Tape, Weather
from tests.integration.promises.stack import Stack, make_dynamodb_stack, make_stack

SCHEDULES = 400
SCHEDULES_IN_DYNAMODB = 10
TAPES = st.binary(min_size=60, max_size=360).map(Tape)

bounded = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    # Shrinking takes minutes, and the journal of a failed schedule reads well as it is.
    phases=[Phase.generate],
)


def play(stack: Stack, tape: Tape, weather: Weather) -> Schedule:
    schedule = Schedule(stack, tape, weather)
    try:
        schedule.play()
        stack.check()
    except AssertionError:
        note(schedule.describe())
        raise
    return schedule


@pytest.mark.parametrize("weather", list(Weather))
def test_every_promise_is_kept(weather: Weather) -> None:
    @settings(bounded, max_examples=SCHEDULES)
    @given(TAPES)
    def hold(tape: Tape) -> None:
        play(make_stack(), tape, weather)

    hold()


@pytest.mark.verify
@pytest.mark.parametrize("weather", [Weather.DELAYS, Weather.STORM])
def test_every_promise_is_kept_in_dynamodb(
    weather: Weather, make_dynamodb_ledger: Callable[[], DynamoDbLedger]
) -> None:
    @settings(bounded, max_examples=SCHEDULES_IN_DYNAMODB)
    @given(TAPES)
    def hold(tape: Tape) -> None:
        play(make_dynamodb_stack(make_dynamodb_ledger()), tape, weather)

    hold()
