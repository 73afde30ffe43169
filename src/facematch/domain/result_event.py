"""The event that leaves on the results queue, by `schemas/result-event.schema.json`.

Source: the CloudEvents 1.0 specification (context attributes, extension attributes, structured mode).
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Final

from facematch import __version__
from facematch.domain.comparison import Comparison, Ending, Outcome, State, end_state
from facematch.domain.inbox import is_pair_id

_TYPES: Final = {
    State.COMPLETED: "facematch.comparison.completed",
    State.REJECTED: "facematch.comparison.rejected",
    State.FAILED: "facematch.comparison.failed",
}


def make_result_event(comparison: Comparison, source: str) -> dict[str, Any]:
    """Return the CloudEvents message of an ended comparison; its `id` is the same however often it is made.

    Raises
    ------
    ValueError
        The comparison has not ended.
    """
    ending = comparison.ending
    if ending is None:
        raise ValueError("A comparison without an ending has no event.")
    return {
        "specversion": "1.0",
        "id": comparison.id,
        "source": source,
        "type": _TYPES[end_state(ending.verdict.decision)],
        "subject": _choose_subject(comparison),
        "time": format_time(ending.ended_at_ms),
        "datacontenttype": "application/json",
        "facematchversion": __version__,
        "data": describe_ending(comparison, ending),
    }


def _choose_subject(comparison: Comparison) -> str:
    """Return the pair id, or the comparison's id where the pair id is missing or no CloudEvents String."""
    pair_id = comparison.pair_id
    return pair_id if pair_id is not None and is_pair_id(pair_id) else comparison.id


def describe_ending(comparison: Comparison, ending: Ending) -> dict[str, Any]:
    """Return what is told of an ended comparison, as JSON values: on the queue and by the API alike."""
    verdict = ending.verdict
    return {
        "comparison_id": comparison.id,
        "pair_id": comparison.pair_id,
        "region": comparison.region,
        "origin": comparison.origin.value,
        "verdict": verdict.decision.value,
        "reason": verdict.reason,
        "message": verdict.message,
        "photo": verdict.photo.value if verdict.photo else None,
        "score": verdict.score,
        "passed": verdict.passed,
        "bounds": asdict(comparison.options.bounds),
        "provider": {
            "code": verdict.provider_code,
            "request_id": verdict.request_id,
            "transaction_id": verdict.transaction_id,
            "merchant_biz_ids": [attempt.merchant_biz_id for attempt in comparison.attempts],
            "face_quality": verdict.face_quality,
        },
        "attempts": comparison.call_count,
        "possibly_billed_attempts": sum(
            attempt.outcome is not Outcome.ANSWERED for attempt in comparison.attempts
        ),
        "photos": {role.value: dict(report) for role, report in ending.photos.items()},
        "timings_ms": {**ending.timings_ms, "total": max(ending.ended_at_ms - comparison.created_at_ms, 0)},
        "registered_at": format_time(comparison.created_at_ms),
        "ended_at": format_time(ending.ended_at_ms),
    }


def format_time(at_ms: int) -> str:
    """Return Unix milliseconds as RFC 3339 in UTC."""
    moment = datetime.fromtimestamp(at_ms / 1000, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
