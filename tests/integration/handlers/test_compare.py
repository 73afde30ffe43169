import json
import tempfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from threading import Barrier

import pytest
from PIL import Image

from facematch.adapters.face_compare import FaceCompareProvider
from facematch.domain.comparison import Comparison, Outcome, PhotoKind, State, StoredPhoto
from facematch.domain.lane import HoldReason, make_hold
from facematch.domain.provider import Answer, Call, Depart
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from tests.events import Event, load_event
from tests.factories import make_comparison, make_photos
from tests.factories.photos import OTHER_PERSON, PERSON, SAME_PERSON, to_base64
from tests.integration.emulator.clients import ControlClient
from tests.integration.handlers.functions import (
    compare_waiting,
    failed_records,
    invoke,
    land_pair,
    make_messages,
    publish_waiting,
)
from tests.integration.handlers.photos import BAD_PHOTOS, make_bad_photo
from tests.integration.handlers.schema import check_result_event
from tests.integration.handlers.stack import BULK, URGENT, HandlerStack

RECORDED_ID = "a" * 26


def register(
    stack: HandlerStack,
    source: bytes = PERSON,
    target: bytes = SAME_PERSON,
    comparison_id: str = RECORDED_ID,
    region: str = "singapore",
) -> Comparison:
    """Register a comparison that owns its photos; by default the one that the recorded message names."""
    comparison = make_comparison(
        id=comparison_id, region=region, created_at_ms=stack.clock.now_ms(), photos=make_photos(comparison_id)
    )
    for role, content in ((Role.SOURCE, source), (Role.TARGET, target)):
        stack.put_photo(comparison.photos[role].key, content)
    assert stack.ledger.register(comparison)
    return comparison


def find(stack: HandlerStack, comparison_id: str = RECORDED_ID) -> Comparison:
    comparison = stack.ledger.find(comparison_id)
    assert comparison is not None
    return comparison


def make_body(comparison_id: str = RECORDED_ID, priority: str = "bulk", region: str = "singapore") -> str:
    return json.dumps({"comparison_id": comparison_id, "region": region, "priority": priority})


def compare(*bodies: str, remaining_ms: int = 60_000) -> list[str]:
    """Hand a batch to the worker; return the messages that failed."""
    return failed_records(invoke("compare", make_messages(*bodies), remaining_ms=remaining_ms))


def load_message() -> Event:
    return load_event("compare_comparison")


def test_pair_goes_from_the_bucket_to_exactly_one_event(stack: HandlerStack, provider: ControlClient) -> None:
    land_pair(stack, PERSON, SAME_PERSON)
    assert compare_waiting(stack) == []
    (event,) = publish_waiting(stack)

    check_result_event(event)
    (call,) = provider.comparisons()
    assert (call["region"], call["action"], call["code"]) == ("singapore", "FaceCompare", "Success")
    assert event["type"] == "facematch.comparison.completed"
    assert (event["subject"], event["data"]["verdict"], event["data"]["attempts"]) == ("pair-1", "match", 1)
    assert event["data"]["provider"]["merchant_biz_ids"] == [call["merchant_biz_id"]]
    assert stack.list_keys() == []
    assert publish_waiting(stack) == []


def test_recorded_message_brings_its_comparison_to_an_end(
    stack: HandlerStack, provider: ControlClient
) -> None:
    register(stack)

    assert failed_records(invoke("compare", load_message())) == []

    comparison = find(stack)
    assert comparison.state is State.COMPLETED
    (attempt,) = comparison.attempts
    (call,) = provider.comparisons()
    assert attempt.outcome is Outcome.ANSWERED
    assert attempt.merchant_biz_id == call["merchant_biz_id"]
    assert attempt.merchant_biz_id.startswith(RECORDED_ID)


def test_message_that_comes_three_times_costs_one_call(stack: HandlerStack, provider: ControlClient) -> None:
    register(stack)

    for _ in range(3):
        assert failed_records(invoke("compare", load_message())) == []

    assert len(provider.comparisons()) == 1


def test_message_of_an_unknown_comparison_is_dropped(stack: HandlerStack, provider: ControlClient) -> None:
    assert failed_records(invoke("compare", load_message())) == []

    assert stack.is_untouched()
    assert provider.comparisons() == []


