"""Intake from the API: now or later, the same request again, and uploads that the bucket reports too."""

from threading import Event, Thread
from typing import Any

import pytest

from facematch.domain.comparison import Comparison, Ending, Options, Origin, State, StoredPhoto
from facematch.domain.deadline import ANSWER_TIME_S, Deadline
from facematch.domain.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    ProviderFaultError,
    ProviderThrottledError,
    RejectedPhotoError,
)
from facematch.domain.inbox import make_inbox_key
from facematch.domain.lane import HoldReason
from facematch.domain.priority import Priority
from facematch.domain.provider import Answer, InlinePicture
from facematch.domain.regions import Region
from facematch.domain.verdict import Bounds, Role
from facematch.use_cases.photo_inputs import InlinePhoto, LinkedPhoto, PhotoInput, UploadedPhoto
from facematch.use_cases.request_comparison import RESCUE_DELAY_S, Caller, ComparisonRequest
from tests.factories import CALLER, make_answer, make_policy, make_verdict
from tests.factories.photos import make_portrait
from tests.fakes.clock import START_MS
from tests.fakes.hooks import Crash, do_nothing, fail_to_answer
from tests.fakes.photo_store import make_etag
from tests.fakes.stack import InMemoryStack, make_stack

SOURCE, TARGET = Role.SOURCE, Role.TARGET
ME, STRANGER = Caller(CALLER), Caller("arn:aws:iam::000000000000:user/another")
ADMINISTRATOR = Caller(CALLER, is_administrator=True)
SUCCESS = make_answer()
TIMEOUT = ProviderFaultError("timeout", "A sentence.", possibly_billed=True)
REFUSAL = make_answer("NoFaceDetected", http_status=401)
FORBIDDEN = make_answer("Forbidden.AccountAccessDenied", http_status=403)
KEYS = {role: f"inbox/singapore/pair-1/{role}.jpg" for role in Role}
UPLOADS: dict[Role, PhotoInput] = {role: UploadedPhoto(key) for role, key in KEYS.items()}
INLINE: dict[Role, PhotoInput] = {role: InlinePhoto(make_portrait(role)) for role in Role}
MIXED = INLINE | {SOURCE: UPLOADS[SOURCE]}


def make_request(**changes: Any) -> ComparisonRequest:
    """Make a request of a caller who may also ask for pairs of the bucket."""
    fields: dict[str, Any] = {
        "caller": ADMINISTRATOR,
        "photos": INLINE,
        "options": Options(),
        "idempotency_key": "key-1",
    }
    return ComparisonRequest(**(fields | changes))


def ask(stack: InMemoryStack, *, time_s: float | None = ANSWER_TIME_S, **changes: Any) -> Comparison:
    """Ask for a comparison now, or with no time for one later."""
    deadline = None if time_s is None else Deadline.after(time_s, stack.clock)
    return stack.requester.submit(make_request(**changes), deadline)


def make_uploaded(*script: Answer, pair_id: str = "pair-1") -> InMemoryStack:
    """Make a stack with both photos in the inbox, of which no notification has come yet."""
    stack = make_stack(*script)
    for role in Role:
        stack.photos.objects[f"inbox/singapore/{pair_id}/{role}.jpg"] = make_portrait(role)
    return stack


def notify(stack: InMemoryStack, *roles: Role) -> None:
    """Receive the first notification of photos, whether they are still in the inbox or not."""
    for role in roles:
        photo = StoredPhoto(key=KEYS[role], etag=make_etag(make_portrait(role)))
        stack.receive(photo, sequencer=1)


def finish(stack: InMemoryStack) -> None:
    stack.work()
    stack.publish()


# Now.


def test_a_repeated_request_finds_its_pair_between_the_notifications_of_its_photos() -> None:
    stack = make_uploaded(SUCCESS)
    first = ask(stack, photos=UPLOADS, idempotency_key=None)
    notify(stack, SOURCE)

    assert ask(stack, photos=UPLOADS, idempotency_key=None) == first


def test_a_key_whose_comparison_has_expired_is_refused() -> None:
    stack = make_stack(SUCCESS)
    del stack.ledger.comparisons[ask(stack).id]

    with pytest.raises(ConflictError) as refused:
        ask(stack)

    assert refused.value.code == "idempotency_key_reused"


def test_a_request_that_is_repeated_during_an_outage_does_not_spend_the_budget() -> None:
    stack = make_stack(TIMEOUT, TIMEOUT, latency_s=10)

    asked = [ask(stack) for _ in range(10)]

    assert len(asked[-1].attempts) == 2
    assert asked[-1].state is State.REGISTERED
    assert stack.queues.sent[-1][1] > 0


