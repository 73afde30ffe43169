"""Random schedules of interleaved workers, crashes and duplicates, checked against a model of the guarantees.

Most run on the ledger in memory, which `test_parity` holds against the one in DynamoDB; some on that.
"""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from facematch.adapters.ledger import DynamoDbLedger
from tests.integration.schedules.schedule import ChoiceSequence, FaultProfile, Schedule
from tests.integration.schedules.stack import ScheduledStack, make_dynamodb_stack, make_stack

SCHEDULES = 400
SCHEDULES_IN_DYNAMODB = 10
CHOICE_SEQUENCES = st.binary(min_size=60, max_size=360).map(ChoiceSequence)

bounded = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    # Shrinking takes minutes, and the log of a failed schedule reads well as it is.
    phases=[Phase.generate],
)


def play(stack: ScheduledStack, choices: ChoiceSequence, profile: FaultProfile) -> Schedule:
    schedule = Schedule(stack, choices, profile)
    try:
        schedule.play()
        stack.check()
    except AssertionError:
        note(schedule.describe())
        raise
    return schedule


@pytest.mark.parametrize("profile", list(FaultProfile))
def test_every_guarantee_holds(profile: FaultProfile) -> None:
    @settings(bounded, max_examples=SCHEDULES)
    @given(CHOICE_SEQUENCES)
    def hold(choices: ChoiceSequence) -> None:
        play(make_stack(), choices, profile)

    hold()


@pytest.mark.verify
@pytest.mark.parametrize("profile", [FaultProfile.DELAYS, FaultProfile.ALL])
def test_every_guarantee_holds_in_dynamodb(
    profile: FaultProfile, make_dynamodb_ledger: Callable[[], DynamoDbLedger]
) -> None:
    @settings(bounded, max_examples=SCHEDULES_IN_DYNAMODB)
    @given(CHOICE_SEQUENCES)
    def hold(choices: ChoiceSequence) -> None:
        play(make_dynamodb_stack(make_dynamodb_ledger()), choices, profile)

    hold()
