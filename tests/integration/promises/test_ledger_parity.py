"""The ledger in memory answers as the one in DynamoDB does, whatever is done to them in whatever order."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Final

from hypothesis import given, note, settings
from hypothesis import strategies as st

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.comparison import Attempt, Comparison, Ending, Outcome, State, StoredPhoto, end_state
from facematch.domain.errors import FacematchError, PostponedError
from facematch.domain.ports import ArrivedPhoto, Ledger, Pair
from facematch.domain.verdict import Decision, Role
from tests.factories import make_comparison, make_photos, make_verdict
from tests.fakes.clock import START_MS
from tests.fakes.ledger import InMemoryLedger
from tests.integration.promises.schedule import Tape
from tests.integration.promises.test_state_machine import bounded

SEQUENCES: Final = 15
TAPES: Final = st.binary(min_size=100, max_size=250).map(Tape)
IDS: Final = ["one", "one", "one", "two"]
OWNERS: Final = ["ann", "ben"]
TIMES_MS: Final = [START_MS, START_MS + 1000, START_MS + 60_000]
REGION: Final = "singapore"
PAIR_ID: Final = "pair-1"
COMPARISON_METHODS: Final = [
    *("register", "claim", "begin_attempt", "settle_attempt", "end", "find", "mark_published", "erase"),
    *("release", "list_unpublished"),
]
PAIR_METHODS: Final = [
    *("put_photo", "find_pair", "forget_pair", "retire_pair", "register_lone_photo"),
    *("put_request", "find_request"),
]

type Operation = Callable[[Ledger], Any]


def make_arrived(tape: Tape, role: Role) -> ArrivedPhoto:
    sequencer, extension = tape.choose(["01", "02", "03"]), tape.choose(["jpg", "jpg", "png"])
    key = f"inbox/{REGION}/{PAIR_ID}/{role}.{extension}"
    photo = StoredPhoto(key=key, etag=f"etag-{sequencer}-{extension}")
    return ArrivedPhoto(photo=photo, sequencer=sequencer, arrived_at_ms=tape.choose(TIMES_MS))


def make_attempt(tape: Tape) -> Attempt:
    return Attempt(
        number=tape.choose([1, 2]),
        merchant_biz_id=tape.choose(["first", "second"]),
        started_at_ms=tape.choose(TIMES_MS),
        outcome=tape.choose(list(Outcome)),
        duration_ms=tape.choose([None, 300]),
    )


def make_ending(tape: Tape) -> Ending:
    return Ending(
        verdict=make_verdict(tape.choose(list(Decision))),
        ended_at_ms=tape.choose(TIMES_MS),
        photos={Role.SOURCE: {"width": 720, "steps": ["scaled"], "ratio": 0.1}},
        timings_ms={"call": 300},
    )


def make_registered(tape: Tape) -> Comparison:
    comparison = make_comparison(
        id=tape.choose(IDS), photos=make_photos(), created_at_ms=tape.choose(TIMES_MS)
    )
    if tape.read() % 8:
        return comparison
    ending = make_ending(tape)
    return replace(comparison, state=end_state(ending.verdict.decision), ending=ending)


def make_lone(tape: Tape) -> Comparison:
    ending = replace(make_ending(tape), verdict=make_verdict(Decision.FAILED))
    return replace(make_comparison(id=tape.choose(IDS)), state=State.FAILED, ending=ending)


def draw_on_comparison(tape: Tape) -> tuple[str, Operation]:  # noqa: PLR0911 - one case a method
    """Return a method's name and a call of it, on one of two comparisons."""
    comparison_id, owner, now_ms = tape.choose(IDS), tape.choose(OWNERS), tape.choose(TIMES_MS)
    name = tape.choose([*COMPARISON_METHODS, "register", "claim", "claim", "begin_attempt", "begin_attempt"])
    match name:
        case "register":
            comparison = make_registered(tape)
            return name, lambda ledger: ledger.register(comparison)
        case "claim":
            until_ms = now_ms + tape.choose([1000, 60_000])
            return name, lambda ledger: ledger.claim(comparison_id, owner, now_ms=now_ms, until_ms=until_ms)
        case "begin_attempt":
            attempt = replace(make_attempt(tape), outcome=Outcome.UNKNOWN)
            return name, lambda ledger: ledger.begin_attempt(comparison_id, owner, attempt)
        case "settle_attempt":
            attempt = make_attempt(tape)
            return name, lambda ledger: ledger.settle_attempt(comparison_id, attempt)
        case "end":
            ending, attempt = make_ending(tape), make_attempt(tape)
            brings = attempt if tape.read() % 2 else None
            return name, lambda ledger: ledger.end(comparison_id, ending, brings)
        case "find":
            return name, lambda ledger: ledger.find(comparison_id)
        case "release":
            return name, lambda ledger: ledger.release(comparison_id, owner)
        case "list_unpublished":
            return name, lambda ledger: sorted(ledger.list_unpublished(before_ms=now_ms))
        case _:
            return name, lambda ledger: getattr(ledger, name)(comparison_id, now_ms=now_ms)


