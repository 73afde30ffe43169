"""One comparison, from its stored photos to its verdict: leases, endings, crashes."""

from dataclasses import replace

import pytest

from facematch.domain.comparison import Comparison, Options, Outcome, State
from facematch.domain.deadline import Deadline
from facematch.domain.errors import (
    AlreadyEndedError,
    LeaseHeldError,
    LeaseLostError,
    LedgerUnavailableError,
    NotFoundError,
    PhotoStoreUnavailableError,
    PostponedError,
)
from facematch.domain.priority import Priority
from facematch.domain.provider import Answer, Call, InlinePicture, PictureUrl
from facematch.domain.regions import Region
from facematch.domain.verdict import Bounds, Decision, Role
from facematch.use_cases.load_photos import PhotoLoader, PreparedPhoto
from facematch.use_cases.prepare_photos import PhotoPreparer
from imaging import Limits, NormalisedPhoto
from tests.factories import COMPARISON_ID, make_answer, make_comparison, make_link, make_photos, make_policy
from tests.factories.photos import make_portrait
from tests.fakes.clock import START_MS
from tests.fakes.hooks import Crash, crash, fail_to_answer
from tests.fakes.provider import Step
from tests.fakes.stack import InMemoryStack, make_stack

SOURCE, TARGET = Role.SOURCE, Role.TARGET
URL = "https://photos.com/a.jpg?signature=SIGNED"
SUCCESS = make_answer()
REFUSAL = make_answer("NoFaceDetected", http_status=401)


def make_ready(*script: Step, stack: InMemoryStack | None = None) -> tuple[InMemoryStack, str]:
    """Make a stack with one registered pair."""
    stack = stack or make_stack(*script)
    return stack, stack.upload_pair()


def outcomes(comparison: Comparison) -> list[Outcome]:
    return [attempt.outcome for attempt in comparison.attempts]


def erase(stack: InMemoryStack, comparison_id: str) -> None:
    stack.eraser.erase(stack.comparison(comparison_id))


def take_over(stack: InMemoryStack, comparison_id: str) -> None:
    """Let another worker claim the comparison an hour later."""
    stack.clock.advance(3600)
    now_ms = stack.clock.now_ms()
    stack.ledger.claim(comparison_id, "other", now_ms=now_ms, until_ms=now_ms + 40_000)


# Verdicts.


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
    stack, comparison_id = make_ready(stack=make_stack(answer, options=Options(bounds=Bounds(80, 40))))

    stack.compare(comparison_id)

    verdict = stack.verdict(comparison_id)
    assert (verdict.decision, verdict.score) == (decision, answer.score)
    assert stack.comparison(comparison_id).state is State.COMPLETED
    assert stack.ledger.pending == {comparison_id}
    assert stack.ledger.leases == {}


@pytest.mark.parametrize("region", Region)
def test_the_call_goes_to_the_region_of_the_pair_with_both_photos(region: Region) -> None:
    stack = make_stack(SUCCESS, options=Options(face_quality_check=True))
    comparison_id = stack.upload_pair(region=region.value)

    stack.compare(comparison_id)

    (call,) = stack.provider.calls
    assert call == Call(
        region=region,
        merchant_biz_id=call.merchant_biz_id,
        source=InlinePicture(make_portrait(SOURCE)),
        target=InlinePicture(make_portrait(TARGET)),
        face_quality_check=True,
    )
    assert [reserved for reserved, _ in stack.limiter.reserved] == [region]


def test_an_ending_says_what_was_done_to_each_photo_and_where_the_time_went() -> None:
    stack, comparison_id = make_ready(stack=make_stack(SUCCESS, latency_s=0.3))
    stack.clock.advance(12)
    stack.limiter.next_ms[Region.SINGAPORE] = stack.clock.now_ms() + 700

    stack.compare(comparison_id)

    ending = stack.comparison(comparison_id).ending
    assert ending is not None
    assert ending.photos.keys() == set(Role)
    assert ending.photos[SOURCE]["untouched"] is True
    assert ending.timings_ms == {
        "wait_for_worker": 12_000,
        "read": 0,
        "prepare": 0,
        "connect": 0,
        "wait_for_slot": 700,
        "call": 300,
    }
    assert ending.ended_at_ms == START_MS + 13_000


