from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from facematch.domain.comparison import Comparison, Ending, Options, Origin, State
from facematch.domain.errors import (
    AlreadyEndedError,
    CircuitOpenError,
    ConflictError,
    InvalidInputError,
    NotFoundError,
    RejectedPhotoError,
)
from facematch.domain.inbox import make_inbox_key
from facematch.domain.provider import Answer, Call, InlinePicture
from facematch.domain.quota import INTERACTIVE_HORIZON_S, LEAD_S
from facematch.domain.regions import Region
from facematch.domain.verdict import Bounds, Role
from facematch.use_cases.collect_photos import InlinePhoto, LinkedPhoto, PhotoInput, UploadedPhoto
from facematch.use_cases.compare_pair import Effort
from facematch.use_cases.request_comparison import RESCUE_DELAY_S, Caller, ComparisonRequest
from tests.factories import CALLER, make_answer, make_policy, make_portrait, make_verdict
from tests.fakes.clock import START_MS
from tests.fakes.interludes import Crash, crash, pass_by
from tests.fakes.world import World, make_world

SOURCE, TARGET = Role.SOURCE, Role.TARGET
ME, STRANGER = Caller(CALLER), Caller("arn:aws:iam::000000000000:user/another")
ADMINISTRATOR = Caller(CALLER, is_administrator=True)
EFFORT = Effort(INTERACTIVE_HORIZON_S, 10.0)
SUCCESS = make_answer()
UPLOADS: dict[Role, PhotoInput] = {role: UploadedPhoto(f"inbox/singapore/pair-1/{role}.jpg") for role in Role}
INLINE: dict[Role, PhotoInput] = {role: InlinePhoto(make_portrait(role)) for role in Role}


def make_request(**changes: Any) -> ComparisonRequest:
    """Make a request of one who may also ask for the pairs of the bucket."""
    fields: dict[str, Any] = {
        "caller": ADMINISTRATOR,
        "photos": INLINE,
        "options": Options(),
        "idempotency_key": "key-1",
    }
    return ComparisonRequest(**(fields | changes))


FIND_OR_ERASE = pytest.mark.parametrize(
    "act", [lambda desk: desk.find, lambda desk: desk.erase], ids=["find", "erase"]
)


def run_queue(world: World) -> None:
    """Have a worker take everything that is on the queue, what has ended included."""
    waiting, world.comparisons.sent = world.comparisons.sent, []
    for comparison_id, _ in waiting:
        with suppress(AlreadyEndedError):
            world.compare(comparison_id)


# Now.


def test_a_comparison_asked_for_now_is_answered_with_its_verdict() -> None:
    world = make_world(SUCCESS)

    comparison = world.desk.submit(make_request(pair_id="order 7"), EFFORT)

    assert comparison.state is State.COMPLETED
    assert comparison.ending is not None
    assert comparison.ending.verdict.score == SUCCESS.score
    assert (comparison.origin, comparison.caller, comparison.pair_id) == (Origin.API, CALLER, "order 7")
    assert world.provider.calls[0].source == InlinePicture(make_portrait(SOURCE))


def test_photos_at_hand_are_stored_for_a_worker_but_not_read_back() -> None:
    world = make_world(SUCCESS)

    comparison = world.desk.submit(make_request(), EFFORT)

    stored = {photo.key for photo in comparison.photos.values()}
    assert world.photos.objects.keys() == stored
    assert all(key.startswith(f"requests/{comparison.id}/") for key in stored)
    assert world.photos.reads == []


def test_a_worker_looks_later_in_case_the_function_dies() -> None:
    world = make_world(SUCCESS)

    comparison = world.desk.submit(make_request(), EFFORT)

    assert world.comparisons.sent == [(comparison.id, RESCUE_DELAY_S)]


def test_a_request_whose_function_dies_in_its_call_is_finished_by_a_worker() -> None:
    world = make_world()

    def die(_: Call) -> Answer:
        raise Crash

    world.provider.follow(die, SUCCESS)
    with pytest.raises(Crash):
        world.desk.submit(make_request(), EFFORT)

    run_queue(world)

    (comparison,) = world.ledger.comparisons.values()
    assert comparison.state is State.COMPLETED


def test_the_options_of_a_request_are_those_of_its_comparison() -> None:
    world = make_world(make_answer(score=50))
    options = Options(bounds=Bounds(80, 40), face_quality_check=True)

    comparison = world.desk.submit(make_request(options=options), EFFORT)

    assert comparison.options == options
    assert comparison.ending is not None
    assert comparison.ending.verdict.reason == "between_bounds"
    assert world.provider.calls[0].face_quality_check


