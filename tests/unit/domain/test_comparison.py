import itertools
import re

import pytest

from facematch.domain.comparison import (
    Outcome,
    State,
    end_state,
    identify_request,
    identify_upload,
    make_merchant_biz_id,
)
from facematch.domain.verdict import Decision, Role
from tests.factories import COMPARISON_ID, make_attempt, make_comparison

ETAGS = {Role.SOURCE: "s", Role.TARGET: "t"}


def test_the_same_bytes_have_one_identity_whatever_the_order_they_are_told_in() -> None:
    reversed_etags = {Role.TARGET: "t", Role.SOURCE: "s"}

    assert identify_upload("singapore", "pair", ETAGS) == identify_upload("singapore", "pair", reversed_etags)


def test_no_two_uploads_share_an_identity_however_their_parts_run_together() -> None:
    parts = ["", "a", "aa", "aaa", "a\0a", "\0", "\0\0\0\1a", "é"]
    ids = {
        identify_upload(region, pair_id, {Role.SOURCE: source, Role.TARGET: target})
        for region, pair_id, source, target in itertools.product(parts, repeat=4)
    }

    assert len(ids) == len(parts) ** 4


def test_no_two_requests_share_an_identity_however_their_parts_run_together() -> None:
    parts = ["a", "aa", "aaa", "a\0a", "\0", "é", "e\u0301"]
    ids = {identify_request(caller, key) for caller, key in itertools.product(parts, repeat=2)}

    assert len(ids) == len(parts) ** 2


def test_an_upload_and_a_request_never_share_an_identity() -> None:
    assert identify_upload("a", "b", {}) != identify_request("a", "b")


def test_a_replaced_photo_compares_anew() -> None:
    known = identify_upload("singapore", "pair", ETAGS)

    assert identify_upload("singapore", "pair", ETAGS | {Role.SOURCE: "other"}) != known
    assert identify_upload("singapore", "pair", ETAGS | {Role.TARGET: "other"}) != known
    assert identify_upload("singapore", "pair", {Role.SOURCE: "t", Role.TARGET: "s"}) != known


def test_a_photo_that_never_came_counts_as_empty() -> None:
    assert identify_upload("r", "p", {Role.SOURCE: "s"}) == identify_upload(
        "r", "p", ETAGS | {Role.TARGET: ""}
    )


def test_the_same_key_of_the_same_caller_asks_for_the_same_comparison() -> None:
    assert identify_request("caller", "key") == identify_request("caller", "key")
    assert identify_request("caller", "key") != identify_request("another", "key")


def test_without_a_key_each_request_is_its_own() -> None:
    ids = {identify_request("caller", None) for _ in range(100)}

    assert len(ids) == 100


@pytest.mark.parametrize(
    "comparison_id", [identify_request("caller", "key"), identify_upload("r", "é" * 500, ETAGS)]
)
def test_an_id_is_26_letters_and_digits(comparison_id: str) -> None:
    assert re.fullmatch(r"[a-z2-7]{26}", comparison_id)


@pytest.mark.parametrize("number", [1, 2, 9, 10, 99, 100, 999, 9_999])
def test_a_merchant_biz_id_is_32_letters_and_digits_that_begin_with_the_comparisons_id(number: int) -> None:
    merchant_biz_id = make_merchant_biz_id(COMPARISON_ID, number)

    assert re.fullmatch(r"[A-Za-z0-9]{32}", merchant_biz_id)
    assert merchant_biz_id.startswith(f"{COMPARISON_ID}{number:02d}")


def test_each_attempt_has_its_own_merchant_biz_id() -> None:
    ids = [make_merchant_biz_id(COMPARISON_ID, number) for number in range(1, 1000)]

    assert len(set(ids)) == len(ids)


def test_one_number_drawn_twice_still_makes_two_merchant_biz_ids() -> None:
    # Two workers may come to the same number before the ledger lets one of them through.
    ids = {make_merchant_biz_id(COMPARISON_ID, 1) for _ in range(20)}

    assert len(ids) > 10


def test_the_next_attempt_follows_all_earlier_ones_counted_or_not() -> None:
    throttled = tuple(make_attempt(number, Outcome.THROTTLED) for number in (1, 2))

    attempt = make_comparison(attempts=throttled).next_attempt(1_234)

    assert (attempt.number, attempt.started_at_ms, attempt.outcome) == (3, 1_234, Outcome.UNKNOWN)
    assert attempt.merchant_biz_id.startswith(f"{COMPARISON_ID}03")


@pytest.mark.parametrize(
    ("outcome", "counts"),
    [
        (Outcome.UNKNOWN, 1),
        (Outcome.ANSWERED, 1),
        (Outcome.FAULTED, 1),
        (Outcome.THROTTLED, 0),
        (Outcome.REFUSED, 0),
    ],
)
def test_what_the_provider_took_on_or_may_have_counts_against_the_budget(
    outcome: Outcome, counts: int
) -> None:
    comparison = make_comparison(attempts=(make_attempt(1, outcome),))

    assert comparison.counted_attempts == counts


@pytest.mark.parametrize("state", State)
def test_all_but_registered_have_ended(state: State) -> None:
    assert make_comparison(state=state).ended is (state is not State.REGISTERED)


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