def test_photos_that_the_caller_has_are_not_read_again() -> None:
    stack, comparison_id = make_ready(SUCCESS)
    prepared = {role: PreparedPhoto(InlinePicture(b"at hand"), {"of": role.value}) for role in Role}

    stack.compare(comparison_id, prepared=prepared)

    assert stack.photos.reads == []
    assert stack.provider.calls[0].source == InlinePicture(b"at hand")


@pytest.mark.parametrize("linked", [{SOURCE}, {SOURCE, TARGET}])
def test_a_url_goes_to_the_provider_and_into_no_record(linked: set[Role]) -> None:
    stack = make_stack(SUCCESS)
    photos = make_photos() | {role: make_link(role) for role in linked}
    for role, photo in photos.items():
        stack.photos.write(photo.key, URL.encode() if role in linked else make_portrait())
    stack.ledger.register(make_comparison(photos=photos))

    stack.compare(COMPARISON_ID)

    (call,) = stack.provider.calls
    assert call.source == PictureUrl(URL)
    assert call.target == (PictureUrl(URL) if TARGET in linked else InlinePicture(make_portrait()))
    ending = stack.comparison(COMPARISON_ID).ending
    assert ending is not None
    assert ending.photos[SOURCE] == {"url": True}
    assert "SIGNED" not in repr(stack.comparison(COMPARISON_ID))


# Endings without a call, or by a refusal.


@pytest.mark.parametrize("bad_role", Role)
def test_a_photo_that_cannot_be_made_acceptable_is_rejected_and_costs_nothing(bad_role: Role) -> None:
    stack = make_stack()
    photos = {role: make_portrait(role) for role in Role} | {bad_role: b"not an image"}
    comparison_id = stack.upload_pair(photos[SOURCE], photos[TARGET])

    stack.compare(comparison_id)

    verdict = stack.verdict(comparison_id)
    assert stack.comparison(comparison_id).state is State.REJECTED
    assert (verdict.reason, verdict.photo) == ("not_an_image", bad_role)
    assert stack.limiter.reserved == []


@pytest.mark.parametrize("gone_role", Role)
def test_a_photo_that_was_removed_fails_the_pair_and_is_named(gone_role: Role) -> None:
    stack, comparison_id = make_ready()
    del stack.photos.objects[stack.comparison(comparison_id).photos[gone_role].key]

    stack.compare(comparison_id)

    verdict = stack.verdict(comparison_id)
    assert (verdict.decision, verdict.reason, verdict.photo) == (Decision.FAILED, "photo_removed", gone_role)


def test_a_region_that_is_no_longer_allowed_fails_the_pair_before_any_call() -> None:
    stack, comparison_id = make_ready()
    stack.regions = make_policy(Region.MALAYSIA)

    stack.compare(comparison_id)

    assert stack.verdict(comparison_id).reason == "region_not_allowed"
    assert (stack.photos.reads, stack.limiter.reserved) == ([], [])


@pytest.mark.parametrize(
    ("answer", "state", "reason"),
    [
        (REFUSAL, State.REJECTED, "no_face_detected"),
        (make_answer("UnqualifiedPhoto", http_status=401), State.REJECTED, "unqualified_photo"),
        (make_answer("InvalidParameter", http_status=400), State.FAILED, "invalid_parameter"),
    ],
    ids=str,
)
def test_what_the_provider_refuses_for_good_is_final_at_once(
    answer: Answer, state: State, reason: str
) -> None:
    stack, comparison_id = make_ready(answer)

    stack.compare(comparison_id)

    comparison = stack.comparison(comparison_id)
    assert (comparison.state, stack.verdict(comparison_id).reason) == (state, reason)
    assert outcomes(comparison) == [Outcome.ANSWERED]


# Leases.


def test_the_lease_outlasts_the_last_call_that_the_worker_can_make() -> None:
    stack, comparison_id = make_ready()
    lasts_ms: list[int] = []

    def look(_: Call) -> Answer:
        lasts_ms.append(stack.ledger.leases[comparison_id].until_ms - START_MS)
        return SUCCESS

    stack.provider.follow(look)
    stack.compare(comparison_id, time_s=10)

    assert lasts_ms == [30_000]


def test_a_comparison_that_another_worker_has_is_left_alone_until_its_lease_ends() -> None:
    stack, comparison_id = make_ready(SUCCESS)
    stack.ledger.claim(comparison_id, "other", now_ms=START_MS, until_ms=START_MS + 40_000)

    with pytest.raises(LeaseHeldError) as held:
        stack.compare(comparison_id)
    assert (held.value.retry_after_s, stack.photos.reads) == (40, [])

    stack.clock.advance(40)
    stack.compare(comparison_id)
    assert stack.comparison(comparison_id).state is State.COMPLETED


