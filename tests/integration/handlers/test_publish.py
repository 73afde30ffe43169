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
from tests.integration.handlers.photos import PERSON, SAME_PERSON
from tests.integration.handlers.schema import check_result_event

DIGESTS = {"source_etag": "1" * 32, "target_etag": "2" * 32}


def load_stream() -> Event:
    return load_event("publish_ended", **DIGESTS)


def end_recorded(cloud: Cloud) -> Event:
    """Store the comparison of the recorded stream record, and its photos; return the event."""
    event = load_stream()
    for record in event["Records"]:
        item = record["dynamodb"]["NewImage"]
        for photo in item["photos"]["M"].values():
            cloud.put_photo(photo["M"]["key"]["S"], PERSON)
        cloud.dynamodb.put_item(TableName=cloud.table, Item=item)
    return event


def list_results(cloud: Cloud) -> list[dict[str, Any]]:
    return [waiting.body for waiting in cloud.list_waiting("results")]


def test_ended_comparison_is_published_as_one_event(cloud: Cloud) -> None:
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
    assert waiting.body["source"] == "urn:facematch:000000000000:ap-southeast-1:test"
    assert waiting.body["data"]["verdict"] == "match"
    assert comparison.published_at_ms is not None
    assert cloud.list_keys() == []


def test_record_that_comes_three_times_is_one_event_and_one_verdict(
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


def test_event_is_kept_while_the_results_queue_is_missing(cloud: Cloud) -> None:
    event = end_recorded(cloud)
    queue = cloud.queue_urls["results"]
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
    assert len(cloud.list_keys()) == 2


def test_photos_that_wait_in_the_inbox_stay(cloud: Cloud) -> None:
    event = end_recorded(cloud)
    land(cloud, Role.SOURCE, PERSON)

    assert failed_records(invoke("publish", event)) == []

    assert cloud.list_keys() == ["inbox/singapore/pair-1/source.jpg"]


def test_record_of_an_unknown_comparison_is_dropped(cloud: Cloud) -> None:
    event = load_stream()

    assert failed_records(invoke("publish", event)) == []

    assert cloud.is_untouched()


def test_comparison_that_is_open_is_not_published(cloud: Cloud) -> None:
    land_pair(cloud, PERSON, SAME_PERSON)
    event = load_stream()
    event["Records"][0]["dynamodb"]["Keys"] = {"pk": {"S": f"comparison#{cloud.the_comparison().id}"}}

    assert failed_records(invoke("publish", event)) == []

    assert publish_waiting(cloud) == []
    assert cloud.the_comparison().state is State.REGISTERED


KEYS_OF_OTHER_ITEMS = ["pair#singapore/pair-1", "request#r1", "lane#singapore", "comparison#", "unknown"]


@pytest.mark.parametrize("name", ["INSERT", "MODIFY", "REMOVE"])
@pytest.mark.parametrize("has_image", [True, False])
def test_record_of_every_kind_is_published_by_the_ledger_alone(
    cloud: Cloud, *, name: str, has_image: bool
) -> None:
    event = end_recorded(cloud)
    (record,) = event["Records"]
    record["eventName"] = name
    if not has_image:
        del record["dynamodb"]["NewImage"]

    for _ in range(2):
        assert failed_records(invoke("publish", event)) == []

    assert len(list_results(cloud)) == 1
    assert cloud.list_keys() == []


@pytest.mark.parametrize("name", ["INSERT", "MODIFY", "REMOVE"])
@pytest.mark.parametrize("key", KEYS_OF_OTHER_ITEMS)
def test_record_of_another_item_is_dropped(cloud: Cloud, name: str, key: str) -> None:
    event = load_stream()
    (record,) = event["Records"]
    record["eventName"] = name
    record["dynamodb"] = {"Keys": {"pk": {"S": key}}, "SequenceNumber": "1"}

    assert failed_records(invoke("publish", event)) == []

    assert cloud.is_untouched()