@pytest.mark.parametrize(
    "bad",
    ["{}", "no JSON", "[]", '{"comparison_id": "a", "region": "singapore"}', make_body(priority="highest")],
)
def test_unreadable_message_fails_alone(stack: HandlerStack, bad: str) -> None:
    register(stack)

    assert compare(bad, make_body()) == ["message-0"]
    assert find(stack).state is State.COMPLETED


def test_messages_of_a_batch_are_worked_on_at_the_same_time(
    stack: HandlerStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [letter * 26 for letter in "abcd"]
    for comparison_id in ids:
        register(stack, comparison_id=comparison_id)
    all_are_ready = Barrier(len(ids), timeout=60)
    compare_alone = FaceCompareProvider.compare

    def compare_together(provider: FaceCompareProvider, call: Call, depart: Depart) -> Answer:
        def depart_together() -> None:
            depart()
            all_are_ready.wait()

        return compare_alone(provider, call, depart_together)

    monkeypatch.setattr(FaceCompareProvider, "compare", compare_together)

    assert compare(*map(make_body, ids)) == []

    assert [find(stack, comparison_id).state for comparison_id in ids] == [State.COMPLETED] * len(ids)


def test_each_message_of_a_batch_has_its_own_outcome(
    stack: HandlerStack, provider: ControlClient, capsys: pytest.CaptureFixture[str]
) -> None:
    match, rejected, missing, ended, broken = (letter * 26 for letter in "abcde")
    register(stack, comparison_id=match)
    register(stack, target=make_bad_photo("not an image"), comparison_id=rejected)
    register(stack, comparison_id=missing)
    stack.s3.delete_object(Bucket=stack.bucket, Key=find(stack, missing).photos[Role.SOURCE].key)
    register(stack, comparison_id=ended)
    assert compare(make_body(ended)) == []
    register(stack, comparison_id=broken)
    stack.dynamodb.update_item(
        TableName=stack.table, Key={"pk": {"S": f"comparison#{broken}"}}, UpdateExpression="REMOVE photos"
    )
    capsys.readouterr()

    failed = compare(*map(make_body, (match, broken, rejected, missing, ended)))

    assert failed == ["message-1"]
    states = [find(stack, one).state for one in (match, rejected, missing, ended)]
    assert states == [State.COMPLETED, State.REJECTED, State.FAILED, State.COMPLETED]
    assert len(provider.comparisons()) == 2
    metrics = capsys.readouterr().out
    assert '"ComparisonsEnded":[1.0,1.0,1.0]' in metrics
    assert '"RepeatedMessages":[1.0]' in metrics
    assert '"RecordsFailed":[1.0]' in metrics


def test_strangers_do_not_match(stack: HandlerStack) -> None:
    land_pair(stack, PERSON, OTHER_PERSON)
    assert compare_waiting(stack) == []

    (event,) = publish_waiting(stack)
    check_result_event(event)
    assert (event["data"]["verdict"], event["data"]["passed"]) == ("no_match", False)


@pytest.mark.parametrize("region", ["indonesia", "malaysia"])
def test_call_goes_to_the_region_of_the_key(
    stack: HandlerStack, provider: ControlClient, region: str
) -> None:
    land_pair(stack, PERSON, SAME_PERSON, f"inbox/{region}/pair-1")
    assert len(stack.list_waiting(f"{region}-bulk")) == 1
    assert compare_waiting(stack, f"{region}-bulk") == []

    assert [(call["region"], call["network"]) for call in provider.comparisons()] == [(region, "public")]


def test_quality_check_of_the_stack_is_in_the_result(
    stack: HandlerStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FACE_QUALITY_CHECK", "true")
    land_pair(stack, PERSON, SAME_PERSON)
    assert compare_waiting(stack) == []

    (event,) = publish_waiting(stack)
    check_result_event(event)
    assert event["data"]["provider"]["face_quality"]["TargetSharpnessScore"] >= 0


@pytest.mark.parametrize(("role", "kind", "reason"), BAD_PHOTOS[:2])
def test_bad_photo_from_the_bucket_is_rejected_and_unbilled(
    stack: HandlerStack, provider: ControlClient, role: Role, kind: str, reason: str
) -> None:
    bad, good = make_bad_photo(kind), PERSON
    land_pair(stack, *((bad, good) if role is Role.SOURCE else (good, bad)))
    assert compare_waiting(stack) == []

    (event,) = publish_waiting(stack)
    check_result_event(event)
    assert event["type"] == "facematch.comparison.rejected"
    data = event["data"]
    assert (data["verdict"], data["reason"], data["photo"]) == ("photo_rejected", reason, role.value)
    assert role.value in data["message"]
    assert data["attempts"] == 0
    assert provider.comparisons() == []


def test_photo_that_the_provider_rejects_names_the_reason(
    stack: HandlerStack, provider: ControlClient
) -> None:
    provider.play({"effect": "refuse", "code": "NoFaceDetected"})
    land_pair(stack, PERSON, SAME_PERSON)
    assert compare_waiting(stack) == []

    (event,) = publish_waiting(stack)
    check_result_event(event)
    assert (event["data"]["verdict"], event["data"]["reason"]) == ("photo_rejected", "no_face_detected")


def test_missing_photo_fails_its_comparison(stack: HandlerStack, provider: ControlClient) -> None:
    comparison = register(stack)
    stack.s3.delete_object(Bucket=stack.bucket, Key=comparison.photos[Role.TARGET].key)

    assert failed_records(invoke("compare", load_message())) == []

    (event,) = publish_waiting(stack)
    check_result_event(event)
    assert (event["data"]["verdict"], event["data"]["reason"]) == ("failed", "photo_removed")
    assert provider.comparisons() == []


def test_photo_that_is_replaced_in_the_inbox_does_not_change_its_comparison(stack: HandlerStack) -> None:
    land_pair(stack, PERSON, SAME_PERSON)
    replaced = "inbox/singapore/pair-1/target.jpg"
    stack.put_photo(replaced, OTHER_PERSON)

    assert compare_waiting(stack) == []

    (event,) = publish_waiting(stack)
    assert event["data"]["verdict"] == "match"
    assert stack.list_keys() == [replaced]


def test_linked_photos_are_passed_on_and_not_fetched(stack: HandlerStack, provider: ControlClient) -> None:
    key = f"comparisons/{RECORDED_ID}/link"
    stack.put_photo(key, b"https://photos.example.com/a.jpg")
    link = StoredPhoto(key=key, kind=PhotoKind.URL)
    assert stack.ledger.register(make_comparison(id=RECORDED_ID, photos=dict.fromkeys(Role, link)))

    assert failed_records(invoke("compare", load_message())) == []

    assert find(stack).state is State.COMPLETED
    assert len(provider.comparisons()) == 1


@pytest.mark.parametrize(("queue", "priority"), [(BULK, "bulk"), (URGENT, "urgent")])
def test_throttled_comparison_is_sent_to_its_lane_again(
    stack: HandlerStack, provider: ControlClient, queue: str, priority: str
) -> None:
    provider.play({"effect": "refuse", "code": "Throttling.Api", "retry_after_ms": 45_000})
    register(stack)

    assert compare(make_body(priority=priority)) == []

    comparison = find(stack)
    assert (comparison.state, comparison.attempts) == (State.REGISTERED, ())
    assert comparison.unbilled_calls == {Outcome.THROTTLED: 1}
    (waiting,) = stack.list_waiting(queue)
    assert (waiting.body, waiting.delay_s) == (json.loads(make_body(priority=priority)), 45)
    assert publish_waiting(stack) == []


@pytest.mark.parametrize(("queue", "priority"), [(BULK, "bulk"), (URGENT, "urgent")])
def test_comparison_of_a_held_lane_waits_in_its_queue(
    stack: HandlerStack,
    provider: ControlClient,
    capsys: pytest.CaptureFixture[str],
    queue: str,
    priority: str,
) -> None:
    hold = make_hold(HoldReason.OPERATOR, "Forbidden.AccountAccessDenied", stack.clock.now_ms())
    stack.limiter.hold(Region.SINGAPORE, hold, replacing=None)
    register(stack)
    other = register(stack, comparison_id="b" * 26, region="malaysia")

    assert compare(make_body(priority=priority), make_body(other.id, region="malaysia")) == []

    (waiting,) = stack.list_waiting(queue)
    assert waiting.body == json.loads(make_body(priority=priority))
    # Not before the hold ends, and within a quarter of its duration after that.
    assert hold.duration_s <= waiting.delay_s <= 1.25 * hold.duration_s + 1
    assert find(stack) == make_comparison(id=RECORDED_ID, created_at_ms=find(stack).created_at_ms)
    assert find(stack, other.id).state is State.COMPLETED
    assert [call["region"] for call in provider.comparisons()] == ["malaysia"]
    metrics = capsys.readouterr().out
    assert '"ComparisonsHeld":[1.0]' in metrics
    assert "ComparisonsPostponed" not in metrics


def test_worker_without_time_leaves_the_comparison_to_another(
    stack: HandlerStack, provider: ControlClient
) -> None:
    register(stack)

    assert compare(make_body(), remaining_ms=20_000) == []
    assert find(stack).call_count == 0
    assert compare_waiting(stack) == []

    assert find(stack).state is State.COMPLETED
    assert [call["code"] for call in provider.comparisons()] == ["Success"]


@pytest.mark.parametrize("code", ["Forbidden.RAMUserAccessDenied", "Forbidden.AccountAccessDenied"])
def test_operator_error_holds_the_lane_and_fails_nothing(
    stack: HandlerStack, provider: ControlClient, code: str
) -> None:
    provider.play({"effect": "refuse", "code": code})
    register(stack)

    assert compare(make_body()) == []
    assert find(stack).state is State.REGISTERED
    assert find(stack).unbilled_calls == {Outcome.REFUSED: 1}
    hold = stack.limiter.find_lane(Region.SINGAPORE).hold
    assert hold is not None
    assert (hold.reason, hold.code) == (HoldReason.OPERATOR, code)
    assert len(stack.list_waiting(BULK)) == 1
    assert publish_waiting(stack) == []

    provider.play()
    stack.limiter.lift(Region.SINGAPORE, hold)
    stack.clear_slots()
    assert compare_waiting(stack) == []
    assert find(stack).state is State.COMPLETED


@pytest.fixture
def _secret_restored(stack: HandlerStack) -> Iterator[None]:
    yield
    stack.restore_secret()


@pytest.mark.usefixtures("_secret_restored")
@pytest.mark.parametrize("secret", ["{}", "no JSON", '{"access_key_id": "only"}'])
def test_unusable_secret_is_an_operator_error(
    stack: HandlerStack, provider: ControlClient, secret: str
) -> None:
    stack.set_secret(secret)
    register(stack)

    assert compare(make_body()) == []

    hold = stack.limiter.find_lane(Region.SINGAPORE).hold
    assert hold is not None
    assert hold.reason is HoldReason.OPERATOR
    assert (find(stack).state, find(stack).attempts) == (State.REGISTERED, ())
    assert provider.comparisons() == []


def test_logs_name_kinds_of_errors_and_hold_nothing_that_was_sent(
    stack: HandlerStack, caplog: pytest.LogCaptureFixture
) -> None:
    register(stack)

    assert compare(make_body(), "Jane Doe") == ["message-1"]

    logged = str([vars(record) for record in caplog.records])
    assert "JSONDecodeError" in logged
    assert "Jane Doe" not in logged
    assert to_base64(PERSON)[:32] not in logged


def test_photos_are_processed_in_memory(
    stack: HandlerStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = BytesIO()
    Image.open(BytesIO(PERSON)).convert("CMYK").resize((1500, 2000)).save(scan, "TIFF")
    land_pair(stack, PERSON, scan.getvalue())
    # A temporary file cannot be made, and any other file would be found.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    monkeypatch.chdir(tmp_path)

    assert compare_waiting(stack) == []

    comparison = stack.the_comparison()
    assert comparison.state is State.COMPLETED
    assert comparison.ending is not None
    assert comparison.ending.photos[Role.TARGET]["source_format"] == "TIFF"
    assert list(tmp_path.iterdir()) == []
