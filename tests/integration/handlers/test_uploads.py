import json
from copy import deepcopy
from datetime import UTC, datetime
from urllib.parse import quote_plus

import pytest

from facematch.domain.comparison import State
from facematch.domain.verdict import Decision, Role
from tests.events import load_event
from tests.integration.emulator.clients import ControlClient
from tests.integration.handlers.cloud import Cloud, Waiting
from tests.integration.handlers.functions import (
    compare_waiting,
    failed_records,
    invoke,
    land,
    land_pair,
    publish_waiting,
)
from tests.integration.handlers.photos import OTHER_PERSON, PERSON, SAME_PERSON


def test_first_photo_waits_and_second_completes_the_pair(cloud: Cloud) -> None:
    first, second = land(cloud, Role.SOURCE, PERSON), land(cloud, Role.TARGET, SAME_PERSON)

    assert failed_records(invoke("uploads", first)) == []
    deadline = {"deadline": {"region": "singapore", "pair_id": "pair-1"}}
    assert cloud.list_waiting("uploads") == [Waiting(deadline, delay_s=900, attributes={})]
    assert cloud.list_comparisons() == []
    assert cloud.list_waiting("comparisons") == []

    assert failed_records(invoke("uploads", second)) == []
    comparison = cloud.the_comparison()
    assert (comparison.region, comparison.pair_id, comparison.state) == (
        "singapore",
        "pair-1",
        State.REGISTERED,
    )
    message = Waiting({"comparison_id": comparison.id}, delay_s=0, attributes={})
    assert cloud.list_waiting("comparisons") == [message]


def test_order_of_arrival_makes_no_difference(cloud: Cloud) -> None:
    source, target = land(cloud, Role.SOURCE, PERSON), land(cloud, Role.TARGET, SAME_PERSON)

    invoke("uploads", target)
    assert cloud.list_comparisons() == []
    invoke("uploads", source)

    assert cloud.the_comparison().photos.keys() == set(Role)
    assert len(cloud.list_waiting("comparisons")) == 1


def test_event_said_three_times_costs_one_comparison(cloud: Cloud, provider: ControlClient) -> None:
    source, target = land(cloud, Role.SOURCE, PERSON), land(cloud, Role.TARGET, SAME_PERSON)

    for event in (source, target) * 3:
        assert failed_records(invoke("uploads", event)) == []
    assert compare_waiting(cloud) == []
    invoke("uploads", target)
    results = publish_waiting(cloud)
    for event in (source, target):
        invoke("uploads", event)

    assert len(cloud.list_comparisons()) == len(provider.comparisons()) == len(results) == 1
    assert cloud.list_waiting("comparisons") == []


def test_test_event_does_no_harm(cloud: Cloud) -> None:
    assert failed_records(invoke("uploads", load_event("uploads_test_event"))) == []

    assert cloud.is_untouched()


def test_foreign_key_does_no_harm(cloud: Cloud) -> None:
    assert failed_records(invoke("uploads", load_event("uploads_foreign_key"))) == []

    assert cloud.is_untouched()


@pytest.mark.parametrize(
    "key",
    [
        "inbox/singapore/pair-1/extra/source.jpg",
        "inbox/singapore/pair-1/selfie.jpg",
        "inbox/singapore/pair-1/source",
        "inbox/singapore//source.jpg",
        "outbox/singapore/pair-1/source.jpg",
    ],
)
def test_key_of_another_shape_is_foreign(cloud: Cloud, key: str) -> None:
    event = load_event("uploads_source", source_etag="0" * 32)
    body = event["Records"][0]["body"]
    event["Records"][0]["body"] = body.replace("inbox/singapore/pair-1/source.jpg", key)

    assert failed_records(invoke("uploads", event)) == []
    assert cloud.is_untouched()


def test_encoded_keys_lead_to_their_photos(cloud: Cloud, provider: ControlClient) -> None:
    pair_id = "Zoë + Åsa 100% 张伟"
    etags = {
        role: cloud.put_photo(f"inbox/singapore/{pair_id}/{role}.jpg", content)
        for role, content in ((Role.SOURCE, PERSON), (Role.TARGET, SAME_PERSON))
    }
    event = load_event("uploads_encoded_keys", source_etag=etags[Role.SOURCE], target_etag=etags[Role.TARGET])

    assert failed_records(invoke("uploads", event)) == []
    assert compare_waiting(cloud) == []
    (result,) = publish_waiting(cloud)

    assert (result["subject"], result["data"]["verdict"]) == (pair_id, "match")
    assert [call["code"] for call in provider.comparisons()] == ["Success"]
    assert cloud.list_keys() == []


def test_only_the_bad_record_of_a_batch_fails(cloud: Cloud) -> None:
    event = load_event("uploads_bad_record", source_etag=cloud.put_photo("elsewhere", PERSON))
    good, bad = event["Records"]

    assert failed_records(invoke("uploads", event)) == [bad["messageId"]]

    pair = cloud.ledger.find_pair("singapore", "pair-1")
    assert pair is not None
    assert pair.photos.keys() == {Role.SOURCE}
    assert json.loads(good["body"])["Records"][0]["s3"]["object"]["eTag"] == pair.photos[Role.SOURCE].etag