@pytest.mark.parametrize("region", Region)
def test_a_request_goes_to_the_region_that_it_names(region: Region) -> None:
    world = make_world(SUCCESS)

    world.desk.submit(make_request(region=region.value), EFFORT)

    assert world.provider.calls[0].region is region


# Later.


def test_a_comparison_asked_for_later_is_registered_and_enqueued() -> None:
    world = make_world()

    comparison = world.desk.submit(make_request(), None)

    assert comparison.state is State.REGISTERED
    assert world.comparisons.sent == [(comparison.id, 0)]
    assert world.provider.calls == []


def test_a_worker_finds_everything_it_needs() -> None:
    world = make_world(SUCCESS)
    photos = {SOURCE: InlinePhoto(make_portrait()), TARGET: LinkedPhoto("https://photos.com/a.jpg")}
    comparison = world.desk.submit(make_request(photos=photos), None)

    run_queue(world)

    assert world.desk.find(comparison.id, ADMINISTRATOR).state is State.COMPLETED


def test_without_a_slot_in_time_the_comparison_goes_on_from_the_queue() -> None:
    world = make_world()
    world.quota.hold_back(Region.SINGAPORE, until_ms=START_MS + 60_000)

    comparison = world.desk.submit(make_request(), EFFORT)

    assert comparison.state is State.REGISTERED
    assert world.comparisons.sent == [(comparison.id, RESCUE_DELAY_S), (comparison.id, pytest.approx(57.5))]
    assert world.clock.now_ms() - START_MS <= 10_000
    assert world.ledger.leases == {}


def test_an_operators_fault_is_left_to_the_queue() -> None:
    world = make_world(make_answer("Forbidden.AccountAccessDenied", http_status=403))

    comparison = world.desk.submit(make_request(), EFFORT)

    assert comparison.state is State.REGISTERED
    assert world.comparisons.sent == [(comparison.id, RESCUE_DELAY_S)]


def test_a_request_does_not_outlast_its_time_but_for_its_last_call() -> None:
    world = make_world(*[make_answer("InternalError", http_status=500)] * 4, latency_s=4.0)

    comparison = world.desk.submit(make_request(), EFFORT)

    assert comparison.state is State.REGISTERED
    assert world.clock.now_ms() - START_MS <= 14_000


# The same request again.


def test_a_request_repeated_after_its_verdict_gets_that_verdict_and_costs_nothing() -> None:
    world = make_world(SUCCESS)
    first = world.desk.submit(make_request(), EFFORT)
    world.publisher.publish(first.id)
    world.comparisons.sent.clear()

    second = world.desk.submit(make_request(), EFFORT)

    assert second == world.comparison(first.id)
    assert len(world.provider.calls) == 1
    assert world.comparisons.sent == []
    assert world.photos.objects == {}


def test_a_request_repeated_before_its_verdict_is_the_same_comparison() -> None:
    world = make_world()

    first, second = (world.desk.submit(make_request(), None) for _ in range(2))

    assert first == second
    assert len(world.ledger.comparisons) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"photos": INLINE | {SOURCE: InlinePhoto(make_portrait("another"))}},
        {"photos": INLINE | {TARGET: LinkedPhoto("https://photos.com/a.jpg")}},
        {"photos": {SOURCE: INLINE[TARGET], TARGET: INLINE[SOURCE]}},
        {"region": "malaysia"},
        {"pair_id": "another"},
        {"options": Options(bounds=Bounds(80, 40))},
        {"options": Options(face_quality_check=True)},
    ],
    ids=["photo", "url", "swapped", "region", "pair id", "bounds", "quality"],
)
def test_a_key_that_comes_with_another_body_is_a_conflict_and_costs_nothing(change: dict[str, Any]) -> None:
    world = make_world(SUCCESS)
    world.desk.submit(make_request(), EFFORT)
    written = len(world.photos.writes)

    with pytest.raises(ConflictError) as conflict:
        world.desk.submit(make_request(**change), EFFORT)

    assert conflict.value.code == "idempotency_key_reused"
    assert len(world.provider.calls) == 1
    assert len(world.photos.writes) == written


def test_an_uploaded_pair_that_was_registered_with_other_bounds_is_a_conflict_not_a_wrong_verdict() -> None:
    world = make_world(SUCCESS)
    world.compare(world.upload_pair())
    options = Options(bounds=Bounds(match_from=95), face_quality_check=True)

    with pytest.raises(ConflictError) as conflict:
        world.desk.submit(make_request(photos=UPLOADS, options=options), EFFORT)

    assert conflict.value.code == "options_differ"
    assert len(world.provider.calls) == 1