def test_a_comparison_asked_for_now_is_answered_with_its_verdict() -> None:
    stack = make_stack(SUCCESS)

    comparison = ask(stack, pair_id="order 7")

    assert comparison.ending is not None
    assert (comparison.state, comparison.ending.verdict.score) == (State.COMPLETED, SUCCESS.score)
    assert (comparison.origin, comparison.caller, comparison.pair_id) == (Origin.API, CALLER, "order 7")
    assert stack.provider.calls[0].source == InlinePicture(make_portrait(SOURCE))
    assert "prepare" in comparison.ending.timings_ms


def test_its_photos_are_stored_for_a_worker_that_looks_later_in_case_the_function_dies() -> None:
    stack = make_stack(SUCCESS)

    comparison = ask(stack)

    stored = {photo.key for photo in comparison.photos.values()}
    assert stack.photos.objects.keys() == stored
    assert all(key.startswith(f"comparisons/{comparison.id}/") for key in stored)
    assert stack.photos.reads == []
    assert stack.queues.sent == [(comparison.id, RESCUE_DELAY_S)]
    assert stack.queues.lanes == [("singapore", Priority.URGENT)]


def test_options_and_region_are_those_of_the_request() -> None:
    stack = make_stack(make_answer(score=50))
    options = Options(bounds=Bounds(80, 40), face_quality_check=True)

    comparison = ask(stack, options=options, region="hong-kong")

    assert (comparison.options, comparison.region) == (options, "hong-kong")
    assert comparison.ending is not None
    assert comparison.ending.verdict.reason == "between_bounds"
    (call,) = stack.provider.calls
    assert (call.region, call.face_quality_check) == (Region.HONG_KONG, True)


def test_a_request_does_not_outlast_its_time_but_for_its_last_call() -> None:
    stack = make_stack(*[make_answer("InternalError", http_status=500)] * 4)
    stack.provider.latency_s = 4.0

    comparison = ask(stack)

    assert comparison.state is State.REGISTERED
    assert stack.clock.now_ms() - START_MS <= 14_000


# Later.


def test_a_comparison_asked_for_later_is_on_the_urgent_queue_of_its_region() -> None:
    stack = make_stack(SUCCESS)

    comparison = ask(stack, time_s=None, photos=INLINE | {TARGET: LinkedPhoto("https://photos.com/a.jpg")})

    assert (comparison.state, stack.provider.calls) == (State.REGISTERED, [])
    assert (stack.queues.sent, stack.queues.lanes) == (
        [(comparison.id, 0)],
        [("singapore", Priority.URGENT)],
    )
    stack.work()
    assert stack.requester.find(comparison.id, ADMINISTRATOR).state is State.COMPLETED


def test_a_request_that_misses_its_slot_continues_from_the_urgent_queue() -> None:
    stack = make_stack()
    stack.limiter.next_ms[Region.SINGAPORE] = START_MS + 60_000

    comparison = ask(stack)

    assert comparison.state is State.REGISTERED
    assert [sent for sent, _ in stack.queues.sent] == [comparison.id] * 2
    assert set(stack.queues.lanes) == {("singapore", Priority.URGENT)}
    assert stack.clock.now_ms() - START_MS <= 10_000
    assert stack.ledger.leases == {}


def test_a_request_is_ahead_of_a_bulk_backlog() -> None:
    stack = make_stack(SUCCESS)
    # Bulk work reserves up to 1.5 s ahead.
    stack.limiter.next_ms[Region.SINGAPORE] = START_MS + 1600

    assert ask(stack).state is State.COMPLETED
    assert stack.provider.called_at_ms == [START_MS + 1600]


@pytest.mark.parametrize("step", ["claim", "find_lane", "reserve", "begin_attempt"])
def test_a_ledger_that_does_not_answer_leaves_the_request_to_the_queue(step: str) -> None:
    stack = make_stack(SUCCESS)
    stack.hooks.before(step, fail_to_answer)

    comparison = ask(stack)
    stack.work()

    assert comparison.state is State.REGISTERED
    assert stack.comparison(comparison.id).state is State.COMPLETED


def test_while_the_lane_is_held_a_request_is_registered_and_continues_from_the_queue() -> None:
    stack = make_stack(FORBIDDEN)
    ask(stack, idempotency_key="first")
    stack.queues.sent.clear()

    comparison = ask(stack)

    assert comparison.state is State.REGISTERED
    assert [delay_s for _, delay_s in stack.queues.sent] == [RESCUE_DELAY_S, pytest.approx(75)]
    assert len(stack.provider.calls) == 1


