"""The state of a stack and its comparisons, from the ledger. No consumer of the queue misses an event."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from facematch.domain.comparison import Comparison, State
from facematch.domain.lane import Hold
from facematch.domain.ports import Ledger
from facematch_client.holds import describe_hold
from facematch_client.overview import Overview, Tally, read_stack_overview
from facematch_client.records import IncompletePair, Query, Record, RecordReader, SearchResult
from facematch_client.stack import Stack

PAGE_LIMIT: Final = 4
"""In MB of the ledger. It is small because the page refreshes often."""
FOUND_LIMIT: Final = 50
"""The number of rows that a search shows."""


class ResultFeed:
    """Lists the latest verdicts, and caches those that are published."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._published: Mapping[tuple[int, str], dict[str, Any]] = {}

    def list_latest(self, tally: Tally) -> list[dict[str, Any]]:
        """Return the latest verdicts, newest first. Published ones are not read again.

        The tally has no erased comparisons, so that none is listed.
        """
        found = {
            (ended_at_ms, record_id): self._published.get((ended_at_ms, record_id))
            or self._describe(record_id)
            for ended_at_ms, record_id in sorted(tally.latest, reverse=True)
        }
        rows = {key: row for key, row in found.items() if row is not None and row["verdict"] != State.ERASED}
        self._published = {key: row for key, row in rows.items() if row["published_at_ms"]}
        return list(rows.values())

    def _describe(self, comparison_id: str) -> dict[str, Any] | None:
        comparison = self._ledger.find(comparison_id)
        return describe_result(comparison) if comparison else None


def describe_result(comparison: Comparison) -> dict[str, Any] | None:
    """Return an ended comparison as a row, or None if it has not ended."""
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
        "attempts": comparison.call_count,
        "ended_at_ms": comparison.ending.ended_at_ms,
        "published_at_ms": comparison.published_at_ms,
    }


def read_overview(stack: Stack, feed: ResultFeed, *, now_ms: int) -> dict[str, Any]:
    """Return the state of a stack, as JSON values."""
    overview = read_stack_overview(stack, now_ms=now_ms, page_limit=PAGE_LIMIT)
    return {**describe_overview(overview), "results": feed.list_latest(overview.tally)}


def describe_overview(overview: Overview) -> dict[str, Any]:
    """Return an overview as JSON values. The outbox has only dead letters, and no depth."""
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
            region.value: {
                **asdict(use),
                "share": use.share,
                "hold": describe_hold_document(use.hold, tally.now_ms),
            }
            for region, use in overview.regions.items()
        },
        "open": tally.open,
        "pending": tally.pending,
        "verdicts_today": {verdict: count for verdict, count in tally.verdicts_today.items() if count},
        "erased_today": tally.erased_today,
        "records": tally.records,
        "is_cut": overview.is_cut,
    }


def describe_hold_document(hold: Hold | None, now_ms: int) -> dict[str, Any] | None:
    """Return a hold as JSON values, with a description in `text`."""
    if hold is None:
        return None
    return {
        **asdict(hold),
        "is_in_force": not hold.has_expired(now_ms),
        "text": describe_hold(hold, now_ms),
    }


def search(stack: Stack, query: Query) -> dict[str, Any]:
    """Return the matching comparisons and incomplete pairs as JSON values, newest first."""
    reader = RecordReader(stack.dynamodb(), stack.settings.table)
    return describe_found(reader.search(query, page_limit=PAGE_LIMIT))


def describe_found(found: SearchResult) -> dict[str, Any]:
    """Return the results of a search as JSON values: the rows to show, and if there are more."""
    rows = [*map(_describe_incomplete_pair, found.incomplete_pairs), *map(_describe_record, found.records)]
    return {"rows": rows[:FOUND_LIMIT], "has_more": len(rows) > FOUND_LIMIT, "is_cut": found.is_cut}


def _describe_record(record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "pair_id": record.pair_id,
        "region": record.region,
        "origin": record.origin,
        "verdict": record.verdict,
        "reason": record.reason,
        "score": record.score,
        "at_ms": record.ended_at_ms or record.created_at_ms,
    }


def _describe_incomplete_pair(pair: IncompletePair) -> dict[str, Any]:
    return {
        "id": None,
        "pair_id": pair.pair_id,
        "region": pair.region,
        "origin": "upload",
        "verdict": "incomplete",
        "reason": f"waits for its {pair.missing} photo",
        "score": None,
        "at_ms": pair.since_ms,
    }
