import tempfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from facematch.domain.comparison import Comparison, Origin, Outcome, PhotoKind, State, StoredPhoto
from facematch.domain.verdict import Role
from tests.events import load_event
from tests.integration.emulator.clients import ControlClient
from tests.integration.handlers.cloud import Cloud
from tests.integration.handlers.functions import (
    compare_waiting,
    failed_records,
    invoke,
    land_pair,
    publish_waiting,
)
from tests.integration.handlers.photos import (
    BAD_PHOTOS,
    OTHER_PERSON,
    PERSON,
    SAME_PERSON,
    make_bad_photo,
    to_base64,
)
from tests.integration.handlers.schema import check_result_event

RECORDED_ID = "a" * 26


def register(cloud: Cloud, source: bytes = PERSON, target: bytes = SAME_PERSON) -> Comparison:
    """Register the comparison that the recorded message names."""
    photos = {}
    for role, content in ((Role.SOURCE, source), (Role.TARGET, target)):
        key = f"inbox/singapore/pair-1/{role}.jpg"
        photos[role] = StoredPhoto(key=key, etag=cloud.put_photo(key, content))
    return cloud.ledger.register(
        Comparison(
            id=RECORDED_ID,
            region="singapore",
            pair_id="pair-1",
            origin=Origin.UPLOAD,
            created_at_ms=1_767_225_600_000,
            photos=photos,
        )
    )


def find(cloud: Cloud) -> Comparison:
    comparison = cloud.ledger.find(RECORDED_ID)
    assert comparison is not None
    return comparison


def test_pair_goes_from_the_bucket_to_exactly_one_event(cloud: Cloud, provider: ControlClient) -> None:
    land_pair(cloud, PERSON, SAME_PERSON)
    assert compare_waiting(cloud) == []
    (event,) = publish_waiting(cloud)

    check_result_event(event)
    (call,) = provider.comparisons()
    assert (call["region"], call["action"], call["code"]) == ("singapore", "FaceCompare", "Success")
    assert event["type"] == "facematch.comparison.completed"
    assert (event["subject"], event["data"]["verdict"], event["data"]["attempts"]) == ("pair-1", "match", 1)
    assert event["data"]["provider"]["merchant_biz_ids"] == [call["merchant_biz_id"]]
    assert cloud.list_keys() == []
    assert publish_waiting(cloud) == []


def test_recorded_message_brings_its_comparison_to_an_end(cloud: Cloud, provider: ControlClient) -> None:
    register(cloud)

    assert failed_records(invoke("compare", load_event("compare_comparison"))) == []

    comparison = find(cloud)
    assert comparison.state is State.COMPLETED
    (attempt,) = comparison.attempts
    (call,) = provider.comparisons()
    assert attempt.outcome is Outcome.ANSWERED
    assert attempt.merchant_biz_id == call["merchant_biz_id"]
    assert attempt.merchant_biz_id.startswith(RECORDED_ID)


def test_message_said_three_times_costs_one_call(cloud: Cloud, provider: ControlClient) -> None:
    register(cloud)

    for _ in range(3):
        assert failed_records(invoke("compare", load_event("compare_comparison"))) == []

    assert len(provider.comparisons()) == 1


def test_message_of_no_comparison_is_let_go(cloud: Cloud, provider: ControlClient) -> None:
    assert failed_records(invoke("compare", load_event("compare_comparison"))) == []

    assert cloud.is_untouched()
    assert provider.comparisons() == []


def test_unreadable_message_fails_alone(cloud: Cloud) -> None:
    register(cloud)
    event = load_event("compare_comparison")
    bad = {**event["Records"][0], "messageId": "bad", "body": "{}"}
    event["Records"].insert(0, bad)

    assert failed_records(invoke("compare", event)) == ["bad"]
    assert find(cloud).state is State.COMPLETED


def test_strangers_do_not_match(cloud: Cloud) -> None:
    land_pair(cloud, PERSON, OTHER_PERSON)
    assert compare_waiting(cloud) == []

    (event,) = publish_waiting(cloud)
    check_result_event(event)
    assert (event["data"]["verdict"], event["data"]["passed"]) == ("no_match", False)


