"""Intake from the bucket: notifications in any order, any number of times, and pairs sent again."""

from dataclasses import replace
from itertools import permutations, product

import pytest

from facematch.domain.comparison import Options, Origin, State, StoredPhoto
from facematch.domain.inbox import parse_inbox_key
from facematch.domain.priority import Priority
from facematch.domain.provider import Answer
from facematch.domain.regions import Region
from facematch.domain.verdict import Bounds, Role
from tests.factories import make_answer, make_policy
from tests.factories.photos import make_portrait
from tests.fakes.clock import START_MS
from tests.fakes.hooks import Crash, crash
from tests.fakes.photo_store import make_etag
from tests.fakes.stack import InMemoryStack, make_stack

SOURCE, TARGET = Role.SOURCE, Role.TARGET
PAIR = ("singapore", "pair-1")
DEADLINE_S = 600
SUCCESS = make_answer()
REFUSAL = make_answer("NoFaceDetected", http_status=401)
KEYS = {role: f"inbox/singapore/pair-1/{role}.jpg" for role in Role}


def make_half(role: Role = SOURCE) -> InMemoryStack:
    stack = make_stack(pair_deadline_s=DEADLINE_S)
    stack.upload(role)
    return stack


def repeat(stack: InMemoryStack, role: Role, sequencer: int, content: bytes | None = None) -> str | None:
    """Receive the notification of an upload again, whether its photo is still there or not."""
    photo = StoredPhoto(key=KEYS[role], etag=make_etag(content or make_portrait(role)))
    return stack.receive(photo, sequencer=sequencer)


def finish(stack: InMemoryStack) -> None:
    """Let workers and the publisher do what there is to do."""
    stack.work()
    stack.publish()


# A pair.


@pytest.mark.parametrize("order", list(permutations(Role)), ids=str)
def test_a_pair_is_registered_and_enqueued_once_both_photos_have_arrived(order: tuple[Role, Role]) -> None:
    options = Options(bounds=Bounds(80, 40), face_quality_check=True)
    stack = make_stack(options=options)

    assert stack.upload(order[0]) is None
    stack.clock.advance(60)
    comparison_id = stack.upload(order[1])

    assert comparison_id is not None
    assert stack.queues.sent == [(comparison_id, 0)]
    assert stack.queues.lanes == [("singapore", Priority.BULK)]
    comparison = stack.comparison(comparison_id)
    assert (comparison.region, comparison.pair_id, comparison.origin) == (*PAIR, Origin.UPLOAD)
    assert (comparison.created_at_ms, comparison.options) == (START_MS + 60_000, options)


def test_a_comparison_owns_its_photos_and_the_inbox_is_empty() -> None:
    stack = make_stack()

    comparison_id = stack.upload_pair()

    photos = stack.comparison(comparison_id).photos
    assert stack.photos.objects == {photos[role].key: make_portrait(role) for role in Role}
    assert all(photo.key.startswith(f"comparisons/{comparison_id}/") for photo in photos.values())


@pytest.mark.parametrize("pair_id", ["two words", "100%", "顔写真", "x" * 128, "a#b", "a=b"])
@pytest.mark.parametrize("region", Region)
def test_a_pair_of_any_name_in_any_region_is_accepted(region: Region, pair_id: str) -> None:
    stack = make_stack()

    comparison = stack.comparison(stack.upload_pair(region=region, pair_id=pair_id))

    assert (comparison.region, comparison.pair_id, comparison.has_ended) == (region, pair_id, False)


@pytest.mark.parametrize("region", ["singapore#a", "singapore/a"])
def test_folders_that_read_alike_are_different_pairs(region: str) -> None:
    stack = make_stack()
    stack.upload(SOURCE, pair_id="a#b")
    key = f"inbox/{region}/b/target.jpg"
    stack.photos.write(key, make_portrait())

    if parse_inbox_key(key) is not None:
        assert stack.notify(key) is None

    assert not stack.ledger.pairs["singapore", "a#b"].is_complete
    assert stack.ledger.comparisons == {}


