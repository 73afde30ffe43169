from copy import deepcopy
from typing import Any

import pytest

from facematch.domain.comparison import State
from facematch.domain.verdict import Role
from tests.events import Event, load_event
from tests.factories.photos import PERSON, SAME_PERSON
from tests.integration.handlers.functions import (
    failed_records,
    invoke,
    land,
    land_pair,
    publish_waiting,
)
from tests.integration.handlers.schema import check_result_event
from tests.integration.handlers.stack import HandlerStack

DIGESTS = {"source_etag": "1" * 32, "target_etag": "2" * 32}


def load_stream() -> Event:
    return load_event("publish_ended", **DIGESTS)


def end_recorded(stack: HandlerStack) -> Event:
    """Store the comparison of the recorded stream record, and its photos; return the event."""
    event = load_stream()
    for record in event["Records"]:
        item = record["dynamodb"]["NewImage"]
        for photo in item["photos"]["M"].values():
            stack.put_photo(photo["M"]["key"]["S"], PERSON)
        stack.dynamodb.put_item(TableName=stack.table, Item=item)
    return event


def list_results(stack: HandlerStack) -> list[dict[str, Any]]:
    return [waiting.body for waiting in stack.list_waiting("results")]


def test_ended_comparison_is_published_as_one_event(stack: HandlerStack) -> None:
    event = end_recorded(stack)

    assert failed_records(invoke("publish", event)) == []

    (waiting,) = stack.list_waiting("results")
    check_result_event(waiting.body)
    assert waiting.attributes == {
        "content-type": "application/cloudevents+json",
        "type": "facematch.comparison.completed",
    }
    comparison = stack.the_comparison()
    assert waiting.body["id"] == comparison.id
    assert waiting.body["source"] == "urn:facematch:000000000000:ap-southeast-1:test"
    assert waiting.body["data"]["verdict"] == "match"
    assert comparison.published_at_ms is not None
    assert stack.list_keys() == []


def test_record_that_comes_three_times_is_one_event_and_one_verdict(
    stack: HandlerStack, capsys: pytest.CaptureFixture[str]
) -> None:
    event = end_recorded(stack)

    for _ in range(3):
        assert failed_records(invoke("publish", event)) == []

    assert len(list_results(stack)) == 1
    assert capsys.readouterr().out.count('"VerdictsMatch":[1.0]') == 1


def test_only_the_bad_record_of_a_batch_fails(stack: HandlerStack) -> None:
    event = end_recorded(stack)
    bad = deepcopy(event["Records"][0])
    bad["dynamodb"] |= {"Keys": {}, "SequenceNumber": "2"}
    event["Records"].append(bad)

    assert failed_records(invoke("publish", event)) == ["2"]
    assert len(list_results(stack)) == 1


def test_event_is_kept_while_the_results_queue_is_missing(stack: HandlerStack) -> None:
    event = end_recorded(stack)
    queue = stack.queue_urls["results"]
    stack.sqs.delete_queue(QueueUrl=queue)

    assert failed_records(invoke("publish", event)) == ["1"]
    assert stack.the_comparison().published_at_ms is None
    assert len(stack.list_keys()) == 2

    stack.sqs.create_queue(QueueName=queue.rpartition("/")[2])
    assert failed_records(invoke("publish", event)) == []
    assert len(list_results(stack)) == 1


def test_photos_stay_where_the_stack_keeps_them(stack: HandlerStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELETE_PHOTOS_AFTER_VERDICT", "false")
    event = end_recorded(stack)

    assert failed_records(invoke("publish", event)) == []

    assert len(list_results(stack)) == 1
    assert len(stack.list_keys()) == 2


def test_photos_that_wait_in_the_inbox_stay(stack: HandlerStack) -> None:
    event = end_recorded(stack)
    land(stack, Role.SOURCE, PERSON)

    assert failed_records(invoke("publish", event)) == []

    assert stack.list_keys() == ["inbox/singapore/pair-1/source.jpg"]


def test_record_of_an_unknown_comparison_is_dropped(stack: HandlerStack) -> None:
    event = load_stream()

    assert failed_records(invoke("publish", event)) == []

    assert stack.is_untouched()


def test_comparison_that_is_open_is_not_published(stack: HandlerStack) -> None:
    land_pair(stack, PERSON, SAME_PERSON)
    event = load_stream()
    event["Records"][0]["dynamodb"]["Keys"] = {"pk": {"S": f"comparison#{stack.the_comparison().id}"}}

    assert failed_records(invoke("publish", event)) == []

    assert publish_waiting(stack) == []
    assert stack.the_comparison().state is State.REGISTERED


KEYS_OF_OTHER_ITEMS = ["pair#singapore/pair-1", "request#r1", "lane#singapore", "comparison#", "unknown"]


@pytest.mark.parametrize("name", ["INSERT", "MODIFY", "REMOVE"])
@pytest.mark.parametrize("has_image", [True, False])
def test_record_of_every_kind_is_published_by_the_ledger_alone(
    stack: HandlerStack, *, name: str, has_image: bool
) -> None:
    event = end_recorded(stack)
    (record,) = event["Records"]
    record["eventName"] = name
    if not has_image:
        del record["dynamodb"]["NewImage"]

    for _ in range(2):
        assert failed_records(invoke("publish", event)) == []

    assert len(list_results(stack)) == 1
    assert stack.list_keys() == []


@pytest.mark.parametrize("name", ["INSERT", "MODIFY", "REMOVE"])
@pytest.mark.parametrize("key", KEYS_OF_OTHER_ITEMS)
def test_record_of_another_item_is_dropped(stack: HandlerStack, name: str, key: str) -> None:
    event = load_stream()
    (record,) = event["Records"]
    record["eventName"] = name
    record["dynamodb"] = {"Keys": {"pk": {"S": key}}, "SequenceNumber": "1"}

    assert failed_records(invoke("publish", event)) == []

    assert stack.is_untouched()