def test_a_worker_that_lost_its_lease_calls_nobody_and_leaves_the_new_owner_its_lease() -> None:
    stack, comparison_id = make_ready()
    stack.hooks.before("begin_attempt", lambda: take_over(stack, comparison_id))

    with pytest.raises(LeaseLostError):
        stack.compare(comparison_id)

    assert (stack.provider.calls, stack.comparison(comparison_id).attempts) == ([], ())
    assert stack.ledger.leases[comparison_id].owner == "other"


def test_a_verdict_that_was_paid_for_counts_even_after_its_lease() -> None:
    stack, comparison_id = make_ready()

    def be_slow(_: Call) -> Answer:
        take_over(stack, comparison_id)
        return SUCCESS

    stack.provider.follow(be_slow)
    stack.compare(comparison_id)

    assert stack.comparison(comparison_id).state is State.COMPLETED


def test_of_two_verdicts_the_first_one_counts_and_later_calls_change_nothing() -> None:
    stack, comparison_id = make_ready()

    def be_overtaken(_: Call) -> Answer:
        stack.clock.advance(3600)
        stack.compare(comparison_id)
        return make_answer(passed=False, score=1)

    stack.provider.follow(be_overtaken, make_answer(passed=True, score=99))
    with pytest.raises(AlreadyEndedError):
        stack.compare(comparison_id)

    assert stack.verdict(comparison_id).score == 99
    assert outcomes(stack.comparison(comparison_id)) == [Outcome.POSSIBLY_BILLED, Outcome.ANSWERED]


def test_a_rejection_that_comes_too_late_changes_nothing() -> None:
    stack = make_stack(SUCCESS)
    comparison_id = stack.upload_pair(source=b"not an image")
    prepared = {role: PreparedPhoto(InlinePicture(b"at hand"), {}) for role in Role}

    def be_overtaken() -> None:
        stack.clock.advance(3600)
        stack.compare(comparison_id, prepared=prepared)

    stack.hooks.before("end", be_overtaken)
    with pytest.raises(AlreadyEndedError):
        stack.compare(comparison_id)

    assert stack.comparison(comparison_id).state is State.COMPLETED


# Crashes, and a ledger that does not answer.


def die(stack: InMemoryStack) -> Step:
    """Make a step in which the worker's process ends, and its lease stays."""

    def step(_: Call) -> Answer:
        stack.hooks.before("release", crash)
        raise Crash

    return step


def test_a_worker_that_dies_in_its_call_leaves_one_that_may_be_billed() -> None:
    stack, comparison_id = make_ready()
    stack.provider.follow(die(stack), SUCCESS)
    with pytest.raises(Crash):
        stack.compare(comparison_id)

    with pytest.raises(LeaseHeldError) as held:
        stack.compare(comparison_id)
    stack.clock.advance(held.value.retry_after_s)
    stack.compare(comparison_id)

    comparison = stack.comparison(comparison_id)
    assert outcomes(comparison) == [Outcome.POSSIBLY_BILLED, Outcome.ANSWERED]
    assert comparison.attempts[0].code == "worker_lost"


def test_the_budget_survives_workers_that_die() -> None:
    stack, comparison_id = make_ready()
    stack.provider.follow(*[die(stack)] * 4)
    for _ in range(4):
        with pytest.raises(Crash):
            stack.compare(comparison_id)
        stack.clock.advance(3600)

    stack.compare(comparison_id)

    assert len(stack.provider.calls) == 4
    assert stack.verdict(comparison_id).reason == "attempts_exhausted"


def test_an_unexpected_error_gives_the_lease_back_and_leaves_the_comparison_open() -> None:
    stack, comparison_id = make_ready(RuntimeError("unexpected"))

    with pytest.raises(RuntimeError, match="unexpected"):
        stack.compare(comparison_id)

    assert outcomes(stack.comparison(comparison_id)) == [Outcome.NOT_SETTLED]
    assert stack.ledger.leases == {}


