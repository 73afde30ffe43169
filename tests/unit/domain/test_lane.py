import pytest

from facematch.domain.lane import TRIAL_LEASE_S, HoldReason, make_hold, make_throttling_hold

NOW_MS = 1_800_000_000_000


@pytest.mark.parametrize(
    ("reason", "durations_s"),
    [
        (HoldReason.OUTAGE, [15, 30, 60, 120, 120]),
        (HoldReason.OPERATOR, [60, 120, 240, 480, 900, 900]),
    ],
)
def test_holds_of_one_reason_double_up_to_a_limit_and_remember_when_they_began(
    reason: HoldReason, durations_s: list[float]
) -> None:
    hold, at_ms = None, NOW_MS
    for duration_s in durations_s:
        hold = make_hold(reason, "Code", at_ms, previous=hold)
        assert (hold.duration_s, hold.since_ms) == (duration_s, NOW_MS)
        assert hold.remaining_s(at_ms) == duration_s
        at_ms = hold.until_ms


@pytest.mark.parametrize("previous", [HoldReason.OUTAGE, HoldReason.THROTTLING])
def test_a_hold_of_another_reason_begins_again(previous: HoldReason) -> None:
    if previous is HoldReason.THROTTLING:
        before = make_throttling_hold("Throttling", NOW_MS, 30.0)
    else:
        before = make_hold(previous, "InternalError", NOW_MS)

    hold = make_hold(HoldReason.OPERATOR, "Forbidden", NOW_MS + 1, previous=before)

    assert (hold.reason, hold.code, hold.since_ms, hold.duration_s) == (
        HoldReason.OPERATOR,
        "Forbidden",
        NOW_MS + 1,
        60,
    )


def test_a_throttling_hold_lasts_as_long_as_the_provider_asked_for() -> None:
    hold = make_throttling_hold("Throttling.User", NOW_MS, 0.3)

    assert (hold.reason, hold.code, hold.until_ms) == (HoldReason.THROTTLING, "Throttling.User", NOW_MS + 300)


def test_a_trial_keeps_others_out_for_a_minute_and_keeps_the_duration_of_its_hold() -> None:
    hold = make_hold(HoldReason.OUTAGE, "InternalError", NOW_MS)

    trial = hold.begin_trial(hold.until_ms)

    assert (trial.is_trial, trial.remaining_s(hold.until_ms)) == (True, TRIAL_LEASE_S)
    assert make_hold(HoldReason.OUTAGE, "InternalError", trial.until_ms, previous=trial).duration_s == 30


def test_an_expired_hold_has_nothing_remaining() -> None:
    hold = make_hold(HoldReason.OUTAGE, "InternalError", NOW_MS)

    assert not hold.has_expired(hold.until_ms - 1)
    assert hold.has_expired(hold.until_ms)
    assert hold.remaining_s(hold.until_ms) == 0
    assert hold.remaining_s(hold.until_ms + 1000) == -1