def test_a_hold_is_found_for_a_comparison_that_waits_for_it() -> None:
    throttled = ProviderThrottledError("Throttling.Api", "A sentence.", retry_after_s=30)
    stack = make_stack(FORBIDDEN, throttled, REFUSAL)
    held, throttled_one, ended = (
        ask(stack, idempotency_key=region, region=region) for region in ("singapore", "malaysia", "indonesia")
    )

    def find_reasons() -> list[HoldReason | None]:
        holds = map(stack.requester.find_hold, (held, throttled_one, ended))
        return [hold.reason if hold else None for hold in holds]

    assert find_reasons() == [HoldReason.OPERATOR, HoldReason.THROTTLING, None]
    stack.clock.advance(60)
    # Throttling ends by itself; an operator error waits for a trial.
    assert find_reasons() == [HoldReason.OPERATOR, None, None]


# The same request again.


@pytest.mark.parametrize("photos", [INLINE, MIXED, UPLOADS], ids=["inline", "mixed", "uploaded"])
@pytest.mark.parametrize("published", [True, False])
def test_a_request_repeated_after_its_verdict_gets_that_verdict_and_costs_nothing(
    photos: dict[Role, PhotoInput],
    published: bool,  # noqa: FBT001 - a row
) -> None:
    stack = make_uploaded(SUCCESS)
    first = ask(stack, photos=photos)
    if published:
        stack.publish()
    objects = dict(stack.photos.objects)
    stack.queues.sent.clear()

    second = ask(stack, photos=photos)

    assert second == stack.comparison(first.id)
    assert (len(stack.provider.calls), stack.queues.sent) == (1, [])
    assert stack.photos.objects == objects


def test_a_request_repeated_with_a_replaced_upload_gets_the_first_verdict() -> None:
    stack = make_uploaded(SUCCESS)
    first = ask(stack, photos=UPLOADS)
    stack.photos.write(KEYS[SOURCE], make_portrait("replaced"))

    assert ask(stack, photos=UPLOADS).id == first.id
    assert len(stack.provider.calls) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"photos": INLINE | {SOURCE: InlinePhoto(make_portrait("another"))}},
        {"photos": INLINE | {TARGET: LinkedPhoto("https://photos.com/a.jpg")}},
        {"photos": {SOURCE: INLINE[TARGET], TARGET: INLINE[SOURCE]}},
        {"photos": UPLOADS},
        {"region": "malaysia"},
        {"pair_id": "another"},
        {"options": Options(bounds=Bounds(80, 40))},
        {"options": Options(face_quality_check=True)},
    ],
    ids=["photo", "url", "swapped", "uploaded", "region", "pair id", "bounds", "quality"],
)
def test_a_key_with_another_body_is_a_conflict_and_costs_nothing(change: dict[str, Any]) -> None:
    stack = make_uploaded(SUCCESS)
    ask(stack)
    objects = dict(stack.photos.objects)

    with pytest.raises(ConflictError) as conflict:
        ask(stack, **change)

    assert conflict.value.code == "idempotency_key_reused"
    assert (len(stack.provider.calls), stack.photos.objects) == (1, objects)


def test_two_bodies_under_one_key_at_the_same_moment_are_a_conflict_too() -> None:
    stack = make_stack(SUCCESS)
    stack.hooks.before("register", lambda: ask(stack, pair_id="another", time_s=None))

    with pytest.raises(ConflictError):
        ask(stack)

    (comparison,) = stack.ledger.comparisons.values()
    assert stack.photos.objects.keys() == {photo.key for photo in comparison.photos.values()}


def test_keys_belong_to_their_callers_and_requests_without_one_are_their_own() -> None:
    stack = make_stack()
    requests: list[dict[str, Any]] = [
        {},
        {"caller": STRANGER},
        {"idempotency_key": None},
        {"idempotency_key": None},
    ]

    assert len({ask(stack, time_s=None, **changes).id for changes in requests}) == 4


@pytest.mark.parametrize("photos", [INLINE, MIXED, UPLOADS], ids=["inline", "mixed", "uploaded"])
@pytest.mark.parametrize("step", ["find_request", "copy", "write", "register", "add_request"])
def test_one_request_twice_at_the_same_moment_is_one_comparison(
    photos: dict[Role, PhotoInput], step: str
) -> None:
    stack = make_uploaded()
    repeated: list[Comparison] = []
    stack.hooks.before(step, lambda: repeated.append(ask(stack, photos=photos, time_s=None)))

    first = ask(stack, photos=photos, time_s=None)

    assert {comparison.id for comparison in (first, *repeated)} == set(stack.ledger.comparisons)
    assert len(stack.ledger.comparisons) == 1
    owned = {photo.key for photo in stack.comparison(first.id).photos.values()}
    assert {key for key in stack.photos.objects if not key.startswith("inbox/")} == owned