@pytest.mark.parametrize(
    ("region", "pair_id", "reason"),
    [
        ("mars", "pair-1", "unknown_region"),
        ("Singapore", "pair-1", "unknown_region"),
        ("malaysia", "pair-1", "region_not_allowed"),
        ("singapore", "x" * 129, "invalid_pair_id"),
        ("singapore", "a\nb", "invalid_pair_id"),
    ],
)
def test_a_pair_that_cannot_be_compared_fails_at_once_and_keeps_no_photo(
    region: str, pair_id: str, reason: str
) -> None:
    stack = make_stack(regions=make_policy(Region.SINGAPORE))

    comparison_id = stack.upload_pair(region=region, pair_id=pair_id)
    finish(stack)

    assert stack.verdict(comparison_id).reason == reason
    assert [event["id"] for event in stack.results.sent] == [comparison_id]
    assert stack.photos.objects == {}


# Notifications repeated, late and out of order.


@pytest.mark.parametrize("answer", [SUCCESS, REFUSAL], ids=["verdict", "refusal"])
def test_repeated_notifications_never_make_another_comparison(answer: Answer) -> None:
    stack = make_stack(answer)
    stack.upload(SOURCE, sequencer=1)
    comparison_id = stack.upload(TARGET, sequencer=2)

    assert {repeat(stack, SOURCE, 1), repeat(stack, TARGET, 2)} == {comparison_id}
    finish(stack)
    assert {repeat(stack, SOURCE, 1), repeat(stack, TARGET, 2)} == {comparison_id}
    finish(stack)

    assert len(stack.ledger.comparisons) == len(stack.provider.calls) == len(stack.results.sent) == 1
    assert stack.photos.objects == {}


@pytest.mark.parametrize("answer", [SUCCESS, REFUSAL], ids=["verdict", "refusal"])
def test_notifications_after_the_erasure_start_nothing_and_do_not_wait_for_ever(answer: Answer) -> None:
    stack = make_stack(answer)
    stack.upload(SOURCE, sequencer=1)
    comparison_id = stack.upload(TARGET, sequencer=2)
    assert comparison_id is not None
    finish(stack)
    stack.eraser.erase(stack.comparison(comparison_id))

    assert [repeat(stack, SOURCE, 1), repeat(stack, TARGET, 2)] == [None, None]
    stack.clock.advance(DEADLINE_S)
    assert [stack.receiver.expire(*due) for due in stack.sweeper.find_due_pairs()] == []
    stack.clock.advance(1)
    assert [stack.receiver.expire(*due) for due in stack.sweeper.find_due_pairs()] == [None]

    assert stack.ledger.pairs == {}
    assert list(stack.ledger.comparisons) == [comparison_id]
    assert len(stack.results.sent) == 1


def test_of_two_photos_under_one_key_the_later_one_counts_even_if_it_is_reported_first() -> None:
    stack = make_stack()
    stack.upload(SOURCE, make_portrait("newer"), sequencer=9)

    repeat(stack, SOURCE, 3, make_portrait("older"))
    comparison_id = stack.upload(TARGET)

    assert comparison_id is not None
    assert make_portrait("newer") in stack.photos.objects.values()
    assert stack.comparison(comparison_id).state is State.REGISTERED


@pytest.mark.parametrize(("pause_s", "extension"), [(1, "png"), (0, "jpg"), (-1, "jpg")])
def test_of_two_photos_under_different_keys_the_later_arrival_counts(pause_s: float, extension: str) -> None:
    stack = make_stack()
    keys = [f"inbox/singapore/pair-1/source.{ending}" for ending in ("jpg", "png")]
    for key in keys:
        stack.photos.write(key, make_portrait(key))
    stack.notify(keys[0])
    stack.clock.advance(pause_s)
    stack.notify(keys[1])

    comparison_id = stack.upload(TARGET)

    assert comparison_id is not None
    owned = stack.comparison(comparison_id).photos[SOURCE]
    assert stack.photos.objects[owned.key] == make_portrait(f"inbox/singapore/pair-1/source.{extension}")


def test_two_notifications_at_the_same_moment_make_one_comparison() -> None:
    stack = make_stack()
    stack.upload(SOURCE, sequencer=1)
    ids: list[str | None] = []
    stack.hooks.before("register", lambda: ids.append(repeat(stack, SOURCE, 1)))

    ids.append(stack.upload(TARGET, sequencer=2))

    assert ids[0] == ids[1]
    assert len(stack.ledger.comparisons) == 1
    assert len(stack.photos.objects) == 2


