import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from facematch import __version__
from facematch.domain.comparison import Comparison, Ending, Options, Origin, Outcome, State, StoredPhoto
from facematch.domain.inbox import PAIR_ID_LIMIT, PAIR_ID_PATTERN
from facematch.domain.result_event import describe_ending, format_time, make_result_event
from facematch.domain.verdict import Bounds, Decision, Role, fail, reject_photo
from tests.factories import (
    CALLER,
    COMPARISON_ID,
    make_answer,
    make_attempt,
    make_comparison,
    make_ended,
    make_link,
    make_verdict,
)
from tests.fakes.clock import START_MS
from tests.fakes.stack import EVENT_SOURCE, make_stack

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "schemas" / "result-event.schema.json").read_text(encoding="utf-8")
)
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER)


def make_event(comparison: Comparison | None = None) -> dict[str, Any]:
    """Make the event as a consumer gets it: by way of JSON."""
    event: dict[str, Any] = json.loads(
        json.dumps(make_result_event(comparison or make_ended(), EVENT_SOURCE), allow_nan=False)
    )
    return event


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    ("decision", "event_type"),
    [
        (Decision.MATCH, "facematch.comparison.completed"),
        (Decision.NO_MATCH, "facematch.comparison.completed"),
        (Decision.REVIEW, "facematch.comparison.completed"),
        (Decision.PHOTO_REJECTED, "facematch.comparison.rejected"),
        (Decision.FAILED, "facematch.comparison.failed"),
    ],
)
def test_an_event_says_how_its_comparison_ended(decision: Decision, event_type: str) -> None:
    event = make_event(make_ended(make_verdict(decision)))

    VALIDATOR.validate(event)
    assert (event["type"], event["data"]["verdict"]) == (event_type, decision.value)


@pytest.mark.parametrize("code", ["Success", "OK", "200"])
def test_an_event_of_a_match_may_have_any_code_of_success(code: str) -> None:
    VALIDATOR.validate(make_event(make_ended(make_verdict(provider_code=code))))


@pytest.mark.parametrize("code", ["Success", "Odd.Code", None])
def test_an_event_of_an_unexpected_answer_has_what_could_be_read(code: str | None) -> None:
    verdict = make_verdict(
        Decision.REVIEW, reason="unexpected_answer", provider_code=code, passed=None, score=None
    )

    event = make_event(make_ended(verdict))

    VALIDATOR.validate(event)
    assert (event["data"]["reason"], event["data"]["provider"]["code"]) == ("unexpected_answer", code)


@pytest.mark.parametrize("gap", [{"passed": None}, {"score": None}, {"provider_code": None}], ids=str)
def test_an_event_of_a_match_without_what_made_it_is_not_valid(gap: dict[str, None]) -> None:
    assert not VALIDATOR.is_valid(make_event(make_ended(make_verdict(Decision.MATCH, **gap))))


def test_the_envelope_is_cloudevents_1_0_with_the_version_of_facematch() -> None:
    event = make_event()
    del event["data"]

    assert event == {
        "specversion": "1.0",
        "id": COMPARISON_ID,
        "source": EVENT_SOURCE,
        "type": "facematch.comparison.completed",
        "subject": "pair-1",
        "time": "2027-01-15T08:00:01.000Z",
        "datacontenttype": "application/json",
        "facematchversion": __version__,
    }


