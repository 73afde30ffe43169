from typing import Any

from console.passage import describe_passage
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
    return describe_passage(
        COMPARISON_ID, comparison, item or {}, pair, event_source="urn:facematch:test", now_ms=NOW_MS
    )


def test_a_pair_of_which_nothing_is_known_waits_for_the_notice() -> None:
    passage = describe(None)

    assert (passage["state"], passage["chapters"], passage["event"]) == ("absent", [], None)
    assert passage["present"]["details"] == "for the bucket's notification of its photos"


def test_half_a_pair_waits_for_its_other_photo() -> None:
    passage = describe(None, make_pair(Role.SOURCE))

    assert [chapter["what"] for chapter in passage["chapters"]] == ["source landed"]
    assert passage["present"]["details"] == "for its target photo"


def test_a_whole_pair_waits_to_be_registered() -> None:
    assert describe(None, make_pair(*Role))["present"]["details"] == "to be registered"


def test_an_open_comparison_is_told_with_what_it_waits_for() -> None:
    passage = describe(make_comparison(), make_pair(*Role, is_taken=True), {"lease_until_ms": NOW_MS + 5000})

    assert [chapter["what"] for chapter in passage["chapters"]] == [
        "source landed",
        "target landed",
        "registered",
    ]
    assert passage["present"]["what"] == "at work"
    assert (passage["is_settled"], passage["event"]) == (False, None)


def test_each_attempt_is_toned_by_what_became_of_it() -> None:
    outcomes = (Outcome.NOT_SETTLED, Outcome.POSSIBLY_BILLED, Outcome.ANSWERED)
    attempts = tuple(make_attempt(number, outcome) for number, outcome in enumerate(outcomes, start=1))

    chapters = describe(make_comparison(attempts=attempts))["chapters"]

    tones = {chapter["what"]: chapter["tone"] for chapter in chapters}
    assert tones == {"registered": "plain", "attempt 1": "held", "attempt 2": "fault", "attempt 3": "good"}


def test_a_verdict_is_told_with_the_event_that_leaves() -> None:
    passage = describe(make_ended())

    assert passage["event"]["data"]["verdict"] == "match"
    assert passage["event"]["source"] == "urn:facematch:test"
    assert passage["is_settled"] is False


def test_what_has_left_is_settled() -> None:
    passage = describe(make_ended(published_at_ms=START_MS + 2000))

    assert passage["is_settled"] is True
    assert passage["present"] is None
    assert passage["chapters"][-1] == {
        "at_ms": START_MS + 2000,
        "what": "published",
        "details": "the event is on the results queue",
        "tone": "good",
    }


def test_an_end_without_a_score_is_toned_as_a_fault() -> None:
    passage = describe(make_ended(make_verdict(Decision.PHOTO_REJECTED)))

    tones = {chapter["what"]: chapter["tone"] for chapter in passage["chapters"]}
    assert tones["ended: photo_rejected"] == "fault"


def test_of_what_was_erased_no_event_is_told() -> None:
    passage = describe(make_ended(state=State.ERASED))

    assert (passage["event"], passage["is_settled"]) == (None, True)