@pytest.mark.parametrize("photos", [MIXED, UPLOADS], ids=["mixed", "uploaded"])
def test_one_request_twice_at_the_same_moment_is_compared_with_the_photos_of_its_comparison(
    photos: dict[Role, PhotoInput],
) -> None:
    stack = make_uploaded(SUCCESS)
    newer = make_portrait("newer")

    def be_first() -> None:
        stack.photos.write(KEYS[SOURCE], newer)
        ask(stack, photos=photos, time_s=None)

    stack.hooks.before("register", be_first)
    ask(stack, photos=photos)

    assert [call.source for call in stack.provider.calls] == [InlinePicture(newer)]


def test_a_request_that_ends_while_its_repetition_is_checked_keeps_no_photo() -> None:
    stack = make_stack(SUCCESS)

    def be_first() -> None:
        ask(stack)
        stack.publish()

    stack.hooks.before("register", be_first)

    assert ask(stack).state is State.COMPLETED
    assert stack.photos.objects == {}
    assert len(stack.provider.calls) == 1


def test_a_request_during_the_call_of_the_first_one_waits_for_its_verdict() -> None:
    stack = make_stack()
    comparison_id = ask(stack, time_s=None).id
    stack.ledger.claim(comparison_id, "worker", now_ms=START_MS, until_ms=START_MS + 40_000)
    ending = Ending(verdict=make_verdict(), ended_at_ms=START_MS)
    stack.hooks.before("claim", do_nothing, lambda: stack.ledger.end(comparison_id, ending, None))

    comparison = ask(stack)

    assert (comparison.ending, stack.provider.calls) == (ending, [])


@pytest.mark.parametrize(("lease_s", "state"), [(5, State.COMPLETED), (40, State.REGISTERED)])
def test_the_lease_of_a_dead_worker_is_waited_for_within_the_time(lease_s: float, state: State) -> None:
    stack = make_stack(SUCCESS)
    comparison_id = ask(stack, time_s=None).id
    until_ms = START_MS + round(lease_s * 1000)
    stack.ledger.claim(comparison_id, "dead", now_ms=START_MS, until_ms=until_ms)

    assert ask(stack).state is state
    assert stack.clock.now_ms() - START_MS <= 10_000


def test_a_request_that_dies_at_any_step_is_made_up_for_by_the_repeated_one() -> None:
    for photos in (INLINE, MIXED, UPLOADS):
        stack = make_uploaded(SUCCESS)
        ask(stack, photos=photos)
        steps = stack.hooks.steps
        for number in range(steps.index("begin_attempt")):
            crashed = make_uploaded(SUCCESS)
            crashed.hooks.crash_at = number
            with pytest.raises(Crash):
                ask(crashed, photos=photos)
            crashed.clock.advance(600)

            comparison = ask(crashed, photos=photos, time_s=None)
            finish(crashed)

            assert list(crashed.ledger.comparisons) == [comparison.id]
            assert crashed.comparison(comparison.id).state is State.COMPLETED
            assert len(crashed.provider.calls) == len(crashed.results.sent) == 1
            left = crashed.photos.objects.keys()
            # The repeated request does not look into the inbox again: the notification does.
            assert all(key.startswith("inbox/") for key in left)
            if photos is UPLOADS:
                notify(crashed, *Role)
                assert crashed.photos.objects == {}


# An uploaded pair: the API and the bucket.


@pytest.mark.parametrize("before", [(), (SOURCE,), (SOURCE, TARGET)], ids=len)
@pytest.mark.parametrize("answer", [SUCCESS, REFUSAL], ids=["verdict", "refusal"])
def test_an_uploaded_pair_is_one_comparison_whichever_way_it_came_first(
    before: tuple[Role, ...], answer: Answer
) -> None:
    stack = make_uploaded(answer)
    notify(stack, *before)

    comparison = ask(stack, photos=UPLOADS)
    notify(stack, *[role for role in Role if role not in before])
    finish(stack)
    expire(stack)

    assert (comparison.origin, comparison.caller) == (Origin.UPLOAD, None)
    assert list(stack.ledger.comparisons) == [comparison.id]
    assert len(stack.provider.calls) == len(stack.results.sent) == 1
    assert stack.photos.objects == {}
    assert stack.ledger.waiting == set()


def expire(stack: InMemoryStack) -> None:
    """Let the deadline of every waiting pair pass."""
    stack.clock.advance(3600)
    for due in list(stack.sweeper.find_due_pairs()):
        stack.receiver.expire(*due)