def test_a_bug_in_preparing_photos_rejects_no_pair_and_keeps_its_photos() -> None:
    def fail(_data: bytes, _limits: Limits) -> NormalisedPhoto:
        raise TypeError

    stack, comparison_id = make_ready(SUCCESS)
    stored = dict(stack.photos.objects)
    loader = PhotoLoader(stack.photos, PhotoPreparer(normalise=fail))
    with pytest.raises(TypeError):
        replace(stack.comparer, loader=loader).compare(
            comparison_id, Priority.BULK, Deadline.after(120, stack.clock)
        )
    assert stack.comparison(comparison_id).state is State.REGISTERED
    assert stack.provider.calls == []
    assert stack.ledger.leases == {}
    assert stack.photos.objects == stored

    stack.compare(comparison_id)
    assert stack.verdict(comparison_id).decision is Decision.MATCH


def test_a_verdict_is_recorded_as_soon_as_the_ledger_answers_again() -> None:
    stack, comparison_id = make_ready(SUCCESS)
    stack.hooks.before("end", *[fail_to_answer] * 10)

    stack.compare(comparison_id)

    assert stack.comparison(comparison_id).state is State.COMPLETED
    assert len(stack.provider.calls) == 1


def test_a_verdict_that_cannot_be_recorded_within_the_lease_is_given_up() -> None:
    stack, comparison_id = make_ready(SUCCESS, SUCCESS)
    stack.hooks.before("end", *[fail_to_answer] * 1000)

    with pytest.raises(LedgerUnavailableError):
        stack.compare(comparison_id, time_s=10)

    assert stack.clock.now_ms() - START_MS == pytest.approx(30_000, abs=600)


def test_an_open_comparison_whose_ledger_does_not_answer_is_postponed() -> None:
    stack, comparison_id = make_ready(SUCCESS)
    stack.hooks.before("claim", fail_to_answer)

    with pytest.raises(PostponedError):
        stack.compare(comparison_id)


def test_a_pair_whose_photos_cannot_be_read_for_now_is_postponed_and_not_failed() -> None:
    stack, comparison_id = make_ready(SUCCESS)

    def fail_to_read() -> None:
        raise PhotoStoreUnavailableError

    stack.hooks.before("read", fail_to_read)
    with pytest.raises(PostponedError) as postponed:
        stack.compare(comparison_id)
    assert postponed.value.retry_after_s == 30
    assert (stack.provider.calls, stack.comparison(comparison_id).attempts) == ([], ())

    stack.compare(comparison_id)
    assert stack.comparison(comparison_id).state is State.COMPLETED


# Erased comparisons.


@pytest.mark.parametrize("answer", [SUCCESS, REFUSAL], ids=["success", "refusal"])
def test_a_comparison_erased_during_its_call_stays_erased(answer: Answer) -> None:
    stack, comparison_id = make_ready()

    def be_erased(_: Call) -> Answer:
        erase(stack, comparison_id)
        return answer

    stack.provider.follow(be_erased)
    with pytest.raises(AlreadyEndedError):
        stack.compare(comparison_id)

    tombstone = stack.comparison(comparison_id)
    assert (tombstone.state, stack.photos.objects) == (State.ERASED, {})
    assert tombstone.ending is not None
    assert tombstone.ending.verdict.reason == "comparison_erased"


@pytest.mark.parametrize("step", ["read", "begin_attempt"])
def test_a_comparison_erased_before_its_call_is_not_called_for(step: str) -> None:
    stack, comparison_id = make_ready()
    stack.hooks.before(step, lambda: erase(stack, comparison_id))

    with pytest.raises((LeaseLostError, AlreadyEndedError)):
        stack.compare(comparison_id)

    assert stack.provider.calls == []
    assert stack.comparison(comparison_id).state is State.ERASED


def test_a_comparison_that_does_not_exist_or_has_ended_is_not_compared() -> None:
    stack, comparison_id = make_ready(SUCCESS)
    stack.compare(comparison_id)

    with pytest.raises(AlreadyEndedError):
        stack.compare(comparison_id)
    with pytest.raises(NotFoundError):
        stack.compare("unknown")


def test_retries_after_the_time_limit_end_the_comparison_with_the_last_answer() -> None:
    stack, comparison_id = make_ready(make_answer("InternalError", http_status=500))
    stack.retries = replace(stack.retries, time_limit_s=1.0)

    stack.compare(comparison_id)

    verdict = stack.verdict(comparison_id)
    assert (verdict.reason, verdict.provider_code) == ("provider_unavailable", "InternalError")
