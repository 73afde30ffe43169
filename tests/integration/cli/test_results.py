import csv
import io

import pytest

from facematch.domain.verdict import Decision, Role
from facematch_client.errors import ExitCode
from tests.factories import make_ended, make_verdict
from tests.integration.cli.environment import CliEnvironment


@pytest.fixture
def cli_with_events(cli: CliEnvironment) -> CliEnvironment:
    """A match, and a photo that was rejected."""
    cli.send_event(make_ended(id="first", pair_id="customer-1"))
    rejected = make_verdict(Decision.PHOTO_REJECTED, reason="too_small", photo=Role.TARGET)
    cli.send_event(make_ended(rejected, id="second", pair_id=None))
    return cli


def test_a_person_gets_a_table(cli_with_events: CliEnvironment) -> None:
    ran = cli_with_events.run("results", "--wait", "0")

    assert ran.exit_code == ExitCode.DONE
    assert "customer-1" in ran.out
    assert "photo_rejected" in ran.out
    assert "too_small (target)" in ran.out


def test_a_program_gets_the_events_themselves(cli_with_events: CliEnvironment) -> None:
    events = cli_with_events.run("results", "--wait", "0", "--json").lines

    assert {event["id"] for event in events} == {"first", "second"}
    assert {event["type"] for event in events} == {
        "facematch.comparison.completed",
        "facematch.comparison.rejected",
    }


def test_a_spreadsheet_gets_csv(cli_with_events: CliEnvironment) -> None:
    ran = cli_with_events.run("results", "--wait", "0", "--csv")

    rows = {row["comparison_id"]: row for row in csv.DictReader(io.StringIO(ran.out))}
    assert (rows["first"]["verdict"], rows["first"]["score"]) == ("match", "52.57")
    assert (rows["second"]["reason"], rows["second"]["score"]) == ("too_small", "")


def test_what_is_looked_at_stays_and_can_be_taken_at_once(cli_with_events: CliEnvironment) -> None:
    cli_with_events.run("results", "--wait", "0")

    assert cli_with_events.depth(cli_with_events.results) == 2


def test_what_is_acknowledged_is_gone(cli_with_events: CliEnvironment) -> None:
    ran = cli_with_events.run("results", "--wait", "0", "--ack", "--limit", "1", "--json")

    assert len(ran.lines) == 1
    assert cli_with_events.depth(cli_with_events.results) == 1


def test_more_events_than_one_batch_are_all_shown(cli: CliEnvironment) -> None:
    for number in range(25):
        cli.send_event(make_ended(id=f"comparison-{number}"))

    lines = cli.run("results", "--wait", "0", "--json").lines

    assert len({event["id"] for event in lines}) == len(lines) == 25
    assert cli.depth(cli.results) == 25


def test_a_foreign_message_is_reported(cli: CliEnvironment) -> None:
    cli.send(cli.results, "Dear Sir or Madam")

    assert "not an event" in cli.run("results", "--wait", "0").out
    assert "foreign_message" in cli.run("results", "--wait", "0", "--json").lines[0]


def test_an_empty_queue_is_reported(cli: CliEnvironment) -> None:
    ran = cli.run("results", "--wait", "0")

    assert (ran.exit_code, ran.out) == (ExitCode.DONE, "")
    assert "empty" in ran.err


def test_one_form_at_a_time(cli: CliEnvironment) -> None:
    assert cli.run("results", "--csv", "--json").exit_code == ExitCode.USAGE


def test_who_follows_can_stop_after_so_many(cli_with_events: CliEnvironment) -> None:
    ran = cli_with_events.run("results", "--follow", "--ack", "--limit", "2", "--json")

    assert len(ran.lines) == 2
    assert cli_with_events.depth(cli_with_events.results) == 0
