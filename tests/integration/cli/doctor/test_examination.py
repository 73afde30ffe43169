"""All checks together, on a stack in moto that lacks most of what a real one has."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from facematch_cli.main import run
from facematch_cli.options import Environment
from facematch_client.errors import CommandError, ExitCode
from facematch_client.stack import Stack, StackLocation
from tests.integration.cli.environment import CliEnvironment

TEMPLATE = {
    "Parameters": {
        "AlarmTopicArn": {"Type": "String", "Default": "none"},
        "KmsKeyArn": {"Type": "String", "Default": "none"},
    },
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
    "Outputs": {"Bucket": {"Value": "photos"}},
}


@pytest.fixture
def deployed(cli: CliEnvironment) -> CliEnvironment:
    """The cli, as a stack that CloudFormation knows."""
    client = cli.stack.session.client("cloudformation")
    client.create_stack(StackName=cli.name, TemplateBody=json.dumps(TEMPLATE))
    return cli


def examine(cli: CliEnvironment, *options: str) -> Any:
    return cli.run("doctor", "--json", *options).document


def test_what_can_not_be_checked_does_not_keep_the_rest_from_it(deployed: CliEnvironment) -> None:
    ran = deployed.run("doctor", "--json")

    names = {check["name"]: check for check in ran.document["checks"]}
    assert ran.exit_code == ExitCode.UNHEALTHY
    assert names["provider.functions.not-checked"]["finding"] == "The stack has no Diagnose."
    assert names["bucket.notification"]["level"] == "error"
    assert names["lanes.hold"]["level"] == "ok"


def test_a_part_that_the_profile_may_not_read_is_a_warning(deployed: CliEnvironment) -> None:
    def deny(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied"}}, "GetBucketNotificationConfiguration")

    event = "before-call.s3.GetBucketNotificationConfiguration"
    deployed.stack.session.events.register(event, deny)
    checks = {check["name"]: check for check in examine(deployed)["checks"]}
    deployed.stack.session.events.unregister(event, deny)

    denied = checks["bucket.not-checked"]
    assert denied["level"] == "warning"
    assert "may not call GetBucketNotificationConfiguration" in denied["finding"]
    assert "api.unsigned" in checks


def test_a_region_that_the_stack_does_not_compare_in_is_named(deployed: CliEnvironment) -> None:
    (check,) = examine(deployed, "--region", "hong-kong")["checks"]

    assert (check["name"], check["level"]) == ("stack.region", "error")
    assert "does not compare in hong-kong. It compares in singapore, indonesia" in check["finding"]


def test_each_fault_is_printed_with_its_repair(deployed: CliEnvironment) -> None:
    ran = deployed.run("doctor", "--region", "hong-kong")

    assert ran.exit_code == ExitCode.UNHEALTHY
    assert ran.out.splitlines() == [
        "stack",
        "  ✗ This stack does not compare in hong-kong. It compares in singapore, indonesia.",
        "    Add the region to AllowedRegions and deploy, or choose another region.",
    ]
    assert "1 error, 0 warnings, 0 passed." in ran.err


def run_on(find: Any, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = run(["doctor", "--stack", "facematch", "--json"], Environment(find_stack=find))
    return code, capsys.readouterr().out


def test_settings_that_contradict_each_other_are_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(_: StackLocation) -> Stack:
        raise CommandError("DefaultRegion malaysia is not among AllowedRegions.", ExitCode.REFUSED)

    code, out = run_on(refuse, capsys)

    assert code == ExitCode.UNHEALTHY
    assert json.loads(out)["checks"][0]["name"] == "stack.settings"


def test_a_stack_that_is_not_there_can_not_be_examined(capsys: pytest.CaptureFixture[str]) -> None:
    def miss(_: StackLocation) -> Stack:
        raise CommandError("There is no stack facematch.", ExitCode.UNREACHABLE)

    assert run_on(miss, capsys) == (ExitCode.UNREACHABLE, "")
