import base64
from typing import Any

import pytest

from facematch.domain.errors import FacematchError
from facematch.handlers.http_request import normalize_request, prefers_async


def make_event(body: str | None = "{}", **headers: list[str]) -> dict[str, Any]:
    several = {name.replace("_", "-"): lines for name, lines in headers.items()}
    return {
        "multiValueHeaders": several,
        "headers": None,
        "body": body,
        "isBase64Encoded": False,
        "path": "/",
    }


def test_headers_that_differ_in_case_only_are_one() -> None:
    event = make_event(X_One=["a"], x_one=["b"])

    normal = normalize_request(event)

    assert normal["multiValueHeaders"]["x-one"] == ["a", "b"]
    assert normal["headers"]["x-one"] == "b"
    assert normal["path"] == "/"


@pytest.mark.parametrize(
    "headers", [{"headers": None, "multiValueHeaders": None}, {"headers": {}, "multiValueHeaders": {}}, {}]
)
def test_an_event_may_have_no_headers(headers: dict[str, Any]) -> None:
    assert normalize_request({"body": None, **headers})["multiValueHeaders"] == {}


def test_prefer_is_one_list_of_all_its_lines() -> None:
    normal = normalize_request(make_event(Prefer=["wait=5", "respond-async"]))

    assert normal["multiValueHeaders"]["prefer"] == ["wait=5, respond-async"]


def test_the_body_is_text_of_a_media_type_that_is_compared_letter_by_letter() -> None:
    event = make_event(base64.b64encode('{"a": "ä"}'.encode()).decode(), Content_Type=["Application/JSON"])

    normal = normalize_request({**event, "isBase64Encoded": True})

    assert (normal["body"], normal["isBase64Encoded"]) == ('{"a": "ä"}', False)
    assert normal["headers"]["content-type"] == "application/json"


def test_a_request_without_a_body_may_declare_any_media_type() -> None:
    normal = normalize_request(make_event(None, Content_Type=["text/plain"]))

    assert normal["headers"]["content-type"] == "text/plain"


@pytest.mark.parametrize("lines", [["text/plain"], ["application/json", "text/plain"], ["json"]])
def test_a_body_of_another_media_type_is_refused(lines: list[str]) -> None:
    with pytest.raises(FacematchError) as refusal:
        normalize_request(make_event(Content_Type=lines))

    assert refusal.value.code == "unsupported_media_type"


@pytest.mark.parametrize("body", ["/w==", "not Base64", "ä"])
def test_bytes_that_are_not_utf_8_are_refused(body: str) -> None:
    with pytest.raises(FacematchError) as refusal:
        normalize_request({**make_event(body), "isBase64Encoded": True})

    assert refusal.value.code == "invalid_encoding"


@pytest.mark.parametrize(
    "prefer",
    [
        "respond-async",
        "Respond-Async",
        "respond-async; wait=10",
        'respond-async=""',
        "respond-async =",
        "wait=5, respond-async",
        ",,respond-async",
        'note="a, \\"b\\"; c", respond-async',
        "respond-async, respond-async=no",
    ],
)
def test_respond_async_is_understood(prefer: str) -> None:
    assert prefers_async(prefer)


@pytest.mark.parametrize(
    "prefer",
    [
        "",
        "wait=5",
        "respond-async=no",
        "respond-async=no, respond-async",
        "respond-asynchronously",
        "note; respond-async",
        'note="respond-async"',
        'note="a, respond-async, b"',
    ],
)
def test_any_other_preference_is_ignored(prefer: str) -> None:
    assert not prefers_async(prefer)
