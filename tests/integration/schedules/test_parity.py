"""The ledger and the rate limiter in memory answer as those in DynamoDB do, in any order of calls."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from facematch.adapters.ledger import DynamoDbLedger
from facematch.adapters.rate_limiter import DynamoDbRateLimiter
from facematch.domain.comparison import (
    Attempt,
    Comparison,
    Ending,
    Outcome,
    ProviderErasure,
    StoredPhoto,
    end_state,
)
from facematch.domain.errors import FacematchError, PostponedError
from facematch.domain.lane import Hold, HoldReason, make_hold, make_throttling_hold
from facematch.domain.pair import ArrivedPhoto, Pair
from facematch.domain.ports import IdempotentRequest, Ledger, RateLimiter
from facematch.domain.regions import Region
from facematch.domain.verdict import Decision, Role, fail
from tests.factories import make_comparison, make_photos, make_verdict
from tests.fakes.clock import START_MS
from tests.fakes.ledger import InMemoryLedger
from tests.fakes.rate_limiter import InMemoryRateLimiter
from tests.integration.schedules.schedule import ChoiceSequence
from tests.integration.schedules.test_state_machine import bounded

pytestmark = pytest.mark.verify

SEQUENCES: Final = 15
CHOICE_SEQUENCES: Final = st.binary(min_size=100, max_size=250).map(ChoiceSequence)
IDS: Final = ["one", "one", "one", "two"]
OWNERS: Final = ["ann", "ben"]
REQUESTS: Final = ["r1", "r2", "r3"]
TIMES_MS: Final = [START_MS, START_MS + 1000, START_MS + 60_000]
REGION: Final = Region.SINGAPORE
FOLDER: Final = "pair-1"
CALLS_PER_S: Final = dict.fromkeys(Region, 10.0)
ERASED: Final = fail("comparison_erased", "The comparison was erased.")
COMPARISON_METHODS: Final = [
    *("register", "claim", "begin_attempt", "settle_attempt", "end", "find", "mark_published", "erase"),
    *(
        "release",
        "list_unpublished",
        "find_oldest_open",
        "list_forgotten",
        "touch",
        "find_request",
        "add_request",
        "settle_erasure",
    ),
]
PAIR_METHODS: Final = [
    "put_photo",
    "find_pair",
    "forget_pair",
    "take_pair",
    "register",
    "list_incomplete_pairs",
]

type Operation = Callable[[Any], Any]


def make_arrived(choices: ChoiceSequence, role: Role) -> ArrivedPhoto:
    extension = choices.choose(["jpg", "jpg", "png"])
    # No two objects have one sequencer.
    sequencer = f"{choices.choose(['01', '02', '03'])}{'jpg png'.index(extension)}"
    key = f"inbox/{REGION}/{FOLDER}/{role}.{extension}"
    photo = StoredPhoto(key=key, etag=f"etag-{sequencer}-{extension}")
    return ArrivedPhoto(photo=photo, sequencer=sequencer, arrived_at_ms=choices.choose(TIMES_MS))


def make_attempt(choices: ChoiceSequence) -> Attempt:
    return Attempt(
        number=choices.choose([1, 2]),
        merchant_biz_id=choices.choose(["first", "second"]),
        started_at_ms=choices.choose(TIMES_MS),
        outcome=choices.choose(list(Outcome)),
        duration_ms=choices.choose([None, 300]),
    )


def make_ending(choices: ChoiceSequence) -> Ending:
    return Ending(
        verdict=make_verdict(choices.choose(list(Decision))),
        ended_at_ms=choices.choose(TIMES_MS),
        photos={Role.SOURCE: {"width": 720, "steps": ["scaled"], "ratio": 0.1}},
        timings_ms={"call": 300},
    )


def make_registered(choices: ChoiceSequence) -> Comparison:
    comparison_id = choices.choose(IDS)
    comparison = make_comparison(
        id=comparison_id, photos=make_photos(comparison_id), created_at_ms=choices.choose(TIMES_MS)
    )
    if choices.read() % 8:
        return comparison
    ending = make_ending(choices)
    return replace(comparison, state=end_state(ending.verdict.decision), ending=ending)


def make_request(choices: ChoiceSequence) -> IdempotentRequest:
    return IdempotentRequest(choices.choose(REQUESTS), choices.choose(OWNERS), choices.choose(IDS))


def draw_on_comparison(choices: ChoiceSequence, known: list[Comparison]) -> tuple[str, Operation]:  # noqa: C901, PLR0911, PLR0912 - one case a method
    """Return a method's name and a call of it; `known` are comparisons as the ledger returned them."""
    comparison_id, owner, now_ms = choices.choose(IDS), choices.choose(OWNERS), choices.choose(TIMES_MS)
    name = choices.choose(
        [*COMPARISON_METHODS, "register", "claim", "claim", "begin_attempt", "begin_attempt"]
    )
    match name:
        case "register":
            comparison = make_registered(choices)
            request = make_request(choices) if choices.read() % 2 else None
            request = request and replace(request, comparison_id=comparison.id)
            return name, lambda ledger: ledger.register(comparison, request=request)
        case "claim":
            until_ms = now_ms + choices.choose([1000, 60_000])
            return name, lambda ledger: ledger.claim(comparison_id, owner, now_ms=now_ms, until_ms=until_ms)
        case "begin_attempt":
            attempt = replace(make_attempt(choices), outcome=Outcome.NOT_SETTLED)
            return name, lambda ledger: ledger.begin_attempt(comparison_id, owner, attempt)
        case "settle_attempt":
            attempt = make_attempt(choices)
            return name, lambda ledger: ledger.settle_attempt(comparison_id, attempt)
        case "end":
            ending, attempt = make_ending(choices), replace(make_attempt(choices), outcome=Outcome.ANSWERED)
            brings = attempt if choices.read() % 2 else None
            return name, lambda ledger: ledger.end(comparison_id, ending, brings)
        case "release":
            return name, lambda ledger: ledger.release(comparison_id, owner)
        case "list_unpublished":
            return name, lambda ledger: sorted(ledger.list_unpublished(before_ms=now_ms))
        case "find_oldest_open":
            return name, lambda ledger: ledger.find_oldest_open(REGION)
        case "list_forgotten":
            return name, lambda ledger: sorted(ledger.list_forgotten(REGION, before_ms=now_ms))
        case "find_request":
            request_id = choices.choose(REQUESTS)
            return name, lambda ledger: ledger.find_request(request_id)
        case "add_request":
            added = make_request(choices)
            return name, lambda ledger: ledger.add_request(added)
        case "erase" if known:
            erased, due = choices.choose(known), choices.choose([None, ProviderErasure(transaction_id="T1")])
            return name, lambda ledger: ledger.erase(erased, ERASED, due, now_ms=now_ms)
        case "settle_erasure":
            settled = ProviderErasure(transaction_id="T1", outcome="deleted")
            return name, lambda ledger: ledger.settle_erasure(comparison_id, settled)
        case "mark_published" | "touch":
            return name, lambda ledger: getattr(ledger, name)(comparison_id, now_ms=now_ms)
        case _:
            return "find", lambda ledger: ledger.find(comparison_id)


