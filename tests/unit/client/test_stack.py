import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from facematch_client.errors import CommandError, ExitCode
from facematch_client.stack import StackLocation, describe_stack, find_stack
from harness.template import read_template
from tests.factories import make_environment
from tests.factories.command import AWS_REGION, STACK_ID

OUTPUTS = {
    "ApiUrl": "https://api.invalid/live",
    "UploadsQueueUrl": "https://sqs.invalid/uploads",
    "ComparisonsDeadLettersUrl": "https://sqs.invalid/comparisons-dead",
    "UploadsDeadLettersUrl": "https://sqs.invalid/uploads-dead",
    "OutboxDeadLettersUrl": "https://sqs.invalid/outbox-dead",
}


class StubbedSession(boto3.Session):
    """A session whose clients give answers that were laid down before."""

    def __init__(self) -> None:
        super().__init__("key-id", "key-secret", region_name=AWS_REGION)
        self.clients = {
            name: super(StubbedSession, self).client(name) for name in ("cloudformation", "lambda")
        }
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}

    def client(self, service_name: str, *_: Any, **__: Any) -> Any:
        return self.clients[service_name]

    def answer(self, outputs: dict[str, str] = OUTPUTS, environment: dict[str, str] | None = None) -> None:
        """Lay down a stack."""
        described: Any = {
            "StackName": "facematch",
            "StackId": STACK_ID,
            "CreationTime": "2026-01-01T00:00:00Z",
            "StackStatus": "CREATE_COMPLETE",
            "Parameters": [{"ParameterKey": "PhotoRetentionDays", "ParameterValue": "3"}],
            "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in outputs.items()],
        }
        worker = {"LogicalResourceId": "Compare", "PhysicalResourceId": "facematch-Compare-1"}
        detail: Any = {
            **worker,
            "ResourceType": "AWS::Lambda::Function",
            "LastUpdatedTimestamp": "2026-01-01T00:00:00Z",
            "ResourceStatus": "CREATE_COMPLETE",
        }
        variables = environment or {
            name: value for name, value in make_environment().items() if name != "AWS_REGION"
        }
        self.stubs["cloudformation"].add_response(
            "describe_stacks", {"Stacks": [described]}, {"StackName": "facematch"}
        )
        self.stubs["cloudformation"].add_response("describe_stack_resource", {"StackResourceDetail": detail})
        self.stubs["lambda"].add_response(
            "get_function_configuration",
            {"Environment": {"Variables": variables}},
            {"FunctionName": "facematch-Compare-1"},
        )


@pytest.fixture
def session() -> Iterator[StubbedSession]:
    session = StubbedSession()
    with session.stubs["cloudformation"], session.stubs["lambda"]:
        yield session


def test_a_stack_is_what_it_was_deployed_with(session: StubbedSession) -> None:
    session.answer()

    stack = describe_stack(session, "facematch")

    assert (stack.id, stack.api_url, stack.photo_retention_days) == (STACK_ID, OUTPUTS["ApiUrl"], 3)
    assert stack.dead_letters.outbox == OUTPUTS["OutboxDeadLettersUrl"]
    assert stack.settings.table == "ledger"
    assert stack.settings.regions.default == "singapore"


def test_the_template_has_the_outputs_and_the_function_that_are_asked_for() -> None:
    template = read_template()

    assert template["Outputs"].keys() >= OUTPUTS.keys()
    assert "PhotoRetentionDays" in template["Parameters"]
    assert template["Resources"]["Compare"]["Type"] == "AWS::Serverless::Function"


def test_a_name_that_no_stack_has_is_reported(session: StubbedSession) -> None:
    session.stubs["cloudformation"].add_client_error(
        "describe_stacks", "ValidationError", "Stack with id facematch does not exist"
    )

    with pytest.raises(CommandError, match="no stack facematch in ap-southeast-1") as refusal:
        describe_stack(session, "facematch")

    assert refusal.value.exit_code is ExitCode.UNREACHABLE


@pytest.mark.parametrize(
    ("outputs", "environment", "reported"),
    [
        ({}, None, "has no ApiUrl"),
        (OUTPUTS, {"TABLE_NAME": "ledger"}, "is missing or empty"),
    ],
    ids=["an output missing", "a variable missing"],
)
def test_a_stack_of_something_else_is_refused(
    session: StubbedSession, outputs: dict[str, str], environment: dict[str, str] | None, reported: str
) -> None:
    session.answer(outputs, environment)

    with pytest.raises(CommandError, match=reported) as refusal:
        describe_stack(session, "facematch")

    assert refusal.value.exit_code is ExitCode.REFUSED


def test_who_names_no_stack_is_asked_for_one() -> None:
    with pytest.raises(CommandError, match="Name a stack") as refusal:
        find_stack(StackLocation())

    assert refusal.value.exit_code is ExitCode.USAGE


def test_without_a_local_stack_the_message_says_how_to_start_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(CommandError, match="make up"):
        find_stack(StackLocation(local=True))


def test_a_local_stack_is_found_from_any_folder_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".local").mkdir()
    (tmp_path / "deep" / "below").mkdir(parents=True)
    reported = {
        "endpoint_url": "http://127.0.0.1:9",
        "aws_region": AWS_REGION,
        "api_url": "http://127.0.0.1:9/a",
    }
    (tmp_path / ".local" / "stack.json").write_text(json.dumps(reported))
    monkeypatch.chdir(tmp_path / "deep" / "below")

    # Nothing listens there, but that is where it was looked for.
    with pytest.raises(Exception, match=r"127\.0\.0\.1:9"):
        find_stack(StackLocation(local=True))
