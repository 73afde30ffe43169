import math
import socket
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.comparison import Comparison, Outcome, State, end_state
from facematch.domain.errors import (
    AlreadyEndedError,
    LeaseHeldError,
    LeaseLostError,
    LedgerUnavailableError,
    NotFoundError,
)
from facematch.domain.ports import Pair
from facematch.domain.verdict import Decision, Role, Verdict, fail
from tests.integration.adapters.factories import (
    AWS_REGION,
    NOW_MS,
    PAIR_ID,
    make_arrived,
    make_attempt,
    make_comparison,
    make_ending,
    make_full_comparison,
    run_at_once,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RETENTION_DAYS = 30
RETENTION_S = RETENTION_DAYS * 86_400
UNTIL_MS = NOW_MS + 60_000


@pytest.fixture
def ledger(dynamodb: "DynamoDBClient", table: str) -> DynamoDbLedger:
    return DynamoDbLedger(dynamodb, table, RETENTION_DAYS)


def read_raw(ledger: DynamoDbLedger, key: str) -> dict[str, Any]:
    """Return an item as DynamoDB holds it."""
    return dict(ledger.client.get_item(TableName=ledger.table, Key={"pk": {"S": key}})["Item"])


def read_outbox(ledger: DynamoDbLedger, comparison_id: str = "c1") -> str | None:
    outbox = read_raw(ledger, f"comparison#{comparison_id}").get("outbox")
    return outbox["S"] if outbox else None


def claim(
    ledger: DynamoDbLedger, owner: str = "ann", *, now_ms: int = NOW_MS, until_ms: int = UNTIL_MS
) -> Comparison:
    return ledger.claim("c1", owner, now_ms=now_ms, until_ms=until_ms)


def make_ended(comparison_id: str = "c1") -> Comparison:
    ending = make_ending(verdict=fail("pair_incomplete", "The target photo did not come."))
    return make_comparison(comparison_id, state=State.FAILED, ending=ending)


def put_both(ledger: DynamoDbLedger) -> Pair:
    ledger.put_photo("singapore", PAIR_ID, Role.SOURCE, make_arrived(Role.SOURCE))
    return ledger.put_photo("singapore", PAIR_ID, Role.TARGET, make_arrived(Role.TARGET))


def put(ledger: DynamoDbLedger, role: Role, sequencer: str = "01") -> Pair:
    return ledger.put_photo("singapore", PAIR_ID, role, make_arrived(role, sequencer))


class TestPairs:
    def test_unknown_pair_is_none(self, ledger: DynamoDbLedger) -> None:
        assert ledger.find_pair("singapore", PAIR_ID) is None

    def test_first_photo_makes_half_a_pair(self, ledger: DynamoDbLedger) -> None:
        arrived = make_arrived(Role.SOURCE)
        pair = ledger.put_photo("singapore", PAIR_ID, Role.SOURCE, arrived)
        assert pair == Pair("singapore", PAIR_ID, {Role.SOURCE: arrived})
        assert not pair.complete
        assert ledger.find_pair("singapore", PAIR_ID) == pair

    @pytest.mark.parametrize("order", [list(Role), list(reversed(Role))])
    def test_second_photo_completes_it_in_either_order(
        self, ledger: DynamoDbLedger, order: list[Role]
    ) -> None:
        assert [put(ledger, role).complete for role in order] == [False, True]

    def test_pairs_of_one_name_in_two_regions_are_two(self, ledger: DynamoDbLedger) -> None:
        ledger.put_photo("singapore", PAIR_ID, Role.SOURCE, make_arrived(Role.SOURCE))
        other = ledger.put_photo("malaysia", PAIR_ID, Role.TARGET, make_arrived(Role.TARGET))
        assert other.region == "malaysia"
        assert not other.complete

    def test_photo_of_any_name_comes_back_as_it_was(self, ledger: DynamoDbLedger) -> None:
        arrived = make_arrived(key="inbox/singapore/a +%25ü/source.jpg")
        assert ledger.put_photo("singapore", "a +%25ü", Role.SOURCE, arrived).arrived == {
            Role.SOURCE: arrived
        }

    @pytest.mark.parametrize(
        ("first", "second", "standing"),
        [("01", "02", "02"), ("02", "01", "02"), ("009f", "00a0", "00a0"), ("00a0", "009f", "00a0")],
    )
    def test_of_two_photos_the_later_stands(
        self, ledger: DynamoDbLedger, first: str, second: str, standing: str
    ) -> None:
        put(ledger, Role.SOURCE, first)
        pair = put(ledger, Role.SOURCE, second)
        assert pair.arrived == {Role.SOURCE: make_arrived(Role.SOURCE, standing)}

    def test_repeated_event_changes_nothing_and_still_tells_the_pair(self, ledger: DynamoDbLedger) -> None:
        pair = put_both(ledger)
        repeated = make_arrived(Role.SOURCE, arrived_at_ms=NOW_MS + 1, etag="other")
        assert ledger.put_photo("singapore", PAIR_ID, Role.SOURCE, repeated) == pair

    def test_pair_is_kept_from_its_last_photo_on(self, ledger: DynamoDbLedger) -> None:
        put(ledger, Role.SOURCE)
        ledger.put_photo("singapore", PAIR_ID, Role.TARGET, make_arrived(Role.TARGET, "02", NOW_MS + 9000))
        item = read_raw(ledger, f"pair#singapore#{PAIR_ID}")
        assert item["expires_at"] == {"N": str(NOW_MS // 1000 + 9 + RETENTION_S)}
        assert item["kind"] == {"S": "pair"}


class TestForgottenPairs:
    def test_forgotten_pair_leaves_nothing(self, ledger: DynamoDbLedger) -> None:
        assert ledger.forget_pair(put_both(ledger))
        assert ledger.find_pair("singapore", PAIR_ID) is None

    def test_forgetting_twice_is_as_good_as_once(self, ledger: DynamoDbLedger) -> None:
        pair = put_both(ledger)
        assert ledger.forget_pair(pair)
        assert ledger.forget_pair(pair)

    def test_pair_with_a_newer_photo_is_not_forgotten(self, ledger: DynamoDbLedger) -> None:
        pair = put_both(ledger)
        newer = put(ledger, Role.SOURCE, "02")
        assert not ledger.forget_pair(pair)
        assert ledger.find_pair("singapore", PAIR_ID) == newer


class TestRequests:
    def test_first_body_of_a_key_stands(self, ledger: DynamoDbLedger) -> None:
        assert ledger.put_request("r1", "first", now_ms=NOW_MS) == "first"
        assert ledger.put_request("r1", "second", now_ms=NOW_MS) == "first"
        assert ledger.find_request("r1") == "first"

    def test_unknown_key_has_no_body(self, ledger: DynamoDbLedger) -> None:
        assert ledger.find_request("r1") is None

    def test_request_expires(self, ledger: DynamoDbLedger) -> None:
        ledger.put_request("r1", "first", now_ms=NOW_MS)
        assert read_raw(ledger, "request#r1")["expires_at"] == {"N": str(NOW_MS // 1000 + RETENTION_S)}


class TestRetiredPairs:
    def test_retired_pair_is_over(self, ledger: DynamoDbLedger) -> None:
        assert ledger.retire_pair(put_both(ledger))
        pair = ledger.find_pair("singapore", PAIR_ID)
        assert pair is not None
        assert (pair.over, pair.photos) == (True, {})

    def test_half_a_pair_is_retired_too(self, ledger: DynamoDbLedger) -> None:
        assert ledger.retire_pair(put(ledger, Role.TARGET))
        pair = ledger.find_pair("singapore", PAIR_ID)
        assert pair is not None
        assert pair.over

    def test_retiring_twice_changes_nothing(self, ledger: DynamoDbLedger) -> None:
        pair = put_both(ledger)
        assert ledger.retire_pair(pair)
        assert ledger.retire_pair(pair)

    def test_pair_with_a_newer_photo_is_not_retired(self, ledger: DynamoDbLedger) -> None:
        pair = put_both(ledger)
        newer = put(ledger, Role.SOURCE, "02")
        assert not ledger.retire_pair(pair)
        assert ledger.find_pair("singapore", PAIR_ID) == newer

    def test_half_a_pair_whose_other_photo_came_is_not_retired(self, ledger: DynamoDbLedger) -> None:
        half = put(ledger, Role.SOURCE)
        whole = put(ledger, Role.TARGET)
        assert not ledger.retire_pair(half)
        assert ledger.find_pair("singapore", PAIR_ID) == whole

    def test_late_repetition_does_not_revive_a_retired_pair(self, ledger: DynamoDbLedger) -> None:
        ledger.retire_pair(put_both(ledger))
        assert put(ledger, Role.SOURCE).over

    def test_newer_photo_begins_a_retired_pair_anew(self, ledger: DynamoDbLedger) -> None:
        ledger.retire_pair(put_both(ledger))
        assert put(ledger, Role.SOURCE, "02").photos.keys() == {Role.SOURCE}
        assert put(ledger, Role.TARGET, "02").complete

    def test_unknown_pair_is_not_retired(self, ledger: DynamoDbLedger) -> None:
        pair = Pair("singapore", "never-seen", {Role.SOURCE: make_arrived()})
        assert not ledger.retire_pair(pair)
        assert ledger.find_pair("singapore", "never-seen") is None


class TestRegistering:
    def test_unknown_comparison_is_none(self, ledger: DynamoDbLedger) -> None:
        assert ledger.find("c1") is None

    @pytest.mark.parametrize(
        "comparison", [make_comparison(), make_full_comparison(), make_ended()], ids=lambda one: one.state
    )
    def test_comparison_comes_back_as_it_was(self, ledger: DynamoDbLedger, comparison: Comparison) -> None:
        assert ledger.register(comparison) == comparison
        assert ledger.find(comparison.id) == comparison

    def test_half_a_pair_without_optional_fields_comes_back(self, ledger: DynamoDbLedger) -> None:
        photos = {Role.TARGET: make_arrived(Role.TARGET).photo}
        comparison = make_comparison(pair_id=None, photos=photos)
        ledger.register(comparison)
        assert ledger.find("c1") == comparison

    @pytest.mark.parametrize("score", [0.0, 0.1, 1 / 3, 52.57, 99.99999999999999, 100.0, 1e-07])
    def test_no_score_loses_a_digit(self, ledger: DynamoDbLedger, score: float) -> None:
        verdict = Verdict(decision=Decision.MATCH, message="", score=score, face_quality={"A": score})
        comparison = make_comparison(state=State.COMPLETED, ending=make_ending(verdict=verdict))
        ledger.register(comparison)
        found = ledger.find("c1")
        assert found == comparison

    def test_more_than_nine_attempts_stay_in_order(self, ledger: DynamoDbLedger) -> None:
        attempts = tuple(make_attempt(number) for number in range(1, 13))
        ledger.register(make_comparison(attempts=attempts))
        found = ledger.find("c1")
        assert found is not None
        assert found.attempts == attempts

    def test_second_registration_returns_the_older_record(self, ledger: DynamoDbLedger) -> None:
        older = ledger.register(make_full_comparison("c1"))
        assert ledger.register(make_comparison(created_at_ms=NOW_MS + 1)) == older
        assert ledger.find("c1") == older

    def test_record_is_kept_from_its_creation_on(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        item = read_raw(ledger, "comparison#c1")
        assert item["expires_at"] == {"N": str(NOW_MS // 1000 + RETENTION_S)}
        assert item["kind"] == {"S": "comparison"}

    def test_erased_record_is_not_registered_anew(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        ledger.erase("c1", now_ms=NOW_MS)
        assert ledger.register(make_comparison()).state is State.ERASED


class TestLonePhotos:
    def test_ended_comparison_of_half_a_pair_is_recorded(self, ledger: DynamoDbLedger) -> None:
        half = put(ledger, Role.SOURCE)
        assert ledger.register_lone_photo(make_ended(), half)
        assert ledger.find("c1") == make_ended()
        assert read_outbox(ledger) == "pending"

    def test_second_time_changes_nothing(self, ledger: DynamoDbLedger) -> None:
        half = put(ledger, Role.SOURCE)
        ledger.register_lone_photo(make_ended(), half)
        ledger.mark_published("c1", now_ms=NOW_MS)
        assert not ledger.register_lone_photo(make_ended(), half)
        assert read_outbox(ledger) == "published"

    @pytest.mark.parametrize(("role", "sequencer"), [(Role.TARGET, "01"), (Role.SOURCE, "02")])
    def test_photo_that_came_meanwhile_prevents_it(
        self, ledger: DynamoDbLedger, role: Role, sequencer: str
    ) -> None:
        half = put(ledger, Role.SOURCE)
        put(ledger, role, sequencer)
        assert not ledger.register_lone_photo(make_ended(), half)
        assert ledger.find("c1") is None

    def test_half_of_a_retired_pair_is_recorded(self, ledger: DynamoDbLedger) -> None:
        ledger.retire_pair(put_both(ledger))
        half = put(ledger, Role.TARGET, "02")
        assert ledger.register_lone_photo(make_ended(), half)


class TestLeases:
    def test_claim_returns_the_comparison(self, ledger: DynamoDbLedger) -> None:
        comparison = ledger.register(make_comparison())
        assert claim(ledger) == comparison

    def test_unknown_comparison_is_not_found(self, ledger: DynamoDbLedger) -> None:
        with pytest.raises(NotFoundError):
            claim(ledger)
        assert ledger.find("c1") is None

    @pytest.mark.parametrize("decision", Decision)
    def test_ended_comparison_is_not_claimed(self, ledger: DynamoDbLedger, decision: Decision) -> None:
        ledger.register(make_comparison())
        ledger.end("c1", make_ending(decision, verdict=Verdict(decision=decision, message="")), None)
        with pytest.raises(AlreadyEndedError):
            claim(ledger)
        found = ledger.find("c1")
        assert found is not None
        assert found.state is end_state(decision)

    def test_erased_comparison_is_not_claimed(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        ledger.erase("c1", now_ms=NOW_MS)
        with pytest.raises(AlreadyEndedError):
            claim(ledger)

    def test_held_lease_says_for_how_long(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger, "ann")
        with pytest.raises(LeaseHeldError) as refusal:
            claim(ledger, "bob", now_ms=UNTIL_MS - 1500)
        assert refusal.value.retry_after_s == 1.5

    def test_lease_lasts_until_just_before_its_end(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger, "ann")
        with pytest.raises(LeaseHeldError):
            claim(ledger, "bob", now_ms=UNTIL_MS - 1)
        claim(ledger, "bob", now_ms=UNTIL_MS, until_ms=UNTIL_MS + 1000)

    def test_owner_may_claim_again_as_when_an_answer_of_the_ledger_was_lost(
        self, ledger: DynamoDbLedger
    ) -> None:
        ledger.register(make_comparison())
        first = claim(ledger, "ann")
        assert claim(ledger, "ann") == first

    def test_new_owner_sees_the_attempts_of_the_old_one(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger, "ann")
        attempt = make_attempt()
        ledger.begin_attempt("c1", "ann", attempt)
        assert claim(ledger, "bob", now_ms=UNTIL_MS).attempts == (attempt,)

    def test_released_comparison_can_be_claimed_at_once(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger, "ann")
        ledger.release("c1", "ann")
        claim(ledger, "bob")

    def test_release_by_another_does_nothing(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger, "ann")
        ledger.release("c1", "bob")
        with pytest.raises(LeaseHeldError):
            claim(ledger, "bob")

    def test_release_of_what_was_taken_over_does_nothing(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger, "ann")
        claim(ledger, "bob", now_ms=UNTIL_MS, until_ms=UNTIL_MS + 1000)
        ledger.release("c1", "ann")
        ledger.begin_attempt("c1", "bob", make_attempt())

    def test_release_of_an_unknown_comparison_makes_no_record(self, ledger: DynamoDbLedger) -> None:
        ledger.release("c1", "ann")
        assert ledger.find("c1") is None

    def test_lease_is_not_part_of_the_comparison(self, ledger: DynamoDbLedger) -> None:
        comparison = ledger.register(make_comparison())
        claim(ledger, "ann")
        assert ledger.find("c1") == comparison


class TestAttempts:
    def test_attempt_stands_as_unknown_before_its_call(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger)
        attempt = make_attempt()
        ledger.begin_attempt("c1", "ann", attempt)
        found = ledger.find("c1")
        assert found is not None
        assert found.attempts == (attempt,)
        assert found.attempts[0].outcome is Outcome.UNKNOWN

    def test_without_a_lease_none_begins(self, ledger: DynamoDbLedger) -> None:
        comparison = ledger.register(make_comparison())
        with pytest.raises(LeaseLostError):
            ledger.begin_attempt("c1", "ann", make_attempt())
        assert ledger.find("c1") == comparison

    def test_owner_that_was_taken_over_begins_none(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger, "ann")
        claim(ledger, "bob", now_ms=UNTIL_MS, until_ms=UNTIL_MS + 1000)
        with pytest.raises(LeaseLostError):
            ledger.begin_attempt("c1", "ann", make_attempt())
        ledger.begin_attempt("c1", "bob", make_attempt())

    def test_number_is_taken_once(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger)
        attempt = make_attempt()
        ledger.begin_attempt("c1", "ann", attempt)
        with pytest.raises(LeaseLostError):
            ledger.begin_attempt("c1", "ann", make_attempt())
        found = ledger.find("c1")
        assert found is not None
        assert found.attempts == (attempt,)

    def test_same_attempt_begins_again_as_when_an_answer_of_the_ledger_was_lost(
        self, ledger: DynamoDbLedger
    ) -> None:
        ledger.register(make_comparison())
        claim(ledger)
        attempt = make_attempt()
        ledger.begin_attempt("c1", "ann", attempt)
        ledger.begin_attempt("c1", "ann", attempt)
        found = ledger.find("c1")
        assert found is not None
        assert found.attempts == (attempt,)

    def test_none_begins_on_a_lease_that_has_run_out(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger)
        with pytest.raises(LeaseLostError):
            ledger.begin_attempt("c1", "ann", make_attempt(started_at_ms=UNTIL_MS + 1))

    def test_none_begins_when_all_is_over(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger)
        ledger.end("c1", make_ending(), None)
        with pytest.raises(LeaseLostError):
            ledger.begin_attempt("c1", "ann", make_attempt())

    def test_none_begins_of_an_unknown_or_erased_comparison(self, ledger: DynamoDbLedger) -> None:
        with pytest.raises(LeaseLostError):
            ledger.begin_attempt("c1", "ann", make_attempt())
        ledger.register(make_comparison())
        claim(ledger)
        ledger.erase("c1", now_ms=NOW_MS)
        with pytest.raises(LeaseLostError):
            ledger.begin_attempt("c1", "ann", make_attempt())

    def test_what_became_of_it_is_settled(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger)
        for number in (1, 2):
            ledger.begin_attempt("c1", "ann", make_attempt(number))
        settled = make_attempt(
            1, outcome=Outcome.FAULTED, code="InternalError", request_id="R", duration_ms=9
        )
        ledger.settle_attempt("c1", settled)
        found = ledger.find("c1")
        assert found is not None
        assert found.attempts[0] == settled
        assert found.attempts[1].outcome is Outcome.UNKNOWN

    def test_it_is_settled_without_the_lease(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger, "ann")
        attempt = make_attempt()
        ledger.begin_attempt("c1", "ann", attempt)
        claim(ledger, "bob", now_ms=UNTIL_MS, until_ms=UNTIL_MS + 1000)
        ledger.settle_attempt("c1", replace(attempt, outcome=Outcome.ANSWERED))
        found = ledger.find("c1")
        assert found is not None
        assert [one.outcome for one in found.attempts] == [Outcome.ANSWERED]

    def test_what_comes_after_the_end_is_noted_but_stays_unknown(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger, "ann")
        attempt = make_attempt()
        ledger.begin_attempt("c1", "ann", attempt)
        ledger.end("c1", make_ending(), None)
        ledger.mark_published("c1", now_ms=NOW_MS)
        ledger.settle_attempt("c1", replace(attempt, outcome=Outcome.ANSWERED, request_id="R1"))
        found = ledger.find("c1")
        assert found is not None
        assert [(one.outcome, one.request_id) for one in found.attempts] == [(Outcome.UNKNOWN, "R1")]
        assert read_outbox(ledger) == "published"

    def test_one_that_never_began_is_not_settled(self, ledger: DynamoDbLedger) -> None:
        with pytest.raises(NotFoundError):
            ledger.settle_attempt("c1", make_attempt())
        ledger.register(make_comparison())
        with pytest.raises(NotFoundError):
            ledger.settle_attempt("c1", make_attempt())


class TestEndings:
    def test_ending_and_last_attempt_are_recorded_together(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger)
        attempt = make_attempt()
        ledger.begin_attempt("c1", "ann", attempt)
        answered = replace(attempt, outcome=Outcome.ANSWERED, code="Success")
        ledger.end("c1", make_ending(), answered)
        assert ledger.find("c1") == make_comparison(
            state=State.COMPLETED, ending=make_ending(), attempts=(answered,)
        )

    def test_end_leaves_no_lease_and_moves_the_expiry(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger)
        ledger.end("c1", make_ending(), None)
        item = read_raw(ledger, "comparison#c1")
        assert not {"lease_owner", "lease_until_ms"} & item.keys()
        assert item["expires_at"] == {"N": str(NOW_MS // 1000 + 5 + RETENTION_S)}

    def test_owner_that_lost_its_lease_may_bring_the_first_verdict(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger, "ann")
        first = make_attempt(1)
        ledger.begin_attempt("c1", "ann", first)
        claim(ledger, "bob", now_ms=UNTIL_MS, until_ms=UNTIL_MS + 1000)
        second = make_attempt(2)
        ledger.begin_attempt("c1", "bob", second)

        ledger.end("c1", make_ending(ended_at_ms=UNTIL_MS + 1), first)
        with pytest.raises(AlreadyEndedError):
            ledger.end("c1", make_ending(Decision.FAILED), second)

        found = ledger.find("c1")
        assert found is not None
        assert found.ending == make_ending(ended_at_ms=UNTIL_MS + 1)
        assert found.attempts == (first, second)

    def test_unknown_or_erased_comparison_does_not_end(self, ledger: DynamoDbLedger) -> None:
        with pytest.raises(AlreadyEndedError):
            ledger.end("c1", make_ending(), None)
        assert ledger.find("c1") is None
        ledger.register(make_comparison())
        ledger.erase("c1", now_ms=NOW_MS)
        with pytest.raises(AlreadyEndedError):
            ledger.end("c1", make_ending(), None)

    @pytest.mark.parametrize("score", [math.nan, math.inf])
    def test_number_that_is_none_is_refused_and_nothing_written(
        self, ledger: DynamoDbLedger, score: float
    ) -> None:
        comparison = ledger.register(make_comparison())
        ending = make_ending(verdict=Verdict(decision=Decision.MATCH, message="", score=score))
        with pytest.raises((TypeError, ValueError)):
            ledger.end("c1", ending, None)
        assert ledger.find("c1") == comparison


class TestOutbox:
    def test_only_an_end_makes_it_pending(self, ledger: DynamoDbLedger) -> None:
        seen = []
        attempt = make_attempt()
        for step in (
            lambda: ledger.register(make_comparison()),
            lambda: claim(ledger),
            lambda: ledger.begin_attempt("c1", "ann", attempt),
            lambda: ledger.settle_attempt("c1", attempt),
            lambda: ledger.release("c1", "ann"),
            lambda: ledger.mark_published("c1", now_ms=NOW_MS),
            lambda: ledger.end("c1", make_ending(), None),
        ):
            step()
            seen.append(read_outbox(ledger))
        assert seen == [None] * 6 + ["pending"]

    def test_registered_as_ended_is_pending(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_ended())
        assert read_outbox(ledger) == "pending"

    def test_published_is_taken_out_once_and_for_all(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_ended())
        ledger.mark_published("c1", now_ms=NOW_MS + 1)
        ledger.mark_published("c1", now_ms=NOW_MS + 2)
        found = ledger.find("c1")
        assert found == replace(make_ended(), published_at_ms=NOW_MS + 1)
        assert read_outbox(ledger) == "published"

    def test_nothing_puts_a_published_one_back(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_ended())
        ledger.mark_published("c1", now_ms=NOW_MS)
        ledger.register(make_ended())
        with pytest.raises(AlreadyEndedError):
            ledger.end("c1", make_ending(), None)
        ledger.erase("c1", now_ms=NOW_MS)
        ledger.erase("c1", now_ms=NOW_MS)
        assert read_outbox(ledger) == "published"

    def test_publishing_an_unknown_comparison_makes_no_record(self, ledger: DynamoDbLedger) -> None:
        ledger.mark_published("c1", now_ms=NOW_MS)
        assert ledger.find("c1") is None


class TestErasing:
    def test_unended_one_leaves_as_erased(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        ledger.erase("c1", now_ms=NOW_MS + 7000)
        found = ledger.find("c1")
        assert found is not None
        assert (found.state, found.ended) == (State.ERASED, True)
        assert found.ending is not None
        assert (found.ending.verdict.reason, found.ending.ended_at_ms) == ("erased", NOW_MS + 7000)
        assert read_outbox(ledger) == "pending"

    def test_verdict_that_has_not_left_is_erased_with_it(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_ended())
        ledger.erase("c1", now_ms=NOW_MS)
        found = ledger.find("c1")
        assert found is not None
        assert found.ending is not None
        assert found.ending.verdict.reason == "erased"
        assert read_outbox(ledger) == "pending"

    def test_no_personal_data_stays(self, ledger: DynamoDbLedger) -> None:
        full = replace(make_full_comparison("c1"), state=State.REGISTERED, ending=None)
        ledger.register(full)
        claim(ledger)
        ledger.end("c1", make_ending(), None)
        ledger.mark_published("c1", now_ms=NOW_MS + 6000)
        ledger.erase("c1", now_ms=NOW_MS + 7000)

        item = read_raw(ledger, "comparison#c1")
        assert item.keys() == {
            "pk",
            "id",
            "kind",
            "region",
            "origin",
            "options",
            "state",
            "created_at_ms",
            "published_at_ms",
            "expires_at",
            "outbox",
            "pending_since_ms",
            "photos",
            "attempts",
            "ending",
        }
        assert item["photos"] == {"M": {}}
        verdict = item["ending"]["M"].pop("verdict")["M"]
        assert item["ending"]["M"] == {
            "ended_at_ms": {"N": str(NOW_MS + 7000)},
            "photos": {"M": {}},
            "timings_ms": {"M": {}},
        }
        told = {name: value["S"] for name, value in verdict.items() if "NULL" not in value}
        assert told == {
            "decision": "failed",
            "reason": "erased",
            "message": "The comparison was erased before its verdict left.",
        }
        found = ledger.find("c1")
        assert found is not None
        assert found.attempts == full.attempts
        assert item["expires_at"] == {"N": str(NOW_MS // 1000 + 7 + RETENTION_S)}

    def test_lease_goes_with_it(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger)
        ledger.erase("c1", now_ms=NOW_MS)
        assert not {"lease_owner", "lease_until_ms"} & read_raw(ledger, "comparison#c1").keys()

    def test_second_time_changes_nothing(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        ledger.erase("c1", now_ms=NOW_MS)
        erased = ledger.find("c1")
        ledger.erase("c1", now_ms=NOW_MS + 1)
        assert ledger.find("c1") == erased

    def test_unknown_comparison_leaves_no_tombstone(self, ledger: DynamoDbLedger) -> None:
        ledger.erase("c1", now_ms=NOW_MS)
        assert ledger.find("c1") is None


USES: dict[str, tuple[str, Callable[[DynamoDbLedger], object]]] = {
    "put_photo": ("update_item", lambda ledger: put(ledger, Role.SOURCE)),
    "find_pair": ("get_item", lambda ledger: ledger.find_pair("singapore", PAIR_ID)),
    "retire_pair": (
        "update_item",
        lambda ledger: ledger.retire_pair(Pair("singapore", PAIR_ID, {Role.SOURCE: make_arrived()})),
    ),
    "forget_pair": (
        "delete_item",
        lambda ledger: ledger.forget_pair(Pair("singapore", PAIR_ID, {Role.SOURCE: make_arrived()})),
    ),
    "put_request": ("put_item", lambda ledger: ledger.put_request("r1", "body", now_ms=NOW_MS)),
    "find_request": ("get_item", lambda ledger: ledger.find_request("r1")),
    "register": ("put_item", lambda ledger: ledger.register(make_comparison())),
    "register_lone_photo": (
        "transact_write_items",
        lambda ledger: ledger.register_lone_photo(
            make_ended(), Pair("singapore", PAIR_ID, {Role.SOURCE: make_arrived()})
        ),
    ),
    "find": ("get_item", lambda ledger: ledger.find("c1")),
    "claim": ("update_item", claim),
    "release": ("update_item", lambda ledger: ledger.release("c1", "ann")),
    "begin_attempt": ("update_item", lambda ledger: ledger.begin_attempt("c1", "ann", make_attempt())),
    "settle_attempt": ("update_item", lambda ledger: ledger.settle_attempt("c1", make_attempt())),
    "end": ("update_item", lambda ledger: ledger.end("c1", make_ending(), None)),
    "mark_published": ("update_item", lambda ledger: ledger.mark_published("c1", now_ms=NOW_MS)),
    "list_unpublished": ("query", lambda ledger: list(ledger.list_unpublished(before_ms=NOW_MS))),
    "erase": ("update_item", lambda ledger: ledger.erase("c1", now_ms=NOW_MS)),
}


@pytest.fixture(scope="module")
def refusing_client(session: boto3.Session) -> "DynamoDBClient":
    return session.client("dynamodb", region_name=AWS_REGION)


class TestSweep:
    def test_what_ended_and_did_not_leave_is_found_the_oldest_first(self, ledger: DynamoDbLedger) -> None:
        for name, ended_at_ms in (("late", 3000), ("early", 1000), ("left", 2000), ("young", 9000)):
            ledger.register(make_comparison(name))
            ledger.end(name, make_ending(ended_at_ms=ended_at_ms), None)
        ledger.register(make_comparison("open"))
        ledger.mark_published("left", now_ms=NOW_MS)

        assert list(ledger.list_unpublished(before_ms=9000)) == ["early", "late"]

    def test_what_stays_in_the_outbox_hides_nothing_behind_it(self, ledger: DynamoDbLedger) -> None:
        names = [f"stuck-{number:03d}" for number in range(205)]
        for number, name in enumerate(names):
            ledger.register(make_comparison(name))
            ledger.end(name, make_ending(ended_at_ms=1000 + number), None)

        assert list(ledger.list_unpublished(before_ms=9000)) == names

    def test_half_a_pair_that_ended_is_found(self, ledger: DynamoDbLedger) -> None:
        pair = put(ledger, Role.SOURCE)
        ended = make_ended()
        assert ledger.register_lone_photo(ended, pair)

        assert ended.ending is not None
        before_ms = ended.ending.ended_at_ms + 1
        assert list(ledger.list_unpublished(before_ms=before_ms)) == [ended.id]

    def test_an_open_comparison_that_is_erased_is_found_and_a_published_one_is_not(
        self, ledger: DynamoDbLedger
    ) -> None:
        for name in ("open", "left"):
            ledger.register(make_comparison(name))
        ledger.end("left", make_ending(), None)
        ledger.mark_published("left", now_ms=NOW_MS)
        for name in ("open", "left"):
            ledger.erase(name, now_ms=NOW_MS)

        assert list(ledger.list_unpublished(before_ms=NOW_MS + 1)) == ["open"]


class TestFaults:
    @pytest.mark.parametrize("code", ["ProvisionedThroughputExceededException", "InternalServerError"])
    @pytest.mark.parametrize("use", USES)
    def test_a_table_that_can_not_take_more_postpones_the_work(
        self, refusing_client: "DynamoDBClient", use: str, code: str
    ) -> None:
        operation, call = USES[use]
        with Stubber(refusing_client) as stubber:
            stubber.add_client_error(operation, code, "Slow down.")
            with pytest.raises(LedgerUnavailableError):
                call(DynamoDbLedger(refusing_client, "table", RETENTION_DAYS))

    @pytest.mark.parametrize("use", USES)
    def test_so_does_one_that_can_not_be_reached(self, session: boto3.Session, use: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            endpoint_url = f"http://127.0.0.1:{server.getsockname()[1]}"
        config = Config(retries={"total_max_attempts": 1}, proxies={})
        client = session.client("dynamodb", AWS_REGION, endpoint_url=endpoint_url, config=config)
        with pytest.raises(LedgerUnavailableError):
            USES[use][1](DynamoDbLedger(client, "table", RETENTION_DAYS))

    @pytest.mark.parametrize("code", ["AccessDeniedException"])
    @pytest.mark.parametrize("use", USES)
    def test_any_other_error_of_dynamodb_passes_untouched(
        self, refusing_client: "DynamoDBClient", use: str, code: str
    ) -> None:
        operation, call = USES[use]
        with Stubber(refusing_client) as stubber:
            stubber.add_client_error(operation, code, "Slow down.")
            with pytest.raises(ClientError) as failure:
                call(DynamoDbLedger(refusing_client, "table", RETENTION_DAYS))
        assert failure.value.response["Error"] == {"Code": code, "Message": "Slow down."}

    def test_every_method_is_among_them(self) -> None:
        methods = {name for name in vars(DynamoDbLedger) if not name.startswith("_")}
        assert methods - {"client", "table", "retention_days"} == USES.keys()

    @pytest.mark.parametrize(
        ("reasons", "decided"),
        [
            (["None", "TransactionConflict"], False),
            (["ThrottlingError", "None"], False),
            (["ConditionalCheckFailed", "None"], True),
            (["None", "ConditionalCheckFailed"], True),
        ],
    )
    def test_cancelled_transaction_is_a_no_only_for_its_conditions(
        self, refusing_client: "DynamoDBClient", reasons: list[str], *, decided: bool
    ) -> None:
        ledger = DynamoDbLedger(refusing_client, "table", RETENTION_DAYS)
        with Stubber(refusing_client) as stubber:
            stubber.add_client_error(
                "transact_write_items",
                "TransactionCanceledException",
                modeled_fields={"CancellationReasons": [{"Code": reason} for reason in reasons]},
            )
            if decided:
                assert USES["register_lone_photo"][1](ledger) is False
            else:
                with pytest.raises(ClientError):
                    USES["register_lone_photo"][1](ledger)


@pytest.mark.usefixtures("_atomic_requests")
class TestRaces:
    def test_of_twenty_claims_one_wins(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        outcomes = run_at_once([partial(claim, ledger, f"owner-{n}") for n in range(20)])
        assert sum(isinstance(outcome, Comparison) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, LeaseHeldError) for outcome in outcomes) == 19

    def test_of_twenty_takeovers_one_wins(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger, "dead")
        take_over = partial(claim, ledger, now_ms=UNTIL_MS, until_ms=UNTIL_MS + 1000)
        outcomes = run_at_once([partial(take_over, f"owner-{n}") for n in range(20)])
        assert sum(isinstance(outcome, Comparison) for outcome in outcomes) == 1
        with pytest.raises(LeaseLostError):
            ledger.begin_attempt("c1", "dead", make_attempt())

    def test_of_twenty_registrations_one_creates(self, ledger: DynamoDbLedger) -> None:
        comparisons = [make_comparison(created_at_ms=NOW_MS + n) for n in range(20)]
        outcomes = run_at_once([partial(ledger.register, one) for one in comparisons])
        assert {outcome == outcomes[0] for outcome in outcomes} == {True}
        assert ledger.find("c1") == outcomes[0]

    def test_of_twenty_endings_one_stands(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        endings = [make_ending(ended_at_ms=NOW_MS + n) for n in range(20)]
        outcomes = run_at_once([partial(ledger.end, "c1", one, None) for one in endings])
        (winner,) = (n for n, outcome in enumerate(outcomes) if outcome is None)
        assert sum(isinstance(outcome, AlreadyEndedError) for outcome in outcomes) == 19
        found = ledger.find("c1")
        assert found is not None
        assert found.ending == endings[winner]

    def test_of_twenty_attempts_of_one_number_one_begins(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison())
        claim(ledger)
        attempts = [make_attempt() for _ in range(20)]
        outcomes = run_at_once([partial(ledger.begin_attempt, "c1", "ann", one) for one in attempts])
        assert outcomes.count(None) == 1
        assert sum(isinstance(outcome, LeaseLostError) for outcome in outcomes) == 19

    def test_both_photos_at_one_instant_make_the_pair_complete(self, ledger: DynamoDbLedger) -> None:
        for n in range(10):
            put_one = partial(ledger.put_photo, "singapore", f"p{n}")
            pairs = run_at_once([partial(put_one, role, make_arrived(role)) for role in Role])
            assert any(isinstance(pair, Pair) and pair.complete for pair in pairs)

    def test_the_latest_of_twenty_photos_at_one_instant_stands(self, ledger: DynamoDbLedger) -> None:
        run_at_once([partial(put, ledger, Role.SOURCE, f"{n:02d}") for n in range(20)])
        pair = ledger.find_pair("singapore", PAIR_ID)
        assert pair is not None
        assert pair.arrived[Role.SOURCE].sequencer == "19"

    def test_half_a_pair_either_expires_or_is_completed_before(self, ledger: DynamoDbLedger) -> None:
        for n in range(10):
            put_one = partial(ledger.put_photo, "singapore", f"p{n}")
            half = put_one(Role.SOURCE, make_arrived(Role.SOURCE))
            tasks: list[Callable[[], object]] = [
                partial(ledger.register_lone_photo, make_ended(f"c{n}"), half),
                partial(put_one, Role.TARGET, make_arrived(Role.TARGET)),
            ]
            expired, pair = run_at_once(tasks)
            assert isinstance(pair, Pair)
            assert pair.complete
            assert (ledger.find(f"c{n}") is not None) is expired

    def test_of_an_end_and_an_erasure_at_once_the_erasure_stands(self, ledger: DynamoDbLedger) -> None:
        for n in range(10):
            ledger.register(make_comparison(f"c{n}"))
            tasks: list[Callable[[], object]] = [
                partial(ledger.end, f"c{n}", make_ending(), None),
                partial(ledger.erase, f"c{n}", now_ms=NOW_MS),
            ]
            ended, erased = run_at_once(tasks)
            assert ended is None or isinstance(ended, AlreadyEndedError)
            assert erased is None
            found = ledger.find(f"c{n}")
            assert found is not None
            assert found.state is State.ERASED
            assert read_outbox(ledger, f"c{n}") == "pending"
