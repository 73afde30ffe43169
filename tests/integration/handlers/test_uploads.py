import json
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from urllib.parse import quote_plus

import pytest

from facematch.domain.comparison import State
from facematch.domain.verdict import Role
from tests.events import Event, load_event
from tests.factories.photos import OTHER_PERSON, PERSON, SAME_PERSON
from tests.integration.emulator.clients import ControlClient
from tests.integration.handlers.functions import (
    compare_waiting,
    failed_records,
    invoke,
    land,
    land_pair,
    publish_waiting,
)
from tests.integration.handlers.notifications import (
    OTHER_DETAIL_TYPES,
    OTHER_EVENTS,
    change_record,
    replace_body,
    report_other_event,
    wrap_in_eventbridge,
    wrap_in_sns,
)
from tests.integration.handlers.stack import BULK, HandlerStack, Waiting


def test_first_photo_waits_and_second_completes_the_pair(stack: HandlerStack) -> None:
    first, second = land(stack, Role.SOURCE, PERSON), land(stack, Role.TARGET, SAME_PERSON)

    assert failed_records(invoke("uploads", first)) == []
    assert stack.list_comparisons() == []
    assert stack.list_waiting(BULK) == []

    assert failed_records(invoke("uploads", second)) == []
    comparison = stack.the_comparison()
    assert (comparison.region, comparison.pair_id, comparison.state) == (
        "singapore",
        "pair-1",
        State.REGISTERED,
    )
    body = {"comparison_id": comparison.id, "region": "singapore", "priority": "bulk"}
    assert stack.list_waiting(BULK) == [Waiting(body, delay_s=0, attributes={})]
    owned = sorted(photo.key for photo in comparison.photos.values())
    assert stack.list_keys() == owned
    assert all(key.startswith(f"comparisons/{comparison.id}/") for key in owned)


def test_order_of_arrival_makes_no_difference(stack: HandlerStack) -> None:
    source, target = land(stack, Role.SOURCE, PERSON), land(stack, Role.TARGET, SAME_PERSON)

    invoke("uploads", target)
    assert stack.list_comparisons() == []
    invoke("uploads", source)

    assert stack.the_comparison().photos.keys() == set(Role)
    assert len(stack.list_waiting(BULK)) == 1


def test_notification_that_comes_three_times_costs_one_comparison(
    stack: HandlerStack, provider: ControlClient
) -> None:
    source, target = land(stack, Role.SOURCE, PERSON), land(stack, Role.TARGET, SAME_PERSON)

    for event in (source, target) * 3:
        assert failed_records(invoke("uploads", event)) == []
    assert compare_waiting(stack) == []
    results = publish_waiting(stack)
    for event in (source, target):
        assert failed_records(invoke("uploads", event)) == []

    assert len(stack.list_comparisons()) == len(provider.comparisons()) == len(results) == 1
    assert compare_waiting(stack) == []
    assert stack.list_waiting(BULK) == []


def test_test_event_changes_nothing(stack: HandlerStack) -> None:
    assert failed_records(invoke("uploads", load_event("uploads_test_event"))) == []

    assert stack.is_untouched()