@pytest.mark.parametrize(
    "step", ["find_request", "find_pair", "read", "find", "copy", "register", "delete", "claim"]
)
@pytest.mark.parametrize("before", [(), (SOURCE,)], ids=len)
def test_notifications_during_a_request_make_the_same_comparison(step: str, before: tuple[Role, ...]) -> None:
    stack = make_uploaded(SUCCESS)
    notify(stack, *before)
    rest = [role for role in Role if role not in before]
    stack.hooks.before(step, lambda: notify(stack, *rest))

    comparison = ask(stack, photos=UPLOADS)
    finish(stack)
    expire(stack)

    assert comparison.state is State.COMPLETED
    assert list(stack.ledger.comparisons) == [comparison.id]
    assert len(stack.provider.calls) == 1
    assert stack.photos.objects == {}
    # The key is known, whoever registered the comparison.
    stack.photos.write(KEYS[SOURCE], make_portrait("newer"))
    assert ask(stack, photos=UPLOADS).id == comparison.id


def test_a_request_and_a_notification_that_both_copied_the_photos_make_one_comparison() -> None:
    stack = make_uploaded(SUCCESS)
    notify(stack, SOURCE)
    has_copied, may_register = Event(), Event()

    def stop_before_registering() -> None:
        has_copied.set()
        assert may_register.wait(10)

    notification = Thread(target=notify, args=(stack, TARGET))

    def let_the_notification_copy() -> None:
        notification.start()
        assert has_copied.wait(10)

    # The request saw one photo of the pair; when it registers, the other one has been reported.
    stack.hooks.before("register", let_the_notification_copy, stop_before_registering)
    comparison = ask(stack, photos=UPLOADS)
    may_register.set()
    notification.join(10)
    finish(stack)

    assert comparison.state is State.COMPLETED
    assert list(stack.ledger.comparisons) == [comparison.id]
    assert len(stack.provider.calls) == 1
    assert stack.photos.objects == {}


def test_a_photo_of_a_request_makes_no_incomplete_pair() -> None:
    stack = make_uploaded(SUCCESS)

    ask(stack, photos=MIXED)
    notify(stack, SOURCE)
    finish(stack)
    expire(stack)

    assert len(stack.ledger.comparisons) == len(stack.results.sent) == 1
    assert (stack.ledger.pairs, list(stack.photos.objects)) == ({}, [KEYS[TARGET]])


@pytest.mark.parametrize("key", ["key-1", "key-2", None])
def test_an_uploaded_pair_has_its_verdict_after_its_photos_are_gone(key: str | None) -> None:
    stack = make_uploaded(SUCCESS)
    notify(stack, *Role)
    finish(stack)
    stack.photos.objects.clear()

    first, again = (ask(stack, photos=UPLOADS, idempotency_key=key) for _ in range(2))

    assert first.state is State.COMPLETED
    assert first.id == again.id
    assert len(stack.ledger.requests) == (0 if key is None else 1)


def test_an_uploaded_pair_has_its_verdict_before_its_notifications_come() -> None:
    stack = make_uploaded(SUCCESS)

    ids = {ask(stack, photos=UPLOADS, idempotency_key=key).id for key in ("key-1", "key-2", None)}
    notify(stack, *Role)

    assert set(stack.ledger.comparisons) == ids
    assert len(ids) == len(stack.provider.calls) == 1


@pytest.mark.parametrize("key", ["key-2", None])
def test_other_photos_under_the_keys_of_a_compared_pair_are_compared_before_they_are_reported(
    key: str | None,
) -> None:
    stack = make_uploaded(SUCCESS, make_answer(passed=False, score=1))
    notify(stack, *Role)
    finish(stack)
    for role in Role:
        stack.photos.write(KEYS[role], make_portrait(f"newer {role}"))

    comparison = ask(stack, photos=UPLOADS, idempotency_key=key)
    for role in Role:
        photo = StoredPhoto(key=KEYS[role], etag=make_etag(make_portrait(f"newer {role}")))
        stack.receive(photo, sequencer=5)
    finish(stack)
    expire(stack)

    assert comparison.ending is not None
    assert comparison.ending.verdict.score == 1
    assert stack.provider.calls[-1].source == InlinePicture(make_portrait(f"newer {SOURCE}"))
    assert len(stack.ledger.comparisons) == len(stack.provider.calls) == len(stack.results.sent) == 2
    assert stack.photos.objects == {}


@pytest.mark.parametrize("role", Role)
def test_one_other_photo_under_the_keys_of_a_compared_pair_gets_no_verdict_without_its_counterpart(
    role: Role,
) -> None:
    stack = make_uploaded(SUCCESS)
    notify(stack, *Role)
    finish(stack)
    stack.photos.write(KEYS[role], make_portrait("newer"))

    with pytest.raises(InvalidInputError) as refusal:
        ask(stack, photos=UPLOADS, idempotency_key=None)

    assert refusal.value.code == "photo_not_found"


