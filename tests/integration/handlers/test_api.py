import base64
import gzip
import json
import math
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from facematch import bootstrap
from facematch.domain.comparison import Outcome, State
from facematch.domain.inbox import make_folder, make_inbox_key
from facematch.domain.lane import HoldReason, make_hold
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from tests.events import Event, load_event
from tests.factories.photos import OTHER_PERSON, PERSON, SAME_PERSON, to_base64
from tests.integration.emulator.clients import ControlClient
from tests.integration.handlers.functions import (
    Answer,
    aim_at,
    ask,
    change_body,
    change_caller,
    change_identity,
    compare_waiting,
    failed_records,
    invoke,
    land,
    land_pair,
    let_see_all,
    publish_waiting,
)
from tests.integration.handlers.photos import BAD_PHOTOS, make_bad_photo
from tests.integration.handlers.schema import check_result_event
from tests.integration.handlers.stack import BULK, URGENT, HandlerStack

pytestmark = pytest.mark.usefixtures("stack")

ME = "arn:aws:iam::123456789012:root"
"""Who signed the recorded requests."""
SOMEONE_ELSE = "arn:aws:iam::123456789012:user/someone-else"
URL = "https://photos.example.com/a.jpg"


def ask_now(source: bytes = PERSON, target: bytes = SAME_PERSON) -> Event:
    return load_event("api_create_comparison", source_photo=to_base64(source), target_photo=to_base64(target))


def ask_for_later(source: bytes = PERSON, target: bytes = SAME_PERSON) -> Event:
    return load_event("api_respond_async", source_photo=to_base64(source), target_photo=to_base64(target))


def ask_with_key(source: bytes = PERSON, target: bytes = SAME_PERSON) -> Event:
    return load_event("api_idempotency_key", source_photo=to_base64(source), target_photo=to_base64(target))


def read(comparison_id: str) -> Event:
    return aim_at(load_event("api_read_comparison"), comparison_id)


def erase(comparison_id: str) -> Event:
    return aim_at(load_event("api_erase_comparison"), comparison_id)


def ask_for_uploads() -> Event:
    return load_event("api_create_uploads")


