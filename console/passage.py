"""A pair's way through the stack, from what the ledger holds of it."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from facematch.adapters.ledger import DynamoDbLedger
from facematch.comparison import Comparison, Origin, Outcome, State
from facematch.ports import Pair
from facematch.result_event import make_result_event
from facematch.verdict import Role
from facematch_cli.records import read_item
from facematch_cli.story import Chapter, tell_story

_PRESENT: Final = frozenset({"at work", "waiting"})
_TONES: Final = {
    Outcome.ANSWERED: "good",
    Outcome.UNKNOWN: "fault",
    Outcome.FAULTED: "fault",
    Outcome.REFUSED: "fault",
    Outcome.UNSENT: "held",
    Outcome.THROTTLED: "held",
}


def read_passage(
    ledger: DynamoDbLedger,
    comparison_id: str,
    *,
    pair: tuple[str, str] | None,
    event_source: str,
    now_ms: int,
) -> dict[str, Any]:
    """Return what the ledger holds of a comparison; `pair` is the region and pair id of one in the bucket."""
    comparison = ledger.find(comparison_id)
    if comparison is not None and comparison.origin is Origin.UPLOAD and comparison.pair_id:
        pair = (comparison.region, comparison.pair_id)
    landed = ledger.find_pair(*pair) if pair else None
    item = read_item(ledger.client, ledger.table, comparison_id) if comparison else {}
    return describe_passage(comparison_id, comparison, item, landed, event_source=event_source, now_ms=now_ms)


def describe_passage(
    comparison_id: str,
    comparison: Comparison | None,
    item: Mapping[str, Any],
    pair: Pair | None,
    *,
    event_source: str,
    now_ms: int,
) -> dict[str, Any]:
    """Return a comparison's way as JSON values.

    `chapters` are what has happened, `present` what it waits for, if it does. A `comparison` of None is not
    registered yet; `item` is its whole item in the ledger.
    """
    landings = list(_recall_landings(pair)) if pair else []
    story = tell_story(comparison, item, now_ms=now_ms) if comparison else []
    past = sorted(
        [*landings, *(chapter for chapter in story if chapter.what not in _PRESENT)],
        key=lambda chapter: chapter.at_ms,
    )
    present = next((chapter for chapter in story if chapter.what in _PRESENT), None)
    if comparison is None:
        present = Chapter(now_ms, "waiting", _describe_wait(pair))
    tones = _choose_tones(comparison)
    return {
        "id": comparison_id,
        "state": comparison.state.value if comparison else "absent",
        "region": comparison.region if comparison else None,
        "pair_id": comparison.pair_id if comparison else None,
        "bounds": asdict(comparison.options.bounds) if comparison else None,
        "is_settled": _is_settled(comparison),
        "chapters": [{**asdict(chapter), "tone": tones.get(chapter.what, "plain")} for chapter in past],
        "present": asdict(present) if present else None,
        "event": _make_event(comparison, event_source),
    }


def _recall_landings(pair: Pair) -> Iterator[Chapter]:
    for role, arrived in pair.arrived.items():
        yield Chapter(arrived.arrived_at_ms, f"{role} landed", "in the bucket")


def _describe_wait(pair: Pair | None) -> str:
    if pair is None:
        return "for the notice of its photos"
    missing = [role.value for role in Role if role not in pair.arrived]
    return f"for its {missing[0]} photo" if missing else "to be registered"


def _choose_tones(comparison: Comparison | None) -> dict[str, str]:
    """Return how the chapters are coloured, by what they are called."""
    if comparison is None:
        return {}
    tones = {f"attempt {attempt.number}": _TONES[attempt.outcome] for attempt in comparison.attempts}
    if comparison.ending is not None:
        is_good = comparison.state is State.COMPLETED
        tones[f"ended: {comparison.ending.verdict.decision}"] = "good" if is_good else "fault"
    return {**tones, "published": "good"}


def _is_settled(comparison: Comparison | None) -> bool:
    """Tell whether nothing more will happen."""
    if comparison is None:
        return False
    return comparison.state is State.ERASED or comparison.published_at_ms is not None


def _make_event(comparison: Comparison | None, event_source: str) -> dict[str, Any] | None:
    if comparison is None or not comparison.ended or comparison.state is State.ERASED:
        return None
    return make_result_event(comparison, event_source)