def test_an_uploaded_pair_that_failed_is_compared_again_when_it_is_sent_again() -> None:
    stack = make_uploaded(REFUSAL, SUCCESS)
    first = ask(stack, photos=UPLOADS, idempotency_key=None)
    stack.publish()
    for role in Role:
        stack.photos.write(KEYS[role], make_portrait(role))

    second = ask(stack, photos=UPLOADS, idempotency_key=None)

    assert (first.state, second.state) == (State.REJECTED, State.COMPLETED)
    assert first.id != second.id


@pytest.mark.parametrize("answer", [SUCCESS, REFUSAL], ids=["verdict", "refusal"])
def test_the_same_photos_sent_again_are_compared_again_only_without_a_verdict(answer: Answer) -> None:
    stack = make_uploaded(answer, SUCCESS)
    notify(stack, *Role)
    finish(stack)
    for role in Role:
        stack.photos.write(KEYS[role], make_portrait(role))

    comparison = ask(stack, photos=UPLOADS, idempotency_key=None)

    assert comparison.state is State.COMPLETED
    assert len(stack.provider.calls) == (1 if answer is SUCCESS else 2)


def test_an_uploaded_pair_sent_again_after_its_erasure_has_its_own_verdict() -> None:
    stack = make_uploaded(SUCCESS, SUCCESS)
    first = ask(stack, photos=UPLOADS)
    stack.eraser.erase(first)
    for role in Role:
        stack.photos.write(KEYS[role], make_portrait(role))

    second = ask(stack, photos=UPLOADS)
    repeated = ask(stack, photos=UPLOADS)

    assert (second.state, repeated.id) == (State.COMPLETED, second.id)
    assert second.id != first.id


@pytest.mark.parametrize("notified", [True, False])
@pytest.mark.parametrize("options", [Options(bounds=Bounds(95)), Options(face_quality_check=True)])
def test_an_uploaded_pair_has_the_options_of_the_stack_whichever_way_came_first(
    options: Options,
    notified: bool,  # noqa: FBT001 - a row
) -> None:
    stack = make_uploaded()
    notify(stack, *(Role if notified else ()))

    with pytest.raises(ConflictError) as conflict:
        ask(stack, photos=UPLOADS, options=options)

    assert conflict.value.code == "options_differ"


@pytest.mark.parametrize(
    "photos",
    [
        {SOURCE: UPLOADS[TARGET], TARGET: UPLOADS[SOURCE]},
        {SOURCE: UPLOADS[SOURCE], TARGET: UploadedPhoto("inbox/singapore/pair-2/target.jpg")},
        MIXED,
        {SOURCE: UPLOADS[SOURCE], TARGET: UPLOADS[SOURCE]},
    ],
    ids=["swapped", "of two pairs", "one inline", "one twice"],
)
def test_uploads_that_are_not_one_pair_are_a_comparison_of_their_caller(
    photos: dict[Role, PhotoInput],
) -> None:
    stack = make_uploaded(SUCCESS)
    stack.photos.objects["inbox/singapore/pair-2/target.jpg"] = make_portrait("pair-2")

    comparison = ask(stack, photos=photos)

    assert (comparison.origin, comparison.caller, comparison.state) == (Origin.API, CALLER, State.COMPLETED)
    assert not any(photo.key.startswith("inbox/") for photo in comparison.photos.values())


def upload_mine(stack: InMemoryStack, caller: str = CALLER) -> dict[Role, PhotoInput]:
    """Put a pair where the caller's upload forms lead; return it as the photos of a request."""
    keys = {role: make_inbox_key("singapore", "pair-1", role, "jpg", caller) for role in Role}
    for role, key in keys.items():
        stack.photos.write(key, make_portrait(f"{caller} {role}"))
    return {role: UploadedPhoto(key) for role, key in keys.items()}


@pytest.mark.parametrize("bucket_first", [True, False])
def test_a_pair_uploaded_by_forms_is_its_callers_whichever_way_came_first(
    bucket_first: bool,  # noqa: FBT001 - a row
) -> None:
    stack = make_stack(SUCCESS)
    photos = upload_mine(stack)
    keys = [make_inbox_key("singapore", "pair-1", role, "jpg", CALLER) for role in Role]
    if bucket_first:
        for key in keys:
            stack.notify(key)

    ask(stack, caller=ME, photos=photos)

    (comparison,) = stack.ledger.comparisons.values()
    assert (comparison.caller, comparison.pair_id, comparison.origin) == (CALLER, "pair-1", Origin.UPLOAD)
    assert stack.requester.find(comparison.id, ME) == comparison
    with pytest.raises(NotFoundError):
        stack.requester.find(comparison.id, STRANGER)