def draw_on_pair(choices: ChoiceSequence, pairs: list[Pair]) -> tuple[str, Operation]:
    """Return a method's name and a call of it; `pairs` are what the ledger returned of the pair so far."""
    name = choices.choose([*PAIR_METHODS, "put_photo", "put_photo", "put_photo"])
    match name:
        case "forget_pair" if pairs:
            pair = choices.choose(pairs)
            return name, lambda ledger: ledger.forget_pair(pair)
        case "take_pair" if pairs:
            pair, comparison_id = choices.choose(pairs), choices.choose(IDS)
            return name, lambda ledger: ledger.take_pair(pair, comparison_id)
        case "register" if pairs:
            comparison, pair, takes = (
                make_registered(choices),
                choices.choose(pairs),
                bool(choices.read() % 2),
            )
            return name, lambda ledger: ledger.register(comparison, pair=pair, takes_photos=takes)
        case "list_incomplete_pairs":
            before_ms = choices.choose(TIMES_MS)
            return name, lambda ledger: list(ledger.list_incomplete_pairs(before_ms=before_ms))
        case "find_pair":
            return name, lambda ledger: ledger.find_pair(REGION, FOLDER)
        case _:
            role = choices.choose(list(Role))
            arrived = make_arrived(choices, role)
            return "put_photo", lambda ledger: ledger.put_photo(REGION, FOLDER, role, arrived)


