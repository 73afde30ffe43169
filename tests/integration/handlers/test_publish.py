from copy import deepcopy
from typing import Any

import pytest

from facematch.domain.comparison import State
from facematch.domain.verdict import Role
from tests.events import Event, load_event
from tests.integration.handlers.cloud import Cloud
from tests.integration.handlers.functions import (
    failed_records,
    invoke,
    land,
    land_pair,
    publish_waiting,
)
from tests.integration.handlers.photos import OTHER_PERSON, PERSON, SAME_PERSON
from tests.integration.handlers.schema import check_result_event


def end_recorded(cloud: Cloud) -> Event:
    """Have the ledger hold what the recorded stream tells of, with its photos; return the stream's event."""
    etags = {
        role: cloud.put_photo(f"inbox/singapore/pair-1/{role}.jpg", content)
        for role, content in ((Role.SOURCE, PERSON), (Role.TARGET, SAME_PERSON))
    }
    event = load_event("publish_ended", source_etag=etags[Role.SOURCE], target_etag=etags[Role.TARGET])
    for record in event["Records"]:
        cloud.dynamodb.put_item(TableName=cloud.table, Item=record["dynamodb"]["NewImage"])
    return event


def list_results(cloud: Cloud) -> list[dict[str, Any]]:
    return [waiting.body for waiting in cloud.list_waiting("results")]


def test_ended_comparison_leaves_as_one_event(cloud: Cloud) -> None:
    event = end_recorded(cloud)

    assert failed_records(invoke("publish", event)) == []

    (waiting,) = cloud.list_waiting("results")
    check_result_event(waiting.body)
    assert waiting.attributes == {
        "content-type": "application/cloudevents+json",
        "type": "facematch.comparison.completed",
    }
    comparison = cloud.the_comparison()
    assert waiting.body["id"] == comparison.id
    assert waiting.body["source"] == "urn:facematch:123456789012:ap-southeast-1:facematch"
    assert waiting.body["data"]["verdict"] == "match"
    assert comparison.published_at_ms is not None
    assert cloud.list_keys() == []


def test_stream_that_tells_it_three_times_gets_one_event_and_counts_one_verdict(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    event = end_recorded(cloud)

    for _ in range(3):
        assert failed_records(invoke("publish", event)) == []

    assert len(list_results(cloud)) == 1
    assert capsys.readouterr().out.count('"VerdictsMatch":[1.0]') == 1


def test_only_the_bad_record_of_a_batch_fails(cloud: Cloud) -> None:
    event = end_recorded(cloud)
    bad = deepcopy(event["Records"][0])
    bad["dynamodb"] |= {"Keys": {}, "SequenceNumber": "2"}
    event["Records"].append(bad)

    assert failed_records(invoke("publish", event)) == ["2"]
    assert len(list_results(cloud)) == 1


def test_event_is_kept_while_the_results_queue_is_away(cloud: Cloud) -> None:
    event = end_recorded(cloud)
    queue = cloud.known["ResultsQueue"]
    cloud.sqs.delete_queue(QueueUrl=queue)

    assert failed_records(invoke("publish", event)) == ["1"]
    assert cloud.the_comparison().published_at_ms is None
    assert len(cloud.list_keys()) == 2

    cloud.sqs.create_queue(QueueName=queue.rpartition("/")[2])
    assert failed_records(invoke("publish", event)) == []
    assert len(list_results(cloud)) == 1


def test_photos_stay_where_the_stack_keeps_them(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELETE_PHOTOS_AFTER_VERDICT", "false")
    event = end_recorded(cloud)

    assert failed_records(invoke("publish", event)) == []

    assert len(list_results(cloud)) == 1
    assert cloud.list_keys() == [f"inbox/singapore/pair-1/{role}.jpg" for role in Role]


def test_photo_that_was_replaced_since_stays_and_so_does_the_one_it_needs(cloud: Cloud) -> None:
    event = end_recorded(cloud)
    cloud.put_photo("inbox/singapore/pair-1/target.jpg", OTHER_PERSON)

    assert failed_records(invoke("publish", event)) == []

    assert cloud.list_keys() == [f"inbox/singapore/pair-1/{role}.jpg" for role in Role]


def test_pair_with_a_newer_photo_keeps_both(cloud: Cloud) -> None:
    event = end_recorded(cloud)
    invoke("uploads", land(cloud, Role.SOURCE, PERSON))
    invoke("uploads", land(cloud, Role.TARGET, OTHER_PERSON))

    assert failed_records(invoke("publish", event)) == []

    assert cloud.list_keys() == [f"inbox/singapore/pair-1/{role}.jpg" for role in Role]


def test_record_of_a_comparison_that_is_gone_is_let_go(cloud: Cloud) -> None:
    event = load_event("publish_ended", source_etag="1" * 32, target_etag="2" * 32)

    assert failed_records(invoke("publish", event)) == []

    assert cloud.is_untouched()


def test_comparison_that_is_open_is_not_published(cloud: Cloud) -> None:
    land_pair(cloud, PERSON, SAME_PERSON)
    event = load_event("publish_ended", source_etag="1" * 32, target_etag="2" * 32)
    event["Records"][0]["dynamodb"]["Keys"] = {"pk": {"S": f"comparison#{cloud.the_comparison().id}"}}

    assert failed_records(invoke("publish", event)) == []

    assert publish_waiting(cloud) == []
    assert cloud.the_comparison().state is State.REGISTERED