def check_problem(answer: Answer, status: int, code: str, field: str | None = None) -> None:
    """Check a problem document, and that its sentence or its list names the field at fault."""
    assert (answer.status, answer.body["code"]) == (status, code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["type"] == f"urn:facematch:problem:{code}"
    assert answer.body["status"] == status
    assert answer.body["title"]
    assert answer.body["detail"].endswith(".")
    if field is not None:
        assert [error["field"] for error in answer.body["errors"]] == [field]
        assert [error["code"] for error in answer.body["errors"]] == [code]


def test_comparison_is_made_at_once(provider: ControlClient) -> None:
    answer = ask(ask_now())

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert (answer.body["state"], answer.body["region"], answer.body["pair_id"]) == (
        "completed",
        "singapore",
        "pair-1",
    )
    assert answer.body["result"]["verdict"] == "match"
    assert answer.headers["Location"] == f"/live/v1/comparisons/{answer.body['id']}"
    (call,) = provider.comparisons()
    assert answer.body["result"]["provider"]["merchant_biz_ids"] == [call["merchant_biz_id"]]


def test_comparison_made_at_once_also_leaves_on_the_queue(
    stack: HandlerStack, provider: ControlClient
) -> None:
    answer = ask(ask_now(target=OTHER_PERSON))
    (rescue,) = stack.list_waiting(URGENT)
    body = {"comparison_id": answer.body["id"], "region": "singapore", "priority": "urgent"}
    assert (rescue.body, rescue.delay_s) == (body, 60)
    assert compare_waiting(stack, URGENT) == []
    (event,) = publish_waiting(stack)

    check_result_event(event)
    assert event["data"] == answer.body["result"]
    assert event["data"]["verdict"] == "no_match"
    assert len(provider.comparisons()) == 1
    assert stack.list_keys() == []


def test_respond_async_leaves_the_comparison_to_a_worker(
    stack: HandlerStack, provider: ControlClient
) -> None:
    answer = ask(ask_for_later())

    assert (answer.status, answer.body["state"], answer.body["result"]) == (202, "registered", None)
    assert answer.headers["Location"] == f"/live/v1/comparisons/{answer.body['id']}"
    assert answer.headers["Retry-After"] == "2"
    assert provider.comparisons() == []
    assert [waiting.delay_s for waiting in stack.list_waiting(URGENT)] == [0]
    assert stack.list_waiting(BULK) == []

    assert compare_waiting(stack, URGENT) == []
    later = ask(read(answer.body["id"]))
    assert (later.status, later.body["result"]["verdict"]) == (200, "match")
    (event,) = publish_waiting(stack)
    check_result_event(event)
    assert event["data"] == later.body["result"]
    assert stack.list_keys() == []


def test_idempotency_key_repeated_gets_the_same_comparison(
    stack: HandlerStack, provider: ControlClient
) -> None:
    first, again = ask(ask_with_key()), ask(ask_with_key())

    assert first.status == again.status == 200
    assert first.body == again.body
    assert len(provider.comparisons()) == len(stack.list_comparisons()) == 1


def test_idempotency_key_reused_with_another_body_is_refused(
    stack: HandlerStack, provider: ControlClient
) -> None:
    first = ask(ask_with_key())
    keys, messages = stack.list_keys(), stack.list_waiting(URGENT)

    answer = ask(ask_with_key(target=OTHER_PERSON))

    check_problem(answer, 422, "idempotency_key_reused")
    assert "Idempotency-Key" in answer.body["detail"]
    assert (stack.list_keys(), stack.list_waiting(URGENT)) == (keys, messages)
    assert len(provider.comparisons()) == 1
    assert stack.the_comparison().id == first.body["id"]


def test_idempotency_key_is_each_callers_own(provider: ControlClient) -> None:
    mine, theirs = ask(ask_with_key()), ask(change_caller(ask_with_key(), SOMEONE_ELSE))

    assert mine.status == theirs.status == 200
    assert mine.body["id"] != theirs.body["id"]
    assert len(provider.comparisons()) == 2


def test_role_stays_one_caller_whatever_its_session(stack: HandlerStack) -> None:
    role = "arn:aws:sts::123456789012:assumed-role/kyc"
    first, again = (ask(change_caller(ask_with_key(), f"{role}/{session}")) for session in ("one", "two"))

    assert first.body == again.body
    assert stack.the_comparison().caller == role


def land_my_pair(stack: HandlerStack) -> tuple[dict[str, Any], list[Event]]:
    """Upload a pair by forms; return it as the fields of a request, and the bucket's events."""
    forms = ask(ask_for_uploads()).body
    keys = {role: forms[role.value]["key"] for role in Role}
    photos = {Role.SOURCE: PERSON, Role.TARGET: SAME_PERSON}
    events = [land(stack, role, photos[role], key.rpartition("/")[0]) for role, key in keys.items()]
    return {role.value: {"upload_key": key} for role, key in keys.items()}, events


def test_uploaded_pair_compares_once_by_api_and_bucket(stack: HandlerStack, provider: ControlClient) -> None:
    uploads, events = land_my_pair(stack)

    answer = ask(change_body(ask_now(), **uploads))
    for event in events:
        assert failed_records(invoke("uploads", event)) == []
    assert compare_waiting(stack) == []

    assert (answer.status, answer.body["result"]["verdict"]) == (200, "match")
    assert len(provider.comparisons()) == len(publish_waiting(stack)) == 1
    assert stack.list_keys() == []


def test_urls_are_handed_on(stack: HandlerStack, provider: ControlClient) -> None:
    answer = ask(change_body(ask_now(), source={"url": URL}, target={"url": URL}))

    assert (answer.status, answer.body["result"]["verdict"]) == (200, "match")
    assert answer.body["result"]["photos"] == {role.value: {"url": True} for role in Role}
    assert len(provider.comparisons()) == 1
    assert URL not in json.dumps(stack.list_items())


def test_request_chooses_bounds_and_quality_check(provider: ControlClient) -> None:
    provider.play({"effect": "answer", "score": 80, "passed": "Y"})

    answer = ask(change_body(ask_now(), match_from=90, no_match_up_to=0, face_quality_check=True))

    result = answer.body["result"]
    assert (result["verdict"], result["reason"]) == ("review", "between_bounds")
    assert result["bounds"] == {"match_from": 90, "no_match_up_to": 0}
    assert result["provider"]["face_quality"]["FaceQualityScore"] >= 0


def test_call_goes_to_the_region_of_the_request(provider: ControlClient) -> None:
    assert ask(change_body(ask_now(), region="malaysia")).status == 200

    assert [call["region"] for call in provider.comparisons()] == ["malaysia"]


def test_request_without_a_region_goes_where_the_stack_is(provider: ControlClient) -> None:
    assert ask(change_body(ask_now(), region=None)).status == 200

    assert [call["region"] for call in provider.comparisons()] == ["singapore"]


# Bad input


@pytest.mark.parametrize(("role", "kind", "code"), BAD_PHOTOS)
def test_bad_photo_is_refused_and_unbilled(
    stack: HandlerStack, provider: ControlClient, role: Role, kind: str, code: str
) -> None:
    answer = ask(ask_now(**{role.value: make_bad_photo(kind)}))

    check_problem(answer, 413 if code == "file_too_large" else 422, code, field=role.value)
    assert role.value in answer.body["detail"]
    assert stack.is_untouched()
    assert provider.comparisons() == []


PHOTO = to_base64(PERSON)


def make_key(owner: str | None) -> str:
    return make_inbox_key("singapore", "pair-1", Role.SOURCE, "jpg", owner)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"source": {"photo": "@@@@"}}, (400, "invalid_base64", "source.photo")),
        ({"source": {"photo": PHOTO[:-3]}}, (400, "invalid_base64", "source.photo")),
        ({"source": {"photo": 7}}, (400, "invalid_base64", "source.photo")),
        ({"target": {"photo": PHOTO, "url": URL}}, (400, "photo_ambiguous", "target")),
        ({"target": {"upload_key": make_key(ME), "url": URL}}, (400, "photo_ambiguous", "target")),
        ({"source": {}}, (400, "photo_missing", "source")),
        ({"source": None}, (400, "missing_field", "source")),
        ({"source": {"url": "http://169.254.169.254/"}}, (400, "forbidden_url", "source.url")),
        ({"target": {"url": "file:///etc/passwd"}}, (400, "invalid_url", "target.url")),
        ({"region": "atlantis"}, (400, "unknown_region", "region")),
        ({"region": "hong-kong"}, (403, "region_not_allowed", "region")),
        ({"pair_id": "p" * 500}, (400, "invalid_pair_id", "pair_id")),
        ({"pair_id": "half \ud83d"}, (400, "invalid_pair_id", "pair_id")),
        ({"regoin": "singapore"}, (400, "unknown_field", "regoin")),
        ({"source": {"photo": PHOTO, "foto": "x"}}, (400, "unknown_field", "source.foto")),
        ({"match_from": 101}, (400, "invalid_field", "match_from")),
        ({"match_from": "high"}, (400, "invalid_field", "match_from")),
        ({"match_from": "7"}, (400, "invalid_field", "match_from")),
        ({"match_from": math.nan}, (400, "invalid_field", "match_from")),
        ({"match_from": math.inf}, (400, "invalid_field", "match_from")),
        ({"no_match_up_to": -math.inf}, (400, "invalid_field", "no_match_up_to")),
        ({"no_match_up_to": -1e-200}, (400, "invalid_field", "no_match_up_to")),
        ({"no_match_up_to": 10**400}, (400, "invalid_field", "no_match_up_to")),
        ({"face_quality_check": "yes"}, (400, "invalid_field", "face_quality_check")),
        ({"source": {"upload_key": "elsewhere.jpg"}}, (400, "invalid_upload_key", "source.upload_key")),
        (
            {"source": {"upload_key": f"inbox/singapore/{'張' * 340}/source.jpg"}},
            (400, "invalid_upload_key", "source.upload_key"),
        ),
        (
            {"source": {"upload_key": "inbox/singapore/pair-1/source.\ud800"}},
            (400, "invalid_upload_key", "source.upload_key"),
        ),
        ({"source": {"upload_key": make_key(ME)}}, (422, "photo_not_found", "source.upload_key")),
        ({"source": {"upload_key": make_key(None)}}, (403, "foreign_upload_key", "source.upload_key")),
        (
            {"target": {"upload_key": make_key(SOMEONE_ELSE)}},
            (403, "foreign_upload_key", "target.upload_key"),
        ),
        ({"source": {"upload_key": "inbox/malaysia/pair-1/source.jpg"}}, (400, "region_mismatch", "region")),
    ],
)
def test_bad_request_names_its_field_and_leaves_nothing(
    stack: HandlerStack, provider: ControlClient, changes: dict[str, Any], problem: tuple[int, str, str]
) -> None:
    answer = ask(change_body(ask_now(), **changes))

    check_problem(answer, *problem)
    assert PHOTO[:64] not in answer.text
    assert stack.is_untouched()
    assert provider.comparisons() == []


