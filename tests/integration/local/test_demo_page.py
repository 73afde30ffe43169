import json
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import cache
from html import unescape
from html.parser import HTMLParser
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from markupsafe import escape
from PIL import ExifTags, Image

from facematch_client.faces import Drawing, Rectangle
from imaging import NormalisedPhoto, normalise
from local.demo_page import render_page
from local.demo_result import DemoResult, DetectedFace, PhotoResult

HOST = "cloudauth-intl.ap-southeast-1.aliyuncs.com"
HOSTILE = """"><script>alert('x')</script><img src=x onerror=alert(1)>&amp;"""
VOID_TAGS = {"meta", "link", "img", "br", "hr", "input"}
TIMINGS = {
    "wait_for_worker": 412,
    "read": 64,
    "prepare": 388,
    "wait_for_slot": 14,
    "call": 141,
    "total": 1019,
}


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open_tags: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID_TAGS:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open_tags.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open_tags:
            self.text += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open_tags == []
    return reader


def read_text(page: str) -> str:
    return " ".join(read(page).text.split())


@cache
def make_photo(size: tuple[int, int] = (1280, 960)) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Model] = "Camera <b>"
    file = BytesIO()
    pixels = np.linspace(0, 255, size[0] * size[1] * 3).reshape(size[1], size[0], 3).astype(np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", exif=exif.tobytes())
    return file.getvalue()


def make_noise(seed: int) -> bytes:
    file = BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (1280, 960, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


@cache
def normalise_once(photo: bytes) -> NormalisedPhoto:
    return normalise(photo)


def make_photo_result(name: str = "a.jpg", before: bytes | None = None, **changes: Any) -> PhotoResult:
    before = make_photo() if before is None else before
    photo = normalise_once(before)
    report = {**asdict(photo.report), "width": photo.width, "height": photo.height, **changes}
    return PhotoResult(name, before, photo.jpeg, report)


def make_event(**changes: Any) -> dict[str, Any]:
    data = {
        "comparison_id": "comparison-1",
        "pair_id": "pair-1",
        "verdict": "match",
        "reason": None,
        "message": "The provider takes them for one person.",
        "photo": None,
        "score": 83.5,
        "passed": True,
        "bounds": {"match_from": 80.0, "no_match_up_to": 40.0},
        "provider": {
            "code": "Success",
            "request_id": "request-1",
            "transaction_id": "transaction-1",
            "merchant_biz_ids": ["merchant-1", "merchant-2"],
            "face_quality": None,
        },
        "timings_ms": TIMINGS,
    }
    return {"specversion": "1.0", "subject": "pair-1", "data": {**data, **changes}}


def make_result(event: Mapping[str, Any] | None = None, **changes: Any) -> DemoResult:
    photos = {"source": make_photo_result("a.jpg"), "target": make_photo_result("b.jpg")}
    result = DemoResult(
        "bucket", "singapore", HOST, "127.0.0.1:8471", photos, event or make_event(), None, 3420
    )
    return replace(result, **changes)


def make_refused(**changes: Any) -> DemoResult:
    problem = {
        "status": 422,
        "code": "unreadable",
        "detail": "The target photo: it is cut off.",
        "errors": [{"field": "target", "code": "unreadable", "message": "It is cut off."}],
    }
    photos = {"source": make_photo_result(), "target": PhotoResult("b.jpg", b"\xff\xd8\xff", None, {})}
    refused = {"intake": "API", "event": None, "problem": problem, "called_address": None, "photos": photos}
    return replace(make_result(), **{**refused, **changes})


def list_steps(page: str) -> list[tuple[str, str, str]]:
    pattern = r'<li class="([a-z-]+)"><span class="ms">(.*?)</span><span class="step">(.*?)</span>'
    return [(name, state, unescape(time).strip()) for state, time, name in re.findall(pattern, page)]


def test_a_page_shows_verdict_score_ids_and_places() -> None:
    text = read_text(render_page([make_result()]))
    for said in ("Match", "83.5", "singapore", HOST, "127.0.0.1:8471", "merchant-1, merchant-2", "request-1"):
        assert said in text
    assert "transaction-1" in text
    assert "Match from 80, no match up to 40" in text
    assert "scores are not comparable" in text
    assert "3.4 s" in text


@pytest.mark.parametrize(
    ("verdict", "words"),
    [("match", "Match"), ("no_match", "No match"), ("review", "For review"), ("failed", "Failed")],
)
def test_each_verdict_has_its_words(verdict: str, words: str) -> None:
    assert f'<p class="word">{words}</p>' in render_page([make_result(make_event(verdict=verdict))])


def test_a_page_needs_nothing_else_and_lets_nothing_in() -> None:
    page = render_page([make_result(), make_refused()])
    reader = read(page)
    assert "script" not in reader.tags
    assert not [name for name, _ in reader.attributes if name.startswith("on") or name == "style"]
    for name, value in reader.attributes:
        if name in {"src", "href", "srcset", "action", "data"}:
            assert value is not None
            assert value.startswith(("data:", "#"))
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style
    policy = unescape(re.findall(r'Content-Security-Policy" content="([^"]*)"', page)[0])
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_what_comes_from_outside_is_escaped_everywhere() -> None:
    provider = {
        "code": HOSTILE,
        "request_id": HOSTILE,
        "transaction_id": HOSTILE,
        "merchant_biz_ids": [HOSTILE],
    }
    changes = {"pair_id": HOSTILE, "message": HOSTILE, "reason": HOSTILE, "comparison_id": HOSTILE}
    event = make_event(**changes, provider=provider, verdict=HOSTILE, timings_ms={HOSTILE: 5})
    photo = make_photo_result(HOSTILE, source_format=HOSTILE, source_mode=HOSTILE, quality=HOSTILE)
    places = {"intake": HOSTILE, "region": HOSTILE, "provider_host": HOSTILE, "called_address": HOSTILE}
    problem = {"status": HOSTILE, "code": HOSTILE, "detail": HOSTILE, "errors": [{"field": HOSTILE}]}
    results = [
        make_result(event, photos={"source": photo, HOSTILE: photo}, **places),
        make_refused(problem=problem),
    ]
    page = render_page(results)
    reader = read(page)
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "<b>" not in page
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    assert escape(HOSTILE) in page


def test_what_was_done_to_a_photo_is_said_in_plain_words() -> None:
    text = read_text(render_page([make_result()]))
    assert "Turned upright: it was lying on its side (EXIF orientation 6)" in text
    assert "Scaled down from 960 x 1280 px to 720 x 960 px, to 75 % of each side" in text
    assert "as stored: lying on its side, EXIF 6" in text
    assert 'Metadata removed: camera "Camera <b>"' in text
    assert re.search(r"JPEG, [\d.]+ [kM]B → baseline JPEG, [\d.]+ kB", text)
    assert "Encoded at JPEG quality" in text
    assert "Letterboxed" not in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"padded_rows": 32}, "Letterboxed: 32 grey rows"),
        ({"profile_converted": True}, "from the embedded profile to sRGB"),
        ({"alpha_flattened": True}, "Transparency replaced with white"),
        ({"source_mode": "CMYK"}, "Pixels converted from CMYK"),
        ({"scale": 1.0}, "Not scaled"),
        ({"untouched": True}, "Unchanged: it already meets"),
        ({"url": True}, "Fetched by the provider from a URL"),
    ],
)
def test_each_thing_in_the_report_is_said(changes: dict[str, Any], said: str) -> None:
    photos = {"source": make_photo_result(**changes)}
    assert said in read_text(render_page([make_result(photos=photos)]))


