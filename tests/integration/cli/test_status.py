from facematch.domain.comparison import Outcome
from facematch.domain.verdict import Decision
from facematch_cli.errors import ExitCode
from tests.factories import make_attempt, make_comparison, make_ended, make_verdict
from tests.fakes.clock import START_MS, FakeClock
from tests.integration.cli.stand import Stand

NOON_MS = START_MS // 86_400_000 * 86_400_000 + 43_200_000


def make_noon() -> FakeClock:
    return FakeClock(at_ms=NOON_MS)


def test_an_idle_stack_is_idle(stand: Stand) -> None:
    told = stand.run("status", "--json").document

    assert told["queues"]["comparisons"] == {"ready": 0, "in_flight": 0, "delayed": 0}
    assert told["dead_letters"] == {"uploads": 0, "comparisons": 0, "outbox": 0}
    assert (told["open_comparisons"], told["oldest_open_age_s"]) == (0, None)
    assert set(told["regions"]) == {"singapore", "indonesia"}
    assert told["spend_today_usd"] == 0


def test_the_backlog_is_as_old_as_its_oldest_comparison(stand: Stand) -> None:
    stand.ledger.register(make_comparison(id="young", created_at_ms=NOON_MS - 5000))
    stand.ledger.register(make_comparison(id="old", created_at_ms=NOON_MS - 3_600_000))
    stand.send(stand.comparisons, {"comparison_id": "young"})

    told = stand.run("status", "--json", clock=make_noon()).document

    assert (told["open_comparisons"], told["oldest_open_age_s"]) == (2, 3600)
    assert told["queues"]["comparisons"]["ready"] == 1
    assert "2 comparisons, the oldest for 1 h" in stand.run("status", clock=make_noon()).out


def test_only_todays_work_counts_as_todays(stand: Stand) -> None:
    today = make_attempt(1, Outcome.ANSWERED, code="Success", started_at_ms=NOON_MS - 1000)
    yesterday = make_attempt(1, Outcome.ANSWERED, code="Success", started_at_ms=NOON_MS - 86_400_000)
    for number, (attempt, age_ms) in enumerate(((today, 0), (yesterday, 86_400_000))):
        comparison = make_ended(id=f"c-{number}", region="indonesia", attempts=(attempt,))
        assert comparison.ending is not None
        ending = type(comparison.ending)(verdict=make_verdict(Decision.MATCH), ended_at_ms=NOON_MS - age_ms)
        stand.ledger.register(
            make_ended(id=f"c-{number}", region="indonesia", attempts=(attempt,), ending=ending)
        )

    told = stand.run("status", "--json", clock=make_noon()).document

    assert told["verdicts_today"] == {"match": 1}
    assert told["billed_calls_today"] == {"indonesia": 1}
    assert told["spend_today_usd"] == 0.002
    assert told["waiting_to_be_published"] == 2


def test_quota_in_use_is_the_last_minutes_calls(stand: Stand) -> None:
    attempts = tuple(
        make_attempt(number, Outcome.FAULTED, started_at_ms=NOON_MS - number * 1000)
        for number in range(1, 91)
    )
    stand.ledger.register(make_comparison(region="indonesia", attempts=attempts))

    use = stand.run("status", "--json", clock=make_noon()).document["regions"]["indonesia"]

    assert (use["calls_last_minute"], use["quota_used"]) == (60, round(60 / 180, 3))


def test_a_region_that_was_throttled_is_held_back(stand: Stand) -> None:
    stand.put_item(pk="quota#singapore", kind="quota", next_us=(NOON_MS + 8000) * 1000)
    stand.put_item(pk="quota#indonesia", kind="quota", next_us=(NOON_MS + 900) * 1000)

    ran = stand.run("status", clock=make_noon())

    assert "held back for 8.0 s" in ran.out
    assert "booked 0.9 s ahead" in ran.out


def test_an_open_circuit_is_shown(stand: Stand) -> None:
    stand.put_item(pk="circuit#singapore", state="OPEN", failure_count=3, opened_at=NOON_MS // 1000 - 12)

    told = stand.run("status", "--json", clock=make_noon()).document["regions"]

    assert (told["singapore"]["circuit"], told["indonesia"]["circuit"]) == ("open", "closed")
    assert "open for 12 s" in stand.run("status", clock=make_noon()).out


def test_dead_letters_are_counted_with_the_way_to_them(stand: Stand) -> None:
    stand.send(stand.stack.dead_letters.outbox, {})

    ran = stand.run("status")

    assert ran.exit_code == ExitCode.DONE
    assert "facematch redrive --dry-run" in ran.err