@pytest.mark.parametrize("text", ["", "no JSON", '{"source":'])
def test_body_that_is_no_json_is_refused(stack: HandlerStack, text: str) -> None:
    answer = ask({**ask_now(), "body": text})

    assert answer.status == 400
    assert answer.body["code"] in {"invalid_json", "missing_field"}
    assert stack.is_untouched()


@pytest.mark.parametrize("text", [None, "", "null"])
def test_missing_body_is_named(stack: HandlerStack, text: str | None) -> None:
    answer = ask({**ask_now(), "body": text})

    check_problem(answer, 400, "missing_field")
    assert answer.body["errors"][0]["field"] == "body"
    assert stack.is_untouched()


def test_body_that_is_nested_too_deep_is_refused(stack: HandlerStack) -> None:
    check_problem(ask({**ask_now(), "body": "[" * 100_000}), 400, "invalid_json")
    assert stack.is_untouched()


@pytest.mark.parametrize("number", ["9" * 5000, f"-{'9' * 5000}", "1e999", "NaN"])
def test_number_that_is_too_long_to_be_read_is_named(stack: HandlerStack, number: str) -> None:
    body = ask_now()["body"].replace('"region"', f'"match_from": {number}, "region"')

    check_problem(ask({**ask_now(), "body": body}), 400, "invalid_field", "match_from")
    assert stack.is_untouched()


@pytest.mark.parametrize("number", ["1e-131", "1e-200", "5e-324", "1e-400", "-0.0"])
def test_bound_that_is_too_small_for_the_ledger_is_0(stack: HandlerStack, number: str) -> None:
    body = ask_with_key()["body"].replace('"region"', f'"match_from": {number}, "region"')

    answer = ask({**ask_with_key(), "body": body})

    assert (answer.status, answer.body["result"]["bounds"]["match_from"]) == (200, 0)
    assert stack.the_comparison().options.bounds.match_from == 0


def test_bound_of_many_digits_is_kept_as_well_as_a_float_can(stack: HandlerStack) -> None:
    body = ask_now()["body"].replace('"region"', f'"match_from": 12.{"3" * 60}, "region"')

    answer = ask({**ask_now(), "body": body})

    assert (answer.status, answer.body["result"]["bounds"]["match_from"]) == (200, 12 + 1 / 3)
    assert stack.the_comparison().options.bounds.match_from == 12 + 1 / 3


@pytest.mark.parametrize("make_event", [ask_now, ask_for_uploads])
@pytest.mark.parametrize("kind", ["array", "array of two", "empty array", "string", "number", "boolean"])
def test_body_that_is_no_object_is_refused(
    stack: HandlerStack, make_event: Callable[[], Event], kind: str
) -> None:
    event = make_event()
    body = {
        "array": f"[{event['body']}]",
        "array of two": f"[{event['body']}, {event['body']}]",
        "empty array": "[]",
        "string": json.dumps(event["body"]),
        "number": "5",
        "boolean": "true",
    }[kind]

    answer = ask({**event, "body": body})

    check_problem(answer, 400, "invalid_body", "body")
    assert kind.partition(" ")[0 if kind != "empty array" else 2] in answer.body["detail"]
    assert stack.is_untouched()


