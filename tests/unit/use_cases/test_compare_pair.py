from dataclasses import replace
from itertools import pairwise

import pytest

from facematch.domain.comparison import Attempt, Comparison, Options, Outcome, State, StoredPhoto
from facematch.domain.errors import (
    AlreadyEndedError,
    CircuitOpenError,
    LeaseHeldError,
    LeaseLostError,
    LedgerUnavailableError,
    NoSlotError,
    NotFoundError,
    OperatorFaultError,
    PostponedError,
    ProviderFaultError,
    ProviderThrottledError,
    UnreachableError,
)
from facematch.domain.provider import Answer, Call, InlinePicture, PictureUrl
from facematch.domain.quota import LATENESS_LIMIT_MS, LEAD_S
from facematch.domain.regions import Region
from facematch.domain.verdict import Bounds, Decision, Role
from facematch.use_cases.compare_pair import PreparedPhoto, RetryPolicy
from tests.factories import (
    COMPARISON_ID,
    make_answer,
    make_attempt,
    make_comparison,
    make_link,
    make_policy,
    make_portrait,
)
from tests.fakes.clock import START_MS
from tests.fakes.interludes import Crash, crash, pass_by
from tests.fakes.provider import Step
from tests.fakes.world import World, draw_lowest, make_world

LEAD_MS = round(LEAD_S * 1000)
SOURCE, TARGET = Role.SOURCE, Role.TARGET
URL = "https://photos.com/a.jpg?signature=SIGNED"
NO_CONNECTION = ProviderFaultError("no_connection", "A sentence.")
TIMEOUT = ProviderFaultError("timeout", "A sentence.", answered=False)
THROTTLED = make_answer("Throttling.Api", http_status=403)
INTERNAL_ERROR = make_answer("InternalError", http_status=500)
FORBIDDEN = make_answer("Forbidden.RAMUserAccessDenied", http_status=403)
SUCCESS = make_answer()


def make_ready(*script: Step, world: World | None = None) -> tuple[World, str]:
    """Make a world with one complete pair that waits for a worker."""
    world = world or make_world(*script)
    return world, world.upload_pair()


def outcomes(comparison: Comparison) -> list[Outcome]:
    return [attempt.outcome for attempt in comparison.attempts]


def merchant_biz_ids(world: World) -> list[str]:
    return [call.merchant_biz_id for call in world.provider.calls]


def gaps_ms(world: World) -> list[int]:
    """Return the times between the calls."""
    return [later - earlier for earlier, later in pairwise(world.provider.called_at_ms)]


def kill(world: World) -> Step:
    """Make a step in which the worker's process ends, and its lease stays."""

    def step(_: Call) -> Answer:
        world.ledger.interludes.before("release", crash)
        raise Crash

    return step


# A verdict.


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        (make_answer(passed=True, score=91), Decision.MATCH),
        (make_answer(passed=False, score=9), Decision.NO_MATCH),
        (make_answer(passed=True, score=60), Decision.REVIEW),
    ],
    ids=str,
)
def test_a_pair_is_compared_and_its_verdict_recorded(answer: Answer, decision: Decision) -> None:
    world, comparison_id = make_ready(
        world=make_world(answer, options=Options(bounds=Bounds(80, 40)), latency_s=0.3)
    )

    world.compare(comparison_id)

    comparison = world.comparison(comparison_id)
    verdict = world.verdict(comparison_id)
    assert comparison.state is State.COMPLETED
    assert (verdict.decision, verdict.score, verdict.transaction_id) == (
        decision,
        answer.score,
        "transaction-1",
    )
    assert world.ledger.pending == {comparison_id}
    assert comparison.attempts == (
        Attempt(
            number=1,
            merchant_biz_id=world.provider.calls[0].merchant_biz_id,
            started_at_ms=START_MS + LEAD_MS,
            outcome=Outcome.ANSWERED,
            code="Success",
            request_id="REQUEST-1",
            duration_ms=300,
        ),
    )


@pytest.mark.parametrize("region", Region)
@pytest.mark.parametrize("face_quality_check", [True, False])
def test_the_call_goes_to_the_pairs_region_with_both_photos(
    region: Region,
    face_quality_check: bool,  # noqa: FBT001 - a row
) -> None:
    world = make_world(SUCCESS, options=Options(face_quality_check=face_quality_check))
    comparison_id = world.upload_pair(region=region.value)

    world.compare(comparison_id)

    (call,) = world.provider.calls
    assert call == Call(
        region=region,
        merchant_biz_id=call.merchant_biz_id,
        source=InlinePicture(make_portrait(SOURCE)),
        target=InlinePicture(make_portrait(TARGET)),
        face_quality_check=face_quality_check,
    )
    assert call.merchant_biz_id.startswith(comparison_id)
    assert [booked for booked, _ in world.quota.bookings] == [region]


