import itertools
import re

import pytest

from facematch.domain.comparison import (
    Outcome,
    State,
    end_state,
    identify_request,
    identify_successor,
    identify_upload,
    make_merchant_biz_id,
    make_photo_key,
    make_photo_prefix,
)
from facematch.domain.verdict import Decision, Role
from tests.factories import COMPARISON_ID, make_attempt, make_comparison

ETAGS = {Role.SOURCE: "s", Role.TARGET: "t"}
UNBILLED = {Outcome.UNSENT, Outcome.FAULTED, Outcome.THROTTLED, Outcome.REFUSED}


def test_no_two_uploads_share_an_id_however_their_parts_run_together() -> None:
    parts = ["", "a", "aa", "aaa", "a\0a", "\0", "\0\0\0\1a", "é"]
    ids = {
        identify_upload(region, folder, {Role.SOURCE: source, Role.TARGET: target})
        for region, folder, source, target in itertools.product(parts, repeat=4)
    }

    assert len(ids) == len(parts) ** 4


def test_a_photo_that_never_came_counts_as_empty() -> None:
    source_only = identify_upload("r", "p", {Role.SOURCE: "s"})

    assert source_only == identify_upload("r", "p", ETAGS | {Role.TARGET: ""})


def test_no_two_requests_share_an_id_however_their_parts_run_together() -> None:
    parts = ["a", "aa", "aaa", "a\0a", "\0", "é", "e\u0301"]
    ids = {identify_request(caller, key) for caller, key in itertools.product(parts, repeat=2)}

    assert len(ids) == len(parts) ** 2
    assert ids == {identify_request(caller, key) for caller, key in itertools.product(parts, repeat=2)}


def test_requests_without_a_key_are_their_own() -> None:
    assert len({identify_request("caller", None) for _ in range(100)}) == 100


def test_each_failure_in_a_row_has_one_successor() -> None:
    ids = [COMPARISON_ID]
    for _ in range(10):
        assert identify_successor(ids[-1]) == identify_successor(ids[-1])
        ids.append(identify_successor(ids[-1]))

    assert len(set(ids)) == 11


def test_uploads_requests_and_successors_never_share_an_id() -> None:
    ids = {identify_upload("a", "b", {}), identify_request("a", "b"), identify_successor("a")}

    assert len(ids) == 3
    assert all(re.fullmatch(r"[a-z2-7]{26}", comparison_id) for comparison_id in ids)


@pytest.mark.parametrize("number", [1, 9, 10, 99, 100, 9_999, 99_999])
def test_a_merchant_biz_id_is_32_letters_and_digits_that_begin_with_the_id_of_the_comparison(
    number: int,
) -> None:
    merchant_biz_id = make_merchant_biz_id(COMPARISON_ID, number)

    assert re.fullmatch(r"[A-Za-z0-9]{32}", merchant_biz_id)
    assert merchant_biz_id.startswith(f"{COMPARISON_ID}{number:02d}")


def test_each_call_has_its_own_merchant_biz_id_even_under_one_number() -> None:
    ids = [make_merchant_biz_id(COMPARISON_ID, number) for number in range(1, 1000)]
    # Two workers may come to the same number before the ledger lets one of them through.
    same_number = {make_merchant_biz_id(COMPARISON_ID, 1) for _ in range(20)}

    assert len(set(ids)) == len(ids)
    assert len(same_number) > 10


@pytest.mark.parametrize("outcome", Outcome)
def test_a_call_that_may_be_billed_is_kept_and_any_other_one_is_counted(outcome: Outcome) -> None:
    begun = make_comparison().settle(make_attempt(1, Outcome.NOT_SETTLED))

    settled = begun.settle(make_attempt(1, outcome, code="Code"))

    assert outcome.is_unbilled is (outcome in UNBILLED)
    if outcome.is_unbilled:
        assert (settled.attempts, settled.unbilled_calls) == ((), {outcome: 1})
    else:
        assert (settled.attempts, settled.unbilled_calls) == ((make_attempt(1, outcome, code="Code"),), {})
    assert (settled.call_count, settled.last_code) == (1, "Code")


def test_the_next_attempt_follows_all_calls_and_attempts_stay_in_order() -> None:
    comparison = make_comparison(
        attempts=(make_attempt(3),), unbilled_calls={Outcome.THROTTLED: 2, Outcome.FAULTED: 1}
    )

    attempt = comparison.next_attempt(1_234)

    assert (attempt.number, attempt.started_at_ms, attempt.outcome) == (5, 1_234, Outcome.NOT_SETTLED)
    settled = comparison.settle(attempt).settle(make_attempt(1, Outcome.POSSIBLY_BILLED))
    assert [known.number for known in settled.attempts] == [1, 3, 5]


def test_a_record_of_any_number_of_unbilled_calls_has_the_same_size() -> None:
    comparison = make_comparison()
    for number in range(1, 10_001):
        outcome = sorted(UNBILLED)[number % len(UNBILLED)]
        comparison = comparison.settle(comparison.next_attempt(number)).settle(make_attempt(number, outcome))

    assert (comparison.call_count, comparison.attempts) == (10_000, ())
    assert len(comparison.unbilled_calls) == len(UNBILLED)


@pytest.mark.parametrize(
    ("state", "has_ended", "may_be_repeated"),
    [
        (State.REGISTERED, False, False),
        (State.COMPLETED, True, False),
        (State.REJECTED, True, True),
        (State.FAILED, True, True),
        (State.ERASED, True, True),
    ],
)
def test_only_an_ended_comparison_without_a_billed_verdict_may_be_repeated(
    state: State,
    has_ended: bool,  # noqa: FBT001 - a row
    may_be_repeated: bool,  # noqa: FBT001 - a row
) -> None:
    comparison = make_comparison(state=state)

    assert (comparison.has_ended, comparison.may_be_repeated) == (has_ended, may_be_repeated)


@pytest.mark.parametrize(
    ("decision", "state"),
    [
        (Decision.MATCH, State.COMPLETED),
        (Decision.NO_MATCH, State.COMPLETED),
        (Decision.REVIEW, State.COMPLETED),
        (Decision.PHOTO_REJECTED, State.REJECTED),
        (Decision.FAILED, State.FAILED),
    ],
)
def test_a_decision_ends_a_comparison_in_its_state(decision: Decision, state: State) -> None:
    assert end_state(decision) is state


def test_each_photo_that_a_comparison_stores_has_its_own_key_under_one_prefix() -> None:
    keys = {make_photo_key(COMPARISON_ID, role) for role in Role for _ in range(2)}

    assert len(keys) == 4
    assert all(key.startswith(make_photo_prefix(COMPARISON_ID)) for key in keys)