@pytest.mark.parametrize(
    ("spoil", "advice"),
    [
        (lambda text: f"data:image/jpeg;base64,{text}", "Remove the `data:` prefix"),
        (lambda text: f"{text[:76]}\n{text[76:]}", "Remove the line breaks."),
        (lambda text: f"{text[:76]}\r\n{text[76:]}\r\n", "Remove the line breaks."),
        (lambda text: f"DATA:;base64,{text}\n", "comma. Remove the line breaks."),
        (lambda text: f" {text}", "Remove the spaces."),
        (lambda text: text.replace("/", "_").replace("+", "-"), "Use + and / instead of - and _."),
        (lambda text: text.rstrip("=")[:-1], "pad with = to a multiple of four."),
        (lambda text: text + "ä", "Use A to Z"),
    ],
)
def test_text_that_is_not_base64_is_refused_with_advice(spoil: Callable[[str], str], advice: str) -> None:
    answer = ask(change_body(ask_now(), source={"photo": spoil(PHOTO)}))

    check_problem(answer, 400, "invalid_base64", "source.photo")
    assert advice in answer.body["detail"]
    assert PHOTO[:64] not in answer.text


def test_url_that_is_no_text_is_refused(stack: HandlerStack) -> None:
    event = change_body(ask_now(), source={"url": "https://photos.example.com/\ud800"})

    check_problem(ask(event), 400, "invalid_url", "source.url")
    assert stack.is_untouched()


def set_header(event: Event, name: str, *lines: str) -> Event:
    """Return a request with a header on those lines, as a REST API passes it on."""
    headers = {key: value for key, value in event["headers"].items() if key.lower() != name.lower()}
    several = {key: value for key, value in event["multiValueHeaders"].items() if key.lower() != name.lower()}
    return {
        **event,
        "headers": headers | {name: lines[-1]},
        "multiValueHeaders": several | {name: list(lines)},
    }


@pytest.mark.parametrize(
    "lines",
    [
        ["respond-async; wait=10"],
        ["wait=5", "respond-async"],
        ["respond-async", "wait=5"],
        ["wait=5, respond-async", "handling=lenient"],
        ['respond-async=""'],
        ["respond-async = "],
        ["RESPOND-ASYNC"],
        [" , respond-async,"],
        ['note="a, \\"b\\"; c", respond-async'],
        ["respond-async, respond-async=no"],
    ],
)
@pytest.mark.parametrize("name", ["Prefer", "prefer"])
def test_preference_is_found_in_every_form(
    stack: HandlerStack, provider: ControlClient, name: str, lines: list[str]
) -> None:
    assert ask(set_header(ask_now(), name, *lines)).status == 202
    assert provider.comparisons() == []
    assert len(stack.list_comparisons()) == 1


@pytest.mark.parametrize(
    "lines",
    [
        [""],
        ["wait=5", ""],
        ["respond-asynchronously"],
        ['note="respond-async"'],
        ['note="a, respond-async, b"'],
        ["note; respond-async"],
        ["respond-async=no, respond-async"],
    ],
)
def test_any_other_preference_is_ignored(provider: ControlClient, lines: list[str]) -> None:
    assert ask(set_header(ask_now(), "Prefer", *lines)).status == 200
    assert len(provider.comparisons()) == 1


def test_headers_may_come_on_single_lines_only(provider: ControlClient) -> None:
    event = {**set_header(ask_now(), "Prefer", "wait=5, respond-async"), "multiValueHeaders": None}

    assert ask(event).status == 202
    assert provider.comparisons() == []


IDENTITY_POOL_USER = {
    "userArn": "arn:aws:sts::123456789012:assumed-role/pool-users/CognitoIdentityCredentials",
    "cognitoIdentityId": "ap-southeast-1:00000000-0000-4000-8000-000000000001",
    "cognitoIdentityPoolId": "ap-southeast-1:00000000-0000-4000-8000-00000000000f",
    "cognitoAuthenticationType": "authenticated",
}


@pytest.mark.parametrize(
    ("identity", "caller"),
    [
        ({"userArn": "arn:aws:iam::123456789012:user/team/ann"}, "arn:aws:iam::123456789012:user/team/ann"),
        (
            {"userArn": "arn:aws:sts::123456789012:assumed-role/kyc/i-0123456789abcdef0"},
            "arn:aws:sts::123456789012:assumed-role/kyc",
        ),
        ({"userArn": "arn:aws:iam::123456789012:root"}, "arn:aws:iam::123456789012:root"),
        (
            {"userArn": "arn:aws:sts::123456789012:federated-user/ann"},
            "arn:aws:sts::123456789012:federated-user/ann",
        ),
        (IDENTITY_POOL_USER, IDENTITY_POOL_USER["cognitoIdentityId"]),
        (
            IDENTITY_POOL_USER | {"cognitoAuthenticationType": "unauthenticated"},
            IDENTITY_POOL_USER["cognitoIdentityId"],
        ),
    ],
    ids=["user", "role", "root", "federated", "pool", "guest"],
)
def test_caller_is_known_by_every_kind_of_identity(
    stack: HandlerStack, identity: dict[str, str], caller: str
) -> None:
    answer = ask(change_identity(ask_for_later(), **identity))

    assert answer.status == 202
    assert stack.the_comparison().caller == caller
    assert ask(change_identity(read(answer.body["id"]), **identity)).status == 200