def test_the_photo_before_is_shown_as_stored_and_small() -> None:
    page = render_page([make_result(photos={"source": make_photo_result(before=make_photo((2000, 1500)))})])
    sizes = re.findall(r'width="(\d+)" height="(\d+)" alt="The source photo ([^"]*)"', page)
    assert [(int(width), int(height)) for width, height, _ in sizes] == [(640, 480), (480, 640)]
    assert all(note for *_, note in sizes)


@pytest.mark.parametrize(
    ("count", "said"),
    [(1, "1 face at 25% of the photo"), (3, "3 faces, the largest at 25% of the photo")],
)
def test_the_face_that_was_compared_is_framed(count: int, said: str) -> None:
    face = DetectedFace(count, 180, 240, 360, 480, photo_width=720, photo_height=960)
    photos = {"source": replace(make_photo_result(), face=face), "target": make_photo_result()}
    page = render_page([make_result(photos=photos)])

    frames = re.findall(r'<svg class="face" viewBox="0 0 720 960" aria-hidden="true"><rect ([^/]*)/>', page)
    assert frames == ['x="180" y="240" width="360" height="480" rx="12"']
    assert said in read_text(page)


@pytest.mark.parametrize("content", [b"", b"no photo", make_photo()[:2000]])
def test_bytes_that_are_no_picture_still_make_a_page(content: bytes) -> None:
    photos = {"source": PhotoResult("a.jpg", content, None, {})}
    text = read_text(render_page([make_result(photos=photos)]))
    assert "This file can't be shown as a picture." in text
    assert "the photo was refused" in text


