from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.comparison import (
    Attempt,
    Comparison,
    Options,
    Origin,
    Outcome,
    PhotoKind,
    ProviderErasure,
    State,
    StoredPhoto,
)
from facematch.domain.errors import (
    AlreadyEndedError,
    LeaseHeldError,
    LeaseLostError,
    LedgerUnavailableError,
    NotFoundError,
)
from facematch.domain.pair import Pair
from facematch.domain.ports import IdempotentRequest
from facematch.domain.regions import Region
from facematch.domain.verdict import Bounds, Decision, Role, fail
from tests.factories import (
    CALLER,
    FOLDER,
    make_arrived,
    make_attempt,
    make_comparison,
    make_ended,
    make_ending,
    make_verdict,
)
from tests.fakes.clock import START_MS as NOW_MS
from tests.fakes.moto_stack import AWS_REGION
from tests.integration.adapters.concurrency import run_at_once
from tests.integration.aws_rules import measure_item, refuse_invalid_requests

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

RETENTION_DAYS = 30
RETENTION_S = RETENTION_DAYS * 86_400
UNTIL_MS = NOW_MS + 60_000
ID = "c1"
BEGUN = make_attempt(1, Outcome.NOT_SETTLED)
DUE = ProviderErasure(transaction_id="T1")
DELETED = ProviderErasure(transaction_id="T1", outcome="deleted")
ERASED = fail("comparison_erased", "The comparison was erased.")


@pytest.fixture
def ledger(dynamodb: "DynamoDBClient", table: str) -> DynamoDbLedger:
    return DynamoDbLedger(dynamodb, table, RETENTION_DAYS)


def read_raw(ledger: DynamoDbLedger, key: str = f"comparison#{ID}") -> dict[str, Any]:
    """Return an item as DynamoDB holds it."""
    return dict(ledger.client.get_item(TableName=ledger.table, Key={"pk": {"S": key}}).get("Item", {}))


def register(ledger: DynamoDbLedger, comparison_id: str = ID, **changes: Any) -> Comparison:
    comparison = make_comparison(id=comparison_id, **changes)
    assert ledger.register(comparison)
    return comparison


def claim(
    ledger: DynamoDbLedger, owner: str = "ann", *, now_ms: int = NOW_MS, until_ms: int = UNTIL_MS
) -> Comparison:
    return ledger.claim(ID, owner, now_ms=now_ms, until_ms=until_ms)


def begin(ledger: DynamoDbLedger, attempt: Attempt = BEGUN) -> None:
    """Register and claim a comparison, and begin an attempt."""
    register(ledger)
    claim(ledger)
    ledger.begin_attempt(ID, "ann", attempt)


def find(ledger: DynamoDbLedger, comparison_id: str = ID) -> Comparison:
    comparison = ledger.find(comparison_id)
    assert comparison is not None
    return comparison


def put(ledger: DynamoDbLedger, role: Role, sequencer: str = "01", **changes: Any) -> Pair:
    return ledger.put_photo("singapore", FOLDER, role, make_arrived(role, sequencer, **changes))


def put_both(ledger: DynamoDbLedger) -> Pair:
    put(ledger, Role.SOURCE)
    return put(ledger, Role.TARGET)


def find_pair(ledger: DynamoDbLedger) -> Pair:
    pair = ledger.find_pair("singapore", FOLDER)
    assert pair is not None
    return pair


def list_waiting(ledger: DynamoDbLedger, before_ms: int = NOW_MS + 1) -> list[tuple[str, str]]:
    return list(ledger.list_incomplete_pairs(before_ms=before_ms))


def list_outbox(ledger: DynamoDbLedger, before_ms: int = NOW_MS * 2) -> list[str]:
    return list(ledger.list_unpublished(before_ms=before_ms))


def make_request(request_id: str = "r1", comparison_id: str = ID) -> IdempotentRequest:
    return IdempotentRequest(request_id, "digest", comparison_id)