def test_users_of_an_identity_pool_see_their_own_comparisons_only() -> None:
    comparison_id = ask(change_identity(ask_for_later(), **IDENTITY_POOL_USER)).body["id"]
    other = IDENTITY_POOL_USER | {"cognitoIdentityId": "ap-southeast-1:00000000-0000-4000-8000-000000000002"}

    check_problem(ask(change_identity(read(comparison_id), **other)), 404, "comparison_not_found")
    check_problem(ask(change_identity(erase(comparison_id), **other)), 404, "comparison_not_found")


def test_role_of_an_identity_pool_may_be_an_administrator() -> None:
    comparison_id = ask(ask_for_later()).body["id"]
    event = let_see_all(
        change_identity(read(comparison_id), **IDENTITY_POOL_USER), IDENTITY_POOL_USER["userArn"]
    )

    assert ask(event).status == 200


def test_request_of_nobody_is_forbidden(stack: HandlerStack) -> None:
    event = ask_now()
    event["requestContext"]["identity"]["userArn"] = None

    check_problem(ask(event), 403, "unknown_caller")
    assert stack.is_untouched()


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "image/jpeg",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonl",
    ],
)
def test_body_of_another_type_is_refused(stack: HandlerStack, content_type: str) -> None:
    check_problem(ask(set_header(ask_now(), "Content-Type", content_type)), 415, "unsupported_media_type")
    assert stack.is_untouched()


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "Application/JSON; charset=UTF-8",
        "APPLICATION/JSON;CHARSET=utf-8",
        'application/json ; charset="utf-8"',
        " application/json\t; profile=x; charset=utf8",
        "application/json;",
        "application/json; charset=iso-8859-1",
    ],
)
@pytest.mark.parametrize("name", ["Content-Type", "content-type"])
def test_json_is_known_by_its_media_type_in_every_form(
    provider: ControlClient, name: str, content_type: str
) -> None:
    assert ask(set_header(ask_now(), name, content_type)).status == 200
    assert len(provider.comparisons()) == 1


def test_text_beyond_ascii_in_another_charset_is_refused(stack: HandlerStack) -> None:
    event = ask_now()
    body = event["body"].replace("pair-1", "Zo\ufffd")

    answer = ask(set_header({**event, "body": body}, "Content-Type", "application/json; charset=iso-8859-1"))

    check_problem(answer, 415, "unsupported_media_type")
    assert "UTF-8" in answer.body["detail"]
    assert stack.is_untouched()


def test_body_may_come_in_base64(provider: ControlClient) -> None:
    event = change_body(ask_now(), pair_id="Zoë")
    encoded = base64.b64encode(json.dumps(json.loads(event["body"]), ensure_ascii=False).encode()).decode()

    answer = ask({**event, "body": encoded, "isBase64Encoded": True})

    assert (answer.status, answer.body["pair_id"]) == (200, "Zoë")
    assert len(provider.comparisons()) == 1


@pytest.mark.parametrize(
    "encode",
    [
        gzip.compress,
        zlib.compress,
        lambda content: content.decode().replace("pair-1", "Zoë").encode("latin-1"),
        lambda content: content.decode().encode("utf-16"),
        lambda content: b"\xff" + content,
    ],
    ids=["gzip", "deflate", "latin-1", "utf-16", "broken"],
)
@pytest.mark.parametrize("make_event", [ask_now, ask_for_uploads])
def test_body_of_bytes_that_are_not_utf_8_is_refused(
    stack: HandlerStack, make_event: Callable[[], Event], encode: Callable[[bytes], bytes]
) -> None:
    event = make_event()
    body = base64.b64encode(encode(event["body"].encode())).decode()

    check_problem(ask({**event, "body": body, "isBase64Encoded": True}), 400, "invalid_encoding")
    assert stack.is_untouched()


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_idempotency_key_of_a_bad_length_is_refused(stack: HandlerStack, key: str) -> None:
    event = ask_with_key()
    for headers, value in ((event["headers"], key), (event["multiValueHeaders"], [key])):
        name = next(name for name in headers if name.lower() == "idempotency-key")
        headers[name] = value

    answer = ask(event)

    check_problem(answer, 400, "invalid_field")
    assert answer.body["errors"][0]["field"].lower() == "idempotency-key"
    assert stack.is_untouched()


def test_all_faults_of_a_request_are_reported_together() -> None:
    event = change_body(
        ask_now(),
        region="atlantis",
        pair_id="a/b",
        source={},
        target={"photo": "@", "url": "ftp://photos.example.com/a.jpg"},
        match_from=101,
        regoin="singapore",
    )

    answer = ask(event)

    assert answer.status == 400
    assert {error["field"]: error["code"] for error in answer.body["errors"]} == {
        "region": "unknown_region",
        "pair_id": "invalid_pair_id",
        "source": "photo_missing",
        "target.photo": "invalid_base64",
        "target.url": "invalid_url",
        "match_from": "invalid_field",
        "regoin": "unknown_field",
    }


def test_region_that_is_not_allowed_is_reported_with_the_other_faults() -> None:
    answer = ask(change_body(ask_now(), region="hong-kong", source={}))

    assert answer.status == 400
    assert {error["code"] for error in answer.body["errors"]} == {"region_not_allowed", "photo_missing"}


# What the provider does


def test_throttled_comparison_is_accepted_for_later(stack: HandlerStack, provider: ControlClient) -> None:
    provider.play({"effect": "refuse", "code": "Throttling.Api", "retry_after_ms": 45_000})

    answer = ask(ask_now())

    assert (answer.status, answer.body["state"]) == (202, "registered")
    assert answer.headers["Location"].endswith(answer.body["id"])
    assert sorted(waiting.delay_s for waiting in stack.list_waiting(URGENT)) == [45, 60]
    assert stack.the_comparison().unbilled_calls == {Outcome.THROTTLED: 1}
    assert publish_waiting(stack) == []