@pytest.mark.parametrize("step", ["copy", "register"])
def test_a_photo_replaced_during_the_registration_leaves_the_pair_to_its_own_notification(step: str) -> None:
    stack = make_stack()
    stack.upload(SOURCE, sequencer=1)
    stack.hooks.before(step, lambda: stack.upload(SOURCE, make_portrait("newer"), sequencer=5))

    stack.upload(TARGET, sequencer=2)

    (comparison,) = stack.ledger.comparisons.values()
    assert set(stack.photos.objects.values()) == {make_portrait("newer"), make_portrait(TARGET)}
    assert stack.photos.objects.keys() == {photo.key for photo in comparison.photos.values()}


def test_a_photo_that_was_deleted_before_the_registration_fails_the_pair() -> None:
    stack = make_half()
    stack.photos.objects.clear()

    comparison_id = stack.upload(TARGET)
    finish(stack)

    assert comparison_id is not None
    assert stack.verdict(comparison_id).reason == "photo_removed"
    assert len(stack.results.sent) == 1
    assert stack.photos.objects == {}


def test_a_photo_sent_under_another_key_during_the_registration_is_compared_with_the_other_one() -> None:
    stack = make_half()
    replacement = "inbox/singapore/pair-1/source.png"

    def replace_source() -> None:
        stack.photos.objects.pop(KEYS[SOURCE])
        stack.photos.write(replacement, make_portrait("newer"))

    def report() -> None:
        # Its function dies once the photo is recorded; the message is delivered again.
        stack.clock.advance(1)
        stack.hooks.before("find", crash)
        with pytest.raises(Crash):
            stack.notify(replacement, sequencer=7)

    stack.hooks.before("copy", replace_source)
    stack.hooks.before("register", report)
    assert stack.upload(TARGET) is None
    stack.notify(replacement, sequencer=7)

    (comparison,) = stack.ledger.comparisons.values()
    assert comparison.state is State.REGISTERED
    assert set(stack.photos.objects.values()) == {make_portrait("newer"), make_portrait(TARGET)}


# Pairs sent again.


@pytest.mark.parametrize("failure", ["refused", "region not allowed", "erased"])
def test_a_pair_without_a_billed_verdict_is_compared_again_when_it_is_sent_again(failure: str) -> None:
    stack = make_stack(REFUSAL, SUCCESS)
    if failure == "refused":
        first = stack.upload_pair()
    elif failure == "erased":
        first = stack.upload_pair()
        stack.eraser.erase(stack.comparison(first))
        stack.provider.script.popleft()
    else:
        stack.regions, allowed = make_policy(Region.MALAYSIA), stack.regions
        first = stack.upload_pair()
        stack.regions = allowed
        stack.provider.script.popleft()
    finish(stack)

    stack.upload(SOURCE, sequencer=11)
    second = stack.upload(TARGET, sequencer=12)
    # The same upload, however often it is reported, is the same comparison.
    assert {repeat(stack, SOURCE, 11), repeat(stack, TARGET, 12)} == {second}
    finish(stack)

    assert second not in {None, first}
    assert len(stack.ledger.comparisons) == len(stack.results.sent) == 2
    assert stack.comparison(str(second)).state is State.COMPLETED
    assert stack.photos.objects == {}


def test_a_late_notification_leaves_a_photo_that_was_sent_again_to_its_own_notification() -> None:
    stack = make_stack(REFUSAL, SUCCESS)
    stack.upload(SOURCE, sequencer=1)
    stack.upload(TARGET, sequencer=2)
    finish(stack)
    for role in Role:
        stack.photos.write(KEYS[role], make_portrait(role))

    repeat(stack, TARGET, 2)
    repeat(stack, SOURCE, 11)
    repeat(stack, TARGET, 12)
    finish(stack)

    assert [event["data"]["verdict"] for event in stack.results.sent] == ["photo_rejected", "match"]


def test_each_failure_in_turn_gets_a_successor_under_an_id_that_only_the_history_decides() -> None:
    histories = []
    for _ in range(2):
        stack = make_stack(REFUSAL, REFUSAL, REFUSAL, SUCCESS)
        history = []
        for _ in range(4):
            history.append(stack.upload_pair())
            finish(stack)
        histories.append(history)

    assert histories[0] == histories[1]
    assert len(set(histories[0])) == 4


def test_a_pair_with_a_verdict_is_not_compared_again_and_its_photos_go() -> None:
    stack = make_stack(SUCCESS)
    first = stack.upload_pair()
    finish(stack)

    assert stack.upload_pair() == first
    finish(stack)

    assert len(stack.provider.calls) == len(stack.results.sent) == 1
    assert stack.photos.objects == {}


