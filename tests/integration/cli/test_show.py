import pytest

from facematch.domain.comparison import Origin, Outcome, StoredPhoto, identify_upload
from facematch.domain.inbox import make_folder, make_inbox_key
from facematch.domain.pair import ArrivedPhoto
from facematch.domain.verdict import Role
from facematch_client.errors import ExitCode
from tests.factories import CALLER, COMPARISON_ID, make_attempt, make_comparison, make_ended
from tests.fakes.clock import START_MS
from tests.integration.cli.environment import CliEnvironment

ETAGS = {Role.SOURCE: "etag-s", Role.TARGET: "etag-t"}
PRINCIPAL = "arn:aws:sts::000000000000:assumed-role/onboarding"
"""By which name the API knows the caller."""


def land(cli: CliEnvironment, *roles: Role, caller: str | None = None) -> dict[Role, StoredPhoto]:
    photos = {}
    for role in roles:
        key = make_inbox_key("singapore", "customer-1", role, "jpg", caller)
        photos[role] = StoredPhoto(key=key, etag=ETAGS[role])
        arrived = ArrivedPhoto(photo=photos[role], sequencer="01", arrived_at_ms=START_MS)
        cli.ledger.put_photo("singapore", make_folder("customer-1", caller), role, arrived)
    return photos


def test_a_comparison_is_shown_from_registration_to_publication(cli: CliEnvironment) -> None:
    attempts = (
        make_attempt(1, Outcome.POSSIBLY_BILLED, code="timeout", duration_ms=9),
        make_attempt(2, Outcome.ANSWERED, code="Success", duration_ms=300),
    )
    cli.ledger.register(make_ended(attempts=attempts))
    cli.ledger.mark_published(COMPARISON_ID, now_ms=START_MS + 5000)

    ran = cli.run("show", COMPARISON_ID)

    assert ran.exit_code == ExitCode.DONE
    for reported in (
        "registered",
        "attempt 1",
        "it may have been billed",
        "ended: match",
        "attempt 2",
        "published",
    ):
        assert reported in ran.out


def test_a_program_gets_the_story_with_what_it_cost(cli: CliEnvironment) -> None:
    attempts = (
        make_attempt(1, Outcome.POSSIBLY_BILLED, code="timeout"),
        make_attempt(2, Outcome.ANSWERED, code="Success"),
    )
    cli.ledger.register(make_ended(attempts=attempts))
    cli.clock.advance(60)

    reported = cli.run("show", COMPARISON_ID, "--json", "--price", "singapore=0.002").document

    assert (reported["billed_calls"], reported["possibly_billed_calls"], reported["cost_usd"]) == (
        1,
        1,
        0.002,
    )
    assert reported["result"]["verdict"] == "match"
    assert reported["story"][-1]["details"] == "to be published"


def test_one_that_is_being_compared_is_at_work(cli: CliEnvironment) -> None:
    cli.ledger.register(make_comparison())
    cli.ledger.claim(COMPARISON_ID, "worker", now_ms=START_MS, until_ms=START_MS + 30_000)

    assert "a worker has its lease for 30 s more" in cli.run("show", COMPARISON_ID).out


def test_a_pair_is_found_by_its_own_name(cli: CliEnvironment) -> None:
    photos = land(cli, *Role)
    comparison_id = identify_upload("singapore", "customer-1", ETAGS)
    cli.ledger.register(make_ended(id=comparison_id, pair_id="customer-1", photos=photos))

    reported = cli.run("show", "singapore/customer-1", "--json").document

    assert reported["id"] == comparison_id
    assert [entry["what"] for entry in reported["story"][:3]] == [
        "source arrived",
        "target arrived",
        "registered",
    ]


@pytest.mark.parametrize("caller", [CALLER, f"{PRINCIPAL}/a-session"])
def test_a_pair_of_an_upload_form_is_found_as_its_callers_own(cli: CliEnvironment, caller: str) -> None:
    photos = land(cli, *Role, caller=PRINCIPAL)
    comparison_id = identify_upload("singapore", make_folder("customer-1", PRINCIPAL), ETAGS)
    cli.ledger.register(make_ended(id=comparison_id, pair_id="customer-1", caller=PRINCIPAL, photos=photos))

    reported = cli.run("show", "singapore/customer-1", "--caller", caller, "--json").document

    assert reported["id"] == comparison_id
    assert reported["story"][0]["what"] == "source arrived"
    assert cli.run("show", "customer-1", "--json").document["id"] == comparison_id


@pytest.mark.parametrize("name", ["order-7", "singapore/order-7"])
def test_a_pair_of_the_api_is_found_by_its_pair_id(cli: CliEnvironment, name: str) -> None:
    cli.ledger.register(make_ended(origin=Origin.API, caller=CALLER, pair_id="order-7"))

    assert cli.run("show", name, "--json").document["id"] == COMPARISON_ID


def test_of_several_comparisons_of_a_name_one_is_chosen_by_its_id(cli: CliEnvironment) -> None:
    for number in range(2):
        cli.ledger.register(make_ended(id=f"c-{number}", pair_id="order-7", created_at_ms=START_MS + number))

    ran = cli.run("show", "order-7")

    assert ran.exit_code == ExitCode.REFUSED
    assert "c-1 (singapore), c-0 (singapore)" in ran.err


def test_one_that_waits_for_a_region_on_hold_says_why_since_when_and_until_when(cli: CliEnvironment) -> None:
    cli.ledger.register(make_comparison())
    cli.put_hold("singapore", reason="operator", code="Forbidden.RAMUserAccessDenied", for_s=60)

    waiting = cli.run("show", COMPARISON_ID, "--json").document["story"][-1]

    assert waiting["what"] == "waiting"
    reported = (
        "(Forbidden.RAMUserAccessDenied), since 2027-01-15 07:59:48Z; next call at 2027-01-15 08:01:00Z"
    )
    assert waiting["details"].endswith(f"the provider refuses the account or its key {reported}")


def test_a_region_that_resembles_one_is_answered_with_it(cli: CliEnvironment) -> None:
    assert "Did you mean singapore?" in cli.run("show", "Singapore/customer-1").err


def test_an_incomplete_pair_waits_for_its_other_photo(cli: CliEnvironment) -> None:
    land(cli, Role.SOURCE)

    ran = cli.run("show", "singapore/customer-1")

    assert ran.exit_code == ExitCode.NO_VERDICT
    assert "Its target photo is missing" in ran.err


def test_what_the_ledger_does_not_have_is_reported(cli: CliEnvironment) -> None:
    assert cli.run("show", "nothing").exit_code == ExitCode.REFUSED
    assert cli.run("show", "singapore/nobody").exit_code == ExitCode.REFUSED