@pytest.mark.parametrize("reason", [HoldReason.OUTAGE, HoldReason.OPERATOR])
def test_comparison_is_accepted_while_its_lane_is_on_hold(
    stack: HandlerStack, provider: ControlClient, reason: HoldReason
) -> None:
    hold = make_hold(reason, "InternalError", stack.clock.now_ms())
    stack.limiter.hold(Region.SINGAPORE, hold, replacing=None)

    answer = ask(ask_now())

    assert (answer.status, answer.body["state"], answer.body["attempts"]) == (202, "registered", 0)
    rescue_s, *later_s = sorted(waiting.delay_s for waiting in stack.list_waiting(URGENT))
    assert len(later_s) == 1
    assert min(rescue_s, *later_s) >= hold.duration_s - 5
    assert provider.comparisons() == []
    assert ask(change_body(ask_now(), region="malaysia")).status == 200


@pytest.fixture
def _failing_lane(stack: HandlerStack) -> Iterator[None]:  # noqa: ARG001 - its environment
    """Have DynamoDB throttle every request for a lane, as for a partition that is too busy."""
    client: Any = bootstrap._dynamodb()

    def refuse(params: dict[str, Any], **_: object) -> tuple[Any, dict[str, Any]] | None:
        if b'"lane#' not in params["body"]:
            return None
        code = "ProvisionedThroughputExceededException"
        return Throttled(), {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {}}

    client.meta.events.register("before-call.dynamodb.*", refuse)
    yield
    client.meta.events.unregister("before-call.dynamodb.*", refuse)


class Throttled:
    status_code = 400


@pytest.mark.usefixtures("_failing_lane")
def test_comparison_is_accepted_while_dynamodb_throttles_the_rate_limiter(
    stack: HandlerStack, provider: ControlClient
) -> None:
    answer = ask(ask_now())

    assert (answer.status, answer.body["state"]) == (202, "registered")
    assert sorted(waiting.delay_s for waiting in stack.list_waiting(URGENT)) == [2, 60]
    assert provider.comparisons() == []