@pytest.mark.parametrize("mode", ["I;16", "LA", "RGBA", "P", "1", "CMYK"])
def test_any_kind_of_pixels_is_shown(mode: str) -> None:
    file = BytesIO()
    image = (
        Image.new("I;16", (64, 48), 65535)
        if mode == "I;16"
        else Image.new("RGB", (64, 48), "white").convert(mode)
    )
    image.save(file, "TIFF" if mode == "CMYK" else "PNG")
    photos = {"source": PhotoResult("a.png", file.getvalue(), None, {})}
    page = render_page([make_result(photos=photos)])
    (uri,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page)
    with Image.open(BytesIO(b64decode(uri))) as shown:
        assert shown.convert("L").getpixel((20, 20)) == 255


def test_the_way_by_the_bucket_has_the_times() -> None:
    steps = list_steps(render_page([make_result()]))
    names = [name for name, *_ in steps]
    assert names[:3] == ["Bucket", "Uploads", "Comparisons queue"]
    assert names[3:] == ["Read", "Prepare", "Slot", "Call", "Ledger", "Publish", "Results queue"]
    times = {name: time for name, _, time in steps}
    assert (times["Read"], times["Prepare"], times["Slot"], times["Call"]) == (
        "64 ms",
        "388 ms",
        "14 ms",
        "141 ms",
    )
    assert {state for _, state, _ in steps} == {"reached"}


def test_the_way_by_the_api_skips_the_queue_when_compared_at_once() -> None:
    at_once = make_event(timings_ms={"wait_for_worker": 9, "wait_for_slot": 5, "call": 120, "back_off": 80})
    names = [name for name, *_ in list_steps(render_page([make_result(at_once, intake="API")]))]
    assert names == ["API", "Ledger", "Slot", "Call", "Back off", "Ledger", "Publish", "Results queue"]
    queued = [name for name, *_ in list_steps(render_page([make_result(intake="API")]))]
    assert queued[:4] == ["API", "Comparisons queue", "Read", "Prepare"]


def test_a_rejected_photo_is_named_and_the_way_ends_where_it_did() -> None:
    event = make_event(
        verdict="photo_rejected",
        reason="too_small",
        message="The target photo is too small.",
        photo="target",
        score=None,
        timings_ms={"wait_for_worker": 3, "read": 4, "prepare": 5},
    )
    page = render_page([make_result(event, called_address=None)])
    text = read_text(page)
    for said in ("Photo rejected", "too_small", "The target photo is too small.", "no call"):
        assert said in text
    assert page.count('class="photo at-fault"') == 1
    states = {name: state for name, state, _ in list_steps(page)}
    assert (states["Prepare"], states["Slot"], states["Call"]) == ("stopped", "not-reached", "not-reached")
    assert states["Results queue"] == "reached"


def test_a_refusal_shows_code_sentence_and_photo() -> None:
    page = render_page([make_refused()])
    text = read_text(page)
    for said in (
        "Refused",
        "HTTP 422 · unreadable",
        "it is cut off",
        "no call",
    ):
        assert said in text
    assert page.count('class="photo at-fault"') == 1
    assert [state for _, state, _ in list_steps(page)] == ["stopped"] + ["not-reached"] * 6


def test_the_event_is_there_as_json() -> None:
    event = make_event(message="Ünïcode <&>")
    page = render_page([make_result(event)])
    (shown,) = re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)
    assert json.loads(unescape(shown)) == event
    assert "Ünïcode" in shown


def test_a_page_of_heavy_photos_stays_under_two_megabytes() -> None:
    photos = {
        role: make_photo_result(f"{role}.jpg", make_noise(seed))
        for seed, role in enumerate(("source", "target"))
    }
    for count in (2, 8):
        page = render_page([make_result(photos=photos)] * count)
        assert len(page.encode()) < 2_000_000


def test_every_picture_has_words_and_every_pair_a_heading() -> None:
    page = render_page([make_result(), make_refused()])
    images = re.findall(r"<img [^>]*>", page)
    assert images
    assert all(re.search(r'alt="[^"]+"', image) for image in images)
    assert page.count("<h1") == 1
    assert page.count("<h2") == 2
    assert '<html lang="en">' in page


def test_warnings_are_listed_and_what_is_kept_of_a_photo_is_framed() -> None:
    face = {
        "faces": 2,
        "share_before": 0.1,
        "share_after": 0.25,
        "crop": {"left": 300, "top": 160, "width": 480, "height": 640},
    }
    found = Drawing(720, 960, (Rectangle(1, 2, 3, 4),))
    photo = replace(make_photo_result(face=face), faces=found, warnings=["several_faces", "face_too_small"])

    page = render_page([make_result(photos={"source": photo})])

    frames = re.findall(r'<svg class="face" viewBox="([^"]*)" aria-hidden="true"><rect ([^/]*)/>', page)
    assert frames == [
        ("0 0 1280 960", 'x="160" y="180" width="640" height="480" rx="12"'),
        ("0 0 720 960", 'x="1" y="2" width="3" height="4" rx="12"'),
    ]
    text = read_text(page)
    assert "The photo has more than one face." in text
    assert "The face is small" in text