class TestPairs:
    def test_unknown_pair_is_none(self, ledger: DynamoDbLedger) -> None:
        assert ledger.find_pair("singapore", FOLDER) is None

    @pytest.mark.parametrize("order", [list(Role), list(reversed(Role))])
    def test_second_photo_completes_the_pair_in_either_order(
        self, ledger: DynamoDbLedger, order: list[Role]
    ) -> None:
        first, second = (put(ledger, role) for role in order)
        assert first == Pair("singapore", FOLDER, {order[0]: make_arrived(order[0])})
        assert (first.is_complete, second.is_complete) == (False, True)
        assert find_pair(ledger) == second

    def test_region_and_folder_distinguish_pairs(self, ledger: DynamoDbLedger) -> None:
        places = [("singapore", "a#b"), ("singapore#a", "b"), ("malaysia", "a#b"), ("singapore", "a/b")]
        for place in places:
            ledger.put_photo(*place, Role.SOURCE, make_arrived())
        assert sorted(list_waiting(ledger)) == sorted(places)
        for place in places:
            pair = ledger.find_pair(*place)
            assert pair is not None
            assert (pair.region, pair.folder) == place

    def test_longest_key_of_the_bucket_fits(self, ledger: DynamoDbLedger) -> None:
        folder = "ü" * ((1024 - len("inbox/singapore//source.jpg")) // 2)
        ledger.put_photo("singapore", folder, Role.SOURCE, make_arrived())
        assert ledger.find_pair("singapore", folder) is not None

    @pytest.mark.parametrize(("first", "second"), [("01", "02"), ("02", "01"), ("009f", "00a0")])
    def test_photo_with_the_greater_sequencer_is_kept(
        self, ledger: DynamoDbLedger, first: str, second: str
    ) -> None:
        put(ledger, Role.SOURCE, first)
        pair = put(ledger, Role.SOURCE, second)
        assert pair.arrived == {Role.SOURCE: make_arrived(Role.SOURCE, max(first, second))}

    @pytest.mark.parametrize(("arrived_at_ms", "kept"), [(NOW_MS + 1, "00"), (NOW_MS - 1, "01")])
    def test_of_two_keys_the_later_arrival_is_kept(
        self, ledger: DynamoDbLedger, arrived_at_ms: int, kept: str
    ) -> None:
        put(ledger, Role.SOURCE)
        png = make_arrived(Role.SOURCE, "00", arrived_at_ms, key=f"inbox/singapore/{FOLDER}/source.png")
        pair = ledger.put_photo("singapore", FOLDER, Role.SOURCE, png)
        assert pair.arrived[Role.SOURCE].sequencer == kept

    def test_repeated_notification_returns_the_pair_unchanged(self, ledger: DynamoDbLedger) -> None:
        pair = put_both(ledger)
        assert put(ledger, Role.SOURCE, arrived_at_ms=NOW_MS + 1, etag="other") == pair

    def test_pair_expires_after_its_last_photo(self, ledger: DynamoDbLedger) -> None:
        put(ledger, Role.SOURCE)
        put(ledger, Role.TARGET, "02", arrived_at_ms=NOW_MS + 9000)
        item = read_raw(ledger, f"pair#singapore/{FOLDER}")
        assert item["expires_at"] == {"N": str(NOW_MS // 1000 + 9 + RETENTION_S)}

    def test_forgotten_pair_is_gone_and_can_be_forgotten_again(self, ledger: DynamoDbLedger) -> None:
        pair = put_both(ledger)
        assert ledger.forget_pair(pair)
        assert ledger.forget_pair(pair)
        assert ledger.find_pair("singapore", FOLDER) is None
        assert list_waiting(ledger) == []

    @pytest.mark.parametrize(("role", "sequencer"), [(Role.SOURCE, "02"), (Role.TARGET, "01")])
    def test_pair_that_changed_is_neither_forgotten_nor_taken(
        self, ledger: DynamoDbLedger, role: Role, sequencer: str
    ) -> None:
        known = put(ledger, Role.SOURCE)
        changed = put(ledger, role, sequencer)
        assert not ledger.forget_pair(known)
        assert not ledger.take_pair(known, ID)
        assert not ledger.register(make_comparison(id=ID), pair=known, request=make_request())
        assert find_pair(ledger) == changed
        assert (ledger.find(ID), ledger.find_request("r1")) == (None, None)

    def test_taken_pair_waits_no_longer_until_a_newer_photo_arrives(self, ledger: DynamoDbLedger) -> None:
        assert ledger.take_pair(put_both(ledger), ID)
        taken = put(ledger, Role.SOURCE)
        assert (taken.is_taken, taken.comparison_id) == (True, ID)
        assert list_waiting(ledger) == []

        newer = put(ledger, Role.SOURCE, "02")
        assert newer.photos.keys() == {Role.SOURCE}
        assert list_waiting(ledger) == [("singapore", FOLDER)]
        assert put(ledger, Role.TARGET, "02").is_complete

    def test_pair_that_was_never_seen_is_not_taken(self, ledger: DynamoDbLedger) -> None:
        assert not ledger.take_pair(Pair("singapore", FOLDER, {Role.SOURCE: make_arrived()}), ID)
        assert ledger.find_pair("singapore", FOLDER) is None

    def test_waiting_pairs_are_listed_oldest_first_and_without_limit(self, ledger: DynamoDbLedger) -> None:
        for number in range(205):
            arrived = make_arrived(arrived_at_ms=NOW_MS - number)
            ledger.put_photo("singapore", f"p{number:03d}", Role.SOURCE, arrived)
        waiting = [folder for _, folder in list_waiting(ledger, before_ms=NOW_MS)]
        assert waiting == [f"p{number:03d}" for number in range(204, 0, -1)]


class TestRegistering:
    @pytest.mark.parametrize(
        "comparison",
        [
            make_comparison(),
            make_comparison(pair_id=None, photos={}),
            make_ended(make_verdict(Decision.FAILED, photo=Role.TARGET)),
            make_comparison(
                region="hong-kong",
                origin=Origin.API,
                caller=CALLER,
                request_ids=("r1", "r2"),
                photos={
                    Role.SOURCE: StoredPhoto(key="comparisons/c/source-1", kind=PhotoKind.URL),
                    Role.TARGET: StoredPhoto(key="inbox/hong-kong/ü +%/target.jpg", etag="bbbb"),
                },
                options=Options(bounds=Bounds(80.25, 40), face_quality_check=True),
                state=State.COMPLETED,
                attempts=tuple(make_attempt(number) for number in range(1, 13)),
                unbilled_calls={Outcome.FAULTED: 3, Outcome.THROTTLED: 1},
                last_code="InternalError",
                ending=make_ending(),
            ),
        ],
        ids=["open", "bare", "failed", "full"],
    )
    def test_comparison_comes_back_as_it_was(self, ledger: DynamoDbLedger, comparison: Comparison) -> None:
        assert ledger.register(comparison)
        assert ledger.find(comparison.id) == comparison

    @pytest.mark.parametrize("score", [0.0, 0.1, 1 / 3, 99.99999999999999, 100.0, 1e-07])
    def test_scores_keep_every_digit(self, ledger: DynamoDbLedger, score: float) -> None:
        verdict = make_verdict(score=score, face_quality={"A": score})
        register(ledger, state=State.COMPLETED, ending=make_ending(verdict=verdict))
        ending = find(ledger).ending
        assert ending is not None
        assert ending.verdict == verdict

    def test_pair_and_request_are_recorded_with_the_comparison(self, ledger: DynamoDbLedger) -> None:
        pair = put_both(ledger)
        comparison = make_comparison(id=ID)
        assert ledger.register(comparison, pair=pair, request=make_request())
        assert find(ledger) == replace(comparison, request_ids=("r1",))
        assert ledger.find_request("r1") == make_request()
        assert find_pair(ledger).is_taken
        assert find_pair(ledger).comparison_id == ID

    def test_incomplete_pair_keeps_its_photo_but_waits_no_longer(self, ledger: DynamoDbLedger) -> None:
        half = put(ledger, Role.SOURCE)
        assert ledger.register(make_ended(id=ID), pair=half, takes_photos=False)
        assert find_pair(ledger).photos.keys() == {Role.SOURCE}
        assert find_pair(ledger).comparison_id == ID
        assert list_waiting(ledger) == []
        assert list_outbox(ledger) == [ID]
        assert put(ledger, Role.TARGET).is_complete

    def test_second_registration_changes_nothing(self, ledger: DynamoDbLedger) -> None:
        older = register(ledger)
        pair = put_both(ledger)
        newer = make_comparison(id=ID, created_at_ms=NOW_MS + 1)
        assert not ledger.register(newer, pair=pair, request=make_request())
        assert find(ledger) == older
        assert find_pair(ledger) == pair
        assert ledger.find_request("r1") is None

    def test_known_request_registers_no_other_comparison(self, ledger: DynamoDbLedger) -> None:
        assert ledger.register(make_comparison(id=ID), request=make_request())
        other = make_comparison(id="c2")
        assert not ledger.register(other, request=make_request(comparison_id="c2"))
        assert ledger.find("c2") is None

    @pytest.mark.parametrize("key", [f"comparison#{ID}", "request#r1"])
    def test_records_expire(self, ledger: DynamoDbLedger, key: str) -> None:
        ledger.register(make_comparison(id=ID), request=make_request())
        assert read_raw(ledger, key)["expires_at"] == {"N": str(NOW_MS // 1000 + RETENTION_S)}

    def test_further_request_leads_to_a_known_comparison(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison(id=ID), request=make_request("r1"))
        assert ledger.add_request(make_request("r2"))
        assert not ledger.add_request(make_request("r2"))
        assert find(ledger).request_ids == ("r1", "r2")
        assert ledger.find_request("r2") == make_request("r2")

    def test_no_request_leads_to_an_unknown_or_erased_comparison(self, ledger: DynamoDbLedger) -> None:
        assert not ledger.add_request(make_request())
        ledger.erase(register(ledger), ERASED, None, now_ms=NOW_MS)
        assert not ledger.add_request(make_request())
        assert ledger.find_request("r1") is None


class TestLeases:
    def test_claim_returns_the_comparison_without_the_lease(self, ledger: DynamoDbLedger) -> None:
        comparison = register(ledger)
        assert claim(ledger) == find(ledger) == comparison

    def test_unknown_comparison_is_not_found(self, ledger: DynamoDbLedger) -> None:
        with pytest.raises(NotFoundError):
            claim(ledger)
        ledger.release(ID, "ann")
        assert ledger.find(ID) is None

    @pytest.mark.parametrize("decision", Decision)
    def test_ended_comparison_is_not_claimed(self, ledger: DynamoDbLedger, decision: Decision) -> None:
        register(ledger)
        ledger.end(ID, make_ending(decision), None)
        with pytest.raises(AlreadyEndedError):
            claim(ledger)

    def test_erased_comparison_is_not_claimed(self, ledger: DynamoDbLedger) -> None:
        ledger.erase(register(ledger), ERASED, None, now_ms=NOW_MS)
        with pytest.raises(AlreadyEndedError):
            claim(ledger)

    def test_lease_lasts_until_its_end_and_not_longer(self, ledger: DynamoDbLedger) -> None:
        register(ledger)
        claim(ledger, "ann")
        with pytest.raises(LeaseHeldError) as refusal:
            claim(ledger, "bob", now_ms=UNTIL_MS - 1)
        assert refusal.value.retry_after_s == 0.001
        claim(ledger, "bob", now_ms=UNTIL_MS, until_ms=UNTIL_MS + 1000)

    def test_owner_may_claim_again_after_a_lost_answer(self, ledger: DynamoDbLedger) -> None:
        register(ledger)
        assert claim(ledger, "ann") == claim(ledger, "ann")

    def test_only_the_owner_releases_the_lease(self, ledger: DynamoDbLedger) -> None:
        register(ledger)
        claim(ledger, "ann")
        ledger.release(ID, "bob")
        with pytest.raises(LeaseHeldError):
            claim(ledger, "bob")
        ledger.release(ID, "ann")
        claim(ledger, "bob")


class TestAttempts:
    def test_attempt_is_recorded_before_its_call(self, ledger: DynamoDbLedger) -> None:
        begin(ledger)
        assert find(ledger).attempts == (BEGUN,)

    def test_same_attempt_may_begin_again_after_a_lost_answer(self, ledger: DynamoDbLedger) -> None:
        begin(ledger)
        ledger.begin_attempt(ID, "ann", BEGUN)
        assert find(ledger).attempts == (BEGUN,)

    def test_number_is_used_once(self, ledger: DynamoDbLedger) -> None:
        begin(ledger)
        with pytest.raises(LeaseLostError):
            ledger.begin_attempt(ID, "ann", replace(BEGUN, merchant_biz_id="another"))
        assert find(ledger).attempts == (BEGUN,)

    @pytest.mark.parametrize(
        "lose",
        [
            lambda ledger: ledger.release(ID, "ann"),
            lambda ledger: claim(ledger, "bob", now_ms=UNTIL_MS, until_ms=UNTIL_MS + 1000),
            lambda ledger: ledger.end(ID, make_ending(), None),
            lambda ledger: ledger.erase(find(ledger), ERASED, None, now_ms=NOW_MS),
        ],
        ids=["released", "taken over", "ended", "erased"],
    )
    def test_without_the_lease_no_attempt_begins(
        self, ledger: DynamoDbLedger, lose: Callable[[DynamoDbLedger], object]
    ) -> None:
        register(ledger)
        claim(ledger)
        lose(ledger)
        with pytest.raises(LeaseLostError):
            ledger.begin_attempt(ID, "ann", BEGUN)
        assert find(ledger).attempts == ()

    def test_no_attempt_begins_when_the_lease_has_expired_or_there_is_no_comparison(
        self, ledger: DynamoDbLedger
    ) -> None:
        with pytest.raises(LeaseLostError):
            ledger.begin_attempt(ID, "ann", BEGUN)
        register(ledger)
        claim(ledger)
        with pytest.raises(LeaseLostError):
            ledger.begin_attempt(ID, "ann", replace(BEGUN, started_at_ms=UNTIL_MS))

    @pytest.mark.parametrize("outcome", [Outcome.POSSIBLY_BILLED, Outcome.ANSWERED])
    def test_billed_attempt_is_kept(self, ledger: DynamoDbLedger, outcome: Outcome) -> None:
        begin(ledger)
        settled = replace(BEGUN, outcome=outcome, code="code", request_id="R1", duration_ms=9)
        ledger.settle_attempt(ID, settled)
        assert find(ledger) == make_comparison(id=ID, attempts=(settled,), last_code="code")

    @pytest.mark.parametrize("outcome", [outcome for outcome in Outcome if outcome.is_unbilled])
    def test_unbilled_attempt_is_removed_and_counted_once(
        self, ledger: DynamoDbLedger, outcome: Outcome
    ) -> None:
        begin(ledger)
        for number in (1, 2):
            attempt = make_attempt(number, Outcome.NOT_SETTLED)
            ledger.begin_attempt(ID, "ann", attempt)
            for _ in range(2):
                ledger.settle_attempt(ID, replace(attempt, outcome=outcome, code="code"))
        assert find(ledger) == make_comparison(id=ID, unbilled_calls={outcome: 2}, last_code="code")

    def test_answer_that_comes_after_a_takeover_replaces_the_guess(self, ledger: DynamoDbLedger) -> None:
        begin(ledger)
        claim(ledger, "bob", now_ms=UNTIL_MS, until_ms=UNTIL_MS + 1000)
        ledger.settle_attempt(ID, replace(BEGUN, outcome=Outcome.POSSIBLY_BILLED, code="worker_lost"))
        ledger.settle_attempt(ID, replace(BEGUN, outcome=Outcome.THROTTLED, code="Throttling"))
        comparison = find(ledger)
        assert (comparison.attempts, comparison.unbilled_calls) == ((), {Outcome.THROTTLED: 1})

    def test_answered_attempt_does_not_change(self, ledger: DynamoDbLedger) -> None:
        begin(ledger)
        answered = replace(BEGUN, outcome=Outcome.ANSWERED)
        ledger.settle_attempt(ID, answered)
        ledger.settle_attempt(ID, replace(BEGUN, outcome=Outcome.POSSIBLY_BILLED))
        assert find(ledger).attempts == (answered,)

    @pytest.mark.parametrize("outcome", [Outcome.ANSWERED, Outcome.FAULTED])
    def test_nothing_is_settled_after_the_end_or_without_a_beginning(
        self, ledger: DynamoDbLedger, outcome: Outcome
    ) -> None:
        settled = replace(BEGUN, outcome=outcome)
        ledger.settle_attempt(ID, settled)
        assert ledger.find(ID) is None
        register(ledger)
        ledger.settle_attempt(ID, settled)
        assert find(ledger) == make_comparison(id=ID)
        claim(ledger)
        ledger.begin_attempt(ID, "ann", BEGUN)
        ledger.end(ID, make_ending(), None)
        ledger.settle_attempt(ID, settled)
        assert find(ledger).attempts == (BEGUN,)


class TestEndings:
    def test_ending_attempt_and_outbox_are_recorded_together(self, ledger: DynamoDbLedger) -> None:
        begin(ledger)
        answered = replace(BEGUN, outcome=Outcome.ANSWERED, code="Success")
        ledger.end(ID, make_ending(), answered)
        comparison = find(ledger)
        assert (comparison.state, comparison.ending) == (State.COMPLETED, make_ending())
        assert comparison.attempts == (answered,)
        item = read_raw(ledger)
        assert not {"lease_owner", "lease_until_ms"} & item.keys()
        assert item["expires_at"] == {"N": str(NOW_MS // 1000 + 5 + RETENTION_S)}
        assert list_outbox(ledger) == [ID]

    def test_first_verdict_counts_even_without_the_lease(self, ledger: DynamoDbLedger) -> None:
        begin(ledger)
        claim(ledger, "bob", now_ms=UNTIL_MS, until_ms=UNTIL_MS + 1000)
        second = make_attempt(2, Outcome.NOT_SETTLED, started_at_ms=UNTIL_MS)
        ledger.begin_attempt(ID, "bob", second)
        first = replace(BEGUN, outcome=Outcome.ANSWERED)
        ledger.end(ID, make_ending(), first)
        with pytest.raises(AlreadyEndedError):
            ledger.end(ID, make_ending(Decision.FAILED), replace(second, outcome=Outcome.ANSWERED))
        assert (find(ledger).ending, find(ledger).attempts) == (make_ending(), (first, second))

    def test_unknown_or_erased_comparison_does_not_end(self, ledger: DynamoDbLedger) -> None:
        with pytest.raises(AlreadyEndedError):
            ledger.end(ID, make_ending(), None)
        ledger.erase(register(ledger), ERASED, None, now_ms=NOW_MS)
        with pytest.raises(AlreadyEndedError):
            ledger.end(ID, make_ending(), None)

    def test_unpublished_comparisons_are_listed_oldest_first_and_without_limit(
        self, ledger: DynamoDbLedger
    ) -> None:
        for number in range(205):
            ledger.register(make_ended(id=f"c{number:03d}", ending=make_ending(ended_at_ms=9000 - number)))
        register(ledger, "open")
        ledger.mark_published("c100", now_ms=NOW_MS)
        expected = [f"c{number:03d}" for number in range(204, 0, -1) if number != 100]
        assert list_outbox(ledger, before_ms=9000) == expected

    def test_published_comparison_leaves_the_outbox_once(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_ended(id=ID))
        for now_ms in (NOW_MS, NOW_MS + 1):
            ledger.mark_published(ID, now_ms=now_ms)
        assert find(ledger).published_at_ms == NOW_MS
        assert not {"work", "since_ms"} & read_raw(ledger).keys()

    def test_open_or_unknown_comparison_is_not_published(self, ledger: DynamoDbLedger) -> None:
        ledger.mark_published(ID, now_ms=NOW_MS)
        assert ledger.find(ID) is None
        register(ledger)
        ledger.mark_published(ID, now_ms=NOW_MS)
        assert find(ledger).published_at_ms is None


class TestOpenComparisons:
    def test_open_comparisons_of_a_region_are_listed_oldest_first(self, ledger: DynamoDbLedger) -> None:
        for number in range(105):
            register(ledger, f"c{number:03d}", created_at_ms=NOW_MS - number)
        register(ledger, "elsewhere", region="malaysia", created_at_ms=NOW_MS - 5)
        ledger.end("c050", make_ending(), None)
        found = list(ledger.list_forgotten(Region.SINGAPORE, before_ms=NOW_MS))
        numbers = [number for number in range(104, 0, -1) if number != 50]
        assert found == [f"c{number:03d}" for number in numbers]
        assert ledger.find_oldest_open(Region.SINGAPORE) == NOW_MS - 104
        assert ledger.find_oldest_open(Region.INDONESIA) is None

    def test_claimed_or_touched_comparison_is_not_forgotten(self, ledger: DynamoDbLedger) -> None:
        register(ledger)
        claim(ledger, now_ms=NOW_MS + 7)
        assert list(ledger.list_forgotten(Region.SINGAPORE, before_ms=NOW_MS + 7)) == []
        assert list(ledger.list_forgotten(Region.SINGAPORE, before_ms=NOW_MS + 8)) == [ID]
        ledger.touch(ID, now_ms=NOW_MS + 9)
        assert list(ledger.list_forgotten(Region.SINGAPORE, before_ms=NOW_MS + 9)) == []

    def test_ended_or_unknown_comparison_is_not_touched(self, ledger: DynamoDbLedger) -> None:
        ledger.touch(ID, now_ms=NOW_MS)
        assert read_raw(ledger) == {}
        ledger.register(make_ended(id=ID))
        ledger.touch(ID, now_ms=NOW_MS)
        assert "touched_at_ms" not in read_raw(ledger)


class TestErasing:
    def test_no_personal_data_remains(self, ledger: DynamoDbLedger) -> None:
        begin(ledger)
        ledger.erase(find(ledger), ERASED, None, now_ms=NOW_MS)
        ledger.register(make_comparison(id="c2", caller=CALLER), request=make_request("r1", "c2"))
        ledger.add_request(make_request("r2", "c2"))
        ledger.end("c2", make_ending(), None)
        ledger.mark_published("c2", now_ms=NOW_MS + 6000)
        ledger.erase(find(ledger, "c2"), ERASED, None, now_ms=NOW_MS + 7000)

        item = read_raw(ledger, "comparison#c2")
        assert item.keys() == {
            *("pk", "id", "kind", "region", "origin", "options", "state", "created_at_ms", "published_at_ms"),
            *("expires_at", "photos", "attempts", "unbilled_calls", "request_ids", "ending"),
        }
        assert (item["photos"], item["request_ids"]) == ({"M": {}}, {"L": []})
        assert item["expires_at"] == {"N": str(NOW_MS // 1000 + 7 + RETENTION_S)}
        ending = find(ledger, "c2").ending
        assert ending is not None
        assert (ending.verdict, ending.photos, ending.timings_ms) == (ERASED, {}, {})
        assert (ledger.find_request("r1"), ledger.find_request("r2")) == (None, None)
        assert not {"lease_owner", "lease_until_ms"} & read_raw(ledger).keys()
        assert find(ledger).attempts == (BEGUN,)

    @pytest.mark.parametrize("is_ended", [False, True])
    def test_unpublished_comparison_is_published_as_erased(
        self, ledger: DynamoDbLedger, *, is_ended: bool
    ) -> None:
        register(ledger)
        if is_ended:
            ledger.end(ID, make_ending(), None)
        ledger.erase(find(ledger), ERASED, None, now_ms=NOW_MS + 7000)
        assert find(ledger).state is State.ERASED
        assert list_outbox(ledger) == [ID]
        assert ledger.find_oldest_open(Region.SINGAPORE) is None

    def test_deletion_at_the_provider_is_due_until_it_is_settled(self, ledger: DynamoDbLedger) -> None:
        ledger.settle_erasure(ID, DELETED)
        assert ledger.find(ID) is None
        ledger.erase(register(ledger), ERASED, DUE, now_ms=NOW_MS)
        assert find(ledger).provider_erasure == DUE
        ledger.settle_erasure(ID, DELETED)
        assert find(ledger).provider_erasure == DELETED

    def test_second_erasure_changes_nothing(self, ledger: DynamoDbLedger) -> None:
        register(ledger)
        ledger.erase(find(ledger), ERASED, None, now_ms=NOW_MS)
        erased = find(ledger)
        ledger.erase(erased, ERASED, None, now_ms=NOW_MS + 1)
        assert find(ledger) == erased

    def test_unknown_comparison_leaves_no_tombstone(self, ledger: DynamoDbLedger) -> None:
        ledger.erase(make_comparison(id=ID), ERASED, None, now_ms=NOW_MS)
        assert ledger.find(ID) is None

    def test_comparison_that_was_published_meanwhile_stays_out_of_the_outbox(
        self, ledger: DynamoDbLedger
    ) -> None:
        ledger.register(make_ended(id=ID))
        known = find(ledger)
        ledger.mark_published(ID, now_ms=NOW_MS)
        ledger.erase(known, ERASED, None, now_ms=NOW_MS + 1)
        assert find(ledger).state is State.ERASED
        assert list_outbox(ledger) == []

    def test_request_that_came_meanwhile_is_erased_too(self, ledger: DynamoDbLedger) -> None:
        ledger.register(make_comparison(id=ID), request=make_request("r1"))
        known = find(ledger)
        ledger.add_request(make_request("r2"))
        ledger.erase(known, ERASED, None, now_ms=NOW_MS)
        assert find(ledger).state is State.ERASED
        assert (ledger.find_request("r1"), ledger.find_request("r2")) == (None, None)


LONG_TEXT = "ü" * 1024
ITEM_BOUND_BYTES = 64 * 1024


def test_item_of_a_comparison_is_bounded(ledger: DynamoDbLedger) -> None:
    """50 attempts (the budget's maximum is far below), every counter, 50 requests, and long texts."""
    verdict = make_verdict(
        message=LONG_TEXT, provider_code=LONG_TEXT, face_quality={f"Quality{n}": n / 3 for n in range(20)}
    )
    report = {f"field_{number}": number / 3 for number in range(40)}
    ledger.register(
        make_comparison(id=ID, caller=LONG_TEXT, pair_id="ü" * 128), request=make_request("0" * 26)
    )
    for number in range(1, 60):
        ledger.add_request(make_request(f"{number:026d}"))
    claim(ledger)
    for number in range(1, 51):
        attempt = make_attempt(number, Outcome.NOT_SETTLED, started_at_ms=NOW_MS)
        ledger.begin_attempt(ID, "ann", attempt)
        code, request_id = "c" * 128, "r" * 64
        billed = replace(attempt, outcome=Outcome.POSSIBLY_BILLED, code=code, request_id=request_id)
        ledger.settle_attempt(ID, replace(billed, duration_ms=16_000))
    for outcome in (outcome for outcome in Outcome if outcome.is_unbilled):
        attempt = make_attempt(51, Outcome.NOT_SETTLED, started_at_ms=NOW_MS)
        ledger.begin_attempt(ID, "ann", attempt)
        ledger.settle_attempt(ID, replace(attempt, outcome=outcome, code=LONG_TEXT))
    ledger.end(ID, make_ending(verdict=verdict, photos=dict.fromkeys(Role, report)), None)

    comparison = find(ledger)
    assert (len(comparison.attempts), len(comparison.request_ids)) == (50, 50)
    assert comparison.unbilled_count == 4
    assert measure_item(read_raw(ledger)) < ITEM_BOUND_BYTES


@pytest.fixture(scope="module")
def refusing_client(session: boto3.Session) -> "DynamoDBClient":
    client = session.client("dynamodb", region_name=AWS_REGION)
    refuse_invalid_requests(client)
    return client


class TestCancellations:
    @pytest.mark.parametrize(
        "reasons", [["ConditionalCheckFailed", "None"], ["TransactionConflict", "ConditionalCheckFailed"]]
    )
    def test_failed_condition_cancels_a_transaction(
        self, refusing_client: "DynamoDBClient", reasons: list[str]
    ) -> None:
        with Stubber(refusing_client) as stubber:
            cancel(stubber, reasons)
            assert (
                DynamoDbLedger(refusing_client, "table", RETENTION_DAYS).register(make_comparison(id=ID))
                is False
            )

    @pytest.mark.parametrize(
        "reason", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
    )
    def test_temporary_cancellation_is_repeated_and_then_postpones_the_work(
        self, refusing_client: "DynamoDBClient", reason: str
    ) -> None:
        ledger = DynamoDbLedger(refusing_client, "table", RETENTION_DAYS)
        with Stubber(refusing_client) as stubber:
            cancel(stubber, [reason, "None"])
            stubber.add_response("transact_write_items", {})
            assert ledger.register(make_comparison(id=ID)) is True
            for _ in range(3):
                cancel(stubber, [reason, "None"])
            with pytest.raises(LedgerUnavailableError):
                ledger.register(make_comparison(id=ID))
            stubber.assert_no_pending_responses()

    def test_other_cancellation_is_raised_as_it_is(self, refusing_client: "DynamoDBClient") -> None:
        with Stubber(refusing_client) as stubber:
            cancel(stubber, ["ValidationError"])
            with pytest.raises(ClientError):
                DynamoDbLedger(refusing_client, "table", RETENTION_DAYS).register(make_comparison(id=ID))


def cancel(stubber: Stubber, reasons: list[str]) -> None:
    stubber.add_client_error(
        "transact_write_items",
        "TransactionCanceledException",
        modeled_fields={"CancellationReasons": [{"Code": reason} for reason in reasons]},
    )


@pytest.mark.usefixtures("_atomic_requests")
class TestRaces:
    def test_one_of_twenty_claims_succeeds(self, ledger: DynamoDbLedger) -> None:
        register(ledger)
        for now_ms in (NOW_MS, UNTIL_MS):
            take = partial(claim, ledger, now_ms=now_ms, until_ms=now_ms + 60_000)
            outcomes = run_at_once([partial(take, f"owner-{now_ms}-{n}") for n in range(20)])
            assert sum(isinstance(outcome, Comparison) for outcome in outcomes) == 1
            assert sum(isinstance(outcome, LeaseHeldError) for outcome in outcomes) == 19

    def test_one_of_twenty_registrations_succeeds(self, ledger: DynamoDbLedger) -> None:
        pair = put_both(ledger)
        comparisons = [make_comparison(id=ID, created_at_ms=NOW_MS + n) for n in range(20)]
        outcomes = run_at_once([partial(ledger.register, one, pair=pair) for one in comparisons])
        assert sorted(map(str, outcomes)) == ["False"] * 19 + ["True"]
        assert find(ledger) == comparisons[outcomes.index(True)]

    def test_one_of_twenty_endings_counts(self, ledger: DynamoDbLedger) -> None:
        register(ledger)
        endings = [make_ending(ended_at_ms=NOW_MS + n) for n in range(20)]
        outcomes = run_at_once([partial(ledger.end, ID, one, None) for one in endings])
        (winner,) = (n for n, outcome in enumerate(outcomes) if outcome is None)
        assert sum(isinstance(outcome, AlreadyEndedError) for outcome in outcomes) == 19
        assert find(ledger).ending == endings[winner]

    def test_one_of_twenty_attempts_of_one_number_begins(self, ledger: DynamoDbLedger) -> None:
        register(ledger)
        claim(ledger)
        attempts = [replace(BEGUN, merchant_biz_id=f"id-{n}") for n in range(20)]
        outcomes = run_at_once([partial(ledger.begin_attempt, ID, "ann", one) for one in attempts])
        assert outcomes.count(None) == 1
        assert sum(isinstance(outcome, LeaseLostError) for outcome in outcomes) == 19

    def test_photos_that_arrive_at_once_make_the_pair_complete(self, ledger: DynamoDbLedger) -> None:
        for n in range(10):
            put_one = partial(ledger.put_photo, "singapore", f"p{n}")
            pairs = run_at_once([partial(put_one, role, make_arrived(role)) for role in Role])
            assert any(isinstance(pair, Pair) and pair.is_complete for pair in pairs)

    def test_newest_of_twenty_photos_is_kept(self, ledger: DynamoDbLedger) -> None:
        run_at_once([partial(put, ledger, Role.SOURCE, f"{n:02d}") for n in range(20)])
        assert find_pair(ledger).arrived[Role.SOURCE].sequencer == "19"

    def test_incomplete_pair_expires_or_is_completed(self, ledger: DynamoDbLedger) -> None:
        for n in range(10):
            put_one = partial(ledger.put_photo, "singapore", f"p{n}")
            half = put_one(Role.SOURCE, make_arrived(Role.SOURCE))
            expire = partial(ledger.register, make_ended(id=f"c{n}"), pair=half, takes_photos=False)
            tasks: list[Callable[[], object]] = [
                expire,
                partial(put_one, Role.TARGET, make_arrived(Role.TARGET)),
            ]
            expired, pair = run_at_once(tasks)
            assert isinstance(pair, Pair)
            assert pair.is_complete
            assert (ledger.find(f"c{n}") is not None) is expired

    def test_erasure_wins_over_an_ending_and_an_event(self, ledger: DynamoDbLedger) -> None:
        for n in range(10):
            known = register(ledger, f"c{n}")
            tasks: list[Callable[[], object]] = [
                partial(ledger.end, f"c{n}", make_ending(), None),
                partial(ledger.mark_published, f"c{n}", now_ms=NOW_MS),
                partial(ledger.erase, known, ERASED, None, now_ms=NOW_MS),
            ]
            ended, *others = run_at_once(tasks)
            assert ended is None or isinstance(ended, AlreadyEndedError)
            assert others == [None, None]
            comparison = find(ledger, f"c{n}")
            assert comparison.state is State.ERASED
            assert (f"c{n}" in list_outbox(ledger)) is (comparison.published_at_ms is None)