@pytest.mark.parametrize(
    "make_event", [ask_now, ask_for_later, lambda: read("a" * 26), lambda: erase("a" * 26)]
)
def test_request_is_refused_for_now_while_dynamodb_throttles_the_ledger(
    stack: HandlerStack, make_event: Callable[[], Event]
) -> None:
    client: Any = bootstrap._dynamodb()

    def refuse(**_: object) -> tuple[Any, dict[str, Any]]:
        return Throttled(), {"Error": {"Code": "ThrottlingException", "Message": ""}, "ResponseMetadata": {}}

    client.meta.events.register("before-call.dynamodb.*", refuse)
    try:
        answer = ask(make_event())
    finally:
        client.meta.events.unregister("before-call.dynamodb.*", refuse)

    check_problem(answer, 503, "ledger_unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert stack.list_items() == []


def test_request_is_refused_for_now_while_s3_takes_no_photo(stack: HandlerStack) -> None:
    client: Any = bootstrap._photo_store().client

    def refuse(**_: object) -> tuple[Any, dict[str, Any]]:
        return Throttled(), {"Error": {"Code": "SlowDown", "Message": ""}, "ResponseMetadata": {}}

    client.meta.events.register("before-call.s3.*", refuse)
    try:
        answer = ask(ask_now())
    finally:
        client.meta.events.unregister("before-call.s3.*", refuse)

    check_problem(answer, 503, "photo_store_unavailable")
    assert answer.headers["Retry-After"] == "30"
    assert stack.list_waiting(URGENT) == []


def test_operator_error_is_accepted_and_waits(stack: HandlerStack, provider: ControlClient) -> None:
    provider.play({"effect": "refuse", "code": "Forbidden.AccountAccessDenied"})

    answer = ask(ask_now())

    assert (answer.status, answer.body["state"], answer.body["attempts"]) == (202, "registered", 1)
    assert publish_waiting(stack) == []
    provider.play()
    stack.clear_slots()
    assert compare_waiting(stack, URGENT) == []
    assert ask(read(answer.body["id"])).body["state"] == "completed"


def test_photo_that_the_provider_rejects_is_a_verdict(provider: ControlClient) -> None:
    provider.play({"effect": "refuse", "code": "UnqualifiedPhoto"})

    answer = ask(ask_now())

    assert (answer.status, answer.body["state"]) == (200, "rejected")
    assert answer.body["result"]["reason"] == "unqualified_photo"


# Reading and erasing


def test_unknown_comparison_is_not_found() -> None:
    check_problem(ask(load_event("api_read_comparison")), 404, "comparison_not_found")
    check_problem(ask(load_event("api_erase_comparison")), 404, "comparison_not_found")


@pytest.mark.parametrize(
    "comparison_id",
    ["a" * 2038, "a" * 5000, "a" * 25, "a" * 27, "A" * 26, "1" * 26, "ä" * 26, "a" * 25 + "."],
)
def test_text_that_can_be_no_id_is_not_found_without_a_read(stack: HandlerStack, comparison_id: str) -> None:
    stack.dynamodb.delete_table(TableName=stack.table)

    for event in (read(comparison_id), erase(comparison_id)):
        check_problem(ask(event), 404, "comparison_not_found")


def test_comparison_of_another_caller_is_not_found() -> None:
    comparison_id = ask(ask_now()).body["id"]

    for event in (read(comparison_id), erase(comparison_id)):
        check_problem(ask(change_caller(event, SOMEONE_ELSE)), 404, "comparison_not_found")
    assert ask(read(comparison_id)).status == 200


def test_comparison_from_the_bucket_is_for_administrators_alone(stack: HandlerStack) -> None:
    land_pair(stack, PERSON, SAME_PERSON)
    comparison_id = stack.the_comparison().id

    for event in (read(comparison_id), erase(comparison_id)):
        for others in ("none", SOMEONE_ELSE, f"{ME}s"):
            check_problem(ask(let_see_all(event, others)), 404, "comparison_not_found")
    answer = ask(let_see_all(read(comparison_id), SOMEONE_ELSE, ME))

    assert (answer.status, answer.body["state"], answer.body["pair_id"]) == (200, "registered", "pair-1")
    assert ask(let_see_all(erase(comparison_id), ME)).status == 204
    assert stack.list_keys() == []


@pytest.mark.parametrize(
    "named",
    [
        "arn:aws:iam::123456789012:role/kyc-desk",
        "arn:aws:iam::123456789012:role/a/path/kyc-desk",
        "arn:aws:sts::123456789012:assumed-role/kyc-desk",
        "arn:aws:sts::123456789012:assumed-role/kyc-desk/someone-else",
    ],
)
def test_administrator_is_a_role_in_any_spelling_whatever_its_session(named: str) -> None:
    comparison_id = ask(ask_now()).body["id"]
    session = "arn:aws:sts::123456789012:assumed-role/kyc-desk/ann"

    seen = ask(let_see_all(change_caller(read(comparison_id), session), named))
    other_account = session.replace("123456789012", "210987654321")
    unseen = ask(let_see_all(change_caller(read(comparison_id), other_account), named))

    assert seen.status == 200
    check_problem(unseen, 404, "comparison_not_found")


def test_pair_from_upload_forms_is_its_callers_even_if_only_the_bucket_reports_it(
    stack: HandlerStack,
) -> None:
    _, events = land_my_pair(stack)
    for event in events:
        assert failed_records(invoke("uploads", event)) == []
    assert compare_waiting(stack) == []
    comparison = stack.the_comparison()

    (event,) = publish_waiting(stack)
    answer = ask(read(comparison.id))

    assert comparison.caller == ME
    assert (event["subject"], event["data"]) == ("pair-1", answer.body["result"])
    check_problem(ask(change_caller(read(comparison.id), SOMEONE_ELSE)), 404, "comparison_not_found")
    assert stack.list_keys() == []


def test_erased_comparison_is_gone_with_its_photos(stack: HandlerStack) -> None:
    comparison_id = ask(ask_for_later()).body["id"]
    assert len(stack.list_keys()) == 2

    answer = ask(erase(comparison_id))

    assert (answer.status, answer.text) == (204, "")
    check_problem(ask(read(comparison_id)), 410, "comparison_erased")
    assert ask(erase(comparison_id)).status == 204
    assert stack.list_keys() == []
    assert stack.the_comparison().state is State.ERASED
    assert "pair-1" not in json.dumps(stack.list_items())


def test_erased_comparison_is_not_made_any_more(stack: HandlerStack, provider: ControlClient) -> None:
    comparison_id = ask(ask_for_later()).body["id"]
    ask(erase(comparison_id))

    assert compare_waiting(stack, URGENT) == []

    assert provider.comparisons() == []
    (event,) = publish_waiting(stack)
    check_result_event(event)
    assert (event["data"]["verdict"], event["data"]["reason"]) == ("failed", "comparison_erased")


def test_erased_verdict_is_gone_from_the_record(stack: HandlerStack) -> None:
    comparison_id = ask(ask_with_key()).body["id"]
    publish_waiting(stack)

    ask(erase(comparison_id))

    assert '"match"' not in json.dumps(stack.list_items())
    assert publish_waiting(stack) == []


def test_key_of_an_erased_comparison_is_gone_too(stack: HandlerStack, provider: ControlClient) -> None:
    ask(erase(ask(ask_with_key()).body["id"]))

    check_problem(ask(ask_with_key()), 410, "comparison_erased")
    assert len(provider.comparisons()) == 1
    assert stack.list_keys() == []


def test_tombstone_holds_nothing_of_a_person(stack: HandlerStack) -> None:
    asked = change_body(ask_with_key(), pair_id="passport-123", source={"url": f"{URL}?name=ann"})
    comparison_id = ask(asked).body["id"]
    publish_waiting(stack)

    assert ask(erase(comparison_id)).status == 204

    (tombstone,) = (item for item in stack.list_items() if item["pk"]["S"] == f"comparison#{comparison_id}")
    assert tombstone.keys() == {
        "attempts",
        "created_at_ms",
        "ending",
        "expires_at",
        "id",
        "kind",
        "options",
        "origin",
        "photos",
        "pk",
        "published_at_ms",
        "region",
        "request_ids",
        "state",
        "touched_at_ms",
        "unbilled_calls",
    }
    assert tombstone["photos"] == {"M": {}}
    assert tombstone["ending"]["M"]["verdict"]["M"]["score"] == {"NULL": True}
    kept = json.dumps(stack.list_items())
    assert [
        reported for reported in ("passport-123", "ann", ME, URL, "fingerprint") if reported in kept
    ] == []


def test_erased_pair_of_a_caller_leaves_no_trace_of_who_it_was(stack: HandlerStack) -> None:
    _, events = land_my_pair(stack)
    for event in events:
        assert failed_records(invoke("uploads", event)) == []

    assert ask(erase(stack.the_comparison().id)).status == 204

    kept = json.dumps(stack.list_items())
    assert [reported for reported in ("pair-1", "caller=", ME) if reported in kept] == []
    assert stack.list_keys() == []


def test_erased_pair_of_the_bucket_is_gone_too(stack: HandlerStack) -> None:
    land_pair(stack, PERSON, SAME_PERSON)

    assert ask(let_see_all(erase(stack.the_comparison().id), ME)).status == 204

    assert stack.list_keys() == []


# Uploads


def test_uploads_are_two_forms_for_the_inbox() -> None:
    answer = ask(ask_for_uploads())

    assert answer.status == 201
    assert (answer.body["region"], answer.body["pair_id"]) == ("singapore", "pair-1")
    folder = make_folder("pair-1", ME)
    for role in Role:
        form = answer.body[role.value]
        assert form["key"] == form["fields"]["key"] == f"inbox/singapore/{folder}/{role}.jpg"
        assert form["fields"]["Content-Type"] == "image/jpeg"
        policy = json.loads(base64.b64decode(form["fields"]["policy"]))
        assert ["content-length-range", 1, 20_000_000] in policy["conditions"]
        assert {"Content-Type": "image/jpeg"} in policy["conditions"]


def test_uploads_without_a_name_get_one() -> None:
    answer = ask(change_body(ask_for_uploads(), pair_id=None, target={"content_type": "image/avif"}))

    assert len(answer.body["pair_id"]) == 32
    assert answer.body["target"]["key"].endswith("/target.avif")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"region": "atlantis"}, (400, "unknown_region", "region")),
        ({"region": "hong-kong"}, (403, "region_not_allowed", "region")),
        ({"pair_id": "p" * 500}, (400, "invalid_pair_id", "pair_id")),
        ({"pair_id": "${filename}"}, (400, "invalid_pair_id", "pair_id")),
        ({"pair_id": "pair ${filename}"}, (400, "invalid_pair_id", "pair_id")),
        ({"source": {"content_type": "text/html"}}, (400, "unsupported_content_type", "source.content_type")),
        ({"size": 7}, (400, "unknown_field", "size")),
    ],
)
def test_bad_request_for_uploads_names_its_field(
    stack: HandlerStack, changes: dict[str, Any], problem: tuple[int, str, str]
) -> None:
    check_problem(ask(change_body(ask_for_uploads(), **changes)), *problem)
    assert stack.is_untouched()