FORMS: dict[str, Callable[[Event], Event]] = {
    **{
        f"version {version}": partial(change_record, eventVersion=version)
        for version in ("2.0", "2.1", "2.2", "2.3", "2.5")
    },
    **{
        name: partial(change_record, eventName=f"ObjectCreated:{name}")
        for name in ("Put", "Post", "Copy", "CompleteMultipartUpload")
    },
    "prefix": partial(change_record, eventName="s3:ObjectCreated:Put"),
    "sns": wrap_in_sns,
    "eventbridge": wrap_in_eventbridge,
    "eventbridge through sns": lambda event: wrap_in_sns(wrap_in_eventbridge(event)),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_photo_is_received_in_every_form_of_a_notification(
    stack: HandlerStack, form: Callable[[Event], Event]
) -> None:
    folder = "inbox/singapore/100%25 + 1"
    photos = {Role.SOURCE: PERSON, Role.TARGET: SAME_PERSON}

    for role, content in photos.items():
        assert failed_records(invoke("uploads", form(land(stack, role, content, folder)))) == []

    comparison = stack.the_comparison()
    assert comparison.pair_id == "100%25 + 1"
    assert {photo.key for photo in comparison.photos.values()} == set(stack.list_keys())


@pytest.mark.parametrize("name", OTHER_EVENTS)
@pytest.mark.parametrize("wrap", [lambda event: event, wrap_in_sns], ids=["direct", "sns"])
def test_notification_of_another_event_is_counted_and_ignored(
    stack: HandlerStack, capsys: pytest.CaptureFixture[str], name: str, wrap: Callable[[Event], Event]
) -> None:
    event = report_other_event(load_event("uploads_source", source_etag="0" * 32), name)

    assert failed_records(invoke("uploads", wrap(event))) == []

    assert stack.is_untouched()
    assert '"NotificationsIgnored":[1.0]' in capsys.readouterr().out


@pytest.mark.parametrize("detail_type", OTHER_DETAIL_TYPES)
def test_other_event_of_eventbridge_is_counted_and_ignored(
    stack: HandlerStack, capsys: pytest.CaptureFixture[str], detail_type: str
) -> None:
    event = wrap_in_eventbridge(load_event("uploads_source", source_etag="0" * 32), detail_type)

    assert failed_records(invoke("uploads", event)) == []

    assert stack.is_untouched()
    assert '"NotificationsIgnored":[1.0]' in capsys.readouterr().out


@pytest.mark.parametrize(
    "wrap",
    [
        wrap_in_sns,
        lambda event: replace_body(event, {"Type": "SubscriptionConfirmation", "Token": "EXAMPLE"}),
    ],
    ids=["test event", "confirmation"],
)
def test_message_of_sns_about_itself_does_no_harm(
    stack: HandlerStack, wrap: Callable[[Event], Event]
) -> None:
    assert failed_records(invoke("uploads", wrap(load_event("uploads_test_event")))) == []

    assert stack.is_untouched()


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        "text",
        {"Records": "none"},
        {"Records": [{}]},
        {"Type": "Notification", "Message": "text"},
        {"Type": "Notification", "Message": "{}"},
        {"source": "aws.ec2", "detail-type": "Object Created", "detail": {"object": {}}, "time": ""},
    ],
    ids=str,
)
def test_message_that_is_no_notification_fails_and_is_kept(stack: HandlerStack, body: object) -> None:
    event = replace_body(load_event("uploads_source", source_etag="0" * 32), body)

    assert failed_records(invoke("uploads", event)) == [event["Records"][0]["messageId"]]
    assert stack.is_untouched()


def test_foreign_key_changes_nothing(stack: HandlerStack) -> None:
    assert failed_records(invoke("uploads", load_event("uploads_foreign_key"))) == []

    assert stack.is_untouched()


def test_encoded_keys_lead_to_their_photos(stack: HandlerStack, provider: ControlClient) -> None:
    pair_id = "Zoë + Åsa 100% 张伟"
    etags = {
        role: stack.put_photo(f"inbox/singapore/{pair_id}/{role}.jpg", content)
        for role, content in ((Role.SOURCE, PERSON), (Role.TARGET, SAME_PERSON))
    }
    event = load_event("uploads_encoded_keys", source_etag=etags[Role.SOURCE], target_etag=etags[Role.TARGET])

    assert failed_records(invoke("uploads", event)) == []
    assert compare_waiting(stack) == []
    (result,) = publish_waiting(stack)

    assert (result["subject"], result["data"]["verdict"]) == (pair_id, "match")
    assert [call["code"] for call in provider.comparisons()] == ["Success"]
    assert stack.list_keys() == []


def test_only_the_bad_record_of_a_batch_fails(stack: HandlerStack) -> None:
    event = load_event("uploads_bad_record", source_etag=stack.put_photo("elsewhere", PERSON))
    good, bad = event["Records"]

    assert failed_records(invoke("uploads", event)) == [bad["messageId"]]

    pair = stack.ledger.find_pair("singapore", "pair-1")
    assert pair is not None
    assert pair.photos.keys() == {Role.SOURCE}
    assert json.loads(good["body"])["Records"][0]["s3"]["object"]["eTag"] == pair.photos[Role.SOURCE].etag


def test_message_that_is_no_json_fails_and_is_kept(stack: HandlerStack) -> None:
    event = load_event("uploads_test_event")
    event["Records"][0]["body"] = "no JSON"

    assert failed_records(invoke("uploads", event)) == [event["Records"][0]["messageId"]]
    assert stack.is_untouched()