def make_hold_at(choices: ChoiceSequence, known: list[Hold]) -> Hold:
    now_ms = choices.choose(TIMES_MS)
    if known and choices.read() % 2:
        return choices.choose(known).begin_trial(now_ms)
    if choices.read() % 3 == 0:
        return make_throttling_hold("Throttling", now_ms, 1.5)
    return make_hold(choices.choose([HoldReason.OUTAGE, HoldReason.OPERATOR]), "code", now_ms)


def draw_on_lane(choices: ChoiceSequence, holds: list[Hold]) -> tuple[str, Operation]:
    """Return a method's name and a call of it; `holds` are those that were asked for so far."""
    name = choices.choose(["reserve", "reserve", "hold", "hold", "lift", "record_failure", "find_lane"])
    known = choices.choose([None, *holds])
    match name:
        case "reserve":
            now_ms, horizon_ms = choices.choose(TIMES_MS), choices.choose([0, 100, 1000, 100_000])
            return name, lambda limiter: limiter.reserve(REGION, now_ms=now_ms, horizon_ms=horizon_ms)
        case "hold":
            hold = make_hold_at(choices, holds)
            holds.append(hold)
            return name, lambda limiter: limiter.hold(REGION, hold, replacing=known)
        case "lift":
            return name, lambda limiter: limiter.lift(REGION, known)
        case "record_failure":
            comparison_id = choices.choose(IDS)
            return name, lambda limiter: limiter.record_failure(REGION, comparison_id)
        case _:
            return name, lambda limiter: limiter.find_lane(REGION)


def answer[Port](port: Port, operation: Callable[[Port], Any]) -> Any:
    """Return what an operation returns, or the error that it raises."""
    try:
        return operation(port)
    except FacematchError as error:
        return type(error), error.code, error.retry_after_s if isinstance(error, PostponedError) else None


def assert_alike[Port](
    name: str, operation: Callable[[Port], Any], in_memory: Port, in_dynamodb: Port
) -> Any:
    expected = answer(in_memory, operation)
    note(f"{name}: {expected}")
    assert answer(in_dynamodb, operation) == expected, name
    return expected


def test_both_ledgers_agree_on_comparisons(make_dynamodb_ledger: Callable[[], DynamoDbLedger]) -> None:
    @settings(bounded, max_examples=SEQUENCES)
    @given(CHOICE_SEQUENCES)
    def hold(choices: ChoiceSequence) -> None:
        ledgers: tuple[Ledger, Ledger] = InMemoryLedger(), make_dynamodb_ledger()
        known = list[Comparison]()
        assert_alike("register", lambda ledger: ledger.register(make_comparison(id=IDS[0])), *ledgers)
        while not choices.is_over:
            found = assert_alike(*draw_on_comparison(choices, known), *ledgers)
            if isinstance(found, Comparison):
                known.append(found)
        for comparison_id in sorted(set(IDS)):
            assert_alike("find", partial(find, comparison_id), *ledgers)
        for request_id in REQUESTS:
            assert_alike("find_request", partial(find_request, request_id), *ledgers)

    hold()


def test_both_ledgers_agree_on_pairs(make_dynamodb_ledger: Callable[[], DynamoDbLedger]) -> None:
    @settings(bounded, max_examples=SEQUENCES)
    @given(CHOICE_SEQUENCES)
    def hold(choices: ChoiceSequence) -> None:
        ledgers: tuple[Ledger, Ledger] = InMemoryLedger(), make_dynamodb_ledger()
        pairs = list[Pair]()
        while not choices.is_over:
            known = assert_alike(*draw_on_pair(choices, pairs), *ledgers)
            if isinstance(known, Pair):
                pairs.append(known)

    hold()


def test_both_rate_limiters_agree(make_dynamodb_ledger: Callable[[], DynamoDbLedger]) -> None:
    @settings(bounded, max_examples=SEQUENCES)
    @given(CHOICE_SEQUENCES)
    def hold(choices: ChoiceSequence) -> None:
        ledger, holds = make_dynamodb_ledger(), list[Hold]()
        limiters: tuple[RateLimiter, RateLimiter] = (
            InMemoryRateLimiter(CALLS_PER_S),
            DynamoDbRateLimiter(ledger.client, ledger.table, CALLS_PER_S),
        )
        while not choices.is_over:
            assert_alike(*draw_on_lane(choices, holds), *limiters)

    hold()


def find(comparison_id: str, ledger: Ledger) -> Comparison | None:
    return ledger.find(comparison_id)


def find_request(request_id: str, ledger: Ledger) -> IdempotentRequest | None:
    return ledger.find_request(request_id)
