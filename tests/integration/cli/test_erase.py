import io

import pytest

from facematch.domain.comparison import Origin
from facematch_client.errors import ExitCode
from tests.factories import CALLER, COMPARISON_ID, make_ended
from tests.fakes.api import FakeApi
from tests.fakes.clock import START_MS
from tests.integration.cli.environment import CliEnvironment

NOT_FOUND = {"code": "comparison_not_found", "detail": "There is no comparison here."}


def register_two(cli: CliEnvironment) -> None:
    for number, origin in enumerate(Origin):
        cli.ledger.register(
            make_ended(id=f"c-{number}", pair_id="customer-1", origin=origin, created_at_ms=START_MS + number)
        )


def test_all_comparisons_of_a_pair_are_erased_by_the_api(cli: CliEnvironment, api: FakeApi) -> None:
    register_two(cli)
    api.answers = [(204, None)] * 2

    ran = cli.run("erase", "customer-1", "--yes")

    assert ran.exit_code == ExitCode.DONE
    assert [line for line, _, _ in api.requests] == [
        "DELETE /live/v1/comparisons/c-1",
        "DELETE /live/v1/comparisons/c-0",
    ]
    reported = " ".join(ran.err.split())
    assert "A tombstone remains" in reported
    assert "expires after 30 days (RecordRetentionDays)" in reported
    assert "data that consumers of the results queue have stored" in reported
    assert "The provider's data is not deleted" in reported


def test_one_comparison_is_erased_by_its_id_for_a_program(cli: CliEnvironment, api: FakeApi) -> None:
    register_two(cli)
    api.answers = [(204, None)]

    ran = cli.run("erase", "c-0", "--yes", "--json")

    assert ran.document["comparisons"] == {"c-0": "erased"}
    assert "tombstone" in ran.document["remains"][0]
    assert len(api.requests) == 1


def test_nothing_is_erased_without_a_yes(
    cli: CliEnvironment, api: FakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_two(cli)
    monkeypatch.setattr("sys.stdin", iter_answers("n"))

    ran = cli.run("erase", "customer-1")

    assert ran.exit_code == ExitCode.INTERRUPTED
    assert api.requests == []
    assert cli.run("erase", "customer-1", "--json").exit_code == ExitCode.USAGE


def iter_answers(*answers: str) -> io.StringIO:
    return io.StringIO("".join(f"{answer}\n" for answer in answers))


def test_one_that_was_erased_is_not_erased_again(cli: CliEnvironment, api: FakeApi) -> None:
    cli.ledger.register(make_ended())
    cli.erase(COMPARISON_ID)

    ran = cli.run("erase", COMPARISON_ID, "--yes")

    assert (ran.exit_code, api.requests) == (ExitCode.DONE, [])
    assert "already erased" in ran.out


def test_a_refused_erasure_names_who_may_erase(cli: CliEnvironment, api: FakeApi) -> None:
    cli.ledger.register(make_ended(origin=Origin.API, caller=CALLER))
    api.answers = [(404, NOT_FOUND)]

    ran = cli.run("erase", COMPARISON_ID, "--yes")

    assert ran.exit_code == ExitCode.UNREACHABLE
    assert "AdminPrincipals" in ran.out
    assert CALLER in ran.out
    assert "tombstone" not in ran.err


def test_what_could_not_be_erased_is_named_beside_what_was(cli: CliEnvironment, api: FakeApi) -> None:
    register_two(cli)
    api.answers = [(204, None), (500, {"code": "internal", "detail": "Something failed."})]

    ran = cli.run("erase", "customer-1", "--yes", "--json")

    assert ran.exit_code == ExitCode.PARTIAL
    assert ran.document["comparisons"]["c-1"] == "erased"
    assert "Something failed" in ran.document["comparisons"]["c-0"]


def test_a_pair_that_is_not_there_is_refused(cli: CliEnvironment, api: FakeApi) -> None:
    ran = cli.run("erase", "nobody", "--yes")

    assert (ran.exit_code, api.requests) == (ExitCode.REFUSED, [])
