"""The story of a comparison, from what the ledger holds of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from facematch.comparison import Attempt, Comparison, Outcome, State

_OUTCOMES = {
    Outcome.UNSENT: "did not reach the provider",
    Outcome.UNKNOWN: "brought no answer; nobody can tell whether it was billed",
    Outcome.ANSWERED: "was answered",
    Outcome.FAULTED: "failed at the provider",
    Outcome.THROTTLED: "was throttled",
    Outcome.REFUSED: "was refused: the account or its key is not in order",
}


@dataclass(frozen=True, slots=True)
class Chapter:
    """Something that happened: when, what, and what is to be known of it."""

    at_ms: int
    what: str
    details: str = ""


def tell_story(comparison: Comparison, item: Mapping[str, Any], *, now_ms: int) -> list[Chapter]:
    """Return what happened to a comparison, in order; `item` is its whole item in the ledger."""
    return sorted(_recall(comparison, item, now_ms), key=lambda chapter: chapter.at_ms)


def _recall(comparison: Comparison, item: Mapping[str, Any], now_ms: int) -> Iterator[Chapter]:
    caller = f", asked for by {comparison.caller}" if comparison.caller else ""
    way = "the bucket" if comparison.origin == "upload" else "the API"
    yield Chapter(comparison.created_at_ms, "registered", f"by {way}{caller}")
    for attempt in comparison.attempts:
        yield Chapter(attempt.started_at_ms, f"attempt {attempt.number}", _describe_attempt(attempt))
    if comparison.ending is not None:
        verdict = comparison.ending.verdict
        what = "erased" if comparison.state is State.ERASED else f"ended: {verdict.decision}"
        yield Chapter(comparison.ending.ended_at_ms, what, verdict.message)
    if "nudged_at_ms" in item:
        yield Chapter(int(item["nudged_at_ms"]), "redriven", "from the outbox's dead letters")
    if comparison.published_at_ms is not None:
        yield Chapter(comparison.published_at_ms, "published", "the event is on the results queue")
    yield from _look_at_present(comparison, item, now_ms)


def _describe_attempt(attempt: Attempt) -> str:
    parts = [_OUTCOMES[attempt.outcome] + (f" ({attempt.code})" if attempt.code else "")]
    if attempt.duration_ms is not None:
        parts.append(f"after {attempt.duration_ms} ms")
    parts.append(f"MerchantBizId {attempt.merchant_biz_id}")
    if attempt.request_id:
        parts.append(f"request {attempt.request_id}")
    return ", ".join(parts)


def _look_at_present(comparison: Comparison, item: Mapping[str, Any], now_ms: int) -> Iterator[Chapter]:
    lease_until_ms = int(item.get("lease_until_ms", 0))
    if not comparison.ended and lease_until_ms > now_ms:
        left_s = (lease_until_ms - now_ms) / 1000
        yield Chapter(now_ms, "at work", f"a worker has it, for {left_s:.0f} s at the most")
    elif not comparison.ended:
        yield Chapter(now_ms, "waiting", "for a worker and a slot in the quota")
    elif comparison.published_at_ms is None and item.get("outbox") == "pending":
        yield Chapter(now_ms, "waiting", "to be published")