def test_an_ended_comparison_tells_what_was_done_to_each_photo_and_where_the_time_went() -> None:
    world, comparison_id = make_ready(world=make_world(SUCCESS, latency_s=0.3))
    world.clock.advance(12)
    world.quota.hold_back(Region.SINGAPORE, until_ms=world.clock.now_ms() + 700)

    world.compare(comparison_id)

    ending = world.comparison(comparison_id).ending
    assert ending is not None
    assert ending.photos.keys() == set(Role)
    assert ending.photos[SOURCE]["untouched"] is True
    assert (ending.photos[SOURCE]["width"], ending.photos[SOURCE]["height"]) == (480, 640)
    assert ending.timings_ms == {
        "wait_for_worker": 12_000,
        "read": 0,
        "prepare": 0,
        "connect": 0,
        "wait_for_slot": 700,
        "call": 300,
    }
    assert ending.ended_at_ms == START_MS + 13_000


def test_the_lease_is_given_back() -> None:
    world, comparison_id = make_ready(SUCCESS)

    world.compare(comparison_id)

    assert world.ledger.leases == {}


def test_photos_at_hand_are_not_read_again() -> None:
    world, comparison_id = make_ready(SUCCESS)
    prepared = {role: PreparedPhoto(InlinePicture(b"at hand"), {"of": role.value}) for role in Role}

    world.compare(comparison_id, prepared=prepared)

    assert world.photos.reads == []
    assert world.provider.calls[0].source == InlinePicture(b"at hand")
    ending = world.comparison(comparison_id).ending
    assert ending is not None
    assert ending.photos == {role: {"of": role.value} for role in Role}


def test_a_url_goes_to_the_provider_as_it_is() -> None:
    world = make_world(SUCCESS)
    link, photo = make_link(SOURCE), StoredPhoto(key="requests/x/target-0")
    world.photos.write(link.key, URL.encode())
    world.photos.write(photo.key, make_portrait())
    world.ledger.register(make_comparison(photos={SOURCE: link, TARGET: photo}))

    world.compare(COMPARISON_ID)

    (call,) = world.provider.calls
    assert (call.source, call.target) == (PictureUrl(URL), InlinePicture(make_portrait()))
    ending = world.comparison(COMPARISON_ID).ending
    assert ending is not None
    assert ending.photos[SOURCE] == {"url": True}
    assert "SIGNED" not in repr(ending)


def test_two_urls_need_no_photo_at_all() -> None:
    world = make_world(SUCCESS)
    links = {role: make_link(role) for role in Role}
    for link in links.values():
        world.photos.write(link.key, URL.encode())
    world.ledger.register(make_comparison(photos=links))

    world.compare(COMPARISON_ID)

    assert world.comparison(COMPARISON_ID).state is State.COMPLETED


# What ends before any call.


@pytest.mark.parametrize("bad_role", Role)
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"not an image", "not_an_image"),
        (make_portrait()[:500], "unreadable"),
        (make_portrait(width=479), "too_small"),
        (b"\xff\xd8\xff" + bytes(25_000_000), "too_large"),
    ],
    ids=["0 bytes", "not an image", "truncated", "640 x 479", "25 MB"],
)
def test_a_photo_that_can_not_be_made_acceptable_is_rejected_and_costs_nothing(
    bad_role: Role, content: bytes, reason: str
) -> None:
    world = make_world()
    photos = {role: make_portrait(role) for role in Role} | {bad_role: content}
    comparison_id = world.upload_pair(photos[SOURCE], photos[TARGET])

    world.compare(comparison_id)

    verdict = world.verdict(comparison_id)
    assert world.comparison(comparison_id).state is State.REJECTED
    assert (verdict.decision, verdict.reason, verdict.photo) == (Decision.PHOTO_REJECTED, reason, bad_role)
    assert world.quota.bookings == []
    assert world.provider.calls == []


@pytest.mark.parametrize("gone_role", Role)
def test_a_photo_that_was_removed_fails_the_pair_and_is_named(gone_role: Role) -> None:
    world, comparison_id = make_ready()
    del world.photos.objects[f"inbox/singapore/pair-1/{gone_role}.jpg"]

    world.compare(comparison_id)

    verdict = world.verdict(comparison_id)
    assert (verdict.decision, verdict.reason) == (Decision.FAILED, "photo_missing")
    assert world.provider.calls == []
    assert verdict.photo is gone_role


@pytest.mark.parametrize("replaced_role", Role)
def test_a_photo_that_was_replaced_fails_the_pair_and_is_named(replaced_role: Role) -> None:
    world, comparison_id = make_ready()
    world.photos.write(f"inbox/singapore/pair-1/{replaced_role}.jpg", make_portrait("another"))

    world.compare(comparison_id)

    verdict = world.verdict(comparison_id)
    assert (verdict.decision, verdict.reason) == (Decision.FAILED, "photo_replaced")
    assert world.provider.calls == []
    assert verdict.photo is replaced_role