def test_a_key_whose_first_body_the_ledger_forgot_is_still_not_answered_with_another_pair() -> None:
    world = make_world(SUCCESS)
    world.desk.submit(make_request(), EFFORT)
    world.ledger.requests.clear()

    with pytest.raises(ConflictError):
        world.desk.submit(make_request(pair_id="another"), EFFORT)


def test_what_preparing_the_photos_took_is_in_the_time_of_the_comparison() -> None:
    world = make_world(SUCCESS)

    comparison = world.desk.submit(make_request(), EFFORT)

    assert comparison.ending is not None
    assert "prepare" in comparison.ending.timings_ms


@pytest.mark.parametrize("uploads_first", [True, False])
def test_a_key_that_comes_with_an_uploaded_pair_instead_is_a_conflict_too(
    uploads_first: bool,  # noqa: FBT001 - a row
) -> None:
    world = make_world(SUCCESS, SUCCESS)
    for role in Role:
        world.photos.write(f"inbox/singapore/pair-1/{role}.jpg", make_portrait(f"uploaded {role}"))
    requests = [make_request(photos=UPLOADS), make_request(photos=INLINE)]
    first, second = requests if uploads_first else reversed(requests)
    world.desk.submit(first, EFFORT)

    with pytest.raises(ConflictError):
        world.desk.submit(second, EFFORT)

    assert len(world.provider.calls) == 1


def test_the_same_key_of_another_caller_is_another_comparison() -> None:
    world = make_world()

    first = world.desk.submit(make_request(), None)
    second = world.desk.submit(make_request(caller=STRANGER), None)

    assert first.id != second.id


def test_without_a_key_each_request_is_its_own_comparison() -> None:
    world = make_world()

    ids = {world.desk.submit(make_request(idempotency_key=None), None).id for _ in range(3)}

    assert len(ids) == 3


def test_the_same_request_twice_at_once_is_one_comparison_and_one_answer() -> None:
    world = make_world()
    repeated: list[Comparison] = []

    def come_again(_: Call) -> Answer:
        # While the first is in its call the second finds the lease held, and polls until its time is over.
        repeated.append(world.desk.submit(make_request(), EFFORT))
        return SUCCESS

    world.provider.follow(come_again)
    first = world.desk.submit(make_request(), EFFORT)

    assert first.state is State.COMPLETED
    assert repeated[0].id == first.id
    assert repeated[0].state is State.REGISTERED
    assert world.clock.now_ms() - START_MS == 10_000 + round(LEAD_S * 1000)
    assert len(world.provider.calls) == 1


def test_a_request_that_ends_while_its_repetition_is_checked_is_not_stored_again() -> None:
    world = make_world(SUCCESS)
    world.desk.submit(make_request(), None)
    writes, sent = len(world.photos.writes), len(world.comparisons.sent)
    world.ledger.interludes.before("register", lambda: run_queue(world))

    repeated = world.desk.submit(make_request(), EFFORT)

    assert repeated.state is State.COMPLETED
    assert len(world.photos.writes) == writes
    assert len(world.comparisons.sent) == sent - 1


def test_who_finds_another_at_it_polls_and_shares_the_verdict() -> None:
    world = make_world()
    comparison_id = world.desk.submit(make_request(), None).id
    world.ledger.claim(comparison_id, "worker", now_ms=START_MS, until_ms=START_MS + 40_000)
    ending = Ending(verdict=make_verdict(), ended_at_ms=START_MS)
    world.ledger.interludes.before(
        "claim", pass_by, pass_by, pass_by, lambda: world.ledger.end(comparison_id, ending, None)
    )

    comparison = world.desk.submit(make_request(), EFFORT)

    assert (comparison.state, comparison.ending) == (State.COMPLETED, ending)
    assert world.clock.now_ms() == START_MS + 600
    assert world.provider.calls == []


def test_who_finds_a_dead_workers_lease_takes_over_when_it_ends() -> None:
    world = make_world(SUCCESS)
    comparison_id = world.desk.submit(make_request(), None).id
    world.ledger.claim(comparison_id, "dead", now_ms=START_MS, until_ms=START_MS + 5000)

    comparison = world.desk.submit(make_request(), EFFORT)

    assert comparison.state is State.COMPLETED
    assert world.provider.called_at_ms == [START_MS + 5000 + round(LEAD_S * 1000)]