def test_one_new_photo_waits_for_the_other_one() -> None:
    stack = make_stack(SUCCESS, SUCCESS)
    stack.upload_pair()
    finish(stack)

    assert stack.upload(SOURCE, make_portrait("another")) is None
    comparison_id = stack.upload(TARGET)
    finish(stack)

    assert comparison_id is not None
    assert len(stack.provider.calls) == 2


# Half pairs.


@pytest.mark.parametrize(("present", "missing"), [(SOURCE, TARGET), (TARGET, SOURCE)])
def test_an_incomplete_pair_fails_once_at_its_deadline_and_names_the_missing_photo(
    present: Role, missing: Role
) -> None:
    stack = make_half(present)
    stack.clock.advance(DEADLINE_S - 0.001)
    assert stack.receiver.expire(*PAIR) is None
    stack.clock.advance(0.001)

    comparison_id = stack.receiver.expire(*PAIR)
    again = stack.receiver.expire(*PAIR)
    finish(stack)

    assert comparison_id is not None
    assert again is None
    verdict = stack.verdict(comparison_id)
    assert (verdict.reason, verdict.photo) == ("pair_incomplete", missing)
    assert len(stack.results.sent) == 1
    assert stack.ledger.waiting == set()


def test_two_sweeps_at_the_same_moment_end_an_incomplete_pair_once() -> None:
    stack = make_half()
    stack.clock.advance(DEADLINE_S)
    ended: list[str | None] = []
    stack.hooks.before("register", lambda: ended.append(stack.receiver.expire(*PAIR)))

    ended.append(stack.receiver.expire(*PAIR))

    assert ended[0] is not None
    assert ended[1] is None
    assert len(stack.ledger.comparisons) == 1


def test_a_deadline_of_seven_days_is_kept() -> None:
    stack = make_stack(pair_deadline_s=7 * 86_400)
    stack.upload(SOURCE)
    stack.clock.advance(7 * 86_400 - 1)
    assert list(stack.sweeper.find_due_pairs()) == []

    stack.clock.advance(1.001)

    assert [stack.receiver.expire(*due) for due in stack.sweeper.find_due_pairs()] != [None]


def test_a_photo_sent_again_waits_from_its_own_arrival() -> None:
    stack = make_half()
    stack.clock.advance(DEADLINE_S - 10)
    stack.upload(SOURCE, make_portrait("another"))
    stack.clock.advance(10)

    assert stack.receiver.expire(*PAIR) is None


def test_the_other_photo_may_come_after_the_deadline() -> None:
    stack = make_half()
    stack.provider.follow(SUCCESS)
    stack.clock.advance(DEADLINE_S)
    incomplete = stack.receiver.expire(*PAIR)
    stack.publish()

    comparison_id = stack.upload(TARGET)
    finish(stack)

    assert comparison_id not in {None, incomplete}
    assert stack.comparison(str(comparison_id)).state is State.COMPLETED
    assert stack.photos.objects == {}


def test_a_photo_sent_again_after_its_deadline_is_another_incomplete_pair() -> None:
    stack = make_half()
    ids = []
    for _ in range(2):
        stack.clock.advance(DEADLINE_S)
        ids.append(stack.receiver.expire(*PAIR))
        stack.upload(SOURCE)

    assert None not in ids
    assert len(set(ids)) == 2


def test_a_photo_that_is_gone_at_the_deadline_makes_no_event() -> None:
    stack = make_half()
    stack.photos.objects.clear()
    stack.clock.advance(DEADLINE_S)

    assert stack.receiver.expire(*PAIR) is None

    assert stack.ledger.comparisons == {}
    assert stack.ledger.pairs == {}


def test_a_photo_that_arrives_while_its_pair_expires_wins() -> None:
    stack = make_half()
    stack.clock.advance(DEADLINE_S)
    stack.hooks.before("register", lambda: stack.upload(TARGET))

    assert stack.receiver.expire(*PAIR) is None

    (comparison,) = stack.ledger.comparisons.values()
    assert comparison.state is State.REGISTERED


@pytest.mark.parametrize("pair", ["unknown", "taken"])
def test_a_deadline_without_a_waiting_photo_does_nothing(pair: str) -> None:
    stack = make_stack(pair_deadline_s=DEADLINE_S)
    if pair == "taken":
        stack.upload_pair()
    stack.clock.advance(DEADLINE_S)

    assert stack.receiver.expire(*PAIR) is None
    assert len(stack.queues.sent) == (1 if pair == "taken" else 0)