def test_pairs_of_one_name_are_each_callers_own_and_apart_from_the_buckets() -> None:
    stack = make_stack(SUCCESS, SUCCESS)
    of_the_bucket = stack.upload_pair()
    mine = ask(stack, caller=ME, photos=upload_mine(stack))
    theirs = ask(stack, caller=STRANGER, photos=upload_mine(stack, STRANGER.arn))

    stack.eraser.erase(mine)

    assert len({of_the_bucket, mine.id, theirs.id}) == 3
    assert len(stack.photos.objects) == 4


# What is refused.


def refuse(stack: InMemoryStack, **changes: Any) -> InvalidInputError:
    """Return why a request is refused, and check that it left no trace."""
    objects = dict(stack.photos.objects)
    with pytest.raises(InvalidInputError) as refusal:
        ask(stack, **changes)
    assert stack.ledger.comparisons == {}
    assert stack.photos.objects == objects
    assert stack.queues.sent == []
    return refusal.value


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"region": "mars"}, "unknown_region", "region"),
        ({"region": "malaysia"}, "region_not_allowed", "region"),
        ({"region": None}, "region_required", "region"),
        ({"pair_id": "x" * 500}, "invalid_pair_id", "pair_id"),
        ({"pair_id": ""}, "invalid_pair_id", "pair_id"),
        ({"photos": UPLOADS}, "photo_not_found", "source.upload_key"),
        ({"photos": INLINE | {TARGET: UPLOADS[TARGET]}}, "photo_not_found", "target.upload_key"),
        (
            {"photos": INLINE | {TARGET: UploadedPhoto("comparisons/x/source-0")}},
            "invalid_upload_key",
            "target.upload_key",
        ),
        (
            {"photos": UPLOADS | {TARGET: UploadedPhoto("inbox/indonesia/pair-1/target.jpg")}},
            "region_mismatch",
            "region",
        ),
        ({"photos": UPLOADS, "region": "indonesia"}, "region_mismatch", "region"),
        (
            {"photos": INLINE | {SOURCE: LinkedPhoto("http://169.254.169.254/")}},
            "forbidden_url",
            "source.url",
        ),
        ({"photos": INLINE | {TARGET: InlinePhoto(b"not an image")}}, "not_an_image", "target"),
        ({"photos": INLINE | {SOURCE: InlinePhoto(make_portrait(width=239))}}, "too_small", "source"),
    ],
)
def test_a_request_that_cannot_be_used_names_what_is_wrong_and_leaves_no_trace(
    change: dict[str, Any], code: str, field: str
) -> None:
    stack = make_stack(regions=make_policy(Region.SINGAPORE, Region.INDONESIA))

    refusal = refuse(stack, **({"region": "singapore"} | change))

    assert (refusal.code, refusal.field) == (code, field)
    assert isinstance(refusal, RejectedPhotoError) is (field in set(Role))


@pytest.mark.parametrize(("photos", "step"), [(MIXED, "read"), (MIXED, "copy"), (UPLOADS, "read")])
def test_an_upload_that_is_deleted_during_the_request_is_not_there(
    photos: dict[Role, PhotoInput], step: str
) -> None:
    stack = make_uploaded()
    stack.hooks.before(step, stack.photos.objects.clear)

    with pytest.raises(InvalidInputError) as refusal:
        ask(stack, photos=photos)

    assert (refusal.value.code, refusal.value.field) == ("photo_not_found", "source.upload_key")
    assert (stack.ledger.comparisons, stack.photos.objects) == ({}, {})


def test_an_uploaded_pair_that_is_deleted_while_it_is_registered_is_not_found() -> None:
    stack = make_uploaded()
    stack.hooks.before("copy", stack.photos.objects.clear)

    with pytest.raises(InvalidInputError) as refused:
        ask(stack, photos=UPLOADS)

    assert refused.value.code == "photo_not_found"
    assert stack.ledger.comparisons == {}
    assert stack.photos.objects == {}