def test_the_time_spent_on_another_workers_lease_is_not_given_twice() -> None:
    world = make_world()
    comparison_id = world.desk.submit(make_request(), None).id
    world.ledger.claim(comparison_id, "dead", now_ms=START_MS, until_ms=START_MS + 5000)
    world.quota.hold_back(Region.SINGAPORE, until_ms=START_MS + 12_000)

    comparison = world.desk.submit(make_request(), EFFORT)

    assert comparison.state is State.REGISTERED
    assert world.clock.now_ms() <= START_MS + 10_000


def test_who_dies_between_registering_and_storing_is_made_up_for_by_the_repeated_request() -> None:
    world = make_world(SUCCESS)
    world.ledger.interludes.before("claim", crash)
    with pytest.raises(Crash):
        world.desk.submit(make_request(), EFFORT)
    world.photos.objects.clear()
    world.comparisons.sent.clear()

    world.desk.submit(make_request(), None)
    run_queue(world)

    (comparison,) = world.ledger.comparisons.values()
    assert comparison.state is State.COMPLETED


def test_a_request_that_loses_its_lease_is_answered_as_its_comparison_stands() -> None:
    world = make_world()

    def take_over() -> None:
        world.clock.advance(3600)
        (comparison_id,) = world.ledger.comparisons
        now_ms = world.clock.now_ms()
        world.ledger.claim(comparison_id, "worker", now_ms=now_ms, until_ms=now_ms + 40_000)

    world.ledger.interludes.before("begin_attempt", take_over)

    assert world.desk.submit(make_request(), EFFORT).state is State.REGISTERED
    assert world.provider.calls == []


def test_a_request_erased_while_it_waits_for_its_slot_is_answered_as_erased() -> None:
    world = make_world()

    def be_erased() -> None:
        (comparison_id,) = world.ledger.comparisons
        world.desk.erase(comparison_id, ADMINISTRATOR)

    world.ledger.interludes.before("begin_attempt", be_erased)

    assert world.desk.submit(make_request(), EFFORT).state is State.ERASED
    assert world.provider.calls == []


# Photos in the inbox.


def test_an_uploaded_pair_is_one_comparison_whether_the_bucket_or_the_api_is_first() -> None:
    world = make_world(SUCCESS)
    from_bucket = world.upload_pair()

    from_api = world.desk.submit(make_request(photos=UPLOADS), EFFORT)

    assert from_api.id == from_bucket
    assert (from_api.origin, from_api.caller, from_api.state) == (Origin.UPLOAD, None, State.COMPLETED)
    world.comparisons.sent.clear()
    assert world.tell("inbox/singapore/pair-1/target.jpg") == from_bucket
    assert world.comparisons.sent == []
    assert len(world.provider.calls) == 1


def test_an_uploaded_pair_that_the_api_compared_first_is_not_compared_by_the_buckets_events() -> None:
    world = make_world(SUCCESS)
    for role in Role:
        world.photos.write(f"inbox/singapore/pair-1/{role}.jpg", make_portrait(role))
    from_api = world.desk.submit(make_request(photos=UPLOADS), EFFORT)

    assert world.upload_pair() == from_api.id

    assert from_api.caller is None
    assert world.desk.find(from_api.id, ADMINISTRATOR) == from_api
    assert len(world.ledger.comparisons) == 1
    assert len(world.provider.calls) == 1


def test_an_uploaded_pair_that_was_compared_and_discarded_is_still_answered_for() -> None:
    world = make_world(SUCCESS, deletes_uploads=True)
    comparison_id = world.upload_pair()
    world.compare(comparison_id)
    world.publisher.publish(comparison_id)

    comparison = world.desk.submit(make_request(photos=UPLOADS), EFFORT)

    assert (comparison.id, comparison.state) == (comparison_id, State.COMPLETED)
    assert len(world.provider.calls) == 1


def test_a_request_with_an_uploaded_photo_is_repeated_in_peace_after_that_has_gone() -> None:
    world = make_world(SUCCESS)
    world.upload(SOURCE)
    request = make_request(photos=INLINE | {SOURCE: UPLOADS[SOURCE]})
    first = world.desk.submit(request, EFFORT)
    world.photos.objects.clear()

    second = world.desk.submit(request, EFFORT)

    assert (second.id, second.state) == (first.id, State.COMPLETED)
    assert len(world.provider.calls) == 1