def test_the_data_of_a_review_is_complete() -> None:
    attempts = (
        make_attempt(1, Outcome.POSSIBLY_BILLED),
        make_attempt(3, Outcome.ANSWERED),
    )
    comparison = make_ended(
        make_verdict(Decision.REVIEW, face_quality={"SourceFaceQuality": 91.5}),
        attempts=attempts,
        unbilled_calls={Outcome.THROTTLED: 1},
        options=Options(bounds=Bounds(80, 40)),
    )

    event = make_event(comparison)

    VALIDATOR.validate(event)
    assert event["data"] == {
        "comparison_id": COMPARISON_ID,
        "pair_id": "pair-1",
        "region": "singapore",
        "origin": "upload",
        "verdict": "review",
        "reason": "between_bounds",
        "message": "A sentence.",
        "photo": None,
        "score": 52.57,
        "passed": True,
        "bounds": {"match_from": 80, "no_match_up_to": 40},
        "provider": {
            "code": "Success",
            "request_id": "REQUEST-1",
            "transaction_id": "transaction-1",
            "merchant_biz_ids": [attempt.merchant_biz_id for attempt in attempts],
            "face_quality": {"SourceFaceQuality": 91.5},
        },
        "attempts": 3,
        "possibly_billed_attempts": 1,
        "photos": {},
        "timings_ms": {"call": 300, "total": 1000},
        "registered_at": "2027-01-15T08:00:00.000Z",
        "ended_at": "2027-01-15T08:00:01.000Z",
    }


@pytest.mark.parametrize(
    "comparison",
    [
        make_ended(make_verdict(score=0.0)),
        make_ended(make_verdict(score=100.0)),
        make_ended(reject_photo("too_small", "A sentence.", photo=Role.TARGET), attempts=()),
        make_ended(make_verdict(Decision.PHOTO_REJECTED, provider_code="NoFaceDetected")),
        make_ended(fail("pair_incomplete", "A sentence.", photo=Role.SOURCE), attempts=()),
        make_ended(fail("unknown_region", "A sentence."), region="mars", attempts=()),
        make_ended(fail("invalid_pair_id", "A sentence."), pair_id="x" * 500, attempts=()),
        make_ended(fail("comparison_erased", "A sentence."), state=State.ERASED, pair_id=None, photos={}),
        make_ended(origin=Origin.API, pair_id=None),
    ],
    ids=lambda comparison: f"{comparison.state}-{comparison.ending.verdict.reason}",
)
def test_every_kind_of_ending_makes_a_valid_event(comparison: Comparison) -> None:
    VALIDATOR.validate(make_event(comparison))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda event: event.pop("id"),
        lambda event: event.pop("data"),
        lambda event: event.update(specversion="0.3"),
        lambda event: event.update(type="facematch.domain.comparison.erased"),
        lambda event: event.update(type="facematch.comparison.failed"),
        lambda event: event.update(type="facematch.comparison.rejected"),
        lambda event: event.update(time="yesterday"),
        lambda event: event.update(Photo="…"),
        lambda event: event["data"].update(photo_base64="…"),
        lambda event: event["data"].pop("reason"),
        lambda event: event["data"].update(verdict="maybe"),
        lambda event: event["data"].update(verdict="failed"),
        lambda event: event["data"].update(verdict="review"),
        lambda event: event["data"].update(reason="some_reason"),
        lambda event: event["data"].update(score=100.1),
        lambda event: event["data"].update(score=-1),
        lambda event: event["data"].update(score=None),
        lambda event: event["data"].update(score="52.57"),
        lambda event: event["data"].update(region="mars"),
        lambda event: event["data"].update(ended_at=START_MS),
        lambda event: event["data"].update(attempts=0),
        lambda event: event["data"]["provider"].update(merchant_biz_ids=["x" * 33]),
        lambda event: event["data"]["provider"].update(merchant_biz_ids=["a-b"]),
        lambda event: event["data"]["photos"].update(source={"url": "https://photos.com/a.jpg"}),
        lambda event: event["data"]["photos"].update(selfie={"url": True}),
        lambda event: event["data"]["timings_ms"].update(call=-1),
        lambda event: event["data"]["bounds"].update(match_from=101),
    ],
)
def test_the_schema_refuses_what_is_no_result_event(spoil: Callable[[dict[str, Any]], object]) -> None:
    event = make_event()
    spoiled = copy.deepcopy(event)
    spoil(spoiled)

    assert VALIDATOR.is_valid(event)
    assert not VALIDATOR.is_valid(spoiled)