def test_all_faults_of_a_request_for_uploads_are_reported_together() -> None:
    bad = {"content_type": "text/html"}

    answer = ask(change_body(ask_for_uploads(), region="atlantis", pair_id="a/b", source=bad, target=bad))

    assert {error["field"]: error["code"] for error in answer.body["errors"]} == {
        "region": "unknown_region",
        "pair_id": "invalid_pair_id",
        "source.content_type": "unsupported_content_type",
        "target.content_type": "unsupported_content_type",
    }


def test_uploads_of_a_caller_whose_name_is_too_long_are_refused(stack: HandlerStack) -> None:
    caller = f"arn:aws:iam::123456789012:user/{'p' * 500}/ann"

    answer = ask(change_caller(change_body(ask_for_uploads(), pair_id="張" * 128), caller))

    check_problem(answer, 400, "invalid_pair_id", "pair_id")
    assert "S3 allows 1024" in answer.body["detail"]
    assert stack.is_untouched()


# Pages of another origin


@pytest.mark.parametrize(
    "make_event",
    [
        ask_now,
        ask_for_uploads,
        lambda: read("a" * 26),
        lambda: set_header(ask_now(), "Content-Type", "text/plain"),
        lambda: change_body(ask_now(), source={}),
    ],
    ids=["created", "uploads", "missing", "media type", "invalid"],
)
def test_allowed_origin_may_read_every_answer(make_event: Callable[[], Event]) -> None:
    answer = ask({**make_event(), "stageVariables": {"AllowedOrigin": "https://app.example.com"}})

    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert answer.headers["Access-Control-Expose-Headers"] == "Location, Retry-After"


@pytest.mark.parametrize("variables", [None, {}, {"AllowedOrigin": "none"}])
def test_no_origin_may_read_an_answer_by_default(variables: dict[str, str] | None) -> None:
    answer = ask({**read("a" * 26), "stageVariables": variables})

    assert not any(name.lower().startswith("access-control") for name in answer.headers)


# What is not of the API


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/comparison"), ("PUT", "/v1/comparisons")])
def test_unknown_route_is_not_found(method: str, path: str) -> None:
    event = {**load_event("api_read_comparison"), "httpMethod": method, "path": path, "resource": path}

    check_problem(ask(event), 404, "route_not_found")


@pytest.mark.parametrize(
    "make_event", [ask_now, ask_for_later, lambda: read("a" * 26), lambda: erase("a" * 26)]
)
def test_internal_fault_is_reported_without_details(
    stack: HandlerStack, make_event: Callable[[], Event]
) -> None:
    stack.dynamodb.delete_table(TableName=stack.table)

    answer = ask(make_event())

    check_problem(answer, 500, "internal_error")
    assert answer.body["errors"] == []
    assert "ResourceNotFound" not in answer.text
    assert stack.table not in answer.text
    assert "Traceback" not in answer.text
