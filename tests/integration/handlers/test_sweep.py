from dataclasses import replace

import pytest

from facematch.domain.comparison import Ending, State
from facematch.domain.lane import HoldReason, make_hold, make_throttling_hold
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from tests.events import load_event
from tests.factories import make_comparison, make_ended, make_photos
from tests.factories.photos import PERSON, SAME_PERSON
from tests.integration.emulator.clients import ControlClient
from tests.integration.handlers.functions import (
    compare_waiting,
    failed_records,
    invoke,
    land,
    land_pair,
    publish_waiting,
)
from tests.integration.handlers.schema import check_result_event
from tests.integration.handlers.stack import BULK, HandlerStack
from tests.integration.handlers.test_publish import list_results

NO_TIME_MS = 5_000
HOUR_MS = 3_600_000
HALF = "inbox/singapore/pair-1/source.jpg"


def sweep(*, remaining_ms: int = 60_000) -> None:
    invoke("sweep", load_event("sweep_scheduled"), remaining_ms=remaining_ms)


def end_long_ago(stack: HandlerStack, *comparison_ids: str) -> None:
    """Register comparisons that ended an hour ago, one after the other."""
    for number, comparison_id in enumerate(comparison_ids):
        add_to_outbox(stack, comparison_id, stack.clock.now_ms() - HOUR_MS + number)


def add_to_outbox(stack: HandlerStack, comparison_id: str, ended_at_ms: int) -> None:
    ended = make_ended(id=comparison_id, created_at_ms=ended_at_ms - 1000)
    assert ended.ending is not None
    for photo in make_photos(comparison_id).values():
        stack.put_photo(photo.key, PERSON)
    ending: Ending = replace(ended.ending, ended_at_ms=ended_at_ms)
    assert stack.ledger.register(replace(ended, ending=ending))


def register_open(stack: HandlerStack, comparison_id: str, age_ms: int, region: str = "singapore") -> None:
    comparison = make_comparison(id=comparison_id, created_at_ms=stack.clock.now_ms() - age_ms, region=region)
    assert stack.ledger.register(comparison)


class TestResults:
    def test_old_results_are_published_oldest_first(self, stack: HandlerStack) -> None:
        end_long_ago(stack, "a" * 26, "b" * 26, "c" * 26)

        sweep()

        results = list_results(stack)
        assert [event["id"] for event in results] == ["a" * 26, "b" * 26, "c" * 26]
        for event in results:
            check_result_event(event)
        assert stack.list_keys() == []

    def test_published_result_is_neither_published_nor_counted_again(
        self, stack: HandlerStack, capsys: pytest.CaptureFixture[str]
    ) -> None:
        end_long_ago(stack, "a" * 26)

        sweep()
        sweep()

        assert len(list_results(stack)) == 1
        assert capsys.readouterr().out.count('"VerdictsMatch":[1.0]') == 1

    def test_new_result_is_left_to_the_stream(self, stack: HandlerStack) -> None:
        add_to_outbox(stack, "a" * 26, stack.clock.now_ms())

        sweep()

        assert list_results(stack) == []

    def test_result_that_cannot_be_published_does_not_delay_the_others(
        self, stack: HandlerStack, capsys: pytest.CaptureFixture[str]
    ) -> None:
        end_long_ago(stack, "a" * 26, "b" * 26)
        stack.dynamodb.update_item(
            TableName=stack.table,
            Key={"pk": {"S": "comparison#" + "a" * 26}},
            UpdateExpression="REMOVE photos",
        )

        sweep()

        assert [event["id"] for event in list_results(stack)] == ["b" * 26]
        assert '"ResultsStuck":[1.0]' in capsys.readouterr().out

    def test_sweep_without_time_leaves_the_rest_to_the_next_one(self, stack: HandlerStack) -> None:
        end_long_ago(stack, "a" * 26, "b" * 26)

        sweep(remaining_ms=NO_TIME_MS)
        assert list_results(stack) == []
        sweep()

        assert len(list_results(stack)) == 2