@pytest.mark.parametrize(
    "photos",
    [
        {SOURCE: UPLOADS[TARGET], TARGET: UPLOADS[SOURCE]},
        {SOURCE: UPLOADS[SOURCE], TARGET: UploadedPhoto("inbox/singapore/pair-2/target.jpg")},
        {SOURCE: UPLOADS[SOURCE], TARGET: INLINE[TARGET]},
        {SOURCE: UPLOADS[SOURCE], TARGET: UPLOADS[SOURCE]},
    ],
    ids=["swapped", "of two pairs", "one inline", "one twice"],
)
def test_photos_that_are_not_one_pair_of_the_inbox_are_a_comparison_of_their_own(
    photos: dict[Role, PhotoInput],
) -> None:
    world = make_world(SUCCESS)
    of_the_bucket = {world.upload_pair(), world.upload_pair(pair_id="pair-2")}

    comparison = world.desk.submit(make_request(photos=photos), EFFORT)

    assert comparison.id not in of_the_bucket
    assert (comparison.origin, comparison.caller) == (Origin.API, CALLER)


def test_photos_that_were_replaced_since_are_compared_as_they_were_registered_or_not_at_all() -> None:
    world = make_world(SUCCESS)
    request = make_request(photos=INLINE | {SOURCE: UPLOADS[SOURCE]})
    world.upload(SOURCE)
    registered = world.desk.submit(request, None)
    world.upload(SOURCE, make_portrait("newer"))

    comparison = world.desk.submit(request, EFFORT)

    assert comparison.id == registered.id
    sent = [call.source for call in world.provider.calls]
    assert InlinePicture(make_portrait("newer")) not in sent


# What is refused.


def refuse(world: World, request: ComparisonRequest) -> InvalidInputError:
    """Return the refusal of a request, and see that it left no trace."""
    with pytest.raises(InvalidInputError) as refusal:
        world.desk.submit(request, EFFORT)
    assert world.ledger.comparisons == {}
    assert world.photos.writes == []
    assert world.comparisons.sent == []
    assert world.provider.calls == []
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
        (
            {"photos": INLINE | {TARGET: UploadedPhoto("photo.jpg")}},
            "invalid_upload_key",
            "target.upload_key",
        ),
        (
            {"photos": INLINE | {TARGET: UploadedPhoto("requests/x/source-0")}},
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
            {
                "photos": {role: UploadedPhoto(f"inbox/malaysia/pair-1/{role}.jpg") for role in Role},
                "region": None,
            },
            "region_not_allowed",
            "region",
        ),
        (
            {"photos": INLINE | {SOURCE: LinkedPhoto("http://169.254.169.254/")}},
            "forbidden_url",
            "source.url",
        ),
        ({"photos": INLINE | {SOURCE: LinkedPhoto("ftp://photos.com/")}}, "invalid_url", "source.url"),
        ({"photos": INLINE | {TARGET: InlinePhoto(b"")}}, "empty", "target"),
        ({"photos": INLINE | {TARGET: InlinePhoto(b"not an image")}}, "not_an_image", "target"),
        ({"photos": INLINE | {SOURCE: InlinePhoto(make_portrait(width=479))}}, "too_small", "source"),
    ],
    ids=[
        "unknown region",
        "region not allowed",
        "no region",
        "long pair id",
        "empty pair id",
        "upload that is not there",
        "key outside the inbox",
        "key of a request",
        "keys of two regions",
        "keys of another region",
        "keys of a region not allowed",
        "private URL",
        "other scheme",
        "empty photo",
        "no photo",
        "small photo",
    ],
)
def test_a_request_that_can_not_be_worked_with_names_what_is_wrong_and_leaves_no_trace(
    change: dict[str, Any], code: str, field: str
) -> None:
    world = make_world(regions=make_policy(Region.SINGAPORE, Region.INDONESIA))

    refusal = refuse(world, make_request(**({"region": "singapore"} | change)))

    assert (refusal.code, refusal.field) == (code, field)


def test_an_uploaded_pair_whose_name_the_inbox_does_not_take_is_refused_as_there() -> None:
    world = make_world()
    photos = {role: UploadedPhoto(f"inbox/singapore/{'x' * 129}/{role}.jpg") for role in Role}
    for role, photo in photos.items():
        world.photos.objects[photo.key] = make_portrait(role)

    assert refuse(world, make_request(photos=photos)).code == "invalid_pair_id"


def test_a_rejected_photo_is_told_from_other_faults() -> None:
    refusal = refuse(make_world(), make_request(photos=INLINE | {TARGET: InlinePhoto(b"")}))

    assert isinstance(refusal, RejectedPhotoError)


