import pytest

from facematch.domain.comparison import Origin, StoredPhoto
from facematch.domain.inbox import make_folder, make_inbox_key
from facematch.domain.pair import ArrivedPhoto
from facematch.domain.verdict import Decision, Role
from facematch_client.errors import ExitCode
from tests.factories import CALLER, make_comparison, make_ended, make_verdict
from tests.fakes.clock import START_MS
from tests.integration.cli.environment import CliEnvironment


@pytest.fixture
def cli_with_customers(cli: CliEnvironment) -> CliEnvironment:
    """Comparisons of three customers; one of them came by the bucket and by the API."""
    cli.ledger.register(make_ended(id="by-bucket", pair_id="customer-1"))
    cli.ledger.register(
        make_ended(
            make_verdict(Decision.NO_MATCH),
            id="by-api",
            pair_id="customer-1",
            origin=Origin.API,
            caller=CALLER,
            region="indonesia",
            created_at_ms=START_MS + 1000,
        )
    )
    cli.ledger.register(make_comparison(id="open", pair_id="customer-2"))
    cli.ledger.register(make_ended(id="gone", pair_id="customer-3"))
    cli.erase("gone")
    return cli


def find(cli: CliEnvironment, *arguments: str) -> list[str]:
    document = cli.run("find", *arguments, "--json").document
    return [comparison["id"] for comparison in document["comparisons"]]


def test_a_customer_is_found_whatever_the_way_in_the_newest_first(
    cli_with_customers: CliEnvironment,
) -> None:
    assert find(cli_with_customers, "customer-1") == ["by-api", "by-bucket"]

    ran = cli_with_customers.run("find", "customer-1")
    assert ran.exit_code == ExitCode.DONE
    for reported in ("by-api", "indonesia", "no_match", "52.57", "upload"):
        assert reported in ran.out


def test_a_comparison_is_found_by_its_id_erased_or_not(cli_with_customers: CliEnvironment) -> None:
    assert find(cli_with_customers, "by-api") == ["by-api"]
    assert find(cli_with_customers, "gone") == ["gone"]


def test_a_list_is_narrowed_by_region_and_verdict(cli_with_customers: CliEnvironment) -> None:
    assert find(cli_with_customers, "customer-1", "--region", "singapore") == ["by-bucket"]
    assert find(cli_with_customers, "--verdict", "no_match") == ["by-api"]
    assert find(cli_with_customers, "--verdict", "open") == ["open"]
    assert find(cli_with_customers, "--verdict", "erased") == ["gone"]


def test_an_erased_customer_is_not_found(cli_with_customers: CliEnvironment) -> None:
    ran = cli_with_customers.run("find", "customer-3")

    assert ran.exit_code == ExitCode.REFUSED
    assert "Nothing found" in ran.err


@pytest.mark.parametrize("caller", [None, CALLER])
def test_a_pair_that_waits_for_a_photo_is_found(cli: CliEnvironment, caller: str | None) -> None:
    key = make_inbox_key("singapore", "customer-1", Role.SOURCE, "jpg", caller)
    arrived = ArrivedPhoto(photo=StoredPhoto(key=key, etag="e"), sequencer="1", arrived_at_ms=START_MS)
    cli.ledger.put_photo("singapore", make_folder("customer-1", caller), Role.SOURCE, arrived)

    (pair,) = cli.run("find", "customer-1", "--json").document["incomplete_pairs"]

    assert (pair["pair_id"], pair["caller"], pair["missing"]) == ("customer-1", caller, "target")
    ran = cli.run("find", "--verdict", "open")
    assert "has waited for its target photo since 2027-01-15 08:00:00Z" in " ".join(ran.out.split())


def test_a_search_for_nothing_is_refused(cli: CliEnvironment) -> None:
    assert cli.run("find").exit_code == ExitCode.USAGE