def draw_on_pair(tape: Tape, pairs: list[Pair]) -> tuple[str, Operation]:
    """Return a method's name and a call of it; `pairs` are what the ledger has said of the pair so far."""
    name = tape.choose([*PAIR_METHODS, "put_photo", "put_photo", "put_photo"])
    match name:
        case "forget_pair" | "retire_pair" if pairs:
            pair = tape.choose(pairs)
            return name, lambda ledger: getattr(ledger, name)(pair)
        case "register_lone_photo" if pairs:
            lone, pair = make_lone(tape), tape.choose(pairs)
            return name, lambda ledger: ledger.register_lone_photo(lone, pair)
        case "put_request":
            request_id, fingerprint = tape.choose(IDS), tape.choose(OWNERS)
            return name, lambda ledger: ledger.put_request(request_id, fingerprint, now_ms=START_MS)
        case "find_request":
            request_id = tape.choose(IDS)
            return name, lambda ledger: ledger.find_request(request_id)
        case "find_pair":
            return name, lambda ledger: ledger.find_pair(REGION, PAIR_ID)
        case _:
            role = tape.choose(list(Role))
            arrived = make_arrived(tape, role)
            return "put_photo", lambda ledger: ledger.put_photo(REGION, PAIR_ID, role, arrived)


def answer(ledger: Ledger, operation: Operation) -> Any:
    """Return what an operation answers, or the error that it raises."""
    try:
        return operation(ledger)
    except FacematchError as error:
        return type(error), error.code, error.retry_after_s if isinstance(error, PostponedError) else None


def assert_alike(name: str, operation: Operation, in_memory: Ledger, in_dynamodb: Ledger) -> Any:
    expected = answer(in_memory, operation)
    note(f"{name}: {expected}")
    assert answer(in_dynamodb, operation) == expected
    return expected


def test_both_ledgers_answer_alike_of_comparisons(make_dynamodb_ledger: Callable[[], DynamoDbLedger]) -> None:
    @settings(bounded, max_examples=SEQUENCES)
    @given(TAPES)
    def hold(tape: Tape) -> None:
        ledgers = InMemoryLedger(), make_dynamodb_ledger()
        assert_alike("register", lambda ledger: ledger.register(make_comparison(id=IDS[0])), *ledgers)
        while not tape.is_over:
            assert_alike(*draw_on_comparison(tape), *ledgers)
        for comparison_id in sorted(set(IDS)):
            assert_alike("find", partial(find, comparison_id), *ledgers)

    hold()


def test_both_ledgers_answer_alike_of_pairs(make_dynamodb_ledger: Callable[[], DynamoDbLedger]) -> None:
    @settings(bounded, max_examples=SEQUENCES)
    @given(TAPES)
    def hold(tape: Tape) -> None:
        ledgers, pairs = (InMemoryLedger(), make_dynamodb_ledger()), list[Pair]()
        while not tape.is_over:
            known = assert_alike(*draw_on_pair(tape, pairs), *ledgers)
            if isinstance(known, Pair):
                pairs.append(known)

    hold()


def find(comparison_id: str, ledger: Ledger) -> Comparison | None:
    return ledger.find(comparison_id)
