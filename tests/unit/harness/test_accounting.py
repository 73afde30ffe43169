"""The check of each guarantee fails if the guarantee is broken."""

from collections.abc import Mapping
from typing import Any

import pytest

from harness.accounting import StackState, audit_pairs, measure_traffic, quantile, trim_calls

ID = "a" * 26


def make_record(state: str = "completed", *, number: int = 1, **outcomes: str) -> Mapping[str, Any]:
    attempts = {
        f"{count:04d}": {"merchant_biz_id": f"{ID}{name}", "outcome": outcome}
        for count, (name, outcome) in enumerate((outcomes or {"one": "answered"}).items())
    }
    comparison_id = ID if number == 1 else ID[:-1] + str(number)
    return {"id": comparison_id, "pair_id": "pair", "state": state, "attempts": attempts}


def make_event(event_id: str = ID) -> Mapping[str, Any]:
    return {"id": event_id, "data": {"comparison_id": ID, "pair_id": "pair"}}


def make_call(name: str = "one", at_s: float = 0.0, **fields: Any) -> Mapping[str, Any]:
    given = {
        "merchant_biz_id": f"{ID}{name}",
        "compared": True,
        "code": "Success",
        "scenario": None,
        "received_at": f"2026-01-01T00:{int(at_s) // 60:02d}:{at_s % 60:06.3f}Z",
    }
    return {**given, **fields}


def make_state(**fields: Any) -> StackState:
    given = {
        "records": [make_record()],
        "events": [make_event()],
        "dead_letter_ids": frozenset(),
        "calls": [make_call()],
    }
    return StackState(**{**given, **fields})


def test_books_in_order_show_no_loss_and_no_excess() -> None:
    audit = audit_pairs(make_state(), {"pair": 1})
    assert (audit.pairs, audit.verdicts, audit.lost) == (1, 1, {})
    assert (audit.double_billed, audit.possibly_billed) == ([], [])


def test_an_event_that_comes_twice_under_one_id_is_no_loss() -> None:
    assert audit_pairs(make_state(events=[make_event(), make_event()]), {"pair": 1}).lost == {}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"records": []}, "0 comparisons instead of 1"),
        ({"records": [make_record(), make_record(number=2)]}, "2 comparisons instead of 1"),
        ({"records": [make_record("registered")]}, "no verdict"),
        ({"events": []}, "0 event ids"),
        ({"events": [make_event(), make_event("another")]}, "2 event ids"),
    ],
)
def test_a_pair_without_exactly_one_verdict_is_lost(fields: Mapping[str, Any], reason: str) -> None:
    assert audit_pairs(make_state(**fields), {"pair": 1}).lost == {"pair": reason}


def test_a_pair_that_waits_as_a_dead_letter_is_not_lost() -> None:
    state = make_state(
        records=[make_record("registered")], events=[], dead_letter_ids=frozenset({ID}), calls=[]
    )
    audit = audit_pairs(state, {"pair": 1})
    assert (audit.lost, audit.dead_letters, audit.verdicts) == ({}, 1, 0)


@pytest.mark.parametrize(
    ("records", "double_billed", "possibly_billed"),
    [
        ([make_record(one="answered", two="answered")], ["two"], []),
        ([make_record(one="possibly_billed", two="answered")], [], ["one"]),
        ([make_record(one="faulted", two="answered")], ["one"], []),
        ([make_record(one="answered")], ["two"], []),
    ],
    ids=["answered twice", "no answer", "billed and faulted", "not in the ledger"],
)
def test_a_second_billed_call_is_excess_unless_nobody_read_its_answer(
    records: list[Mapping[str, Any]], double_billed: list[str], possibly_billed: list[str]
) -> None:
    audit = audit_pairs(make_state(records=records, calls=[make_call("one"), make_call("two")]), {"pair": 1})
    assert [billed.removeprefix(ID) for billed in audit.double_billed] == double_billed
    assert [billed.removeprefix(ID) for billed in audit.possibly_billed] == possibly_billed


def test_a_call_that_was_not_compared_is_not_billed() -> None:
    calls = [make_call(), make_call("two", compared=False)]
    assert audit_pairs(make_state(calls=calls), {"pair": 1}).double_billed == []


def test_throttled_calls_and_an_idle_quota_show() -> None:
    calls = [make_call(at_s=number / 5) for number in range(11)] + [make_call(code="Throttling.Api", at_s=1)]
    traffic = measure_traffic(calls, qps=10)
    assert (traffic.calls, traffic.throttled) == (12, 1)
    assert traffic.used == pytest.approx(0.5)


def test_what_a_scenario_throttled_is_not_the_quotas() -> None:
    calls = [make_call(at_s=1), make_call(at_s=2), make_call(code="Throttling.Api", scenario="on purpose")]
    assert measure_traffic(calls, qps=1).throttled_share == 0


def test_a_quantile_is_one_of_the_values() -> None:
    assert [quantile([3, 1, 2, 4], share) for share in (0.25, 0.5, 0.95, 1)] == [1, 2, 4, 4]


def test_calls_after_the_backlog_do_not_count_for_how_it_was_worked_off() -> None:
    backlog = [make_call("one", 0.0), make_call("two", 2.0)]
    others = [make_call(at_s=at_s, merchant_biz_id="b" * 32) for at_s in (1.0, 3.0)]

    assert trim_calls([*others, *backlog], {ID}) == [backlog[0], others[0], backlog[1]]
    assert trim_calls(others, {ID}) == []
