from typing import Any

from console.progress import describe_progress
from facematch.domain.comparison import Comparison, Outcome, State
from facematch.domain.pair import ArrivedPhoto, Pair
from facematch.domain.verdict import Decision, Role
from tests.factories import (
    COMPARISON_ID,
    make_attempt,
    make_comparison,
    make_ended,
    make_photos,
    make_verdict,
)
from tests.fakes.clock import START_MS

NOW_MS = START_MS + 60_000


def make_pair(*roles: Role, is_taken: bool = False) -> Pair:
    photos = make_photos()
    arrived = {
        role: ArrivedPhoto(
            photo=photos[role], sequencer="1", arrived_at_ms=START_MS - 500 + 100 * number, taken=is_taken
        )
        for number, role in enumerate(roles)
    }
    return Pair("singapore", "pair-1", arrived, COMPARISON_ID if is_taken else None)


def describe(
    comparison: Comparison | None, pair: Pair | None = None, item: dict[str, Any] | None = None
) -> dict[str, Any]:
    return describe_progress(
        COMPARISON_ID, comparison, item or {}, pair, event_source="urn:facematch:test", now_ms=NOW_MS
    )


def test_a_pair_of_which_nothing_is_known_waits_for_the_notice() -> None:
    progress = describe(None)

    assert (progress["state"], progress["entries"], progress["event"]) == ("absent", [], None)
    assert progress["present"]["details"] == "for the bucket's notification of the photos"


def test_an_incomplete_pair_waits_for_its_other_photo() -> None:
    progress = describe(None, make_pair(Role.SOURCE))

    assert [entry["what"] for entry in progress["entries"]] == ["source arrived"]
    assert progress["present"]["details"] == "for its target photo"


def test_a_whole_pair_waits_to_be_registered() -> None:
    assert describe(None, make_pair(*Role))["present"]["details"] == "to be registered"


def test_an_open_comparison_is_shown_with_what_it_waits_for() -> None:
    progress = describe(make_comparison(), make_pair(*Role, is_taken=True), {"lease_until_ms": NOW_MS + 5000})

    assert [entry["what"] for entry in progress["entries"]] == [
        "source arrived",
        "target arrived",
        "registered",
    ]
    assert progress["present"]["what"] == "in progress"
    assert (progress["is_settled"], progress["event"]) == (False, None)


def test_each_attempt_is_toned_by_what_became_of_it() -> None:
    outcomes = (Outcome.NOT_SETTLED, Outcome.POSSIBLY_BILLED, Outcome.ANSWERED)
    attempts = tuple(make_attempt(number, outcome) for number, outcome in enumerate(outcomes, start=1))

    entries = describe(make_comparison(attempts=attempts))["entries"]

    tones = {entry["what"]: entry["tone"] for entry in entries}
    assert tones == {"registered": "plain", "attempt 1": "held", "attempt 2": "fault", "attempt 3": "good"}


def test_a_verdict_is_shown_with_its_event() -> None:
    progress = describe(make_ended())

    assert progress["event"]["data"]["verdict"] == "match"
    assert progress["event"]["source"] == "urn:facematch:test"
    assert progress["is_settled"] is False


def test_what_has_left_is_settled() -> None:
    progress = describe(make_ended(published_at_ms=START_MS + 2000))

    assert progress["is_settled"] is True
    assert progress["present"] is None
    assert progress["entries"][-1] == {
        "at_ms": START_MS + 2000,
        "what": "published",
        "details": "the event is on the results queue",
        "tone": "good",
    }


def test_an_end_without_a_score_is_toned_as_a_fault() -> None:
    progress = describe(make_ended(make_verdict(Decision.PHOTO_REJECTED)))

    tones = {entry["what"]: entry["tone"] for entry in progress["entries"]}
    assert tones["ended: photo_rejected"] == "fault"


def test_an_erased_comparison_has_no_event() -> None:
    progress = describe(make_ended(state=State.ERASED))

    assert (progress["event"], progress["is_settled"]) == (None, True)