def test_a_replaced_photo_leaves_its_pair_one_failure_and_one_verdict() -> None:
    world, first = make_ready(SUCCESS)
    second = world.upload(SOURCE, make_portrait("another"))
    assert second is not None

    world.compare(first)
    world.compare(second)

    assert world.verdict(first).reason == "photo_replaced"
    assert world.comparison(second).state is State.COMPLETED


def test_a_pair_outside_the_allowed_regions_fails_before_any_call() -> None:
    world, comparison_id = make_ready()
    world.regions = make_policy(Region.MALAYSIA, default=Region.MALAYSIA)

    world.compare(comparison_id)

    assert world.verdict(comparison_id).reason == "region_not_allowed"
    assert world.photos.reads == []
    assert world.quota.bookings == []
    assert world.provider.calls == []


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (make_answer("NoFaceDetected", http_status=401), State.REJECTED, "no_face_detected"),
        (make_answer("UnqualifiedPhoto", http_status=401), State.REJECTED, "unqualified_photo"),
        (make_answer("ToolargeImage", http_status=401), State.REJECTED, "photo_too_large"),
        (make_answer("MissingParameter", http_status=400), State.FAILED, "missing_parameter"),
        (make_answer("InvalidParameter", http_status=400), State.FAILED, "invalid_parameter"),
        (make_answer("DataDuplication", http_status=401), State.FAILED, "data_duplication"),
        (make_answer("NoFaceDetected", http_status=200), State.REJECTED, "no_face_detected"),
        (make_answer("SomethingNew", http_status=418), State.FAILED, "provider_refused"),
    ],
    ids=str,
)
def test_what_the_provider_refuses_for_good_is_final_at_once(
    answer: Answer, state: State, reason: str
) -> None:
    world, comparison_id = make_ready(answer)

    world.compare(comparison_id)

    comparison = world.comparison(comparison_id)
    assert (comparison.state, world.verdict(comparison_id).reason) == (state, reason)
    assert comparison.attempts[0].outcome is Outcome.ANSWERED
    assert comparison.attempts[0].code == answer.code


# The order of things.


def test_an_attempt_stands_in_the_ledger_before_its_call() -> None:
    world, comparison_id = make_ready()
    seen: list[Attempt] = []

    def look(call: Call) -> Answer:
        (attempt,) = world.comparison(comparison_id).attempts
        assert attempt.merchant_biz_id == call.merchant_biz_id
        seen.append(attempt)
        return SUCCESS

    world.provider.follow(look)
    world.compare(comparison_id)

    assert [(attempt.number, attempt.outcome) for attempt in seen] == [(1, Outcome.UNKNOWN)]


def test_a_slot_is_booked_before_the_attempt_and_the_call_leaves_on_it() -> None:
    world, comparison_id = make_ready(SUCCESS)
    slot_ms = START_MS + 700
    world.quota.hold_back(Region.SINGAPORE, until_ms=slot_ms)
    written_at_ms: list[int] = []

    def look() -> None:
        assert world.quota.bookings == [(Region.SINGAPORE, slot_ms)]
        written_at_ms.append(world.clock.now_ms())

    world.ledger.interludes.before("begin_attempt", look)
    world.compare(comparison_id)

    assert written_at_ms == [START_MS]
    assert world.provider.called_at_ms == [slot_ms]
    assert world.comparison(comparison_id).attempts[0].started_at_ms == slot_ms


def test_a_slot_that_has_passed_by_is_left_and_another_one_booked() -> None:
    world, comparison_id = make_ready(SUCCESS)
    world.ledger.interludes.before("begin_attempt", lambda: world.clock.advance(0.4))

    world.compare(comparison_id)

    (_, passed_ms), (_, slot_ms) = world.quota.bookings
    assert passed_ms + LATENESS_LIMIT_MS < START_MS + 400 < slot_ms
    assert world.provider.called_at_ms == [slot_ms]
    assert world.comparison(comparison_id).attempts[0].started_at_ms == slot_ms


def test_a_slot_that_has_only_just_passed_is_used() -> None:
    world, comparison_id = make_ready(SUCCESS)
    late_s = LEAD_S + LATENESS_LIMIT_MS / 1000
    world.ledger.interludes.before("begin_attempt", lambda: world.clock.advance(late_s))

    world.compare(comparison_id)

    assert len(world.quota.bookings) == 1
    assert world.comparison(comparison_id).state is State.COMPLETED


