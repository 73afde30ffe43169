"""The server on loopback, beside a stack that nothing is asked of."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from io import BytesIO
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from console.server import Site, describe_site, make_app
from facematch_client.labels import STEPS
from tests.factories.command import make_settings, make_stack
from tests.factories.photos import encode, make_portrait, make_scene

type Ask = Callable[..., Awaitable[ClientResponse]]

LOCAL = Site(make_stack(endpoint_url="http://127.0.0.1:9"), "http://127.0.0.1:9")


def talk[T](conversation: Callable[[Ask, str], Awaitable[T]], site: Site = LOCAL) -> T:
    """Return what comes of a conversation with a console; `conversation` gets what asks, and its origin."""

    async def hold() -> T:
        async with TestClient(TestServer(make_app(site))) as client:
            return await conversation(client.request, str(client.make_url("")).rstrip("/"))

    return asyncio.run(hold())


def ask(method: str, path: str, **options: Any) -> tuple[int, str, dict[str, str]]:
    async def converse(request: Ask, _: str) -> tuple[int, str, dict[str, str]]:
        answer = await request(method, path, **options)
        return answer.status, await answer.text(), dict(answer.headers)

    return talk(converse)


def post(path: str, **options: Any) -> tuple[int, Any]:
    """Post as the console's own page does."""

    async def converse(request: Ask, origin: str) -> tuple[int, Any]:
        answer = await request(
            "POST", path, headers={"Origin": origin, "Sec-Fetch-Site": "same-origin"}, **options
        )
        return answer.status, await answer.json() if "json" in answer.content_type else await answer.text()

    return talk(converse)


@pytest.mark.parametrize("path", ["/", "/page/main.js", "/api/stack", "/api/photos/none", "/nowhere"])
def test_every_answer_forbids_the_browser_to_load_from_elsewhere(path: str) -> None:
    _, _, headers = ask("GET", path)

    policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("host", ["console.example", "127.0.0.1.example:4590", "", "[::1", "10.0.0.1:4590"])
def test_to_a_name_that_is_not_its_own_it_does_not_answer(host: str) -> None:
    status, _, _ = ask("GET", "/", headers={"Host": host})

    assert status == HTTPStatus.MISDIRECTED_REQUEST


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:4590", "127.0.0.1:80", "[::1]:4590"])
def test_to_the_names_of_this_machine_it_answers(host: str) -> None:
    status, text, _ = ask("GET", "/", headers={"Host": host})

    assert status == HTTPStatus.OK
    assert "facematch console" in text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
    ids=["none", "another site", "nobody", "another port"],
)
@pytest.mark.parametrize("path", ["/api/photos", "/api/comparisons"])
def test_what_changes_something_is_taken_from_its_own_page_alone(path: str, headers: dict[str, str]) -> None:
    status, _, _ = ask("POST", path, headers=headers, data=b"{}")

    assert status == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_page_may_link_to_it_but_ask_for_nothing(site: str) -> None:
    assert ask("GET", "/", headers={"Sec-Fetch-Site": site})[0] == HTTPStatus.OK
    assert ask("GET", "/api/stack", headers={"Sec-Fetch-Site": site})[0] == HTTPStatus.FORBIDDEN


def test_a_request_that_says_it_is_from_elsewhere_is_refused_whatever_its_origin() -> None:
    async def converse(request: Ask, origin: str) -> int:
        headers = {"Origin": origin, "Sec-Fetch-Site": "cross-site"}
        return (await request("POST", "/api/photos", headers=headers, data=b"")).status

    assert talk(converse) == HTTPStatus.FORBIDDEN


def test_a_photo_is_examined_and_can_be_seen_as_it_would_be_sent() -> None:
    async def converse(request: Ask, origin: str) -> tuple[Any, str, bytes]:
        posted = await request("POST", "/api/photos", headers={"Origin": origin}, data=make_portrait())
        reported = await posted.json()
        seen = await request("GET", f"/api/photos/{reported['id']}")
        return reported, seen.content_type, await seen.read()

    reported, content_type, jpeg = talk(converse)

    assert (reported["refusal"], reported["report"]["untouched"]) == (None, True)
    assert reported["orientation_text"] == "as stored: upright"
    assert reported["changes"][0].startswith("Unchanged")
    assert (content_type, jpeg) == ("image/jpeg", make_portrait())


def test_a_refused_photo_has_nothing_to_be_seen() -> None:
    async def converse(request: Ask, origin: str) -> tuple[Any, int]:
        posted = await request("POST", "/api/photos", headers={"Origin": origin}, data=b"no photo")
        reported = await posted.json()
        return reported, (await request("GET", f"/api/photos/{reported['id']}")).status

    reported, status = talk(converse)

    assert reported["refusal"]["code"] == "not_an_image"
    assert status == HTTPStatus.NOT_FOUND