def test_pair_that_is_sent_again_after_a_verdict_is_deleted_and_not_compared(
    stack: HandlerStack, provider: ControlClient
) -> None:
    land_pair(stack, PERSON, SAME_PERSON)
    assert compare_waiting(stack) == []
    assert len(publish_waiting(stack)) == 1

    again = [
        land(stack, role, content, sequencer="F" * 16)
        for role, content in ((Role.SOURCE, PERSON), (Role.TARGET, SAME_PERSON))
    ]
    for event in again:
        assert failed_records(invoke("uploads", event)) == []

    assert (len(stack.list_comparisons()), stack.list_keys()) == (1, [])
    assert (compare_waiting(stack), publish_waiting(stack)) == ([], [])
    assert len(provider.comparisons()) == 1


def test_pair_that_is_sent_again_after_a_failure_is_compared_once_more(
    stack: HandlerStack, provider: ControlClient
) -> None:
    provider.play({"effect": "refuse", "code": "InvalidParameter"})
    land_pair(stack, PERSON, SAME_PERSON)
    assert compare_waiting(stack) == []
    (failed,) = publish_waiting(stack)

    provider.play()
    again = [
        land(stack, role, content, sequencer="F" * 16)
        for role, content in ((Role.SOURCE, PERSON), (Role.TARGET, SAME_PERSON))
    ]
    for event in again * 2:
        assert failed_records(invoke("uploads", event)) == []
    assert compare_waiting(stack) == []
    (matched,) = publish_waiting(stack)

    assert (failed["data"]["verdict"], matched["data"]["verdict"]) == ("failed", "match")
    assert failed["id"] != matched["id"]
    assert stack.list_keys() == []


def test_replaced_pair_is_compared_too(stack: HandlerStack, provider: ControlClient) -> None:
    land_pair(stack, PERSON, SAME_PERSON)
    assert compare_waiting(stack) == []

    replaced = [
        land(stack, role, content, sequencer="F" * 16)
        for role, content in ((Role.SOURCE, PERSON), (Role.TARGET, OTHER_PERSON))
    ]
    for event in replaced:
        assert failed_records(invoke("uploads", event)) == []
    assert compare_waiting(stack) == []

    verdicts = {result["data"]["verdict"] for result in publish_waiting(stack)}
    assert verdicts == {"match", "no_match"}
    assert len(provider.comparisons()) == 2


def test_photo_that_is_replaced_before_its_pair_is_complete_is_not_compared(stack: HandlerStack) -> None:
    invoke("uploads", land(stack, Role.TARGET, OTHER_PERSON))
    newer = land(stack, Role.TARGET, SAME_PERSON, sequencer="F" * 16)

    assert failed_records(invoke("uploads", land(stack, Role.SOURCE, PERSON))) == []
    assert stack.list_comparisons() == []
    assert failed_records(invoke("uploads", newer)) == []

    assert compare_waiting(stack) == []
    (result,) = publish_waiting(stack)
    assert result["data"]["verdict"] == "match"


def test_late_notification_of_a_replaced_photo_changes_nothing(stack: HandlerStack) -> None:
    older = land(stack, Role.TARGET, OTHER_PERSON)
    newer = land(stack, Role.TARGET, SAME_PERSON, sequencer="F" * 16)

    for event in (newer, older, land(stack, Role.SOURCE, PERSON)):
        assert failed_records(invoke("uploads", event)) == []

    assert compare_waiting(stack) == []
    (result,) = publish_waiting(stack)
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
    stack: HandlerStack, provider: ControlClient, folder: str, reason: str
) -> None:
    land_pair(stack, PERSON, SAME_PERSON, folder)

    (result,) = publish_waiting(stack)
    assert result["type"] == "facematch.comparison.failed"
    assert (result["data"]["verdict"], result["data"]["reason"]) == ("failed", reason)
    assert result["data"]["attempts"] == 0
    assert stack.list_waiting(BULK) == []
    assert provider.comparisons() == []
    assert stack.list_keys() == []


def test_messages_are_kept_while_the_ledger_is_away(stack: HandlerStack) -> None:
    event = land(stack, Role.SOURCE, PERSON)
    before = deepcopy(event)
    stack.dynamodb.delete_table(TableName=stack.table)

    assert failed_records(invoke("uploads", event)) == [event["Records"][0]["messageId"]]
    assert event == before


def test_recorded_keys_are_encoded_as_s3_does() -> None:
    event = load_event("uploads_encoded_keys", source_etag="", target_etag="")

    keys = {json.loads(record["body"])["Records"][0]["s3"]["object"]["key"] for record in event["Records"]}
    assert quote_plus("inbox/singapore/Zoë + Åsa 100% 张伟/source.jpg", safe="/") in keys