def test_where_no_other_slot_comes_in_time_nothing_was_sent() -> None:
    world, comparison_id = make_ready()

    def stall() -> None:
        world.clock.advance(0.4)
        world.quota.hold_back(Region.SINGAPORE, until_ms=START_MS + 60_000)

    world.ledger.interludes.before("begin_attempt", stall)
    with pytest.raises(NoSlotError):
        world.compare(comparison_id, time_s=10, horizon_s=1)

    comparison = world.comparison(comparison_id)
    assert (comparison.state, outcomes(comparison)) == (State.REGISTERED, [Outcome.UNSENT])
    assert world.provider.calls == []


def test_photos_are_ready_before_a_slot_is_booked() -> None:
    world, comparison_id = make_ready(SUCCESS)

    world.ledger.interludes.before("begin_attempt", world.photos.objects.clear)
    world.compare(comparison_id)

    assert world.comparison(comparison_id).state is State.COMPLETED


def test_the_lease_outlasts_the_last_call_that_can_be_made_by_a_margin() -> None:
    retries = RetryPolicy(call_timeout_s=16, lease_margin_s=4)
    world, comparison_id = make_ready(world=make_world(retries=retries))
    lasts: list[int] = []

    def look(_: Call) -> Answer:
        lasts.append(world.ledger.leases[comparison_id].until_ms)
        return SUCCESS

    world.provider.follow(look)
    world.compare(comparison_id, time_s=10)

    assert lasts == [START_MS + 30_000]


# Throttling.


def test_a_throttled_call_teaches_the_quota_and_goes_again() -> None:
    world, comparison_id = make_ready(THROTTLED, SUCCESS)

    world.compare(comparison_id)

    comparison = world.comparison(comparison_id)
    assert world.quota.held_back == [(Region.SINGAPORE, START_MS + LEAD_MS + 300)]
    assert gaps_ms(world) == [300 + LEAD_MS]
    assert outcomes(comparison) == [Outcome.THROTTLED, Outcome.ANSWERED]
    assert comparison.counted_attempts == 1
    assert comparison.state is State.COMPLETED


def test_each_further_throttling_is_answered_with_a_longer_pause_up_to_a_limit() -> None:
    retries = RetryPolicy(throttled_pause_s=0.5, throttled_cap_s=2)
    world, comparison_id = make_ready(world=make_world(*[THROTTLED] * 5, SUCCESS, retries=retries))

    world.compare(comparison_id)

    assert [gap_ms - LEAD_MS for gap_ms in gaps_ms(world)] == [500, 1000, 2000, 2000, 2000]


def test_the_providers_own_word_on_when_to_come_back_is_kept() -> None:
    world, comparison_id = make_ready(
        ProviderThrottledError("Throttling.Api", "A sentence.", request_id="R", retry_after_s=5), SUCCESS
    )

    world.compare(comparison_id)

    attempt = world.comparison(comparison_id).attempts[0]
    assert world.quota.held_back == [(Region.SINGAPORE, START_MS + LEAD_MS + 5000)]
    assert gaps_ms(world) == [5000 + LEAD_MS]
    assert (attempt.outcome, attempt.code, attempt.request_id) == (Outcome.THROTTLED, "Throttling.Api", "R")


def test_throttling_uses_up_no_attempts_however_long_it_lasts() -> None:
    world, comparison_id = make_ready(*[THROTTLED] * 30, SUCCESS)

    world.compare(comparison_id)

    comparison = world.comparison(comparison_id)
    assert (len(comparison.attempts), comparison.counted_attempts) == (31, 1)
    assert comparison.state is State.COMPLETED


def test_a_worker_that_can_not_wait_out_the_throttling_says_when_to_go_on() -> None:
    world, comparison_id = make_ready(
        ProviderThrottledError("Throttling.Api", "A sentence.", retry_after_s=30), SUCCESS
    )

    with pytest.raises(PostponedError) as postponed:
        world.compare(comparison_id, time_s=20)

    assert (postponed.value.code, postponed.value.retry_after_s) == ("Throttling.Api", 30)
    assert world.quota.next_ms[Region.SINGAPORE] == START_MS + LEAD_MS + 30_000
    assert world.comparison(comparison_id).state is State.REGISTERED
    assert world.ledger.leases == {}
    world.clock.advance(30)
    world.compare(comparison_id)
    assert world.comparison(comparison_id).state is State.COMPLETED


def test_throttling_holds_back_its_own_region_alone() -> None:
    world, comparison_id = make_ready(THROTTLED, SUCCESS)

    world.compare(comparison_id)

    assert world.quota.next_ms.keys() == {Region.SINGAPORE}


# Faults.