def test_message_of_an_unknown_kind_fails_and_is_kept(cloud: Cloud) -> None:
    event = load_event("uploads_deadline")
    event["Records"][0]["body"] = '{"deadline": {"pair_id": "pair-1"}}'

    assert failed_records(invoke("uploads", event)) == [event["Records"][0]["messageId"]]
    assert cloud.is_untouched()


def test_half_a_pair_ends_at_its_deadline(cloud: Cloud, provider: ControlClient) -> None:
    invoke("uploads", land(cloud, Role.SOURCE, PERSON))

    for _ in range(3):
        assert failed_records(invoke("uploads", load_event("uploads_deadline"))) == []

    (result,) = publish_waiting(cloud)
    assert result["type"] == "facematch.comparison.failed"
    assert (result["data"]["reason"], result["data"]["photo"]) == ("pair_incomplete", "target")
    assert cloud.list_keys() == ["inbox/singapore/pair-1/source.jpg"]
    assert provider.comparisons() == []


def test_deadline_that_comes_too_early_is_sent_again(cloud: Cloud) -> None:
    event = land(cloud, Role.SOURCE, PERSON)
    notice = json.loads(event["Records"][0]["body"])
    notice["Records"][0]["eventTime"] = datetime.now(UTC).isoformat()
    event["Records"][0]["body"] = json.dumps(notice)
    invoke("uploads", event)
    cloud.take_bodies("uploads")

    invoke("uploads", load_event("uploads_deadline"))

    assert cloud.list_comparisons() == []
    assert [waiting.delay_s for waiting in cloud.list_waiting("uploads")] == [900]


def test_deadline_of_no_pair_does_nothing(cloud: Cloud) -> None:
    assert failed_records(invoke("uploads", load_event("uploads_deadline"))) == []

    assert cloud.is_untouched()


def test_deadline_of_a_whole_pair_does_nothing(cloud: Cloud) -> None:
    land_pair(cloud, PERSON, SAME_PERSON)

    assert failed_records(invoke("uploads", load_event("uploads_deadline"))) == []

    assert cloud.the_comparison().state is State.REGISTERED


def test_half_that_comes_after_the_deadline_is_still_compared(cloud: Cloud, provider: ControlClient) -> None:
    invoke("uploads", land(cloud, Role.SOURCE, PERSON))
    invoke("uploads", load_event("uploads_deadline"))
    (too_late,) = publish_waiting(cloud)

    invoke("uploads", land(cloud, Role.TARGET, SAME_PERSON))
    assert compare_waiting(cloud) == []
    (result,) = publish_waiting(cloud)

    assert too_late["data"]["verdict"] == Decision.FAILED
    assert result["data"]["verdict"] == Decision.MATCH
    assert too_late["id"] != result["id"]
    assert len(provider.comparisons()) == 1


def test_replaced_photo_compares_anew(cloud: Cloud, provider: ControlClient) -> None:
    land_pair(cloud, PERSON, SAME_PERSON)
    assert compare_waiting(cloud) == []

    replaced = land(cloud, Role.TARGET, OTHER_PERSON, sequencer="F" * 16)
    assert failed_records(invoke("uploads", replaced)) == []
    assert compare_waiting(cloud) == []

    verdicts = {result["data"]["verdict"] for result in publish_waiting(cloud)}
    assert verdicts == {"match", "no_match"}
    assert len(provider.comparisons()) == 2


def test_late_word_of_a_replaced_photo_changes_nothing(cloud: Cloud) -> None:
    older = land(cloud, Role.TARGET, OTHER_PERSON)
    newer = land(cloud, Role.TARGET, SAME_PERSON, sequencer="F" * 16)

    for event in (newer, older, land(cloud, Role.SOURCE, PERSON)):
        assert failed_records(invoke("uploads", event)) == []

    assert compare_waiting(cloud) == []
    (result,) = publish_waiting(cloud)
    assert result["data"]["verdict"] == "match"


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("inbox/atlantis/pair-1", "unknown_region"),
        ("inbox/hong-kong/pair-1", "region_not_allowed"),
        (f"inbox/singapore/{'p' * 500}", "invalid_pair_id"),
        ("inbox/singapore/line\nbreak", "invalid_pair_id"),
    ],
)
def test_pair_under_a_bad_key_ends_as_failed_and_unbilled(
    cloud: Cloud, provider: ControlClient, folder: str, reason: str
) -> None:
    land_pair(cloud, PERSON, SAME_PERSON, folder)

    (result,) = publish_waiting(cloud)
    assert result["type"] == "facematch.comparison.failed"
    assert (result["data"]["verdict"], result["data"]["reason"]) == ("failed", reason)
    assert result["data"]["attempts"] == 0
    assert cloud.list_waiting("comparisons") == []
    assert provider.comparisons() == []


def test_messages_are_kept_while_the_ledger_is_away(cloud: Cloud) -> None:
    event = land(cloud, Role.SOURCE, PERSON)
    before = deepcopy(event)
    cloud.dynamodb.delete_table(TableName=cloud.table)

    assert failed_records(invoke("uploads", event)) == [event["Records"][0]["messageId"]]
    assert event == before


def test_recorded_keys_are_encoded_as_s3_does() -> None:
    event = load_event("uploads_encoded_keys", source_etag="", target_etag="")

    keys = {json.loads(record["body"])["Records"][0]["s3"]["object"]["key"] for record in event["Records"]}
    assert quote_plus("inbox/singapore/Zoë + Åsa 100% 张伟/source.jpg", safe="/") in keys