def test_every_field_of_the_schema_is_described() -> None:
    properties = SCHEMA["properties"]
    data = properties["data"]["properties"]
    report = SCHEMA["$defs"]["photo"]["oneOf"][0]["properties"]
    timings, provider = data["timings_ms"]["properties"], data["provider"]["properties"]

    for name, field in (properties | data | report | timings | provider).items():
        assert "description" in field or "$ref" in field, name


def test_the_same_comparison_makes_the_same_event_however_often() -> None:
    assert make_event(make_ended()) == make_event(make_ended())


def test_without_a_pair_id_the_subject_is_the_comparison() -> None:
    assert make_event(make_ended(pair_id=None))["subject"] == COMPARISON_ID


@pytest.mark.parametrize("pair_id", ["line\nbreak", "a\x9fb", "a\ufffeb", "x" * 129, ""])
def test_a_pair_id_that_was_refused_is_in_the_data_but_not_the_subject(pair_id: str) -> None:
    event = make_event(make_ended(fail("invalid_pair_id", "A sentence."), pair_id=pair_id, attempts=()))

    VALIDATOR.validate(event)
    assert (event["subject"], event["data"]["pair_id"]) == (COMPARISON_ID, pair_id)


@pytest.mark.parametrize(
    "pair_id", ["Zoë + Åsa 100% 张伟", "क्\u200dष", "山田\u3000太郎", "👩\u200d👧", "a\u00a0b"]
)
def test_any_other_pair_id_is_the_subject(pair_id: str) -> None:
    event = make_event(make_ended(pair_id=pair_id))

    VALIDATOR.validate(event)
    assert event["subject"] == pair_id


def test_the_schema_has_the_rule_of_the_code_for_pair_ids() -> None:
    rule = SCHEMA["$defs"]["pair_id"]

    assert (rule["minLength"], rule["maxLength"], rule["pattern"]) == (1, PAIR_ID_LIMIT, PAIR_ID_PATTERN)
    assert not VALIDATOR.is_valid(make_event() | {"subject": "line\nbreak"})


def test_a_comparison_that_has_not_ended_has_no_event() -> None:
    with pytest.raises(ValueError, match="no event"):
        make_result_event(make_comparison(), EVENT_SOURCE)


def test_neither_photo_nor_key_nor_url_nor_caller_is_in_an_event() -> None:
    photos = {
        Role.SOURCE: StoredPhoto(key="inbox/singapore/pair-1/source.SECRET", etag="SECRET-ETAG"),
        Role.TARGET: make_link(Role.TARGET),
    }

    text = json.dumps(make_event(make_ended(photos=photos, caller=CALLER, request_ids=("SECRET-REQUEST",))))

    for secret in ("SECRET", "comparisons/", "inbox/", CALLER):
        assert secret not in text


def test_the_event_of_a_pair_that_went_all_the_way_is_valid_and_holds_no_photo() -> None:
    stack = make_stack(
        make_answer("Throttling.Api", http_status=403),
        make_answer("InternalError", http_status=500),
        make_answer(),
        latency_s=0.3,
    )
    comparison_id = stack.upload_pair()
    stack.compare(comparison_id)

    stack.publisher.publish(comparison_id)

    (event,) = stack.results.sent
    VALIDATOR.validate(json.loads(json.dumps(event)))
    assert event["data"]["photos"].keys() == {"source", "target"}
    assert event["data"]["timings_ms"].keys() == {
        "wait_for_worker",
        "read",
        "prepare",
        "connect",
        "wait_for_slot",
        "call",
        "back_off",
        "total",
    }
    assert len(json.dumps(event)) < 4000


def test_a_clock_that_is_set_back_makes_no_negative_total() -> None:
    ending = Ending(verdict=make_verdict(), ended_at_ms=START_MS - 5000)

    assert describe_ending(make_comparison(), ending)["timings_ms"] == {"total": 0}


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (START_MS, "2027-01-15T08:00:00.000Z"),
        (START_MS + 7, "2027-01-15T08:00:00.007Z"),
    ],
)
def test_times_are_rfc_3339_in_utc(at_ms: int, text: str) -> None:
    assert format_time(at_ms) == text
