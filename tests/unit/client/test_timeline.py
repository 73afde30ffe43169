from dataclasses import replace

from facematch.domain.comparison import Origin, Outcome, State
from facematch.domain.lane import HoldReason, make_hold
from facematch.domain.pair import ArrivedPhoto, Pair
from facematch.domain.verdict import Role
from facematch_client.timeline import make_timeline
from tests.factories import CALLER, COMPARISON_ID, make_attempt, make_comparison, make_ended, make_photos
from tests.fakes.clock import START_MS

NOW_MS = START_MS + 60_000


def test_a_published_comparison_is_shown_from_its_registration_on() -> None:
    attempts = (
        make_attempt(1, Outcome.POSSIBLY_BILLED, code="timeout", duration_ms=12),
        make_attempt(2, Outcome.ANSWERED, code="Success", request_id="REQUEST-1", duration_ms=300),
    )
    comparison = make_ended(attempts=attempts, published_at_ms=START_MS + 9000)

    timeline = make_timeline(comparison, {"nudged_at_ms": START_MS + 8000}, now_ms=NOW_MS)

    assert [entry.what for entry in timeline] == [
        "registered",
        "attempt 1",
        "ended: match",
        "attempt 2",
        "redriven",
        "published",
    ]
    assert "got no answer; it may have been billed (timeout), after 12 ms" in timeline[1].details
    assert timeline[3].details.endswith("request REQUEST-1")


def test_the_arrival_of_its_own_photos_is_shown_and_that_of_later_ones_is_not() -> None:
    photos = make_photos()
    arrived = {
        Role.SOURCE: ArrivedPhoto(
            photo=photos[Role.SOURCE], sequencer="1", arrived_at_ms=START_MS - 300, taken=True
        ),
        Role.TARGET: ArrivedPhoto(
            photo=replace(photos[Role.TARGET], etag="another"), sequencer="2", arrived_at_ms=START_MS + 300
        ),
    }
    pair = Pair("singapore", "pair-1", arrived, COMPARISON_ID)

    timeline = make_timeline(make_comparison(photos=photos), {}, pair, now_ms=NOW_MS)

    assert [entry.what for entry in timeline] == ["source arrived", "registered", "waiting"]


def test_one_that_waits_after_calls_that_cost_nothing_says_so() -> None:
    comparison = make_comparison(
        unbilled_calls={Outcome.THROTTLED: 2, Outcome.FAULTED: 1}, last_code="InternalError"
    )

    timeline = make_timeline(comparison, {}, now_ms=NOW_MS)

    assert timeline[-1].details == (
        "for a worker and a slot in the quota, after 3 calls without cost (InternalError)"
    )


def test_one_in_a_region_on_hold_waits_for_that() -> None:
    hold = make_hold(HoldReason.OPERATOR, "Forbidden", NOW_MS)

    timeline = make_timeline(make_comparison(), {}, None, hold, now_ms=NOW_MS)

    assert timeline[-1].what == "waiting"
    assert (
        "calls to singapore are on hold: the provider refuses the account or its key (Forbidden)"
        in timeline[-1].details
    )


def test_one_that_nobody_has_waits() -> None:
    timeline = make_timeline(make_comparison(origin=Origin.API, caller=CALLER), {}, now_ms=NOW_MS)

    assert [entry.what for entry in timeline] == ["registered", "waiting"]
    assert CALLER in timeline[0].details


def test_one_that_a_worker_has_is_at_work_as_long_as_its_lease() -> None:
    timeline = make_timeline(make_comparison(), {"lease_until_ms": NOW_MS + 5000}, now_ms=NOW_MS)

    assert (timeline[-1].what, timeline[-1].details) == ("in progress", "a worker has its lease for 5 s more")


def test_a_verdict_that_has_not_left_waits_to_be_published() -> None:
    timeline = make_timeline(make_ended(), {"work": "outbox"}, now_ms=NOW_MS)

    assert (timeline[-1].what, timeline[-1].details) == ("waiting", "to be published")


def test_an_attempt_without_an_answer_is_shown_as_unknown() -> None:
    comparison = make_comparison(attempts=(make_attempt(1, Outcome.POSSIBLY_BILLED),))

    assert "it may have been billed" in make_timeline(comparison, {}, now_ms=NOW_MS)[1].details


def test_an_erased_comparison_is_shown_as_erased() -> None:
    comparison = make_ended(state=State.ERASED, published_at_ms=START_MS + 2000)

    assert "erased" in [entry.what for entry in make_timeline(comparison, {}, now_ms=NOW_MS)]