@pytest.mark.parametrize(
    ("fault", "outcome", "code"),
    [
        (INTERNAL_ERROR, Outcome.FAULTED, "InternalError"),
        (make_answer("DownloadTimeout", http_status=401), Outcome.FAULTED, "DownloadTimeout"),
        (make_answer("SomethingNew", http_status=503), Outcome.FAULTED, "SomethingNew"),
        (NO_CONNECTION, Outcome.FAULTED, "no_connection"),
        (TIMEOUT, Outcome.UNKNOWN, "timeout"),
        (ProviderFaultError("connection_lost", "A.", answered=False), Outcome.UNKNOWN, "connection_lost"),
        (replace(SUCCESS, score=None), Outcome.UNKNOWN, "unreadable_answer"),
    ],
    ids=str,
)
def test_a_fault_counts_and_another_attempt_is_made(fault: Step, outcome: Outcome, code: str) -> None:
    world, comparison_id = make_ready(fault, SUCCESS)

    world.compare(comparison_id)

    comparison = world.comparison(comparison_id)
    assert outcomes(comparison) == [outcome, Outcome.ANSWERED]
    assert comparison.attempts[0].code == code
    assert comparison.counted_attempts == 2
    assert comparison.state is State.COMPLETED


def test_every_attempt_has_a_merchant_biz_id_of_its_own() -> None:
    world, comparison_id = make_ready(THROTTLED, INTERNAL_ERROR, TIMEOUT, SUCCESS)

    world.compare(comparison_id)

    ids = merchant_biz_ids(world)
    assert len(set(ids)) == 4
    assert all(merchant_biz_id.startswith(comparison_id) for merchant_biz_id in ids)
    assert ids == [attempt.merchant_biz_id for attempt in world.comparison(comparison_id).attempts]


def test_every_attempt_has_a_slot_of_its_own() -> None:
    world, comparison_id = make_ready(THROTTLED, INTERNAL_ERROR, TIMEOUT, SUCCESS)

    world.compare(comparison_id)

    assert [slot for _, slot in world.quota.bookings] == world.provider.called_at_ms


def test_the_pauses_double_up_to_a_cap() -> None:
    retries = RetryPolicy(attempt_budget=8, backoff_base_s=0.5, backoff_cap_s=5)
    world, comparison_id = make_ready(world=make_world(*[INTERNAL_ERROR] * 7, SUCCESS, retries=retries))

    world.compare(comparison_id)

    pauses_ms = [gap_ms - LEAD_MS for gap_ms in gaps_ms(world)]
    assert pauses_ms == [1000, 2000, 4000, 5000, 5000, 5000, 5000]


def test_a_pause_may_be_none_at_all_but_the_quota_stands() -> None:
    world, comparison_id = make_ready(world=make_world(INTERNAL_ERROR, SUCCESS, draw=draw_lowest))

    world.compare(comparison_id)

    assert gaps_ms(world) == [100]


def test_pauses_are_drawn_between_nothing_and_the_ceiling() -> None:
    drawn: list[tuple[float, float]] = []

    def draw(low: float, high: float) -> float:
        drawn.append((low, high))
        return 0.25

    world, comparison_id = make_ready(world=make_world(INTERNAL_ERROR, TIMEOUT, SUCCESS, draw=draw))

    world.compare(comparison_id)

    assert drawn == [(0, 1.0), (0, 2.0)]


@pytest.mark.parametrize("fault", [INTERNAL_ERROR, TIMEOUT, NO_CONNECTION], ids=str)
def test_the_budget_of_attempts_ends_a_comparison(fault: Step) -> None:
    world, comparison_id = make_ready(*[fault] * 4)

    world.compare(comparison_id)

    verdict = world.verdict(comparison_id)
    last = world.comparison(comparison_id).attempts[-1]
    assert (verdict.decision, verdict.reason) == (Decision.FAILED, "attempts_exhausted")
    assert (verdict.provider_code, verdict.request_id) == (last.code, last.request_id)
    assert "4 attempts" in verdict.message


def test_nobody_pauses_after_the_last_attempt() -> None:
    world, comparison_id = make_ready(*[INTERNAL_ERROR] * 4)

    world.compare(comparison_id)

    assert world.clock.now_ms() == world.provider.called_at_ms[-1]


def test_a_worker_without_time_for_the_pause_postpones_and_the_next_one_goes_on_counting() -> None:
    world, comparison_id = make_ready(INTERNAL_ERROR, INTERNAL_ERROR, INTERNAL_ERROR, INTERNAL_ERROR)

    for number in (1, 2, 3):
        with pytest.raises(PostponedError) as postponed:
            world.compare(comparison_id, time_s=0.5)
        assert postponed.value.retry_after_s == pytest.approx(0.5 * 2**number)
        world.clock.advance(postponed.value.retry_after_s)
    world.compare(comparison_id, time_s=0.5)

    assert world.verdict(comparison_id).reason == "attempts_exhausted"
    assert len(world.provider.calls) == 4


# Death.


