from facematch.comparison import Outcome, StoredPhoto, identify_upload
from facematch.ports import ArrivedPhoto
from facematch.verdict import Role
from facematch_cli.errors import ExitCode
from tests.factories import COMPARISON_ID, make_attempt, make_comparison, make_ended
from tests.fakes.clock import START_MS
from tests.integration.cli.stand import Stand

ETAGS = {Role.SOURCE: "etag-s", Role.TARGET: "etag-t"}


def land(stand: Stand, *roles: Role) -> None:
    for role in roles:
        photo = StoredPhoto(key=f"inbox/singapore/customer-1/{role}.jpg", etag=ETAGS[role])
        stand.ledger.put_photo("singapore", "customer-1", role, ArrivedPhoto(
            photo=photo, sequencer="01", arrived_at_ms=START_MS
        ))  # fmt: skip


def test_a_comparison_is_told_from_registration_to_publication(stand: Stand) -> None:
    attempts = (
        make_attempt(1, Outcome.THROTTLED, code="Throttling.Api", duration_ms=9),
        make_attempt(2, Outcome.ANSWERED, code="Success", duration_ms=300),
    )
    stand.ledger.register(make_ended(attempts=attempts))
    stand.ledger.mark_published(COMPARISON_ID, now_ms=START_MS + 5000)

    ran = stand.run("show", COMPARISON_ID)

    assert ran.exit_code == ExitCode.DONE
    for told in ("registered", "attempt 1", "was throttled", "ended: match", "attempt 2", "published"):
        assert told in ran.out


def test_a_program_gets_the_story_with_what_it_cost(stand: Stand) -> None:
    attempts = (
        make_attempt(1, Outcome.UNKNOWN, code="timeout"),
        make_attempt(2, Outcome.ANSWERED, code="Success"),
    )
    stand.ledger.register(make_ended(attempts=attempts))
    stand.clock.advance(60)

    told = stand.run("show", COMPARISON_ID, "--json", "--price", "singapore=0.002").document

    assert (told["billed_calls"], told["perhaps_billed_calls"], told["cost_usd"]) == (1, 1, 0.002)
    assert told["result"]["verdict"] == "match"
    assert told["story"][-1]["details"] == "to be published"


def test_one_that_is_being_compared_is_at_work(stand: Stand) -> None:
    stand.ledger.register(make_comparison())
    stand.ledger.claim(COMPARISON_ID, "worker", now_ms=START_MS, until_ms=START_MS + 30_000)

    assert "a worker has it, for 30 s at the most" in stand.run("show", COMPARISON_ID).out


def test_a_pair_is_found_by_its_own_name(stand: Stand) -> None:
    land(stand, Role.SOURCE, Role.TARGET)
    comparison_id = identify_upload("singapore", "customer-1", {role.value: ETAGS[role] for role in Role})  # type: ignore[misc]
    stand.ledger.register(make_ended(id=comparison_id, pair_id="customer-1"))

    assert stand.run("show", "singapore/customer-1", "--json").document["id"] == comparison_id


def test_half_a_pair_waits_for_the_other_half(stand: Stand) -> None:
    land(stand, Role.SOURCE)

    ran = stand.run("show", "singapore/customer-1")

    assert ran.exit_code == ExitCode.NO_VERDICT
    assert "waits for its target photo" in ran.err


def test_what_the_ledger_does_not_know_is_told(stand: Stand) -> None:
    assert stand.run("show", "nothing").exit_code == ExitCode.REFUSED
    assert stand.run("show", "singapore/nobody").exit_code == ExitCode.REFUSED