@pytest.mark.parametrize("step", ["read", "copy"])
@pytest.mark.parametrize("photos", [MIXED, UPLOADS], ids=["mixed", "uploaded"])
def test_an_upload_that_is_replaced_during_the_request_is_compared_as_it_is_now(
    photos: dict[Role, PhotoInput], step: str
) -> None:
    stack = make_uploaded(SUCCESS)
    newer = make_portrait("newer")
    stack.hooks.before(step, lambda: stack.photos.write(KEYS[SOURCE], newer))

    comparison = ask(stack, photos=photos)

    assert [call.source for call in stack.provider.calls] == [InlinePicture(newer)]
    owned = {photo.key for photo in comparison.photos.values()}
    assert {key for key in stack.photos.objects if key.startswith("comparisons/")} == owned


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("owner", [None, STRANGER.arn], ids=["the bucket's", "another's"])
def test_an_upload_of_another_caller_is_refused_whether_it_is_there_or_not(
    owner: str | None, role: Role
) -> None:
    stack = make_stack()
    key = make_inbox_key("singapore", "pair-1", role, "jpg", owner)
    photos = INLINE | {role: UploadedPhoto(key)}

    missing = refuse(stack, caller=ME, photos=photos)
    stack.photos.objects[key] = make_portrait()
    present = refuse(stack, caller=ME, photos=photos)

    assert (present.code, present.field) == ("foreign_upload_key", f"{role}.upload_key")
    assert str(missing) == str(present)


def test_an_upload_key_names_the_region() -> None:
    stack = make_stack(SUCCESS)
    key = "inbox/hong-kong/pair-1/source.jpg"
    stack.photos.write(key, make_portrait())

    assert ask(stack, photos=INLINE | {SOURCE: UploadedPhoto(key)}).region == "hong-kong"


# Who sees what, and erasure.


def test_a_comparison_is_seen_by_its_caller_and_by_administrators() -> None:
    stack = make_stack()
    comparison = stack.comparison(ask(stack, caller=ME, time_s=None).id)
    of_the_bucket = stack.comparison(stack.upload_pair())

    assert stack.requester.find(comparison.id, ME) == comparison
    assert stack.requester.find(of_the_bucket.id, ADMINISTRATOR) == of_the_bucket
    for comparison_id, caller in (
        (comparison.id, STRANGER),
        (of_the_bucket.id, ME),
        ("unknown", ADMINISTRATOR),
    ):
        with pytest.raises(NotFoundError):
            stack.requester.find(comparison_id, caller)


def test_an_erased_comparison_is_known_as_erased_and_says_nothing_else() -> None:
    stack = make_stack(SUCCESS)
    comparison = ask(stack, caller=ME, pair_id="passport-123")
    stack.eraser.erase(comparison)

    tombstone = stack.requester.find(comparison.id, STRANGER)

    assert tombstone.state is State.ERASED
    assert (tombstone.caller, tombstone.pair_id, tombstone.photos) == (None, None, {})
    assert "passport-123" not in repr(tombstone)


@pytest.mark.parametrize("photos", [INLINE, MIXED], ids=["inline", "mixed"])
def test_a_request_repeated_after_its_erasure_is_answered_as_erased(photos: dict[Role, PhotoInput]) -> None:
    stack = make_uploaded(SUCCESS)
    comparison = ask(stack, photos=photos)
    stack.eraser.erase(comparison)

    assert ask(stack, photos=photos).state is State.ERASED
    assert (stack.ledger.requests, len(stack.provider.calls)) == ({}, 1)


@pytest.mark.parametrize("step", ["find_request", "write", "register"])
def test_what_a_repeated_request_stores_during_an_erasure_is_not_kept(step: str) -> None:
    stack = make_stack()
    comparison = ask(stack, time_s=None)
    stack.ledger.requests.clear()
    stack.ledger.comparisons.pop(comparison.id)
    stack.photos.objects.clear()

    def be_erased() -> None:
        stack.ledger.register(comparison)
        stack.eraser.erase(comparison)

    stack.hooks.before(step, be_erased)

    assert ask(stack, time_s=None).state is State.ERASED
    assert stack.photos.objects == {}


@pytest.mark.parametrize("act", ["erased", "overtaken"])
def test_a_request_that_loses_its_comparison_is_answered_with_its_state(act: str) -> None:
    stack = make_stack()

    def lose() -> None:
        (comparison,) = stack.ledger.comparisons.values()
        if act == "erased":
            stack.eraser.erase(comparison)
        else:
            stack.clock.advance(3600)
            now_ms = stack.clock.now_ms()
            stack.ledger.claim(comparison.id, "worker", now_ms=now_ms, until_ms=now_ms + 40_000)

    stack.hooks.before("begin_attempt", lose)

    assert ask(stack).state is (State.ERASED if act == "erased" else State.REGISTERED)
    assert stack.provider.calls == []


def test_a_comparison_that_ends_before_the_request_claims_it_is_answered_with_its_verdict() -> None:
    stack = make_stack(SUCCESS)
    stack.hooks.before("claim", stack.work)

    assert ask(stack).state is State.COMPLETED
    assert len(stack.provider.calls) == 1


def test_what_was_erased_is_not_compared_from_the_queue() -> None:
    stack = make_stack()
    comparison = ask(stack, time_s=None)
    stack.eraser.erase(comparison)

    stack.work()

    assert stack.provider.calls == []
