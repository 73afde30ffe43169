"""The demo's page: what became of each pair, in one HTML file that needs nothing else.

Whatever comes from outside (names, ids, messages, events) is escaped on its way in, and the page's own
content security policy lets nothing run and nothing load.
"""

import base64
import hashlib
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from PIL import Image

from facematch_client.faces import Drawing, mark_crop, render_drawing
from facematch_client.photo_story import StoredFacts, describe_work, read_stored_facts
from facematch_client.words import STEPS, VERDICTS, WARNINGS
from local.journey import FoundFace, Journey, PhotoPassage

_STYLE: Final = (Path(__file__).with_name("demo_page.css")).read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)

# Pictures take the most of the page; together they stay below this, before Base64 adds a third.
_PICTURES_LIMIT_BYTES: Final = 1_350_000
_PICTURE_LIMIT_BYTES: Final = 150_000
_PICTURE_SIDES_PX: Final = (640, 480, 320, 200, 120)
_PICTURE_QUALITY: Final = 82
_REFUSED: Final = ("Refused", "fault")


@dataclass(frozen=True, slots=True)
class _Step:
    """One stop on the way; `state` is "reached", "stopped" (the pair went no further) or "not-reached"."""

    name: str
    what: str
    time_ms: int | None = None
    state: str = "reached"


@dataclass(frozen=True, slots=True)
class _Picture:
    """A picture small enough for the page."""

    uri: str
    width: int
    height: int


