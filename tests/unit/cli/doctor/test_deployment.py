from dataclasses import replace
from datetime import UTC, datetime

import pytest

from facematch.domain.regions import Region
from facematch_cli.doctor.check import Level
from facematch_cli.doctor.deployment import Deployment, check_deployment, describe_deployment
from harness.template import read_template
from tests.factories import make_policy
from tests.unit.cli.doctor.stubs import make_client

OUTPUTS = dict.fromkeys(read_template()["Outputs"], "-")
DEPLOYMENT = Deployment(status="UPDATE_COMPLETE", parameters={}, outputs=OUTPUTS, resources={}, alarms={})


def check(deployment: Deployment, *regions: Region) -> dict[str, Level]:
    return {one.name: one.level for one in check_deployment(deployment, make_policy(*regions))}


def test_a_stack_of_this_release_is_fine() -> None:
    assert check(DEPLOYMENT) == {"stack.status": Level.OK, "stack.outputs": Level.OK}


@pytest.mark.parametrize(
    ("status", "level"),
    [
        ("CREATE_COMPLETE", Level.OK),
        ("UPDATE_ROLLBACK_COMPLETE", Level.WARNING),
        ("ROLLBACK_COMPLETE", Level.ERROR),
        ("UPDATE_IN_PROGRESS", Level.ERROR),
        ("DELETE_FAILED", Level.ERROR),
    ],
)
def test_a_stack_whose_deployment_failed_or_lasts_is_found(status: str, level: Level) -> None:
    assert check(replace(DEPLOYMENT, status=status))["stack.status"] is level


def test_a_missing_output_is_named() -> None:
    kept = {name: value for name, value in OUTPUTS.items() if name != "MalaysiaUrgentQueueUrl"}

    _, outputs = check_deployment(replace(DEPLOYMENT, outputs=kept), make_policy(Region.MALAYSIA))

    assert (outputs.level, outputs.finding) == (
        Level.ERROR,
        "Outputs of the stack are missing: MalaysiaUrgentQueueUrl.",
    )


def test_a_region_that_is_not_allowed_needs_no_lane() -> None:
    kept = {name: value for name, value in OUTPUTS.items() if not name.startswith("Malaysia")}

    assert check(replace(DEPLOYMENT, outputs=kept), Region.SINGAPORE)["stack.outputs"] is Level.OK


def test_a_deployment_is_described_with_the_names_of_its_resources() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    resources = [("Diagnose", "AWS::Lambda::Function"), ("BacklogAgeAlarm", "AWS::CloudWatch::Alarm")]
    client = make_client(
        "cloudformation",
        (
            "describe_stacks",
            {"StackName": "facematch"},
            {
                "Stacks": [
                    {
                        "StackName": "facematch",
                        "CreationTime": at,
                        "StackStatus": "CREATE_COMPLETE",
                        "Parameters": [{"ParameterKey": "KmsKeyArn", "ParameterValue": "none"}],
                        "Outputs": [{"OutputKey": "Bucket", "OutputValue": "photos"}],
                    }
                ]
            },
        ),
        (
            "list_stack_resources",
            {"StackName": "facematch"},
            {
                "StackResourceSummaries": [
                    {
                        "LogicalResourceId": name,
                        "PhysicalResourceId": f"facematch-{name}-1",
                        "ResourceType": kind,
                        "LastUpdatedTimestamp": at,
                        "ResourceStatus": "CREATE_COMPLETE",
                    }
                    for name, kind in resources
                ]
            },
        ),
    )

    assert describe_deployment(client, "facematch") == Deployment(
        status="CREATE_COMPLETE",
        parameters={"KmsKeyArn": "none"},
        outputs={"Bucket": "photos"},
        resources={"Diagnose": "facematch-Diagnose-1", "BacklogAgeAlarm": "facematch-BacklogAgeAlarm-1"},
        alarms={"facematch-BacklogAgeAlarm-1": "BacklogAgeAlarm"},
    )
