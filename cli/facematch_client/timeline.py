"""The timeline of a comparison, from the ledger."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from facematch.adapters.ledger import OUTBOX, DynamoDbLedger
from facematch.domain.comparison import Attempt, Comparison, Origin, Outcome, State
from facematch.domain.inbox import make_folder
from facematch.domain.lane import Hold
from facematch.domain.pair import Pair
from facematch.domain.verdict import Role
from facematch_client.holds import describe_hold
from facematch_client.text import count_of

_OUTCOMES: Final = {
    Outcome.NOT_SETTLED: "has no recorded answer yet; it may have been billed",
    Outcome.POSSIBLY_BILLED: "got no answer; it may have been billed",
    Outcome.ANSWERED: "was answered",
}


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """An event in the timeline of a comparison."""

    at_ms: int
    what: str
    details: str = ""


def find_arrived_pair(ledger: DynamoDbLedger, comparison: Comparison) -> Pair | None:
    """Return the pair in the inbox that a comparison belongs to, or None."""
    if comparison.origin is not Origin.UPLOAD or comparison.pair_id is None:
        return None
    return ledger.find_pair(comparison.region, make_folder(comparison.pair_id, comparison.caller))


def make_timeline(
    comparison: Comparison,
    item: Mapping[str, Any],
    pair: Pair | None = None,
    hold: Hold | None = None,
    *,
    now_ms: int,
) -> list[TimelineEntry]:
    """Return the timeline of a comparison, in order of time.

    `item` is its item in the ledger. `pair` is its pair in the inbox: other photos may have replaced those of
    this comparison, and are left out. `hold` is the hold on the comparison's region.
    """
    return sorted(
        [
            *(_list_own_arrivals(comparison, pair) if pair else ()),
            *_list_events(comparison, item, hold, now_ms),
        ],
        key=lambda entry: entry.at_ms,
    )


def list_arrivals(pair: Pair) -> dict[Role, TimelineEntry]:
    """Return the arrival of each photo of a pair."""
    return {
        role: TimelineEntry(arrived.arrived_at_ms, f"{role} arrived", "in the bucket")
        for role, arrived in pair.arrived.items()
    }


def _list_own_arrivals(comparison: Comparison, pair: Pair) -> Iterator[TimelineEntry]:
    etags = {photo.etag for photo in comparison.photos.values() if photo.etag is not None}
    for role, entry in list_arrivals(pair).items():
        arrived = pair.arrived[role]
        is_registered = arrived.taken and pair.comparison_id == comparison.id
        if is_registered or arrived.photo.etag in etags:
            yield entry


def _list_events(
    comparison: Comparison, item: Mapping[str, Any], hold: Hold | None, now_ms: int
) -> Iterator[TimelineEntry]:
    origin, action = ("bucket", "uploaded") if comparison.origin is Origin.UPLOAD else ("API", "requested")
    caller = f", {action} by {comparison.caller}" if comparison.caller else ""
    yield TimelineEntry(comparison.created_at_ms, "registered", f"from the {origin}{caller}")
    for attempt in comparison.attempts:
        yield TimelineEntry(attempt.started_at_ms, f"attempt {attempt.number}", _describe_attempt(attempt))
    if comparison.ending is not None:
        verdict = comparison.ending.verdict
        what = "erased" if comparison.state is State.ERASED else f"ended: {verdict.decision}"
        yield TimelineEntry(comparison.ending.ended_at_ms, what, verdict.message)
    if "nudged_at_ms" in item:
        yield TimelineEntry(int(item["nudged_at_ms"]), "redriven", "from the outbox's dead letters")
    if comparison.published_at_ms is not None:
        yield TimelineEntry(comparison.published_at_ms, "published", "the event is on the results queue")
    yield from _describe_present(comparison, item, hold, now_ms)


def _describe_attempt(attempt: Attempt) -> str:
    parts = [_OUTCOMES[attempt.outcome] + (f" ({attempt.code})" if attempt.code else "")]
    if attempt.duration_ms is not None:
        parts.append(f"after {attempt.duration_ms} ms")
    parts.append(f"MerchantBizId {attempt.merchant_biz_id}")
    if attempt.request_id:
        parts.append(f"request {attempt.request_id}")
    return ", ".join(parts)


def _describe_present(
    comparison: Comparison, item: Mapping[str, Any], hold: Hold | None, now_ms: int
) -> Iterator[TimelineEntry]:
    lease_until_ms = int(item.get("lease_until_ms", 0))
    if not comparison.has_ended and lease_until_ms > now_ms:
        left_s = (lease_until_ms - now_ms) / 1000
        yield TimelineEntry(now_ms, "in progress", f"a worker has its lease for {left_s:.0f} s more")
    elif not comparison.has_ended and hold is not None:
        yield TimelineEntry(
            now_ms, "waiting", f"calls to {comparison.region} are on hold: {describe_hold(hold, now_ms)}"
        )
    elif not comparison.has_ended:
        yield TimelineEntry(
            now_ms, "waiting", f"for a worker and a slot in the quota{_describe_unbilled_calls(comparison)}"
        )
    elif comparison.published_at_ms is None and item.get("work") == OUTBOX:
        yield TimelineEntry(now_ms, "waiting", "to be published")


def _describe_unbilled_calls(comparison: Comparison) -> str:
    """Return the number of unbilled calls and the last code, empty if there was no call."""
    if not comparison.unbilled_count:
        return ""
    calls = count_of(comparison.unbilled_count, "call")
    return f", after {calls} without cost" + (f" ({comparison.last_code})" if comparison.last_code else "")
