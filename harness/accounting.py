"""Checks a stack's guarantees: no accepted pair is lost, and no comparison is billed twice.

The only sources are the ledger, the results queue, the dead letters and the emulator's log.
"""

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from facematch.domain.comparison import Outcome, State

type Call = Mapping[str, Any]
type Record = Mapping[str, Any]
type Event = Mapping[str, Any]

_ID_LENGTH: Final = 26
"""A `MerchantBizId` begins with the id of its comparison."""
_THROTTLED: Final = "Throttling.Api"


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """The records of the ledger, the events of the results queue, and the calls of the emulator's log.

    `dead_letter_ids` are the ids of comparisons and pairs in the dead-letter queues.
    """

    records: Sequence[Record]
    events: Sequence[Event]
    dead_letter_ids: frozenset[str]
    calls: Sequence[Call]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What happened to some pairs.

    `lost` has the accepted pairs without exactly one event for each comparison, with the reason.
    `possibly_billed` and `double_billed` have the `MerchantBizId` of billed calls: calls whose answer was not
    read, and all other calls except the one with the verdict.
    """

    pairs: int
    verdicts: int
    failed: int
    dead_letters: int
    lost: Mapping[str, str]
    double_billed: Sequence[str]
    possibly_billed: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The use of the provider's quota. `used` is the share of it between the first and the last call."""

    calls: int
    throttled: int
    used: float

    @property
    def throttled_share(self) -> float:
        """The share of calls that the provider throttled."""
        return self.throttled / self.calls if self.calls else 0.0


def audit_pairs(state: StackState, accepted: Mapping[str, int]) -> Audit:
    """Return what happened to `accepted`: pair ids with their expected numbers of comparisons."""
    records = _group(state.records, accepted)
    events: dict[str, set[str]] = {}
    for event in state.events:
        events.setdefault(event["data"]["comparison_id"], set()).add(event["id"])
    lost = {
        pair_id: reason
        for pair_id, expected in accepted.items()
        if (reason := _find_loss(pair_id, expected, records[pair_id], events, state.dead_letter_ids))
    }
    selected = [record for group in records.values() for record in group]
    double_billed, possibly_billed = _find_excess(state.calls, selected)
    ended = [record for record in selected if record["state"] != State.REGISTERED]
    return Audit(
        pairs=len(accepted),
        verdicts=sum(record["id"] in events for record in ended),
        failed=sum(record["state"] == State.FAILED for record in ended),
        dead_letters=sum(record["id"] in state.dead_letter_ids for record in selected),
        lost=lost,
        double_billed=double_billed,
        possibly_billed=possibly_billed,
    )


def measure_traffic(calls: Iterable[Call], qps: int) -> Traffic:
    """Return the use of a region's quota by its calls. Calls that a scenario decided do not count."""
    counted = [call for call in calls if call["scenario"] is None]
    admitted = sorted(read_time_s(call) for call in counted if call["code"] != _THROTTLED)
    span_s = admitted[-1] - admitted[0] if len(admitted) > 1 else 0.0
    return Traffic(
        calls=len(counted),
        throttled=len(counted) - len(admitted),
        # Between n calls are n - 1 intervals.
        used=(len(admitted) - 1) / (qps * span_s) if span_s else 0.0,
    )


def trim_calls(calls: Sequence[Call], comparison_ids: Container[str]) -> Sequence[Call]:
    """Return the calls up to the last one of these comparisons. After it, nothing waits for the quota."""
    ordered = sorted(calls, key=read_time_s)
    while ordered and (ordered[-1]["merchant_biz_id"] or "")[:_ID_LENGTH] not in comparison_ids:
        ordered.pop()
    return ordered


def read_time_s(call: Call) -> float:
    """Return the time at which a call reached the provider, as Unix seconds."""
    return datetime.fromisoformat(call["received_at"]).timestamp()


def quantile(values: Sequence[float], share: float) -> float:
    """Return the quantile of values by nearest rank."""
    return sorted(values)[max(math.ceil(len(values) * share), 1) - 1]


def _group(records: Iterable[Record], accepted: Mapping[str, int]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {pair_id: [] for pair_id in accepted}
    for record in records:
        if record.get("pair_id") in groups:
            groups[record["pair_id"]].append(record)
    return groups


def _find_loss(
    pair_id: str,
    expected: int,
    records: Sequence[Record],
    events: Mapping[str, set[str]],
    dead_letter_ids: frozenset[str],
) -> str | None:
    """Return why a pair is lost, or None."""
    if len(records) != expected and pair_id not in dead_letter_ids:
        return f"{len(records)} comparisons instead of {expected}"
    for record in records:
        if record["id"] in dead_letter_ids:
            continue
        if record["state"] == State.REGISTERED:
            return "no verdict"
        ids = events.get(record["id"], set())
        if len(ids) != 1:
            return f"{len(ids)} event ids"
    return None


def _find_excess(calls: Iterable[Call], records: Iterable[Record]) -> tuple[list[str], list[str]]:
    """Return the billed calls beyond one per comparison: the double-billed, then the possibly billed ones."""
    outcomes = {
        record["id"]: {
            attempt["merchant_biz_id"]: attempt["outcome"] for attempt in record["attempts"].values()
        }
        for record in records
    }
    double_billed, possibly_billed, paid = list[str](), list[str](), set[str]()
    for call in calls:
        merchant_biz_id = call["merchant_biz_id"] or ""
        comparison_id = merchant_biz_id[:_ID_LENGTH]
        if not call["compared"] or comparison_id not in outcomes:
            continue
        outcome = outcomes[comparison_id].get(merchant_biz_id)
        if outcome == Outcome.POSSIBLY_BILLED:
            possibly_billed.append(merchant_biz_id)
        elif outcome == Outcome.ANSWERED and comparison_id not in paid:
            paid.add(comparison_id)
        else:
            double_billed.append(merchant_biz_id)
    return double_billed, possibly_billed
