"""Checks the deployment: the state of the stack and its outputs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from facematch.domain.regions import Region, RegionPolicy
from facematch_cli.doctor.check import Check, failed, passed, warned

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

_OUTPUTS: Final = (
    "ApiId",
    "ApiUrl",
    "Bucket",
    "ComparisonsDeadLettersUrl",
    "DiagnoseRoleArn",
    "OutboxDeadLettersUrl",
    "ResultsQueueUrl",
    "SweepDeadLettersUrl",
    "Table",
    "UploadsDeadLettersUrl",
    "UploadsQueueUrl",
)
_HEALTHY: Final = (
    "CREATE_COMPLETE",
    "UPDATE_COMPLETE",
    "IMPORT_COMPLETE",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
)
_ALARM: Final = "AWS::CloudWatch::Alarm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """A stack as CloudFormation describes it. `resources` maps logical names to physical names."""

    status: str
    parameters: Mapping[str, str]
    outputs: Mapping[str, str]
    resources: Mapping[str, str]
    alarms: Mapping[str, str]
    """Maps the physical names of the alarms to their logical names."""


def describe_deployment(client: "CloudFormationClient", name: str) -> Deployment:
    """Return the deployment of a stack."""
    stack = client.describe_stacks(StackName=name)["Stacks"][0]
    pages = client.get_paginator("list_stack_resources").paginate(StackName=name)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return Deployment(
        status=stack["StackStatus"],
        parameters={item["ParameterKey"]: item["ParameterValue"] for item in stack.get("Parameters", [])},
        outputs={item["OutputKey"]: item["OutputValue"] for item in stack.get("Outputs", [])},
        resources={item["LogicalResourceId"]: item.get("PhysicalResourceId", "") for item in resources},
        alarms={
            item.get("PhysicalResourceId", ""): item["LogicalResourceId"]
            for item in resources
            if item["ResourceType"] == _ALARM
        },
    )


def check_deployment(deployment: Deployment, regions: RegionPolicy) -> Iterator[Check]:
    """Check that the last deployment succeeded and that the stack has this release's outputs."""
    status = deployment.status
    if status in _HEALTHY:
        yield passed("stack.status", f"The stack is deployed ({status}).")
    elif status == "UPDATE_ROLLBACK_COMPLETE":
        yield warned(
            "stack.status",
            f"The last update failed and was rolled back ({status}).",
            "Read the stack's events in CloudFormation, repair the cause, and deploy again.",
        )
    else:
        yield failed(
            "stack.status",
            f"The stack is not in a stable state ({status}).",
            "Read the stack's events in CloudFormation. Wait until it is complete, or deploy again.",
        )
    expected = {*_OUTPUTS, *(name for region in regions.allowed for name in _list_lane_outputs(region))}
    missing = sorted(expected - deployment.outputs.keys())
    if missing:
        yield failed(
            "stack.outputs",
            f"Outputs of the stack are missing: {', '.join(missing)}.",
            "Deploy the release of this command.",
        )
    else:
        yield passed("stack.outputs", "The stack has all outputs of this release.")


def _list_lane_outputs(region: Region) -> tuple[str, str]:
    name = region.title().replace("-", "")
    return f"{name}BulkQueueUrl", f"{name}UrgentQueueUrl"