@pytest.mark.parametrize("region", ["singapore", "indonesia", "malaysia"])
def test_call_goes_to_the_region_of_the_key(cloud: Cloud, provider: ControlClient, region: str) -> None:
    land_pair(cloud, PERSON, SAME_PERSON, f"inbox/{region}/pair-1")
    assert compare_waiting(cloud) == []

    assert [(call["region"], call["network"]) for call in provider.comparisons()] == [(region, "public")]


def test_quality_check_of_the_stack_is_in_the_result(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACE_QUALITY_CHECK", "true")
    land_pair(cloud, PERSON, SAME_PERSON)
    assert compare_waiting(cloud) == []

    (event,) = publish_waiting(cloud)
    check_result_event(event)
    assert event["data"]["provider"]["face_quality"]["TargetSharpnessScore"] >= 0


@pytest.mark.parametrize(("role", "kind", "reason"), BAD_PHOTOS)
def test_bad_photo_from_the_bucket_is_rejected_and_unbilled(
    cloud: Cloud, provider: ControlClient, role: Role, kind: str, reason: str
) -> None:
    bad, good = make_bad_photo(kind), PERSON
    land_pair(cloud, *((bad, good) if role is Role.SOURCE else (good, bad)))
    assert compare_waiting(cloud) == []

    (event,) = publish_waiting(cloud)
    check_result_event(event)
    assert event["type"] == "facematch.comparison.rejected"
    data = event["data"]
    assert (data["verdict"], data["reason"], data["photo"]) == ("photo_rejected", reason, role.value)
    assert role.value in data["message"]
    assert data["attempts"] == 0
    assert provider.comparisons() == []


def test_photo_that_the_provider_rejects_names_the_reason(cloud: Cloud, provider: ControlClient) -> None:
    provider.play({"effect": "refuse", "code": "NoFaceDetected"})
    land_pair(cloud, PERSON, SAME_PERSON)
    assert compare_waiting(cloud) == []

    (event,) = publish_waiting(cloud)
    check_result_event(event)
    assert (event["data"]["verdict"], event["data"]["reason"]) == ("photo_rejected", "no_face_detected")


def test_photo_that_is_gone_fails_its_comparison(cloud: Cloud, provider: ControlClient) -> None:
    register(cloud)
    cloud.s3.delete_object(Bucket=cloud.bucket, Key="inbox/singapore/pair-1/target.jpg")

    assert failed_records(invoke("compare", load_event("compare_comparison"))) == []

    (event,) = publish_waiting(cloud)
    check_result_event(event)
    assert (event["data"]["verdict"], event["data"]["reason"]) == ("failed", "photo_missing")
    assert provider.comparisons() == []


def test_photo_that_was_replaced_is_not_compared_in_its_place(cloud: Cloud, provider: ControlClient) -> None:
    register(cloud)
    cloud.put_photo("inbox/singapore/pair-1/target.jpg", OTHER_PERSON)

    assert failed_records(invoke("compare", load_event("compare_comparison"))) == []

    (event,) = publish_waiting(cloud)
    assert (event["data"]["verdict"], event["data"]["reason"]) == ("failed", "photo_replaced")
    assert provider.comparisons() == []
    # The newer photo's own event is still to come, and will need the other one.
    assert cloud.list_keys() == ["inbox/singapore/pair-1/source.jpg", "inbox/singapore/pair-1/target.jpg"]


def test_linked_photos_are_handed_on_and_not_fetched(cloud: Cloud, provider: ControlClient) -> None:
    url = b"https://photos.example.com/a.jpg"
    cloud.put_photo("requests/link", url)
    comparison = register(cloud)
    linked = StoredPhoto(key="requests/link", kind=PhotoKind.URL)
    cloud.dynamodb.delete_item(TableName=cloud.table, Key={"pk": {"S": f"comparison#{RECORDED_ID}"}})
    cloud.ledger.register(replace(comparison, photos=dict.fromkeys(Role, linked)))

    assert failed_records(invoke("compare", load_event("compare_comparison"))) == []

    assert find(cloud).state is State.COMPLETED
    assert len(provider.comparisons()) == 1


def test_throttled_comparison_goes_back_on_the_queue(cloud: Cloud, provider: ControlClient) -> None:
    provider.play({"effect": "refuse", "code": "Throttling.Api", "retry_after_ms": 45_000})
    register(cloud)

    assert failed_records(invoke("compare", load_event("compare_comparison"))) == []

    comparison = find(cloud)
    assert (comparison.state, comparison.counted_attempts) == (State.REGISTERED, 0)
    assert [attempt.outcome for attempt in comparison.attempts] == [Outcome.THROTTLED]
    (waiting,) = cloud.list_waiting("comparisons")
    assert (waiting.body, waiting.delay_s) == ({"comparison_id": RECORDED_ID}, 45)
    assert publish_waiting(cloud) == []


def test_worker_without_time_leaves_the_comparison_for_another(cloud: Cloud, provider: ControlClient) -> None:
    provider.play({"effect": "refuse", "code": "InternalError"})
    register(cloud)

    assert failed_records(invoke("compare", load_event("compare_comparison"), remaining_ms=20_000)) == []
    provider.play()
    assert compare_waiting(cloud) == []

    assert find(cloud).state is State.COMPLETED
    assert [call["code"] for call in provider.comparisons()] == ["InternalError", "Success"]


@pytest.mark.parametrize("code", ["Forbidden.RAMUserAccessDenied", "Forbidden.AccountAccessDenied"])
def test_operators_fault_keeps_the_message_and_fails_nothing(
    cloud: Cloud, provider: ControlClient, code: str
) -> None:
    provider.play({"effect": "refuse", "code": code})
    register(cloud)
    event = load_event("compare_comparison")

    assert failed_records(invoke("compare", event)) == [event["Records"][0]["messageId"]]
    assert find(cloud).state is State.REGISTERED
    assert [attempt.outcome for attempt in find(cloud).attempts] == [Outcome.REFUSED]
    assert publish_waiting(cloud) == []

    provider.play()
    assert failed_records(invoke("compare", event)) == []
    assert find(cloud).state is State.COMPLETED


@pytest.fixture
def _secret_restored(cloud: Cloud) -> Iterator[None]:
    yield
    cloud.restore_secret()


@pytest.mark.usefixtures("_secret_restored")
@pytest.mark.parametrize("secret", ["{}", "no JSON", '{"access_key_id": "only"}'])
def test_unusable_secret_is_the_operators_fault(cloud: Cloud, provider: ControlClient, secret: str) -> None:
    cloud.set_secret(secret)
    register(cloud)
    event = load_event("compare_comparison")

    assert failed_records(invoke("compare", event)) == [event["Records"][0]["messageId"]]
    assert find(cloud).state is State.REGISTERED
    assert provider.comparisons() == []


@pytest.mark.usefixtures("_secret_restored")
def test_new_secret_is_read_once_the_provider_refuses_the_old(cloud: Cloud, provider: ControlClient) -> None:
    cloud.set_secret('{"access_key_id": "stale", "access_key_secret": "stale"}')
    register(cloud)
    event = load_event("compare_comparison")
    assert failed_records(invoke("compare", event)) == [event["Records"][0]["messageId"]]

    cloud.restore_secret()

    assert failed_records(invoke("compare", event)) == []
    assert find(cloud).state is State.COMPLETED
    assert len(provider.comparisons()) == 2


def test_logs_tell_kinds_of_errors_and_nothing_of_what_was_sent(
    cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    register(cloud)
    event = load_event("compare_comparison")
    event["Records"].append({**event["Records"][0], "messageId": "bad", "body": "Jane Doe"})

    assert failed_records(invoke("compare", event)) == ["bad"]

    told = str([vars(record) for record in caplog.records])
    assert "JSONDecodeError" in told
    assert "Jane Doe" not in told
    assert to_base64(PERSON)[:32] not in told


def test_photos_are_worked_on_in_memory_alone(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = BytesIO()
    Image.open(BytesIO(PERSON)).convert("CMYK").resize((1500, 2000)).save(scan, "TIFF")
    land_pair(cloud, PERSON, scan.getvalue())
    # A temporary file can't be made, and any other would be found.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    monkeypatch.chdir(tmp_path)

    assert compare_waiting(cloud) == []

    comparison = cloud.the_comparison()
    assert comparison.state is State.COMPLETED
    assert comparison.ending is not None
    assert comparison.ending.photos[Role.TARGET]["source_format"] == "TIFF"
    assert list(tmp_path.iterdir()) == []