def test_a_worker_that_dies_in_its_call_leaves_an_unknown_attempt_and_the_next_one_goes_on() -> None:
    world, comparison_id = make_ready()
    world.provider.follow(kill(world), SUCCESS)
    with pytest.raises(Crash):
        world.compare(comparison_id, time_s=10)

    with pytest.raises(LeaseHeldError) as held:
        world.compare(comparison_id)
    world.clock.advance(held.value.retry_after_s)
    world.compare(comparison_id)

    comparison = world.comparison(comparison_id)
    assert outcomes(comparison) == [Outcome.UNKNOWN, Outcome.ANSWERED]
    assert comparison.attempts[0].code is None
    assert len(set(merchant_biz_ids(world))) == 2
    assert comparison.state is State.COMPLETED


def test_the_budget_survives_workers_that_die() -> None:
    world, comparison_id = make_ready()
    world.provider.follow(*[kill(world)] * 4)
    for _ in range(4):
        with pytest.raises(Crash):
            world.compare(comparison_id)
        world.clock.advance(600)

    world.compare(comparison_id)

    assert len(world.provider.calls) == 4
    assert world.verdict(comparison_id).reason == "attempts_exhausted"
    assert "no answer" in world.verdict(comparison_id).message


def test_a_worker_that_dies_before_its_call_has_perhaps_made_it() -> None:
    world, comparison_id = make_ready(SUCCESS)
    world.quota.hold_back(Region.SINGAPORE, until_ms=START_MS + 500)
    world.ledger.register(make_comparison())
    spent = tuple(make_attempt(number, Outcome.UNKNOWN) for number in (1, 2, 3))
    world.ledger.comparisons[comparison_id] = replace(world.comparison(comparison_id), attempts=spent)

    world.compare(comparison_id)

    comparison = world.comparison(comparison_id)
    assert outcomes(comparison) == [*[Outcome.UNKNOWN] * 3, Outcome.ANSWERED]
    assert comparison.attempts[3].number == 4


def test_a_worker_that_dies_after_the_answer_costs_one_unknown_attempt() -> None:
    world, comparison_id = make_ready(SUCCESS, SUCCESS)
    world.ledger.interludes.before("end", crash)
    with pytest.raises(Crash):
        world.compare(comparison_id)

    world.compare(comparison_id)

    assert outcomes(world.comparison(comparison_id)) == [Outcome.UNKNOWN, Outcome.ANSWERED]


def test_the_verdict_is_the_last_thing_that_a_worker_writes() -> None:
    world, comparison_id = make_ready(SUCCESS)
    world.ledger.interludes.before("release", crash)

    world.compare(comparison_id)

    assert world.comparison(comparison_id).state is State.COMPLETED
    assert world.ledger.leases == {}
    with pytest.raises(AlreadyEndedError):
        world.compare(comparison_id)


def test_an_unforeseen_error_leaves_the_comparison_open_and_its_attempt_unknown() -> None:
    world, comparison_id = make_ready(RuntimeError("unforeseen"))

    with pytest.raises(RuntimeError, match="unforeseen"):
        world.compare(comparison_id)

    comparison = world.comparison(comparison_id)
    assert (comparison.state, outcomes(comparison)) == (State.REGISTERED, [Outcome.UNKNOWN])
    assert world.ledger.leases == {}


# No slot.


def test_without_a_slot_in_time_the_comparison_is_postponed_and_its_lease_given_back() -> None:
    world, comparison_id = make_ready()
    world.quota.hold_back(Region.SINGAPORE, until_ms=START_MS + 60_000)

    with pytest.raises(NoSlotError) as postponed:
        world.compare(comparison_id, time_s=10, horizon_s=1)

    comparison = world.comparison(comparison_id)
    assert postponed.value.retry_after_s == pytest.approx(59)
    assert (comparison.state, comparison.attempts) == (State.REGISTERED, ())
    assert world.ledger.leases == {}
    assert world.quota.bookings == []


def test_a_slot_beyond_the_horizon_but_within_the_time_is_waited_for() -> None:
    world, comparison_id = make_ready(SUCCESS)
    world.quota.hold_back(Region.SINGAPORE, until_ms=START_MS + 60_000)

    world.compare(comparison_id, time_s=90, horizon_s=1)

    assert world.provider.called_at_ms == [START_MS + 60_000]


def test_a_worker_without_any_time_still_takes_a_free_slot() -> None:
    world, comparison_id = make_ready(SUCCESS)

    world.compare(comparison_id, time_s=0)

    assert world.comparison(comparison_id).state is State.COMPLETED


# The operator's fault.


@pytest.mark.parametrize(
    "fault",
    [
        FORBIDDEN,
        make_answer("Forbidden.AccountAccessDenied", http_status=403),
        make_answer("SignatureDoesNotMatch", http_status=400),
        OperatorFaultError("secret_unreadable", "A sentence."),
    ],
    ids=str,
)
def test_an_operators_fault_leaves_the_comparison_open(fault: Step) -> None:
    world, comparison_id = make_ready(fault)

    with pytest.raises(OperatorFaultError):
        world.compare(comparison_id)

    comparison = world.comparison(comparison_id)
    assert (comparison.state, comparison.ending) == (State.REGISTERED, None)
    assert (outcomes(comparison), comparison.counted_attempts) == ([Outcome.REFUSED], 0)
    assert world.ledger.leases == {}
    assert world.ledger.pending == set()