# Crashes.


def run(stack: InMemoryStack) -> None:
    """Bring one pair from its uploads to its event."""
    repeat(stack, SOURCE, 1)
    repeat(stack, TARGET, 2)
    finish(stack)


def test_a_crash_at_any_step_before_the_call_is_made_up_for_by_the_sweep() -> None:
    steps = _record_steps()
    assert {"put_photo", "copy", "register", "delete", "enqueue", "claim"} <= set(steps)

    for number in range(len(steps)):
        stack = _make_uploaded()
        stack.hooks.crash_at = number
        with pytest.raises(Crash):
            run(stack)
        stack.clock.advance(3700)
        if "put_photo" not in steps[number:]:
            for due in list(stack.sweeper.find_due_pairs()):
                stack.receiver.expire(*due)
            stack.sweeper.enqueue_forgotten(10)
        else:
            repeat(stack, SOURCE, 1)
            repeat(stack, TARGET, 2)
        finish(stack)

        assert [comparison.state for comparison in stack.ledger.comparisons.values()] == [State.COMPLETED]
        assert len(stack.provider.calls) == 1
        assert len({event["id"] for event in stack.results.sent}) == 1


def _make_uploaded() -> InMemoryStack:
    stack = make_stack(SUCCESS, pair_deadline_s=DEADLINE_S)
    for role in Role:
        stack.photos.objects[KEYS[role]] = make_portrait(role)
    return stack


def _record_steps() -> list[str]:
    """Return the steps from the first notification until the call is recorded as begun."""
    stack = _make_uploaded()
    run(stack)
    steps = stack.hooks.steps
    return steps[: steps.index("begin_attempt")]


def test_a_crash_at_any_step_of_a_pair_sent_again_loses_nothing_and_pays_once() -> None:
    first = _make_refused()
    begin = len(first.hooks.steps)
    _send_again(first)
    steps = first.hooks.steps[begin:]
    before_call = steps[: steps.index("begin_attempt")]

    for number in range(len(before_call)):
        stack = _make_refused()
        stack.hooks.crash_at = begin + number
        with pytest.raises(Crash):
            _send_again(stack)
        stack.clock.advance(600)
        repeat(stack, SOURCE, 11)
        repeat(stack, TARGET, 12)
        finish(stack)

        states = [comparison.state for comparison in stack.ledger.comparisons.values()]
        assert states == [State.REJECTED, State.COMPLETED]
        assert (len(stack.provider.calls), stack.photos.objects) == (2, {})


def _make_refused() -> InMemoryStack:
    stack = make_stack(REFUSAL, SUCCESS)
    stack.upload_pair()
    finish(stack)
    for role in Role:
        stack.photos.objects[KEYS[role]] = make_portrait(role)
    return stack


def _send_again(stack: InMemoryStack) -> None:
    repeat(stack, SOURCE, 11)
    repeat(stack, TARGET, 12)
    finish(stack)


def test_notifications_in_every_order_with_repetitions_make_one_comparison() -> None:
    for order in product(Role, repeat=4):
        stack = _make_uploaded()
        for role in order:
            repeat(stack, role, {SOURCE: 1, TARGET: 2}[role])
        if len(set(order)) == len(Role):
            finish(stack)
            assert len(stack.ledger.comparisons) == 1
            assert stack.photos.objects == {}
        else:
            assert stack.ledger.comparisons == {}


def test_a_record_that_expired_is_not_resumed() -> None:
    stack = make_stack()
    stack.upload_pair()
    stack.ledger.comparisons.clear()
    stack.queues.sent.clear()

    assert repeat(stack, SOURCE, 1) is None
    assert stack.queues.sent == []


def test_a_pair_that_was_left_complete_is_registered_at_its_deadline() -> None:
    stack = make_half()
    pair = stack.ledger.pairs[PAIR]
    stack.photos.write(KEYS[TARGET], make_portrait(TARGET))
    photo = stack.photos.find(KEYS[TARGET])
    assert photo is not None
    arrived = replace(pair.arrived[SOURCE], photo=photo)
    stack.ledger.put_photo(*PAIR, TARGET, arrived)
    stack.clock.advance(DEADLINE_S)

    comparison_id = stack.receiver.expire(*PAIR)

    assert comparison_id is not None
    assert stack.queues.sent == [(comparison_id, 0)]