class TestPairs:
    """The recorded notifications are older than any deadline."""

    def test_incomplete_pair_ends_after_its_deadline(
        self, stack: HandlerStack, provider: ControlClient, capsys: pytest.CaptureFixture[str]
    ) -> None:
        invoke("uploads", land(stack, Role.SOURCE, PERSON))

        for _ in range(3):
            sweep()

        (result,) = publish_waiting(stack)
        check_result_event(result)
        assert result["type"] == "facematch.comparison.failed"
        assert (result["data"]["reason"], result["data"]["photo"]) == ("pair_incomplete", "target")
        assert stack.list_keys() == [HALF]
        assert provider.comparisons() == []
        assert capsys.readouterr().out.count('"PairsDue":[1.0]') == 1

    def test_photo_after_the_deadline_completes_the_pair(
        self, stack: HandlerStack, provider: ControlClient
    ) -> None:
        invoke("uploads", land(stack, Role.SOURCE, PERSON))
        sweep()
        (too_late,) = publish_waiting(stack)

        assert failed_records(invoke("uploads", land(stack, Role.TARGET, SAME_PERSON))) == []
        assert compare_waiting(stack) == []
        (result,) = publish_waiting(stack)

        assert (too_late["data"]["verdict"], result["data"]["verdict"]) == ("failed", "match")
        assert too_late["id"] != result["id"]
        assert len(provider.comparisons()) == 1
        assert stack.list_keys() == []

    def test_pair_waits_until_its_deadline(
        self, stack: HandlerStack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PAIR_DEADLINE_SECONDS", str(10**9))
        monkeypatch.setenv("PHOTO_RETENTION_DAYS", "20000")
        monkeypatch.setenv("RECORD_RETENTION_DAYS", "20000")
        invoke("uploads", land(stack, Role.SOURCE, PERSON))

        sweep()

        assert stack.list_comparisons() == []

    def test_complete_pair_is_not_due(self, stack: HandlerStack) -> None:
        land_pair(stack, PERSON, SAME_PERSON)

        sweep()

        assert stack.the_comparison().state is State.REGISTERED
        assert len(stack.list_waiting(BULK)) == 1

    def test_complete_pair_that_was_left_behind_is_registered(self, stack: HandlerStack) -> None:
        """Its function ended after the notification was recorded."""
        invoke("uploads", land(stack, Role.SOURCE, PERSON))
        pair = stack.ledger.find_pair("singapore", "pair-1")
        assert pair is not None
        key = HALF.replace("source", "target")
        arrived = pair.arrived[Role.SOURCE]
        photo = replace(arrived.photo, key=key, etag=stack.put_photo(key, SAME_PERSON))
        stack.ledger.put_photo("singapore", "pair-1", Role.TARGET, replace(arrived, photo=photo))

        sweep()

        assert compare_waiting(stack) == []
        assert stack.the_comparison().state is State.COMPLETED

    def test_photo_that_its_owner_deleted_is_forgotten(self, stack: HandlerStack) -> None:
        invoke("uploads", land(stack, Role.SOURCE, PERSON))
        stack.s3.delete_object(Bucket=stack.bucket, Key=HALF)

        sweep()

        assert stack.is_untouched()


class TestForgotten:
    def test_only_comparisons_that_nobody_had_for_an_hour_are_enqueued(
        self, stack: HandlerStack, capsys: pytest.CaptureFixture[str]
    ) -> None:
        old, new, claimed, elsewhere, disallowed = (letter * 26 for letter in "abcde")
        register_open(stack, old, 2 * HOUR_MS)
        register_open(stack, new, HOUR_MS - 60_000)
        register_open(stack, claimed, 2 * HOUR_MS)
        stack.ledger.claim(
            claimed, "worker", now_ms=stack.clock.now_ms(), until_ms=stack.clock.now_ms() + 1000
        )
        register_open(stack, elsewhere, 2 * HOUR_MS, region="malaysia")
        register_open(stack, disallowed, 2 * HOUR_MS, region="hong-kong")

        for _ in range(2):
            sweep()

        lanes = ("singapore-bulk", "malaysia-bulk", "indonesia-bulk")
        bodies = {lane: [waiting.body for waiting in stack.list_waiting(lane)] for lane in lanes}
        enqueued = [body["comparison_id"] for waiting in bodies.values() for body in waiting]
        assert sorted(enqueued) == [old, elsewhere, disallowed]
        assert {"comparison_id": elsewhere, "region": "malaysia", "priority": "bulk"} in bodies[
            "malaysia-bulk"
        ]
        assert old in [body["comparison_id"] for body in bodies["singapore-bulk"]]
        assert stack.list_waiting("hong-kong-bulk") == []
        assert '"ComparisonsForgotten":[3.0]' in capsys.readouterr().out

    def test_sweep_enqueues_a_hundred_and_the_next_one_the_rest(self, stack: HandlerStack) -> None:
        for number in range(105):
            register_open(stack, f"{number:026d}", 2 * HOUR_MS)

        sweep()
        assert len(stack.list_waiting(BULK)) == 100
        sweep()

        assert len({waiting.body["comparison_id"] for waiting in stack.list_waiting(BULK)}) == 105


class TestMetrics:
    def test_age_is_that_of_the_oldest_open_comparison(
        self, stack: HandlerStack, capsys: pytest.CaptureFixture[str]
    ) -> None:
        register_open(stack, "a" * 26, 1000)
        register_open(stack, "b" * 26, HOUR_MS, region="malaysia")
        end_long_ago(stack, "c" * 26)

        sweep()

        age_s = read_metric(capsys, "OldestComparisonAge")
        assert 3600 <= age_s < 3700

    def test_age_is_zero_without_open_comparisons(
        self, stack: HandlerStack, capsys: pytest.CaptureFixture[str]
    ) -> None:
        end_long_ago(stack, "c" * 26)

        sweep()

        assert read_metric(capsys, "OldestComparisonAge") == 0

    def test_holds_are_counted_by_reason(
        self, stack: HandlerStack, capsys: pytest.CaptureFixture[str]
    ) -> None:
        outage = make_hold(HoldReason.OUTAGE, "InternalError", stack.clock.now_ms() - HOUR_MS)
        stack.limiter.hold(Region.SINGAPORE, outage, replacing=None)
        refusal = make_hold(HoldReason.OPERATOR, "Forbidden", stack.clock.now_ms())
        stack.limiter.hold(Region.MALAYSIA, refusal, replacing=None)
        throttling = make_throttling_hold("Throttling", stack.clock.now_ms() - HOUR_MS, 1)
        stack.limiter.hold(Region.INDONESIA, throttling, replacing=None)

        sweep()

        out = capsys.readouterr().out
        assert '"LanesHeldForOutage":[1.0]' in out
        assert '"LanesHeldForOperator":[1.0]' in out
        assert '"LanesHeldForThrottling":[0.0]' in out


def read_metric(capsys: pytest.CaptureFixture[str], name: str) -> float:
    """Return the value of a metric in what was printed since the last look."""
    _, _, rest = capsys.readouterr().out.partition(f'"{name}":[')
    return float(rest.partition("]")[0])