def test_the_key_of_an_uploaded_photo_gives_its_region() -> None:
    world = make_world(SUCCESS)
    key = "inbox/hong-kong/pair-1/source.jpg"
    world.photos.write(key, make_portrait())

    comparison = world.desk.submit(make_request(photos=INLINE | {SOURCE: UploadedPhoto(key)}), EFFORT)

    assert comparison.region == "hong-kong"
    assert world.provider.calls[0].region is Region.HONG_KONG


# Finding and erasing.


def test_a_caller_finds_and_erases_its_own_comparison() -> None:
    world = make_world()
    comparison = world.desk.submit(make_request(caller=ME), None)

    assert comparison.caller == CALLER
    assert world.desk.find(comparison.id, ME) == comparison
    world.desk.erase(comparison.id, ME)
    assert world.photos.objects == {}


@FIND_OR_ERASE
def test_another_callers_comparison_is_not_there_and_stays_as_it_is(act: Callable[..., Any]) -> None:
    world = make_world()
    comparison = world.desk.submit(make_request(caller=ME), None)

    with pytest.raises(NotFoundError) as refusal:
        act(world.desk)(comparison.id, STRANGER)

    assert refusal.value.code == "comparison_not_found"
    assert world.comparison(comparison.id) == comparison
    assert len(world.photos.objects) == 2


@FIND_OR_ERASE
def test_a_comparison_that_came_through_the_bucket_is_no_callers(act: Callable[..., Any]) -> None:
    world = make_world()
    comparison_id = world.upload_pair()

    with pytest.raises(NotFoundError):
        act(world.desk)(comparison_id, ME)

    assert world.comparison(comparison_id).state is State.REGISTERED
    assert len(world.photos.objects) == 2


def test_an_administrator_finds_and_erases_what_is_anothers_and_what_is_nobodys() -> None:
    world = make_world()
    theirs = world.desk.submit(make_request(caller=STRANGER), None)
    ids = [theirs.id, world.upload_pair()]

    for comparison_id in ids:
        assert world.desk.find(comparison_id, ADMINISTRATOR).id == comparison_id
        world.desk.erase(comparison_id, ADMINISTRATOR)

    assert {world.comparison(comparison_id).state for comparison_id in ids} == {State.ERASED}


def test_what_was_erased_is_known_as_erased_to_whoever_has_its_id_and_says_nothing_else() -> None:
    world = make_world(SUCCESS)
    comparison = world.desk.submit(make_request(caller=ME, pair_id="passport-123"), EFFORT)
    world.desk.erase(comparison.id, ME)
    tombstone = world.comparison(comparison.id)

    assert world.desk.find(comparison.id, STRANGER) == tombstone
    world.desk.erase(comparison.id, STRANGER)

    assert world.comparison(comparison.id) == tombstone
    assert (tombstone.caller, tombstone.pair_id, tombstone.photos) == (None, None, {})


def upload_my_pair(world: World, caller: str = CALLER, pair_id: str = "pair-1") -> dict[Role, PhotoInput]:
    """Put a pair where its caller's tickets lead, as yet without events; return it as a request's photos."""
    keys = {role: make_inbox_key("singapore", pair_id, role, "jpg", caller) for role in Role}
    for role, key in keys.items():
        world.photos.write(key, make_portrait(f"{caller} {role}"))
    return {role: UploadedPhoto(key) for role, key in keys.items()}


@pytest.mark.parametrize("bucket_first", [True, False])
def test_a_pair_that_was_uploaded_by_tickets_is_its_callers_whichever_way_came_first(
    bucket_first: bool,  # noqa: FBT001 - a row
) -> None:
    world = make_world(SUCCESS)
    photos = upload_my_pair(world)
    ways: list[Callable[[], object]] = [
        lambda: [world.tell(make_inbox_key("singapore", "pair-1", role, "jpg", CALLER)) for role in Role],
        lambda: world.desk.submit(make_request(caller=ME, photos=photos), EFFORT),
    ]
    for way in ways if bucket_first else reversed(ways):
        way()

    (comparison,) = world.ledger.comparisons.values()
    assert (comparison.caller, comparison.pair_id, comparison.origin) == (CALLER, "pair-1", Origin.UPLOAD)
    assert world.desk.find(comparison.id, ME) == comparison
    with pytest.raises(NotFoundError):
        world.desk.find(comparison.id, STRANGER)
    assert len(world.provider.calls) == 1