def render_page(journeys: Sequence[Journey]) -> str:
    """Return one self-contained HTML page that shows each pair's photos, verdict and way through the stack.

    It holds no script and loads nothing; pictures are in it, made smaller where they need it.
    """
    picture_count = 2 * sum(len(journey.photos) for journey in journeys)
    limit_bytes = min(_PICTURE_LIMIT_BYTES, _PICTURES_LIMIT_BYTES // max(picture_count, 1))
    articles = "\n".join(
        _render_journey(journey, number, limit_bytes) for number, journey in enumerate(journeys, start=1)
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>facematch: what became of each pair</title>
<link rel="icon" href="data:,">
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>What became of each pair</h1>
<p class="lead">Two photos go in by the bucket or the API; one verdict leaves on the results queue.
This page shows each photo before and after, what was done to it, and the way the pair took.</p>
<p class="emulated"><strong>The provider here is the emulator.</strong>
It compares faces with dlib's networks. They are not the provider's: scores are not comparable.</p>
{_render_contents(journeys)}
</header>
<main>
{articles}
</main>
<footer><p>Made by <code>make demo</code>. The file is complete: it loads and runs nothing.</p></footer>
</body>
</html>
"""


def _render_contents(journeys: Sequence[Journey]) -> str:
    links = "".join(
        f'<li><a href="#pair-{number}">By the {escape(journey.way_in)}: '
        f"<strong>{_name_verdict(journey)[0]}</strong></a></li>"
        for number, journey in enumerate(journeys, start=1)
    )
    return f'<nav aria-label="Pairs"><ul class="contents">{links}</ul></nav>'


def _render_journey(journey: Journey, number: int, limit_bytes: int) -> str:
    photos = "".join(
        _render_photo(role, passage, limit_bytes, at_fault=role in _find_faulty_photos(journey))
        for role, passage in journey.photos.items()
    )
    return f"""<article class="journey" id="pair-{number}" aria-labelledby="title-{number}">
<div class="top">
<div>
<p class="eyebrow">Pair {number}, by the {escape(journey.way_in)}</p>
<h2 id="title-{number}">{_text(_find_title(journey))}</h2>
{_render_facts(_list_facts(journey))}
</div>
{_render_verdict(journey)}
</div>
<section aria-label="Photos"><h3>The photos, before and after</h3><div class="photos">{photos}</div></section>
<section aria-label="Way"><h3>The way through the stack</h3>{_render_way(journey)}</section>
{_render_record(journey)}
</article>"""


def _find_title(journey: Journey) -> str:
    if journey.event is None:
        return "A pair that the API refused"
    return str(_read_data(journey).get("pair_id") or journey.event.get("subject") or "A pair without a name")


def _list_facts(journey: Journey) -> dict[str, str]:
    called = journey.called_address
    return {
        "Region": _text(journey.region),
        "Provider's host": f"<code>{_text(journey.provider_host)}</code>",
        "Called here": f"<code>{_text(called)}</code>, the emulator" if called else "no call was made",
        "Time to the verdict": f"{_say_time(journey.total_ms)}, cold start included",
    }


def _render_facts(facts: Mapping[str, str]) -> str:
    """Return a description list; its values are HTML already."""
    rows = "".join(f"<dt>{_text(name)}</dt><dd>{value}</dd>" for name, value in facts.items())
    return f'<dl class="facts">{rows}</dl>'


def _read_data(journey: Journey) -> Mapping[str, Any]:
    data: Mapping[str, Any] = (journey.event or {}).get("data") or {}
    return data


def _name_verdict(journey: Journey) -> tuple[str, str]:
    """Return the verdict in words, and the class that colours it."""
    if journey.event is None:
        return _REFUSED
    decision = str(_read_data(journey).get("verdict"))
    return VERDICTS.get(decision, (_text(decision), "fault"))


def _find_faulty_photos(journey: Journey) -> set[str]:
    errors = (journey.problem or {}).get("errors") or []
    named = {part for error in errors for part in str(error.get("field")).split(".")}
    return named | {str(_read_data(journey).get("photo"))}


def _render_verdict(journey: Journey) -> str:
    word, tone = _name_verdict(journey)
    data, problem = _read_data(journey), journey.problem or {}
    sentence = data.get("message") or problem.get("detail") or ""
    reason = data.get("reason") or problem.get("code")
    status = f"HTTP {problem['status']} · " if "status" in problem else ""
    score = data.get("score")
    picture = '<div class="sign" aria-hidden="true">!</div>'
    bounds = ""
    if score is not None:
        limits = data.get("bounds") or {}
        match_from, no_match_up_to = limits.get("match_from", 0), limits.get("no_match_up_to", 100)
        picture = _render_gauge(float(score), float(match_from), float(no_match_up_to))
        bounds = f'<p class="bounds">{_explain_bounds(match_from, no_match_up_to)}</p>'
    code = f'<p class="code"><code>{_text(status)}{_text(reason)}</code></p>' if reason else ""
    fault = "".join(
        f" Photo at fault: {role}." for role in journey.photos if role in _find_faulty_photos(journey)
    )
    return (
        f'<div class="verdict {tone}">{picture}<p class="word">{word}</p>'
        f'<p class="sentence">{_text(sentence)}{_text(fault)}</p>{code}{bounds}</div>'
    )


def _explain_bounds(match_from: float, no_match_up_to: float) -> str:
    words = f"Match from {match_from:g}, no match up to {no_match_up_to:g}"
    if (match_from, no_match_up_to) == (0, 100):
        return f"{words}: the provider's own word decides."
    return f"{words}; a score short of its bound is for a person."


def _render_gauge(score: float, match_from: float, no_match_up_to: float) -> str:
    arc = 'd="M 25 118 A 95 95 0 0 1 215 118" pathLength="100"'
    filled = min(max(score, 0.0), 100.0)
    label = f"Score {score:g} of 100; match from {match_from:g}, no match up to {no_match_up_to:g}"
    return (
        f'<svg viewBox="-14 -8 268 154" role="img" aria-label="{label}">'
        f'<path class="gauge-track" {arc}/>'
        f'<path class="gauge-score" {arc} stroke-dasharray="{filled:g} 200"/>'
        f"{_render_bound(match_from, 'match')}{_render_bound(no_match_up_to, 'no_match')}"
        f'<text class="gauge-text" x="120" y="112">{score:g}</text>'
        f'<text class="gauge-label" x="120" y="132">of 100</text></svg>'
    )


def _render_bound(bound: float, tone: str) -> str:
    angle = math.pi * (1 - bound / 100)
    across, up = math.cos(angle), math.sin(angle)
    inner = f'x1="{120 + 84 * across:.1f}" y1="{118 - 84 * up:.1f}"'
    outer = f'x2="{120 + 106 * across:.1f}" y2="{118 - 106 * up:.1f}"'
    place = f'x="{120 + 122 * across:.1f}" y="{122 - 117 * up:.1f}"'
    return (
        f'<line class="gauge-bound {tone}" {inner} {outer}/>'
        f'<text class="gauge-label" {place}>{bound:g}</text>'
    )


def _render_photo(role: str, passage: PhotoPassage, limit_bytes: int, *, at_fault: bool) -> str:
    facts = read_stored_facts(passage.before)
    done = describe_work(passage.report, facts)
    warnings = "".join(f'<li class="warning">{_text(WARNINGS[one])}</li>' for one in passage.warnings)
    items = "".join(f"<li>{_text(item)}</li>" for item in done)
    items = items or '<li class="none">No report: the pair ended before both photos were ready.</li>'
    badge = ' <span class="badge">at fault</span>' if at_fault else ""
    before = _shrink(passage.before, limit_bytes)
    after = _shrink(passage.after, limit_bytes) if passage.after else None
    return (
        f'<div class="photo{" at-fault" if at_fault else ""}">'
        f'<h4>{_text(role.capitalize())} <span class="name">{_text(passage.name)}</span>{badge}</h4>'
        f'<div class="sides {_choose_layout(before, after)}">{_render_before(role, passage, before, facts)}'
        f"{_render_after(role, passage, after)}</div>"
        f'<ul class="done">{warnings}{items}</ul></div>'
    )


def _choose_layout(before: _Picture | None, after: _Picture | None) -> str:
    """Return the class that gives more room to the one of the two that is wide, if only one is."""
    before_is_wide = before is not None and before.width > before.height
    after_is_wide = after is not None and after.width > after.height
    if before_is_wide == after_is_wide or after is None:
        return "even"
    return "wide-first" if before_is_wide else "wide-last"


def _render_before(role: str, passage: PhotoPassage, picture: _Picture | None, facts: StoredFacts) -> str:
    if picture is None:
        return _render_figure("Before", "can't be shown", None, "These bytes can't be shown as a picture.")
    words = f"The {role} photo {facts.posture}"
    return _render_figure("Before", facts.posture, picture, words, mark_crop(passage.report))


def _render_after(role: str, passage: PhotoPassage, picture: _Picture | None) -> str:
    if passage.after is None:
        return _render_figure("After", "not sent", None, "There is none: the photo was refused.")
    note = "as the provider gets it" if passage.report else "as it would be sent"
    if passage.face is not None:
        note = f"{note}; {_describe_face(passage.face)}"
    drawing = passage.face.draw() if passage.face else passage.faces
    return _render_figure("After", note, picture, f"The {role} photo {note}", drawing)


def _describe_face(face: FoundFace) -> str:
    faces = "1 face" if face.count == 1 else f"{face.count} faces, the largest"
    return f"{faces} at {face.share:.0%} of the photo"


def _render_figure(
    title: str, note: str, picture: _Picture | None, words: str, drawing: Drawing | None = None
) -> str:
    """Return a picture with a caption; `words` stand in for it where it can't be seen."""
    if picture is None:
        shown = f'<div class="no-picture">{_text(words)}</div>'
    else:
        size = f'width="{picture.width}" height="{picture.height}"'
        image = f'<img src="{picture.uri}" {size} alt="{_text(words)}">'
        shown = f'<div class="framed">{image}{render_drawing(drawing)}</div>'
    return f"<figure>{shown}<figcaption><strong>{title}</strong>, {_text(note)}</figcaption></figure>"


def _render_way(journey: Journey) -> str:
    steps = "".join(_render_step(step) for step in _list_steps(journey))
    return f'<ol class="way">{steps}</ol>{_render_time_bar(journey)}'


def _render_step(step: _Step) -> str:
    time = "&nbsp;" if step.time_ms is None else _say_time(step.time_ms)
    if step.state != "reached":
        time = "not reached" if step.state == "not-reached" else "ended here"
    return (
        f'<li class="{step.state}"><span class="ms">{time}</span><span class="step">{_text(step.name)}</span>'
        f'<span class="what">{_text(step.what)}</span></li>'
    )


def _list_steps(journey: Journey) -> list[_Step]:
    by_api = journey.way_in.casefold() == "api"
    if journey.event is None:
        return _stop_at_api(journey.problem or {})
    timings = _read_data(journey).get("timings_ms") or {}
    steps = _follow_api(timings, queued="read" in timings) if by_api else _follow_bucket(timings)
    if _name_verdict(journey)[1] == "fault":
        steps = _mark_where_stopped(steps)
    return [*steps, *_follow_way_out()]


def _stop_at_api(problem: Mapping[str, Any]) -> list[_Step]:
    # After a fault of the stack's own, nobody can say here how far it had come.
    harmless = str(problem.get("status")).startswith("4")
    what = "refused the request; nothing registered, nothing billed" if harmless else "gave no verdict"
    ahead = [*_follow_api({}, queued=False)[1:], *_follow_way_out()]
    return [_Step("API", what, state="stopped"), *(replace(step, state="not-reached") for step in ahead)]


def _mark_where_stopped(steps: Sequence[_Step]) -> list[_Step]:
    """Return the steps, with the last that the pair reached marked if it did not reach them all."""
    reached = [step.state == "reached" for step in steps]
    if all(reached):
        return list(steps)
    last = max(number for number, is_reached in enumerate(reached) if is_reached)
    return [replace(step, state="stopped") if at == last else step for at, step in enumerate(steps)]


def _follow_bucket(timings: Mapping[str, int]) -> list[_Step]:
    return [
        _Step("Bucket", "two photos put"),
        _Step("Uploads", "pair registered in the ledger"),
        _Step("Comparisons queue", "until a worker took it", timings.get("wait_for_worker")),
        *_follow_worker(timings),
    ]


def _follow_api(timings: Mapping[str, int], *, queued: bool) -> list[_Step]:
    if queued:
        return [
            _Step("API", "request checked, pair registered"),
            _Step("Comparisons queue", "until a worker took it", timings.get("wait_for_worker")),
            *_follow_worker(timings),
        ]
    return [
        _Step("API", "request checked, photos prepared"),
        _Step("Ledger", "pair registered", timings.get("wait_for_worker")),
        *_follow_call(timings),
    ]


def _follow_worker(timings: Mapping[str, int]) -> list[_Step]:
    return [
        _measured("Read", "both photos, at once", timings, "read"),
        _measured("Prepare", "upright, small, no metadata", timings, "prepare"),
        *_follow_call(timings),
    ]


def _follow_call(timings: Mapping[str, int]) -> list[_Step]:
    steps = [
        _measured("Slot", "within the region's quota", timings, "wait_for_slot"),
        _measured("Call", "to the provider, here the emulator", timings, "call"),
    ]
    if "back_off" in timings:
        steps.append(_measured("Back off", "before trying again", timings, "back_off"))
    return steps


def _measured(name: str, what: str, timings: Mapping[str, int], step: str) -> _Step:
    return _Step(name, what, timings.get(step), "reached" if step in timings else "not-reached")


def _follow_way_out() -> list[_Step]:
    return [
        _Step("Ledger", "verdict recorded"),
        _Step("Publish", "woken by the ledger's stream"),
        _Step("Results queue", "one CloudEvents message"),
    ]


def _render_time_bar(journey: Journey) -> str:
    timings = _read_data(journey).get("timings_ms") or {}
    parts = {step: int(ms) for step, ms in timings.items() if step != "total" and ms > 0}
    if not parts:
        return ""
    whole_ms = max(journey.total_ms, sum(parts.values()))
    classes = {step: f"part-{number}" for number, step in enumerate(STEPS, start=1)}
    named = [(STEPS.get(step, step), classes.get(step, "part-0"), ms) for step, ms in parts.items()]
    named.append(("Way in, start of functions, way out", "part-rest", whole_ms - sum(parts.values())))
    key = "".join(
        f'<li><svg viewBox="0 0 10 10" aria-hidden="true">'
        f'<rect class="{tone}" width="10" height="10" rx="2"/></svg>'
        f"{_text(name)} <strong>{_say_time(ms)}</strong></li>"
        for name, tone, ms in named
    )
    return f'{_render_bar([(tone, ms) for _, tone, ms in named], whole_ms)}<ul class="key">{key}</ul>'


def _render_bar(parts: Sequence[tuple[str, int]], whole_ms: int) -> str:
    shown, left = "", 0.0
    for tone, ms in parts:
        width = 1000 * ms / whole_ms
        shown += f'<rect class="{tone}" x="{left:.2f}" width="{width:.2f}" height="16"/>'
        left += width
    return (
        f'<svg class="bar" viewBox="0 0 1000 16" preserveAspectRatio="none" aria-hidden="true">{shown}</svg>'
    )


def _render_record(journey: Journey) -> str:
    data, title = _read_data(journey), "The event, as it came off the results queue"
    document = journey.event
    if document is None:
        document, title = journey.problem, "The API's answer"
    shown = escape(json.dumps(document, indent=2, ensure_ascii=False, default=str))
    ids = _render_facts(_list_ids(data)) if data else ""
    heading = "The ids to ask the provider by" if data else "What the API said"
    return (
        f'<section class="ids" aria-label="Record"><h3>{heading}</h3>{ids}'
        f'<details><summary>{title}</summary><pre tabindex="0">{shown}</pre></details></section>'
    )


def _list_ids(data: Mapping[str, Any]) -> dict[str, str]:
    provider = data.get("provider") or {}
    ids = {
        "Comparison": data.get("comparison_id"),
        "MerchantBizId": ", ".join(str(made) for made in provider.get("merchant_biz_ids") or []),
        "RequestId": provider.get("request_id"),
        "TransactionId": provider.get("transaction_id"),
        "Provider's code": provider.get("code"),
    }
    return {name: f"<code>{_text(value)}</code>" if value else "none" for name, value in ids.items()}


def _shrink(data: bytes, limit_bytes: int) -> _Picture | None:
    """Return a photo as stored, not turned, small enough for the page, or None where it can't be shown."""
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning),
            Image.open(BytesIO(data)) as image,
        ):
            image.draft("RGB", (_PICTURE_SIDES_PX[0], _PICTURE_SIDES_PX[0]))
            return _fit(_flatten(image), limit_bytes)
    except Exception:  # noqa: BLE001 - whatever a stranger's file does to a decoder, the page must come out
        return None


def _flatten(image: Image.Image) -> Image.Image:
    """Return a picture in plain RGB: 16 bits cut to 8, transparency on white."""
    if image.mode.startswith("I"):
        return image.convert("I").point(lambda value: value * (1 / 256) + 0).convert("L").convert("RGB")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def _fit(picture: Image.Image, limit_bytes: int) -> _Picture:
    jpeg = b""
    for side in _PICTURE_SIDES_PX:
        picture.thumbnail((side, side))
        file = BytesIO()
        picture.save(file, "JPEG", quality=_PICTURE_QUALITY)
        jpeg = file.getvalue()
        if len(jpeg) <= limit_bytes:
            break
    uri = f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
    return _Picture(uri, picture.width, picture.height)


def _say_time(time_ms: int) -> str:
    return f"{time_ms} ms" if time_ms < 1000 else f"{time_ms / 1000:.1f} s"  # noqa: PLR2004 - the unit


def _text(value: object) -> str:
    return escape(str(value))
