from datetime import UTC, datetime
from typing import Any

import pytest

from facematch.domain.regions import Region
from facematch_cli.doctor.check import Check, Level
from facematch_cli.doctor.lanes import Share, check_holds, check_shares, list_shares
from facematch_client.holds import find_hold
from tests.integration.cli.environment import CliEnvironment
from tests.unit.cli.doctor.stubs import make_client

SECRET = "arn:aws:secretsmanager:ap-southeast-1:1:secret:provider"
ALL = frozenset({Region.SINGAPORE})


def check_hold(cli: CliEnvironment, region: Region = Region.SINGAPORE) -> Check:
    now_ms = cli.clock.now_ms()
    (check,) = check_holds({region: find_hold(cli.stack, region, now_ms)}, now_ms)
    return check


def test_lanes_without_a_hold_are_fine(cli: CliEnvironment) -> None:
    assert check_hold(cli).finding == "No lane is on hold."


@pytest.mark.parametrize(
    ("reason", "level"), [("operator", Level.ERROR), ("outage", Level.ERROR), ("throttling", Level.WARNING)]
)
def test_a_lane_on_hold_is_named_with_its_reason(cli: CliEnvironment, reason: str, level: Level) -> None:
    cli.put_hold("singapore", reason=reason, code="Some.Code", for_s=60)

    check = check_hold(cli)

    assert (check.name, check.level) == ("lanes.hold.singapore", level)
    assert "Some.Code" in check.finding


def test_a_hold_that_ended_waits_for_its_trial(cli: CliEnvironment) -> None:
    cli.put_hold("singapore", reason="outage", code="Some.Code", for_s=60)
    cli.clock.advance(61)

    check = check_hold(cli)
    assert check.level is Level.WARNING
    assert "the next call is the trial, due since" in check.finding


def test_throttling_that_is_over_is_over(cli: CliEnvironment) -> None:
    cli.put_hold("singapore", reason="throttling", code="Throttling.Api", for_s=2)
    cli.clock.advance(3)

    assert check_hold(cli).level is Level.OK


@pytest.mark.parametrize(
    ("parts", "level"),
    [((0.97,), Level.OK), ((0.5, 0.47), Level.OK), ((0.4, 0.6), Level.OK), ((0.97, 0.97), Level.ERROR)],
)
def test_the_shares_of_all_stacks_must_fit_into_the_quota(parts: tuple[float, ...], level: Level) -> None:
    shares = [Share(f"stack-{number}", part, ALL) for number, part in enumerate(parts)]

    (check,) = check_shares(shares, {Region.SINGAPORE: 9.7}, [Region.SINGAPORE])

    assert (check.name, check.level) == ("lanes.quota.singapore", level)


def test_stacks_in_other_regions_take_nothing_of_the_quota() -> None:
    shares = [Share("here", 0.97, ALL), Share("there", 0.97, frozenset({Region.INDONESIA}))]

    (check,) = check_shares(shares, {Region.SINGAPORE: 9.7}, [Region.SINGAPORE])

    assert check.finding == "The stack uses 9.7 calls per second in singapore."


def make_described(name: str, status: str = "CREATE_COMPLETE", **parameters: str) -> dict[str, Any]:
    return {
        "StackName": name,
        "CreationTime": datetime(2026, 1, 1, tzinfo=UTC),
        "StackStatus": status,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    }


def test_the_shares_are_those_of_the_stacks_with_the_same_key() -> None:
    static = {"ProviderCredentials": "static", "ProviderSecretArn": SECRET, "QuotaShare": "0.5"}
    stacks = [
        make_described("mine", **static, AllowedRegions="singapore,hong-kong"),
        make_described("default", **static, AllowedRegions="auto", DefaultRegion="auto"),
        make_described("named", **static, AllowedRegions="auto", DefaultRegion="malaysia"),
        make_described("gone", "DELETE_COMPLETE", **static),
        make_described("another-key", **{**static, "ProviderSecretArn": f"{SECRET}-2"}),
        make_described("something-else", Colour="blue"),
    ]
    client = make_client("cloudformation", ("describe_stacks", {}, {"Stacks": stacks}))

    assert list_shares(client, static, "ap-southeast-3") == [
        Share("mine", 0.5, frozenset({Region.SINGAPORE, Region.HONG_KONG})),
        Share("default", 0.5, frozenset({Region.INDONESIA})),
        Share("named", 0.5, frozenset({Region.MALAYSIA})),
    ]


def test_stacks_without_a_key_share_an_account_by_their_roles() -> None:
    def make(role: str) -> dict[str, str]:
        return {
            "ProviderCredentials": "federated",
            "ProviderSecretArn": "none",
            "ProviderRoleArn": role,
            "QuotaShare": "0.5",
            "AllowedRegions": "singapore",
        }

    stacks = [
        make_described("one", **make("acs:ram::1:role/a")),
        make_described("two", **make("acs:ram::1:role/b")),
        make_described("three", **make("acs:ram::2:role/a")),
    ]
    client = make_client("cloudformation", ("describe_stacks", {}, {"Stacks": stacks}))

    found = list_shares(client, make("acs:ram::1:role/a"), "ap-southeast-1")

    assert [share.stack for share in found] == ["one", "two"]