def test_half_a_pair_that_was_uploaded_by_a_ticket_ends_as_its_callers() -> None:
    world = make_world()
    upload_my_pair(world)
    world.tell(make_inbox_key("singapore", "pair-1", SOURCE, "jpg", CALLER))
    (region, folder, _) = world.deadlines.sent[0]
    world.clock.advance(601)

    comparison_id = world.intake.expire(region, folder)

    assert comparison_id is not None
    comparison = world.desk.find(comparison_id, ME)
    assert (comparison.pair_id, comparison.state) == ("pair-1", State.FAILED)


def test_pairs_of_one_name_are_each_callers_own_and_apart_from_the_buckets() -> None:
    world = make_world(SUCCESS, SUCCESS, SUCCESS)
    of_the_bucket = world.upload_pair()
    mine = world.desk.submit(make_request(caller=ME, photos=upload_my_pair(world)), EFFORT)
    theirs = world.desk.submit(
        make_request(caller=STRANGER, photos=upload_my_pair(world, STRANGER.arn)), EFFORT
    )

    world.desk.erase(mine.id, ME)

    assert len({of_the_bucket, mine.id, theirs.id}) == 3
    assert world.comparison(of_the_bucket).photos == world.ledger.pairs["singapore", "pair-1"].photos
    assert world.comparison(theirs.id).state is State.COMPLETED
    assert len(world.photos.objects) == 4


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("owner", [None, STRANGER.arn], ids=["the bucket's", "another's"])
def test_a_photo_that_another_uploaded_can_not_be_asked_for_whether_it_is_there_or_not(
    owner: str | None, role: Role
) -> None:
    world = make_world()
    key = make_inbox_key("singapore", "pair-1", role, "jpg", owner)
    request = make_request(caller=ME, photos=INLINE | {role: UploadedPhoto(key)})

    missing = refuse(world, request)
    world.photos.objects[key] = make_portrait()
    present = refuse(world, request)

    assert (present.code, present.field) == ("foreign_upload_key", f"{role}.upload_key")
    assert str(missing) == str(present)


@FIND_OR_ERASE
def test_a_comparison_that_is_not_there_is_not_found(act: Callable[..., Any]) -> None:
    with pytest.raises(NotFoundError):
        act(make_world().desk)("unheard-of", ADMINISTRATOR)


def test_erasing_takes_the_photos_and_leaves_a_tombstone() -> None:
    world = make_world(SUCCESS)
    comparison = world.desk.submit(make_request(pair_id="passport-123"), EFFORT)

    world.desk.erase(comparison.id, ADMINISTRATOR)

    tombstone = world.comparison(comparison.id)
    assert world.photos.objects == {}
    assert (tombstone.state, tombstone.photos, tombstone.pair_id, tombstone.caller) == (
        State.ERASED,
        {},
        None,
        None,
    )
    assert tombstone.attempts == comparison.attempts
    assert "passport-123" not in repr(tombstone)


def test_erasing_an_uploaded_pair_takes_its_photos_whatever_the_stack_does_with_others() -> None:
    world = make_world(deletes_uploads=False)
    comparison_id = world.upload_pair()

    world.desk.erase(comparison_id, ADMINISTRATOR)

    assert world.photos.objects == {}
    assert world.comparison(comparison_id).state is State.ERASED


def test_erasing_twice_is_as_good_as_once() -> None:
    world = make_world()
    comparison_id = world.upload_pair()
    world.desk.erase(comparison_id, ADMINISTRATOR)
    tombstone = world.comparison(comparison_id)
    world.clock.advance(60)

    world.desk.erase(comparison_id, ADMINISTRATOR)

    assert world.comparison(comparison_id) == tombstone


def test_what_was_erased_is_not_compared_from_the_queue() -> None:
    world = make_world()
    comparison = world.desk.submit(make_request(), None)
    world.desk.erase(comparison.id, ADMINISTRATOR)

    run_queue(world)

    assert world.provider.calls == []
    assert world.comparison(comparison.id).state is State.ERASED


def test_a_request_repeated_after_it_was_erased_is_told_so_and_not_of_another_body() -> None:
    world = make_world(SUCCESS)
    comparison = world.desk.submit(make_request(), EFFORT)
    world.desk.erase(comparison.id, ADMINISTRATOR)

    repeated = world.desk.submit(make_request(), EFFORT)

    assert (repeated.id, repeated.state) == (comparison.id, State.ERASED)
    assert world.photos.objects == {}
    assert len(world.provider.calls) == 1


