from facematch.domain.comparison import Outcome
from facematch.domain.verdict import Decision
from facematch_client.errors import ExitCode
from tests.factories import make_attempt, make_comparison, make_ended, make_verdict
from tests.fakes.clock import START_MS, FakeClock
from tests.integration.cli.environment import CliEnvironment

NOON_MS = START_MS // 86_400_000 * 86_400_000 + 43_200_000


def make_noon() -> FakeClock:
    return FakeClock(at_ms=NOON_MS)


def test_an_idle_stack_is_idle(cli: CliEnvironment) -> None:
    reported = cli.run("status", "--json").document

    assert reported["queues"]["singapore bulk"] == {"ready": 0, "in_flight": 0, "delayed": 0}
    assert reported["dead_letters"] == {"uploads": 0, "comparisons": 0, "outbox": 0}
    assert (reported["open_comparisons"], reported["oldest_open_age_s"]) == (0, None)
    assert set(reported["regions"]) == {"singapore", "indonesia"}
    assert reported["spend_today_usd"] == 0


def test_the_backlog_is_as_old_as_its_oldest_comparison(cli: CliEnvironment) -> None:
    cli.ledger.register(make_comparison(id="young", created_at_ms=NOON_MS - 5000))
    cli.ledger.register(make_comparison(id="old", created_at_ms=NOON_MS - 3_600_000))
    cli.send(cli.comparisons, {"comparison_id": "young"})

    reported = cli.run("status", "--json", clock=make_noon()).document

    assert (reported["open_comparisons"], reported["oldest_open_age_s"]) == (2, 3600)
    assert reported["queues"]["singapore bulk"]["ready"] == 1
    assert "2 comparisons, the oldest for 1 h" in cli.run("status", clock=make_noon()).out


def test_only_todays_work_counts_as_todays(cli: CliEnvironment) -> None:
    today = make_attempt(1, Outcome.ANSWERED, code="Success", started_at_ms=NOON_MS - 1000)
    yesterday = make_attempt(1, Outcome.ANSWERED, code="Success", started_at_ms=NOON_MS - 86_400_000)
    for number, (attempt, age_ms) in enumerate(((today, 0), (yesterday, 86_400_000))):
        comparison = make_ended(id=f"c-{number}", region="indonesia", attempts=(attempt,))
        assert comparison.ending is not None
        ending = type(comparison.ending)(verdict=make_verdict(Decision.MATCH), ended_at_ms=NOON_MS - age_ms)
        cli.ledger.register(
            make_ended(id=f"c-{number}", region="indonesia", attempts=(attempt,), ending=ending)
        )

    reported = cli.run("status", "--json", clock=make_noon()).document

    assert reported["verdicts_today"] == {"match": 1}
    assert reported["billed_calls_today"] == {"indonesia": 1}
    assert reported["spend_today_usd"] == 0.002
    assert reported["waiting_to_be_published"] == 2


def test_quota_in_use_is_the_last_minutes_calls(cli: CliEnvironment) -> None:
    attempts = tuple(
        make_attempt(number, Outcome.POSSIBLY_BILLED, started_at_ms=NOON_MS - number * 1000)
        for number in range(1, 91)
    )
    cli.ledger.register(make_comparison(region="indonesia", attempts=attempts))

    use = cli.run("status", "--json", clock=make_noon()).document["regions"]["indonesia"]

    assert (use["calls_last_minute"], use["quota_used"]) == (60, round(60 / 180, 3))


def test_a_region_on_hold_says_why_since_when_and_until_when(cli: CliEnvironment) -> None:
    cli.put_hold("singapore", reason="operator", code="Forbidden.RAMUserAccessDenied", for_s=60)

    reported = cli.run("status", "--json").document["regions"]
    ran = cli.run("status")

    assert reported["indonesia"]["hold"] is None
    assert reported["singapore"]["hold"] == {
        "reason": "operator",
        "code": "Forbidden.RAMUserAccessDenied",
        "since": "2027-01-15 07:59:48Z",
        "until": "2027-01-15 08:01:00Z",
        "is_in_force": True,
    }
    assert "on hold: Forbidden.RAMUserAccessDenied" in ran.out
    assert "the provider refuses the account or its key" in ran.err
    assert "Repair the account or its key." in ran.err


def test_a_hold_that_has_run_out_is_about_to_be_tried(cli: CliEnvironment) -> None:
    cli.put_hold("singapore", reason="outage", code="InternalError", for_s=15)
    cli.clock.advance(16)

    ran = cli.run("status")

    assert "waits for its trial: InternalError" in ran.out
    assert "on hold" not in ran.err


def test_throttling_that_is_over_holds_nothing(cli: CliEnvironment) -> None:
    cli.put_hold("singapore", reason="throttling", code="Throttling.Api", for_s=1)
    cli.clock.advance(2)

    assert cli.run("status", "--json").document["regions"]["singapore"]["hold"] is None


def test_erasures_have_a_count_of_their_own(cli: CliEnvironment) -> None:
    for name in ("kept", "erased"):
        cli.ledger.register(make_ended(id=name))
    cli.erase("erased")

    reported = cli.run("status", "--json").document

    assert (reported["verdicts_today"], reported["erased_today"]) == ({"match": 1}, 1)
    assert "1 comparison" in cli.run("status").out


def test_dead_letters_are_counted_with_the_way_to_them(cli: CliEnvironment) -> None:
    cli.send(cli.stack.dead_letters.outbox, {})

    ran = cli.run("status")

    assert ran.exit_code == ExitCode.DONE
    assert "facematch redrive --dry-run" in ran.err
