import pytest

from facematch.domain.regions import Region
from facematch_cli.doctor.check import Level
from facematch_cli.doctor.queues import check_dead_letters, check_depths, check_open, check_outbox
from tests.factories import make_comparison, make_ended
from tests.integration.cli.environment import CliEnvironment


def test_messages_on_the_queues_are_counted(cli: CliEnvironment) -> None:
    cli.send(cli.uploads, {})
    cli.send(cli.results, {})
    cli.send(cli.results, {})

    check = check_depths(cli.sqs, {"uploads": cli.uploads, "results": cli.results})

    assert (check.level, check.finding) == (Level.OK, "Messages on the queues: uploads 1, results 2.")


def test_empty_queues_are_fine(cli: CliEnvironment) -> None:
    assert check_depths(cli.sqs, {"uploads": cli.uploads}).finding == "The queues are empty."
    (check,) = check_dead_letters(cli.sqs, {"uploads": cli.stack.dead_letters.uploads})
    assert check.level is Level.OK


@pytest.mark.parametrize(
    ("name", "words"), [("comparisons", "facematch redrive"), ("sweep", "Read the log of sweep")]
)
def test_dead_letters_are_named_with_the_way_back(cli: CliEnvironment, name: str, words: str) -> None:
    cli.send(cli.stack.dead_letters.uploads, {})

    urls = {name: cli.stack.dead_letters.uploads, "outbox": cli.stack.dead_letters.outbox}
    (check,) = check_dead_letters(cli.sqs, urls)

    assert (check.name, check.level) == (f"queues.dead-letters.{name}", Level.ERROR)
    assert check.finding == f"The dead-letter queue of {name} has 1 message."
    assert check.fix is not None
    assert words in check.fix


def test_a_verdict_that_was_just_given_is_not_stuck(cli: CliEnvironment) -> None:
    cli.end("fresh")
    ended = cli.ledger.find("fresh")
    assert ended is not None
    assert ended.ending is not None

    assert check_outbox(cli.ledger, ended.ending.ended_at_ms + 600_000).level is Level.OK
    assert check_outbox(cli.ledger, ended.ending.ended_at_ms + 600_001).level is Level.ERROR


def test_verdicts_that_nobody_publishes_are_counted(cli: CliEnvironment) -> None:
    for number in range(2):
        cli.end(f"stuck-{number}")

    check = check_outbox(cli.ledger, make_ended().ending.ended_at_ms + 3_600_000)  # type: ignore[union-attr] # it ended

    assert check.finding.startswith("2 verdicts have been in the outbox")


def test_a_comparison_that_is_open_for_an_hour_is_a_warning(cli: CliEnvironment) -> None:
    cli.ledger.register(make_comparison(id="old", region="singapore", created_at_ms=1_000_000))

    assert list(check_open(cli.ledger, Region.SINGAPORE, 1_000_000 + 3_600_000)) == []
    (check,) = check_open(cli.ledger, Region.SINGAPORE, 1_000_001 + 3_600_000)

    assert (check.name, check.level) == ("queues.open.singapore", Level.WARNING)
    assert check.finding == "The oldest comparison in singapore has been open for more than an hour."
