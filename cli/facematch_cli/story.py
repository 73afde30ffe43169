"""The story of a comparison, from what the ledger holds of it and of its pair."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.comparison import Attempt, Comparison, Origin, Outcome, State
from facematch.domain.inbox import make_folder
from facematch.domain.ports import Pair

_OUTCOMES: Final = {
    Outcome.UNSENT: "did not reach the provider",
    Outcome.UNKNOWN: "brought no answer; nobody can tell whether it was billed",
    Outcome.ANSWERED: "was answered",
    Outcome.FAULTED: "failed at the provider",
    Outcome.THROTTLED: "was throttled",
    Outcome.REFUSED: "was refused: the account or its key is not in order",
}
_WAITS: Final[Mapping[Outcome | None, str]] = {
    Outcome.REFUSED: "until the account and its key are in order; a worker asks again every now and then",
    Outcome.THROTTLED: "for a slot in the quota, which the provider holds back",
}


@dataclass(frozen=True, slots=True)
class Chapter:
    """Something that happened: when, what, and what is to be known of it."""

    at_ms: int
    what: str
    details: str = ""


def find_landed(ledger: DynamoDbLedger, comparison: Comparison) -> Pair | None:
    """Return the pair in the inbox that a comparison is of, whoever's it is, or None where it is of none."""
    if comparison.origin is not Origin.UPLOAD or comparison.pair_id is None:
        return None
    return ledger.find_pair(comparison.region, make_folder(comparison.pair_id, comparison.caller))


def tell_story(
    comparison: Comparison, item: Mapping[str, Any], landed: Pair | None = None, *, now_ms: int
) -> list[Chapter]:
    """Return what happened to a comparison, in order.

    `item` is its whole item in the ledger, `landed` its pair in the inbox. Of that only photos of this very
    comparison are told: later ones may have replaced them.
    """
    etags = {photo.etag for photo in comparison.photos.values()}
    landings = [] if landed is None else recall_landings(landed)
    return sorted(
        [
            *(chapter for etag, chapter in landings if etag in etags),
            *_recall(comparison, item, now_ms),
        ],
        key=lambda chapter: chapter.at_ms,
    )


def recall_landings(pair: Pair) -> list[tuple[str | None, Chapter]]:
    """Return when each photo of a pair landed, with the photo's ETag."""
    return [
        (arrived.photo.etag, Chapter(arrived.arrived_at_ms, f"{role} landed", "in the bucket"))
        for role, arrived in pair.arrived.items()
    ]


def _recall(comparison: Comparison, item: Mapping[str, Any], now_ms: int) -> Iterator[Chapter]:
    way, did = ("the bucket", "uploaded") if comparison.origin is Origin.UPLOAD else ("the API", "asked for")
    caller = f", {did} by {comparison.caller}" if comparison.caller else ""
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
        last = comparison.attempts[-1].outcome if comparison.attempts else None
        yield Chapter(now_ms, "waiting", _WAITS.get(last, "for a worker and a slot in the quota"))
    elif comparison.published_at_ms is None and item.get("outbox") == "pending":
        yield Chapter(now_ms, "waiting", "to be published")