def test_once_the_operator_has_repaired_it_the_comparison_goes_on_with_its_whole_budget() -> None:
    world, comparison_id = make_ready(*[FORBIDDEN] * 10, *[INTERNAL_ERROR] * 3, SUCCESS)
    for _ in range(10):
        with pytest.raises(OperatorFaultError):
            world.compare(comparison_id)

    world.compare(comparison_id)

    comparison = world.comparison(comparison_id)
    assert (comparison.state, comparison.counted_attempts) == (State.COMPLETED, 4)


# The lease.


def test_a_comparison_that_another_worker_has_is_left_alone() -> None:
    world, comparison_id = make_ready()
    world.ledger.claim(comparison_id, "other", now_ms=START_MS, until_ms=START_MS + 40_000)

    with pytest.raises(LeaseHeldError) as held:
        world.compare(comparison_id)

    assert held.value.retry_after_s == pytest.approx(40)
    assert world.photos.reads == []
    assert world.ledger.leases[comparison_id].owner == "other"


def test_a_lease_that_ran_out_is_taken_over() -> None:
    world, comparison_id = make_ready(SUCCESS)
    world.ledger.claim(comparison_id, "dead", now_ms=START_MS, until_ms=START_MS + 40_000)
    world.clock.advance(40)

    world.compare(comparison_id)

    assert world.comparison(comparison_id).state is State.COMPLETED


def test_a_worker_that_lost_its_lease_makes_no_call_and_leaves_the_new_owner_its_lease() -> None:
    world, comparison_id = make_ready()

    def take_over() -> None:
        world.clock.advance(3600)
        now_ms = world.clock.now_ms()
        world.ledger.claim(comparison_id, "other", now_ms=now_ms, until_ms=now_ms + 40_000)

    world.ledger.interludes.before("begin_attempt", take_over)
    with pytest.raises(LeaseLostError):
        world.compare(comparison_id)

    comparison = world.comparison(comparison_id)
    assert (comparison.state, comparison.attempts) == (State.REGISTERED, ())
    assert world.ledger.leases[comparison_id].owner == "other"
    assert world.provider.calls == []


def test_a_worker_that_was_frozen_until_its_lease_ran_out_makes_no_call() -> None:
    world, comparison_id = make_ready()
    world.ledger.interludes.before("begin_attempt", lambda: world.clock.advance(3600))

    with pytest.raises(LeaseLostError):
        world.compare(comparison_id)

    assert world.provider.calls == []
    assert world.comparison(comparison_id).state is State.REGISTERED


def test_of_two_workers_with_one_comparison_the_first_verdict_stands_and_both_attempts_are_told() -> None:
    world, comparison_id = make_ready()
    slow, fast = make_answer(passed=False, score=1), make_answer(passed=True, score=99)

    def be_overtaken(_: Call) -> Answer:
        world.clock.advance(3600)
        world.compare(comparison_id)
        return slow

    world.provider.follow(be_overtaken, fast)
    with pytest.raises(AlreadyEndedError):
        world.compare(comparison_id)

    comparison = world.comparison(comparison_id)
    assert world.verdict(comparison_id).score == fast.score
    assert [(one.outcome, one.code) for one in comparison.attempts] == [
        (Outcome.UNKNOWN, "Success"),
        (Outcome.ANSWERED, "Success"),
    ]
    assert world.ledger.pending == {comparison_id}


def test_a_verdict_that_was_paid_for_counts_even_if_the_lease_is_another_workers_by_now() -> None:
    world, comparison_id = make_ready()

    def be_slow(_: Call) -> Answer:
        world.clock.advance(3600)
        now_ms = world.clock.now_ms()
        world.ledger.claim(comparison_id, "other", now_ms=now_ms, until_ms=now_ms + 40_000)
        return SUCCESS

    world.provider.follow(be_slow)
    world.compare(comparison_id)

    assert world.comparison(comparison_id).state is State.COMPLETED
    with pytest.raises(LeaseLostError):
        world.ledger.begin_attempt(comparison_id, "other", make_attempt(2))


