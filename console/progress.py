"""The progress of a pair through the stack, from the ledger."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.comparison import Comparison, Outcome, State
from facematch.domain.lane import Hold
from facematch.domain.pair import Pair
from facematch.domain.result_event import make_result_event
from facematch.domain.verdict import Role
from facematch_client.holds import find_hold
from facematch_client.records import read_item
from facematch_client.stack import Stack
from facematch_client.timeline import TimelineEntry, find_arrived_pair, list_arrivals, make_timeline

_PRESENT: Final = frozenset({"in progress", "waiting"})
_TONES: Final = {
    Outcome.ANSWERED: "good",
    Outcome.POSSIBLY_BILLED: "fault",
    Outcome.NOT_SETTLED: "held",
}


def read_progress(
    stack: Stack, ledger: DynamoDbLedger, comparison_id: str, *, pair: tuple[str, str] | None, now_ms: int
) -> dict[str, Any]:
    """Return the progress of a comparison from the ledger.

    `pair` is the region and pair id of a pair in the bucket. It is read until the comparison is registered.
    """
    comparison = ledger.find(comparison_id)
    if comparison is not None:
        arrived_pair = find_arrived_pair(ledger, comparison)
        item = read_item(ledger.client, ledger.table, comparison_id)
        hold = None if comparison.has_ended else find_hold(stack, comparison.region, now_ms)
    else:
        arrived_pair = ledger.find_pair(*pair) if pair else None
        item, hold = {}, None
    return describe_progress(
        comparison_id,
        comparison,
        item,
        arrived_pair,
        hold,
        event_source=stack.settings.event_source,
        now_ms=now_ms,
    )


def describe_progress(
    comparison_id: str,
    comparison: Comparison | None,
    item: Mapping[str, Any],
    pair: Pair | None,
    hold: Hold | None = None,
    *,
    event_source: str,
    now_ms: int,
) -> dict[str, Any]:
    """Return the progress of a comparison as JSON values.

    `entries` are the past events, `present` is the current state, if it has not ended. A comparison that is
    not registered is None. `item` is its item in the ledger.
    """
    timeline = (
        make_timeline(comparison, item, pair, hold, now_ms=now_ms)
        if comparison
        else _describe_unregistered(pair, now_ms)
    )
    past = [entry for entry in timeline if entry.what not in _PRESENT]
    present = next((entry for entry in timeline if entry.what in _PRESENT), None)
    tones = _choose_tones(comparison)
    return {
        "id": comparison_id,
        "state": comparison.state.value if comparison else "absent",
        "region": comparison.region if comparison else None,
        "pair_id": comparison.pair_id if comparison else None,
        "origin": comparison.origin.value if comparison else None,
        "bounds": asdict(comparison.options.bounds) if comparison else None,
        "is_settled": _is_settled(comparison),
        "entries": [{**asdict(entry), "tone": tones.get(entry.what, "plain")} for entry in past],
        "present": asdict(present) if present else None,
        "event": _make_event(comparison, event_source),
    }


def _describe_unregistered(pair: Pair | None, now_ms: int) -> list[TimelineEntry]:
    """Return the timeline of a pair that is not registered yet."""
    arrivals = list(list_arrivals(pair).values()) if pair else []
    arrivals.sort(key=lambda entry: entry.at_ms)
    return [*arrivals, TimelineEntry(now_ms, "waiting", _describe_wait(pair))]


def _describe_wait(pair: Pair | None) -> str:
    if pair is None:
        return "for the bucket's notification of the photos"
    missing = [role.value for role in Role if role not in pair.arrived]
    return f"for its {missing[0]} photo" if missing else "to be registered"


def _choose_tones(comparison: Comparison | None) -> dict[str, str]:
    """Return the colours of timeline entries by their names."""
    if comparison is None:
        return {}
    tones = {f"attempt {attempt.number}": _TONES[attempt.outcome] for attempt in comparison.attempts}
    if comparison.ending is not None:
        is_good = comparison.state is State.COMPLETED
        tones[f"ended: {comparison.ending.verdict.decision}"] = "good" if is_good else "fault"
    return {**tones, "published": "good"}


def _is_settled(comparison: Comparison | None) -> bool:
    """Return whether the progress is complete."""
    if comparison is None:
        return False
    return comparison.state is State.ERASED or comparison.published_at_ms is not None


def _make_event(comparison: Comparison | None, event_source: str) -> dict[str, Any] | None:
    if comparison is None or not comparison.has_ended or comparison.state is State.ERASED:
        return None
    return make_result_event(comparison, event_source)