def test_a_photo_over_the_limit_is_refused_by_its_real_size_and_not_kept_whole() -> None:
    photo = make_portrait() + bytes(20_000_000)
    status, reported = post("/api/photos", data=BytesIO(photo))

    assert (status, reported["refusal"]["code"]) == (HTTPStatus.CREATED, "file_too_large")
    assert reported["refusal"]["message"].startswith(f"The file has {len(photo):,} bytes.")


def test_a_photo_of_unknown_size_is_refused_as_larger_than_the_limit() -> None:
    async def send() -> AsyncIterator[bytes]:
        for _ in range(21):
            yield bytes(1_000_000)

    _, reported = post("/api/photos", data=send())

    assert reported["refusal"]["message"].startswith("The file has more than 20,000,000 bytes.")


def test_an_invalid_order_is_reported_in_one_sentence() -> None:
    status, reported = post("/api/comparisons", json={"way": "bucket", "source": "a", "target": "b"})

    assert status == HTTPStatus.UNPROCESSABLE_ENTITY
    assert reported == {"error": "The source photo is no longer in the console's memory. Choose it again."}


def test_a_body_that_is_not_json_is_refused() -> None:
    assert post("/api/comparisons", data=b"{")[0] == HTTPStatus.BAD_REQUEST


def test_an_emulator_that_is_gone_is_reported() -> None:
    status, text, _ = ask("GET", "/api/emulator")

    assert status == HTTPStatus.BAD_GATEWAY
    assert "emulator does not respond" in text


def test_a_deployed_stack_has_no_emulator() -> None:
    async def converse(request: Ask, _: str) -> int:
        return (await request("GET", "/api/emulator")).status

    assert talk(converse, Site(make_stack())) == HTTPStatus.NOT_FOUND


def test_the_page_gets_the_regions_that_the_stack_allows() -> None:
    reported = describe_site(LOCAL)

    assert [region["name"] for region in reported["regions"]] == ["singapore", "indonesia"]
    assert reported["regions"][1]["provider_host"] == "cloudauth-intl.ap-southeast-5.aliyuncs.com"
    assert (reported["is_local"], reported["has_emulator"]) == (True, True)


def test_the_page_has_its_words_from_where_the_demos_page_has_them() -> None:
    words = json.loads(ask("GET", "/api/labels")[1])

    assert words["verdicts"]["no_match"] == {"label": "No match", "tone": "no_match"}
    assert list(words["steps"]) == list(STEPS)


def test_each_comparison_has_an_address_that_shows_the_page() -> None:
    status, text, _ = ask("GET", "/comparisons/abc")

    assert (status, "facematch console" in text) == (HTTPStatus.OK, True)


def test_a_local_stack_that_is_gone_is_reported() -> None:
    status, text, _ = ask("GET", "/api/overview")

    assert status == HTTPStatus.BAD_GATEWAY
    assert "The local stack does not respond" in text


def test_a_deployed_stack_is_looked_at_less_often() -> None:
    assert (
        describe_site(Site(make_stack()))["refresh_interval_ms"] > describe_site(LOCAL)["refresh_interval_ms"]
    )


def post_photo(photo: bytes, **settings: str) -> Any:
    async def converse(request: Ask, origin: str) -> Any:
        return await (await request("POST", "/api/photos", headers={"Origin": origin}, data=photo)).json()

    stack = make_stack(make_settings(**settings), endpoint_url="http://127.0.0.1:9")
    return talk(converse, Site(stack, "http://127.0.0.1:9"))


def test_a_photo_comes_with_its_warnings_and_the_face_to_draw() -> None:
    reported = post_photo(encode(make_scene()))

    assert [line.split(":")[0] for line in reported["warnings"]] == ["The face is small"]
    assert reported["crop"] is None
    (face,) = reported["faces"]["rectangles"]
    assert (
        0
        < face["left"]
        < face["left"] + face["width"]
        < reported["faces"]["width"]
        == reported["report"]["width"]
    )


def test_a_photo_that_the_stack_crops_comes_with_the_part_that_is_kept() -> None:
    reported = post_photo(encode(make_scene()), FACE_FRAMING="true")

    assert reported["warnings"] == []
    assert reported["crop"]["rectangles"] == [reported["report"]["face"]["crop"]]
    assert (reported["crop"]["width"], reported["crop"]["height"]) == (1600, 1200)
    assert len(reported["faces"]["rectangles"]) == 1


def test_a_photo_without_a_face_is_warned_of_and_a_refused_one_has_nothing_to_draw() -> None:
    reported = post_photo(make_portrait())
    refused = post_photo(b"no photo")

    assert (reported["warnings"], reported["crop"], reported["faces"]) == (
        ["The detector finds no face."],
        None,
        None,
    )
    assert refused["warnings"] == []


def test_the_page_learns_that_the_detector_is_installed() -> None:
    assert describe_site(LOCAL)["missing_detector"] is None