@pytest.mark.parametrize(
    "answer", [SUCCESS, make_answer("NoFaceDetected", http_status=401)], ids=["success", "refusal"]
)
def test_a_comparison_erased_during_its_call_stays_erased_and_its_attempt_is_told(answer: Answer) -> None:
    world, comparison_id = make_ready()

    def be_erased(_: Call) -> Answer:
        world.ledger.erase(comparison_id, now_ms=world.clock.now_ms())
        return answer

    world.provider.follow(be_erased)
    with pytest.raises(AlreadyEndedError):
        world.compare(comparison_id)

    comparison = world.comparison(comparison_id)
    (attempt,) = comparison.attempts
    assert (comparison.state, attempt.outcome, attempt.code) == (State.ERASED, Outcome.UNKNOWN, answer.code)


def test_a_comparison_erased_while_it_waits_for_its_slot_is_not_called_for() -> None:
    world, comparison_id = make_ready()
    world.ledger.interludes.before(
        "begin_attempt", lambda: world.ledger.erase(comparison_id, now_ms=START_MS)
    )

    with pytest.raises((LeaseLostError, AlreadyEndedError)):
        world.compare(comparison_id)

    assert world.provider.calls == []
    assert world.comparison(comparison_id).state is State.ERASED


def test_a_photo_rejected_by_a_worker_that_was_overtaken_changes_nothing() -> None:
    world = make_world()
    comparison_id = world.upload_pair(source=b"not an image")
    world.ledger.interludes.before("end", lambda: world.ledger.erase(comparison_id, now_ms=START_MS))

    with pytest.raises(AlreadyEndedError):
        world.compare(comparison_id)

    assert world.comparison(comparison_id).state is State.ERASED


def test_a_comparison_that_has_ended_is_not_compared_again() -> None:
    world, comparison_id = make_ready(SUCCESS)
    world.compare(comparison_id)

    with pytest.raises(AlreadyEndedError):
        world.compare(comparison_id)

    assert len(world.provider.calls) == 1


def test_a_comparison_that_nobody_registered_is_not_compared() -> None:
    with pytest.raises(NotFoundError):
        make_world().compare("unheard-of")


def test_a_ledger_that_fails_before_the_attempt_is_written_costs_no_call() -> None:
    world, comparison_id = make_ready()
    world.ledger.interludes.before("begin_attempt", crash)

    with pytest.raises(Crash):
        world.compare(comparison_id)

    assert world.provider.calls == []


def test_the_second_attempt_is_written_before_its_call_too() -> None:
    world, comparison_id = make_ready(INTERNAL_ERROR)
    world.ledger.interludes.before("begin_attempt", pass_by, crash)

    with pytest.raises(Crash):
        world.compare(comparison_id)

    assert len(world.provider.calls) == 1


def test_an_open_circuit_postpones_before_anything_is_booked_or_written() -> None:
    world, comparison_id = make_ready()
    world.provider.circuit_open_s = 12

    with pytest.raises(CircuitOpenError) as postponed:
        world.compare(comparison_id)

    assert postponed.value.retry_after_s == 12
    assert world.quota.bookings == []
    assert world.comparison(comparison_id).attempts == ()
    assert world.ledger.leases == {}


def test_a_circuit_that_opens_at_the_last_moment_leaves_an_attempt_that_counts_for_nothing() -> None:
    world, comparison_id = make_ready(CircuitOpenError(12), SUCCESS)

    with pytest.raises(CircuitOpenError):
        world.compare(comparison_id)
    world.compare(comparison_id)

    comparison = world.comparison(comparison_id)
    assert outcomes(comparison) == [Outcome.UNSENT, Outcome.ANSWERED]
    assert comparison.counted_attempts == 1


def test_a_provider_that_can_not_be_reached_uses_up_no_attempts() -> None:
    world, comparison_id = make_ready(*[UnreachableError()] * 9, SUCCESS)

    world.compare(comparison_id, time_s=600)

    assert outcomes(world.comparison(comparison_id)) == [Outcome.UNSENT] * 9 + [Outcome.ANSWERED]


def refuse() -> None:
    raise LedgerUnavailableError


def test_an_answer_in_hand_is_recorded_as_soon_as_the_ledger_takes_it() -> None:
    world, comparison_id = make_ready(SUCCESS)
    world.ledger.interludes.before("end", *[refuse] * 5)

    world.compare(comparison_id)

    assert world.comparison(comparison_id).state is State.COMPLETED
    assert len(world.provider.calls) == 1


def test_a_ledger_that_never_takes_it_lets_go_when_the_lease_ends() -> None:
    world, comparison_id = make_ready(SUCCESS)

    world.ledger.interludes.before("end", *[refuse] * 1000)

    with pytest.raises(LedgerUnavailableError):
        world.compare(comparison_id, time_s=20)

    assert world.comparison(comparison_id).state is State.REGISTERED
    assert outcomes(world.comparison(comparison_id)) == [Outcome.UNKNOWN]


def test_a_connection_is_at_hand_before_a_slot_is_booked() -> None:
    world, comparison_id = make_ready(SUCCESS)

    world.compare(comparison_id)

    assert world.provider.made_ready == [Region.SINGAPORE]
