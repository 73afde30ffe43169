import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from harness.driver import Driver, make_photo

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas" / "result-event.schema.json").read_text())


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("singapore", "cloudauth-intl.ap-southeast-1.aliyuncs.com"),
        ("indonesia", "cloudauth-intl.ap-southeast-5.aliyuncs.com"),
        ("malaysia", "cloudauth-intl.ap-southeast-3.aliyuncs.com"),
        ("hong-kong", "cloudauth-intl.cn-hongkong.aliyuncs.com"),
    ],
)
def test_a_pair_is_compared_in_the_jurisdiction_that_its_key_names(
    driver: Driver, region: str, host: str
) -> None:
    driver.put_pair(f"pair-of-{region}", region)
    event = driver.wait_for_event(f"pair-of-{region}")
    Draft202012Validator(SCHEMA).validate(event)
    assert event["type"] == "facematch.comparison.completed"
    assert event["data"]["region"] == region
    (call,) = driver.list_calls(event)
    assert (call["region"], call["host"], call["code"]) == (region, host, "Success")


def test_the_target_may_come_first(driver: Driver) -> None:
    driver.put("inbox/singapore/target-first/target.png", make_photo(form="PNG"))
    driver.put("inbox/singapore/target-first/source.webp", make_photo(1, form="WEBP"))
    event = driver.wait_for_event("target-first")
    assert event["data"]["photos"]["source"]["source_format"] == "WebP"
    assert event["data"]["photos"]["target"]["source_format"] == "PNG"


def test_both_photos_may_come_at_the_same_instant(driver: Driver) -> None:
    keys = [f"inbox/singapore/same-instant/{role}.jpg" for role in ("source", "target")]
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(driver.put, keys, [make_photo(), make_photo(1)]))
    assert len(driver.list_calls(driver.wait_for_event("same-instant"))) == 1


@pytest.mark.parametrize("pair_id", ["with a space", "a+b", "100%25", "Nguyễn Văn Ánh", "陳大文"])
def test_a_key_may_hold_what_s3_encodes(driver: Driver, pair_id: str) -> None:
    driver.put_pair(pair_id)
    assert driver.wait_for_event(pair_id)["data"]["pair_id"] == pair_id


def test_the_same_photos_put_twice_are_paid_for_once(driver: Driver) -> None:
    source, target = make_photo(2), make_photo(3)
    for _ in range(3):
        driver.put("inbox/singapore/put-twice/source.jpg", source)
        driver.put("inbox/singapore/put-twice/target.jpg", target)
    event = driver.wait_for_event("put-twice")
    assert len(driver.list_calls(event)) == 1


def test_a_replaced_photo_is_compared_again(driver: Driver) -> None:
    driver.put_pair("replaced", seed=4)
    first = driver.wait_for_event("replaced")
    driver.put_pair("replaced", seed=6)
    second = driver.wait_for_events("replaced", 2)[1]
    assert first["id"] != second["id"]
    assert second["data"]["verdict"] in {"match", "no_match"}


def test_photos_are_deleted_once_their_verdict_has_left(driver: Driver) -> None:
    driver.put_pair("deleted")
    event = driver.wait_for_event("deleted")
    comparison = driver.wait_for_verdict(event["id"])
    assert comparison["state"] == "completed"
    assert driver.list_keys("inbox/singapore/deleted/") == []
    driver.wait_until(lambda: driver.list_keys(f"comparisons/{event['id']}/") == [])


def test_other_keys_and_prefixes_are_ignored(driver: Driver) -> None:
    keys = ["inbox/readme.txt", "inbox/singapore/other/selfie.jpg", "elsewhere/source.jpg"]
    for key in keys:
        driver.put(key, b"no photo of a pair")
    driver.put_pair("after-other-keys")
    driver.wait_for_event("after-other-keys")
    driver.wait_until(lambda: driver.count_messages(driver.stack.uploads_queue_url) == 0)
    assert driver.list_keys("inbox/singapore/other/") == ["inbox/singapore/other/selfie.jpg"]
    assert driver.count_messages(driver.stack.uploads_dead_letters_url) == 0


def test_an_incomplete_pair_fails_at_its_deadline_and_the_late_photo_starts_a_new_comparison(
    driver: Driver,
) -> None:
    driver.put("inbox/singapore/half/source.jpg", make_photo())
    incomplete = driver.wait_for_swept_event("half")
    assert incomplete["type"] == "facematch.comparison.failed"
    assert (incomplete["data"]["reason"], incomplete["data"]["photo"]) == ("pair_incomplete", "target")
    driver.put("inbox/singapore/half/target.jpg", make_photo(1))
    late = driver.wait_for_events("half", 2)[1]
    assert late["type"] == "facematch.comparison.completed"


@pytest.mark.parametrize(
    ("pair_id", "source", "kind", "reason"),
    [
        ("not-an-image", b"GET / HTTP/1.1", "rejected", "not_an_image"),
        ("truncated", make_photo()[:5000], "rejected", "unreadable"),
        ("nothing", b"", "rejected", "empty"),
        ("too-small", make_photo(width=239, height=640), "rejected", "too_small"),
        ("too-large", make_photo() + bytes(25_000_000), "rejected", "file_too_large"),
    ],
)
def test_a_photo_that_cannot_be_compared_is_rejected_without_a_call(
    driver: Driver, pair_id: str, source: bytes, kind: str, reason: str
) -> None:
    driver.put(f"inbox/singapore/{pair_id}/source.jpg", source)
    driver.put(f"inbox/singapore/{pair_id}/target.jpg", make_photo())
    event = driver.wait_for_event(pair_id)
    assert event["type"] == f"facematch.comparison.{kind}"
    assert (event["data"]["reason"], event["data"]["photo"]) == (reason, "source")
    assert "source" in event["data"]["message"]
    assert event["data"]["attempts"] == 0


@pytest.mark.parametrize(
    ("region", "pair_id", "reason"),
    [("mars", "pair-of-mars", "unknown_region"), ("singapore", "x" * 500, "invalid_pair_id")],
)
def test_a_pair_under_an_impossible_key_fails_once_without_a_call(
    driver: Driver, region: str, pair_id: str, reason: str
) -> None:
    driver.put_pair(pair_id, region)
    failed = list[Mapping[str, Any]]()

    def find() -> bool:
        # An invalid pair id is not the subject of an event.
        ended = [event["data"] for events in driver.events.values() for event in events]
        failed[:] = [data for data in ended if data["reason"] == reason]
        return bool(failed)

    driver.wait_until(find)
    assert [(data["verdict"], data["attempts"]) for data in failed] == [("failed", 0)]


def test_photos_in_heic_are_compared_where_the_stack_reads_them(driver: Driver) -> None:
    for seed, role in enumerate(("source", "target")):
        driver.put(f"inbox/singapore/pair-in-heic/{role}.heic", make_photo(seed, form="HEIF"))

    event = driver.wait_for_event("pair-in-heic")
    assert event["type"] == "facematch.comparison.completed"
    assert [photo["source_format"] for photo in event["data"]["photos"].values()] == ["HEIC", "HEIC"]
