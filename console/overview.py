"""How a stack is, and its latest verdicts: from the ledger, so that no consumer of the queue misses one."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.comparison import Comparison, State
from facematch_cli.overview import Overview, Tally, look_over
from facematch_cli.stack import Stack

PAGE_LIMIT: Final = 4
"""Of the ledger, in MB: the page looks often."""


class ResultFeed:
    """Knows the latest verdicts."""

    def __init__(self, ledger: DynamoDbLedger) -> None:
        self._ledger = ledger
        self._published: Mapping[str, dict[str, Any]] = {}

    def list_latest(self, tally: Tally) -> list[dict[str, Any]]:
        """Return the latest verdicts, the newest first; those that have left are not read again."""
        latest = [record_id for _, record_id in sorted(tally.latest, reverse=True)]
        found = [self._published.get(record_id) or self._describe(record_id) for record_id in latest]
        rows = [row for row in found if row is not None]
        self._published = {row["id"]: row for row in rows if row["published_at_ms"]}
        return rows

    def _describe(self, comparison_id: str) -> dict[str, Any] | None:
        comparison = self._ledger.find(comparison_id)
        return describe_result(comparison) if comparison else None


def describe_result(comparison: Comparison) -> dict[str, Any] | None:
    """Return an ended comparison as a line of the feed, or None if it has not ended."""
    if comparison.ending is None:
        return None
    verdict = comparison.ending.verdict
    return {
        "id": comparison.id,
        "pair_id": comparison.pair_id,
        "region": comparison.region,
        "origin": comparison.origin.value,
        "verdict": "erased" if comparison.state is State.ERASED else verdict.decision.value,
        "reason": verdict.reason,
        "score": verdict.score,
        "attempts": len(comparison.attempts),
        "ended_at_ms": comparison.ending.ended_at_ms,
        "published_at_ms": comparison.published_at_ms,
    }


def read_overview(stack: Stack, feed: ResultFeed, *, now_ms: int) -> dict[str, Any]:
    """Return how a stack is, as JSON values."""
    overview = look_over(stack, now_ms=now_ms, page_limit=PAGE_LIMIT)
    return {**describe_overview(overview), "results": feed.list_latest(overview.tally)}


def describe_overview(overview: Overview) -> dict[str, Any]:
    """Return an overview as JSON values; the outbox has dead letters only, and so no depth."""
    tally = overview.tally
    return {
        "at_ms": tally.now_ms,
        "queues": [
            {
                "name": name,
                "depth": asdict(overview.queues[name]) if name in overview.queues else None,
                "dead_letters": overview.dead_letters[name].total if name in overview.dead_letters else None,
            }
            for name in (*overview.queues, "outbox")
        ],
        "regions": {
            region.value: {**asdict(use), "share": use.share} for region, use in overview.regions.items()
        },
        "open": tally.open,
        "pending": tally.pending,
        "verdicts_today": dict(tally.verdicts_today),
        "records": tally.records,
        "is_cut": overview.is_cut,
    }
