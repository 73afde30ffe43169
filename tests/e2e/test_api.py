import base64
import json
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from itertools import product
from typing import Any

from botocore.credentials import Credentials

from harness.driver import Driver, make_photo


def make_body(seed: int = 0, **fields: Any) -> dict[str, Any]:
    photos = (make_photo(seed), make_photo(seed + 1))
    source, target = ({"photo": base64.b64encode(photo).decode()} for photo in photos)
    return {"region": "singapore", "source": source, "target": target, **fields}


def test_a_pair_that_is_posted_is_answered_with_its_verdict_and_leaves_as_one_event(driver: Driver) -> None:
    answer = driver.request("POST", "/v1/comparisons", make_body(pair_id="posted", region="malaysia"))
    assert answer.status is HTTPStatus.OK
    assert answer.body["result"]["verdict"] in {"match", "no_match"}
    event = driver.wait_for_event("posted")
    assert event["data"] == answer.body["result"]
    (call,) = driver.list_calls(event)
    assert call["region"] == "malaysia"


def test_an_asynchronous_request_is_accepted_and_ends_later(driver: Driver) -> None:
    body = make_body(pair_id="posted-async", face_quality_check=True)
    answer = driver.request("POST", "/v1/comparisons", body, {"Prefer": "respond-async"})
    assert answer.status is HTTPStatus.ACCEPTED
    assert answer.headers["Location"].endswith(f"/v1/comparisons/{answer.body['id']}")
    comparison = driver.wait_for_verdict(answer.body["id"])
    assert comparison["result"]["provider"]["face_quality"]["FaceQualityScore"] > 0
    driver.wait_for_event("posted-async")
    driver.wait_until(lambda: driver.list_keys(f"comparisons/{answer.body['id']}/") == [])


def test_one_idempotency_key_three_times_at_once_is_one_comparison(driver: Driver) -> None:
    body, headers = make_body(8, pair_id="three-times"), {"Idempotency-Key": "three-times"}
    with ThreadPoolExecutor(max_workers=3) as pool:
        answers = list(pool.map(lambda _: driver.request("POST", "/v1/comparisons", body, headers), range(3)))
    assert len({answer.body["id"] for answer in answers}) == 1
    assert {answer.status for answer in answers} <= {HTTPStatus.OK, HTTPStatus.ACCEPTED}
    assert len(driver.list_calls(driver.wait_for_event("three-times"))) == 1


def test_an_idempotency_key_with_another_body_is_refused(driver: Driver) -> None:
    headers = {"Idempotency-Key": "reused"}
    driver.request("POST", "/v1/comparisons", make_body(10), headers)
    before = len(driver.list_calls())
    answer = driver.request("POST", "/v1/comparisons", make_body(12), headers)
    assert (answer.status, answer.body["code"]) == (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
    )
    assert len(driver.list_calls()) == before


def test_an_erased_comparison_is_gone(driver: Driver) -> None:
    posted = driver.request("POST", "/v1/comparisons", make_body(14))
    path = f"/v1/comparisons/{posted.body['id']}"
    assert driver.request("DELETE", path).status is HTTPStatus.NO_CONTENT
    gone = driver.request("GET", path)
    assert (gone.status, gone.body["code"]) == (HTTPStatus.GONE, "comparison_erased")


def test_a_pair_uploaded_by_presigned_forms_is_compared_once_by_whichever_way(driver: Driver) -> None:
    driver.request("POST", "/v1/comparisons", driver.upload_pair("by-form", seed=16))
    event = driver.wait_for_event("by-form")
    assert len(driver.list_calls(event)) == 1
    assert event["data"]["origin"] == "upload"


def test_a_caller_sees_neither_anothers_comparisons_nor_the_buckets(driver: Driver) -> None:
    stranger = sign_up(driver, "stranger")
    driver.put_pair("not-for-strangers", seed=18)
    posted = driver.request("POST", "/v1/comparisons", make_body(18))
    ids = [posted.body["id"], driver.wait_for_event("not-for-strangers")["id"]]
    for method, comparison_id in product(("GET", "DELETE"), ids):
        answer = driver.request(method, f"/v1/comparisons/{comparison_id}", credentials=stranger)
        assert (answer.status, answer.body["code"]) == (HTTPStatus.NOT_FOUND, "comparison_not_found")
    assert {driver.request("GET", f"/v1/comparisons/{one}").status for one in ids} == {HTTPStatus.OK}


def test_a_caller_that_is_no_administrator_compares_its_own_uploads(driver: Driver) -> None:
    stranger = sign_up(driver, "uploader")
    wanted = {"pair_id": "by-upload-form", "region": "singapore"}
    theirs = driver.request("POST", "/v1/uploads", wanted).body
    keys = driver.upload_pair("by-upload-form", seed=20, credentials=stranger)
    posted = driver.request("POST", "/v1/comparisons", keys, credentials=stranger)
    assert posted.status in {HTTPStatus.OK, HTTPStatus.ACCEPTED}
    assert (
        driver.request("GET", f"/v1/comparisons/{posted.body['id']}", credentials=stranger).status
        == HTTPStatus.OK
    )
    keys_of_another_caller = {role: {"upload_key": theirs[role]["key"]} for role in ("source", "target")}
    refused = driver.request("POST", "/v1/comparisons", keys_of_another_caller, credentials=stranger)
    assert (refused.status, refused.body["code"]) == (HTTPStatus.FORBIDDEN, "foreign_upload_key")


def sign_up(driver: Driver, name: str) -> Credentials:
    """Return the key of a new IAM user that may call the API and nothing else."""
    iam = driver.client("iam")
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="invoke", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def test_a_photo_by_url_is_handed_on_and_never_fetched_here(driver: Driver) -> None:
    url = "https://photos.facematch.dev/a.jpg?signature=known-marker"
    body = make_body(pair_id="linked") | {"source": {"url": url}}
    answer = driver.request("POST", "/v1/comparisons", body)
    assert answer.status is HTTPStatus.OK
    event = driver.wait_for_event("linked")
    assert event["data"]["photos"]["source"] == {"url": True}
    assert "known-marker" not in str(event)


def test_an_unsigned_request_is_forbidden(driver: Driver) -> None:
    answer = driver.request("POST", "/v1/comparisons", make_body(), signed=False)
    assert answer.status is HTTPStatus.FORBIDDEN


def test_a_photo_that_is_none_is_refused_before_anything_is_registered(driver: Driver) -> None:
    before = len(driver.list_calls())
    body = make_body() | {"target": {"photo": base64.b64encode(b"hello").decode()}}
    answer = driver.request("POST", "/v1/comparisons", body)
    assert answer.status is HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.body["code"], answer.body["errors"][0]["field"]) == ("not_an_image", "target")
    assert len(driver.list_calls()) == before