def test_an_uploaded_pair_that_comes_again_after_it_was_erased_is_compared_anew() -> None:
    world = make_world(SUCCESS, SUCCESS)
    ids: list[str] = []
    for _ in range(2):
        ids.append(world.upload_pair())
        world.compare(ids[-1])
        world.desk.erase(ids[-1], ADMINISTRATOR)
        world.clock.advance(60)

    third = world.upload_pair()

    assert len({*ids, third}) == 3
    assert all(world.comparison(erased).state is State.ERASED for erased in ids)
    assert world.comparison(third).state is State.REGISTERED


def test_an_uploaded_pair_that_comes_again_after_it_was_erased_is_the_same_to_the_api_and_the_bucket() -> (
    None
):
    world = make_world(SUCCESS)
    world.desk.erase(world.upload_pair(), ADMINISTRATOR)
    again = world.upload_pair()

    comparison = world.desk.submit(make_request(photos=UPLOADS), EFFORT)

    assert (comparison.id, comparison.state) == (again, State.COMPLETED)
    assert len(world.provider.calls) == 1


@pytest.mark.parametrize("method", ["erase", "forget_pair"])
def test_an_erasure_that_died_on_its_way_is_finished_by_the_next(method: str) -> None:
    world = make_world()
    comparison_id = world.upload_pair()
    world.ledger.interludes.before(method, crash)
    with pytest.raises(Crash):
        world.desk.erase(comparison_id, ADMINISTRATOR)

    world.desk.erase(comparison_id, ADMINISTRATOR)

    assert world.photos.objects == {}
    assert world.ledger.pairs == {}
    assert world.comparison(comparison_id).state is State.ERASED


@pytest.mark.parametrize("seam", ["put_request", "register", "write"])
def test_what_a_repeated_request_brings_while_its_comparison_is_erased_is_not_kept(seam: str) -> None:
    world = make_world()
    comparison = world.desk.submit(make_request(), None)
    place = world.photos if seam == "write" else world.ledger
    place.interludes.before(seam, lambda: world.desk.erase(comparison.id, ADMINISTRATOR))

    assert world.desk.submit(make_request(), None).state is State.ERASED

    assert world.photos.objects == {}
    assert world.ledger.requests == {}


def test_what_a_repeated_request_stores_while_an_erasure_is_under_way_goes_with_it() -> None:
    world = make_world()
    comparison = world.desk.submit(make_request(), None)
    world.ledger.interludes.before("erase", lambda: world.desk.submit(make_request(), None))

    world.desk.erase(comparison.id, ADMINISTRATOR)

    assert world.photos.objects == {}
    assert world.comparison(comparison.id).state is State.ERASED


def test_what_a_repeated_request_stores_once_the_verdict_has_left_is_not_kept() -> None:
    world = make_world(SUCCESS)
    comparison = world.desk.submit(make_request(), None)

    def end() -> None:
        world.compare(comparison.id)
        world.publisher.publish(comparison.id)

    world.photos.interludes.before("write", end)

    assert world.desk.submit(make_request(), None).state is State.COMPLETED
    assert world.photos.objects == {}


def test_erasing_leaves_a_pair_with_a_newer_photo_to_its_own_comparison() -> None:
    world = make_world(SUCCESS)
    older = world.upload_pair()
    newer = world.upload(SOURCE, make_portrait("newer"))
    assert newer is not None

    world.desk.erase(older, ADMINISTRATOR)
    world.compare(newer)

    assert world.comparison(newer).state is State.COMPLETED


def test_while_the_provider_fails_a_caller_that_waits_is_told_so_and_nothing_is_registered() -> None:
    world = make_world()
    world.provider.circuit_open_s = 12

    with pytest.raises(CircuitOpenError):
        world.desk.submit(make_request(), EFFORT)

    assert world.ledger.comparisons == {}
    assert world.comparisons.sent == []


def test_while_the_provider_fails_a_caller_that_does_not_wait_is_served_later() -> None:
    world = make_world()
    world.provider.circuit_open_s = 12

    comparison = world.desk.submit(make_request(), None)

    assert comparison.state is State.REGISTERED
    assert len(world.comparisons.sent) == 1


def test_a_verdict_that_is_there_is_given_while_the_provider_fails() -> None:
    world = make_world(SUCCESS)
    request = make_request(idempotency_key="key-1")
    verdict = world.desk.submit(request, EFFORT)
    world.provider.circuit_open_s = 12

    assert world.desk.submit(request, EFFORT) == verdict
