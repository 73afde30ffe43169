"""The demo's page: the result of each pair, in one self-contained HTML file.

The template escapes all values, and the page's content security policy allows no script and no request.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from facematch_client.faces import mark_crop
from facematch_client.labels import STEPS, VERDICTS, WARNINGS
from facematch_client.page import load_template, shrink_photo
from facematch_client.photo_summary import describe_changes, read_header
from local.demo_result import DemoResult, DetectedFace, PhotoResult

_TEMPLATE: Final = Path(__file__).with_suffix(".html")
_STYLE: Final = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# Pictures are most of the page. This limits their total size, before Base64 adds a third.
_PICTURES_LIMIT_BYTES: Final = 1_350_000
_PICTURE_LIMIT_BYTES: Final = 150_000


@dataclass(frozen=True, slots=True)
class _Step:
    """One step of a pair. A step with a `timing` is reached if `timings_ms` contains that name.

    `state` is "reached", "stopped" (the last step of a pair without a verdict) or "not-reached".
    """

    name: str
    what: str
    timing: str | None = None
    state: str = "reached"


_BUCKET: Final = (_Step("Bucket", "both photos uploaded"), _Step("Uploads", "pair registered in the ledger"))
_API: Final = (_Step("API", "request checked, pair registered"),)
_WORKER: Final = (
    _Step("Comparisons queue", "wait for a worker", "wait_for_worker"),
    _Step("Read", "both photos in parallel", "read"),
    _Step("Prepare", "upright, small, no metadata", "prepare"),
)
_API_AT_ONCE: Final = (
    _Step("API", "request checked, photos prepared"),
    _Step("Ledger", "pair registered", "wait_for_worker"),
)
_CALL: Final = (
    _Step("Slot", "within the region's quota", "wait_for_slot"),
    _Step("Call", "to the provider, here the emulator", "call"),
)
_BACK_OFF: Final = _Step("Back off", "pause before a retry", "back_off")
_OUTPUT: Final = (
    _Step("Ledger", "verdict recorded"),
    _Step("Publish", "started by the ledger's stream"),
    _Step("Results queue", "one CloudEvents message"),
)


def render_page(results: Sequence[DemoResult]) -> str:
    """Return an HTML page that shows the photos, the verdict and the steps of each pair.

    The page contains no script and loads nothing. Its pictures are reduced in size.
    """
    picture_count = 2 * sum(len(result.photos) for result in results)
    limit_bytes = min(_PICTURE_LIMIT_BYTES, _PICTURES_LIMIT_BYTES // max(picture_count, 1))
    return load_template(_TEMPLATE).render(
        style=_STYLE,
        style_hash=_STYLE_HASH,
        format_time=_format_time,
        pairs=[_describe_pair(result, limit_bytes) for result in results],
    )


def _describe_pair(result: DemoResult, limit_bytes: int) -> dict[str, Any]:
    data, problem = _read_data(result), result.problem or {}
    verdict, tone = _name_verdict(result)
    errors = problem.get("errors") or []
    parts = {part for error in errors for part in str(error.get("field")).split(".")}
    faulty = [role for role in result.photos if role in parts | {data.get("photo")}]
    return {
        "result": result,
        "data": data,
        "verdict": verdict,
        "tone": tone,
        "message": data.get("message") or problem.get("detail") or "",
        "reason": data.get("reason") or problem.get("code"),
        "status": problem.get("status"),
        "bounds": {"match_from": 0, "no_match_up_to": 100} | (data.get("bounds") or {}),
        "faulty": faulty,
        "photos": [_describe_photo(role, photo, limit_bytes) for role, photo in result.photos.items()],
        "steps": _list_steps(result),
        "timings_ms": data.get("timings_ms") or {},
        "time_bar": _divide_time(result),
        "ids": _list_ids(data),
        "document": json.dumps(result.event or result.problem, indent=2, ensure_ascii=False, default=str),
    }


def _read_data(result: DemoResult) -> Mapping[str, Any]:
    data: Mapping[str, Any] = (result.event or {}).get("data") or {}
    return data


def _name_verdict(result: DemoResult) -> tuple[str, str]:
    """Return the verdict in words, and its CSS class."""
    if result.event is None:
        return "Refused", "fault"
    decision = str(_read_data(result).get("verdict"))
    return VERDICTS.get(decision, (decision, "fault"))


def _describe_photo(role: str, photo: PhotoResult, limit_bytes: int) -> dict[str, Any]:
    facts = read_header(photo.before)
    note = "as sent to the provider" if photo.report else "as it would be sent"
    if photo.face is not None:
        note = f"{note}; {_describe_face(photo.face)}"
    return {
        "role": role,
        "name": photo.name,
        "orientation_text": facts.orientation_text,
        "before": shrink_photo(photo.before, limit_bytes),
        "after": shrink_photo(photo.after, limit_bytes) if photo.after else None,
        "was_refused": photo.after is None,
        "crop": mark_crop(photo.report),
        "faces": photo.face.draw() if photo.face else photo.faces,
        "note": note,
        "warnings": [WARNINGS[warning] for warning in photo.warnings],
        "work": describe_changes(photo.report, facts),
    }


def _describe_face(face: DetectedFace) -> str:
    faces = "1 face" if face.count == 1 else f"{face.count} faces, the largest"
    return f"{faces} at {face.share:.0%} of the photo"


def _list_steps(result: DemoResult) -> list[_Step]:
    timings = _read_data(result).get("timings_ms") or {}
    by_api, is_queued = result.intake.casefold() == "api", "read" in timings
    if by_api and not is_queued:
        listed = (*_API_AT_ONCE, *_CALL)
    else:
        listed = (*(_API if by_api else _BUCKET), *_WORKER, *_CALL)
    steps = [step if step.timing in {None, *timings} else _skip(step) for step in listed]
    last = max(at for at, step in enumerate(steps) if step.state == "reached")
    if last + 1 < len(steps) and _name_verdict(result)[1] == "fault":
        steps[last] = replace(steps[last], state="stopped")
    if result.event is None:
        refused = replace(steps[0], what=_explain_refusal(result.problem or {}))
        return [refused, *steps[1:], *map(_skip, _OUTPUT)]
    return [*steps, *([_BACK_OFF] if "back_off" in timings else []), *_OUTPUT]


def _skip(step: _Step) -> _Step:
    return replace(step, state="not-reached")


def _explain_refusal(problem: Mapping[str, Any]) -> str:
    # After a server error, it is unknown what the stack has done.
    is_refused = str(problem.get("status")).startswith("4")
    return "request refused; nothing registered, nothing billed" if is_refused else "no verdict"


def _divide_time(result: DemoResult) -> list[dict[str, Any]]:
    """Return the parts of the total time, with their positions in a bar of 1000 units."""
    timings = _read_data(result).get("timings_ms") or {}
    classes = {step: f"part-{number}" for number, step in enumerate(STEPS, start=1)}
    parts = [
        (STEPS.get(step, step), classes.get(step, "part-0"), int(ms))
        for step, ms in timings.items()
        if step != "total" and ms > 0
    ]
    if not parts:
        return []
    measured_ms = sum(ms for *_, ms in parts)
    whole_ms = max(result.total_ms, measured_ms)
    parts.append(("Input, function start and output", "part-rest", whole_ms - measured_ms))
    starts_ms = accumulate((ms for *_, ms in parts), initial=0)
    return [
        {
            "name": name,
            "class": css,
            "time_ms": ms,
            "x": 1000 * start_ms / whole_ms,
            "width": 1000 * ms / whole_ms,
        }
        for (name, css, ms), start_ms in zip(parts, starts_ms, strict=False)
    ]


def _list_ids(data: Mapping[str, Any]) -> dict[str, str | None]:
    provider = data.get("provider") or {}
    return {
        "Comparison": data.get("comparison_id"),
        "MerchantBizId": ", ".join(map(str, provider.get("merchant_biz_ids") or [])),
        "RequestId": provider.get("request_id"),
        "TransactionId": provider.get("transaction_id"),
        "Provider's code": provider.get("code"),
    }


def _format_time(time_ms: int) -> str:
    return f"{time_ms} ms" if time_ms < 1000 else f"{time_ms / 1000:.1f} s"  # noqa: PLR2004 - the unit
