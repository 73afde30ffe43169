"""Finds a stack by its name in CloudFormation, and reads its settings."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from facematch.domain.errors import ConfigurationError
from facematch.settings import Settings, read_settings
from facematch.use_cases.prepare_photos import photo_limits
from facematch_client.errors import CommandError, ExitCode
from imaging import PROVIDER_LIMITS, Limits

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

STACK_FILE: Final = Path(".local", "stack.json")
LOCAL_STACK_NAME: Final = "facematch-local"
_LOCAL_KEY: Final = "test"
_CONNECTIONS: Final = 64
_WORKER: Final = "Compare"
"""The logical name of the function that has all settings in its environment."""


@dataclass(frozen=True, slots=True)
class StackLocation:
    """The options that select a stack."""

    stack: str | None = None
    local: bool = False
    profile: str | None = None
    aws_region: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterUrls:
    """The URLs of the dead-letter queues."""

    comparisons: str
    uploads: str
    outbox: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A deployed stack. `endpoint_url` is the address of the local cloud, None in AWS."""

    name: str
    id: str
    session: boto3.Session
    endpoint_url: str | None
    api_url: str
    uploads_queue_url: str
    dead_letters: DeadLetterUrls
    photo_retention_days: int
    settings: Settings

    def s3(self) -> "S3Client":
        """Return a client of S3."""
        return self.session.client("s3", endpoint_url=self.endpoint_url, config=self._config())

    def sqs(self) -> "SQSClient":
        """Return a client of SQS."""
        return self.session.client("sqs", endpoint_url=self.endpoint_url, config=self._config())

    def dynamodb(self) -> "DynamoDBClient":
        """Return a client of DynamoDB."""
        return self.session.client("dynamodb", endpoint_url=self.endpoint_url, config=self._config())

    def secrets(self) -> "SecretsManagerClient":
        """Return a client of Secrets Manager."""
        return self.session.client("secretsmanager", endpoint_url=self.endpoint_url, config=self._config())

    def _config(self) -> Config:
        return _make_config(is_local=self.endpoint_url is not None)


def choose_limits(stack: Stack | None) -> Limits:
    """Return the photo limits of a stack, or the provider's limits without a stack."""
    return photo_limits(stack.settings) if stack else PROVIDER_LIMITS


def find_stack(location: StackLocation) -> Stack:
    """Return the stack that the options select.

    Raises
    ------
    CommandError
        No stack is named, it does not exist, or it is not a facematch stack.
    """
    if location.local:
        return _find_local_stack(Path.cwd())
    if location.stack is None:
        raise CommandError(
            "Name a stack with --stack NAME, or use --local for the stack on this machine.",
            ExitCode.USAGE,
        )
    session = boto3.Session(profile_name=location.profile, region_name=location.aws_region)
    return describe_stack(session, location.stack)


def describe_stack(
    session: boto3.Session, name: str, *, endpoint_url: str | None = None, api_url: str | None = None
) -> Stack:
    """Return a stack by its name. A local cloud has its own `endpoint_url` and `api_url`.

    Raises
    ------
    CommandError
        The stack does not exist, or it is not a facematch stack.
    """
    config = _make_config(is_local=endpoint_url is not None)
    client = session.client("cloudformation", endpoint_url=endpoint_url, config=config)
    described = _describe(client, name, session.region_name)
    parameters = {item["ParameterKey"]: item["ParameterValue"] for item in described.get("Parameters", [])}
    outputs = {item["OutputKey"]: item["OutputValue"] for item in described.get("Outputs", [])}
    functions = session.client("lambda", endpoint_url=endpoint_url, config=config)
    try:
        return Stack(
            name=name,
            id=described["StackId"],
            session=session,
            endpoint_url=endpoint_url,
            api_url=api_url or outputs["ApiUrl"],
            uploads_queue_url=outputs["UploadsQueueUrl"],
            dead_letters=DeadLetterUrls(
                comparisons=outputs["ComparisonsDeadLettersUrl"],
                uploads=outputs["UploadsDeadLettersUrl"],
                outbox=outputs["OutboxDeadLettersUrl"],
            ),
            photo_retention_days=int(parameters["PhotoRetentionDays"]),
            settings=_read_settings(client, functions, name, session.region_name),
        )
    except (KeyError, ConfigurationError) as error:
        cause = error.message if isinstance(error, ConfigurationError) else f"It has no {error.args[0]}."
        raise CommandError(
            f"The stack {name} is not a facematch stack, or its release differs from this command's. {cause}",
            ExitCode.REFUSED,
        ) from None


def _read_settings(
    client: "CloudFormationClient", functions: "LambdaClient", name: str, aws_region: str
) -> Settings:
    """Return the settings from the environment of the stack's function."""
    worker = client.describe_stack_resource(StackName=name, LogicalResourceId=_WORKER)["StackResourceDetail"]
    function = functions.get_function_configuration(FunctionName=worker["PhysicalResourceId"])
    return read_settings({**function["Environment"]["Variables"], "AWS_REGION": aws_region})


def _find_local_stack(folder: Path) -> Stack:
    for above in (folder, *folder.parents):
        file = above / STACK_FILE
        if file.is_file():
            addresses = json.loads(file.read_text(encoding="utf-8"))
            session = boto3.Session(_LOCAL_KEY, _LOCAL_KEY, region_name=addresses["aws_region"])
            return describe_stack(
                session,
                LOCAL_STACK_NAME,
                endpoint_url=addresses["endpoint_url"],
                api_url=addresses["api_url"],
            )
    raise CommandError(
        f"There is no {STACK_FILE} in this folder or above. Start a local stack with `make up`.",
        ExitCode.UNREACHABLE,
    )


def _describe(client: "CloudFormationClient", name: str, aws_region: str) -> "StackTypeDef":
    try:
        return client.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        raise CommandError(
            f"There is no stack {name} in {aws_region}. Check --stack, --aws-region and --profile.",
            ExitCode.UNREACHABLE,
        ) from None


def _make_config(*, is_local: bool) -> Config:
    config = Config(
        retries={"mode": "standard", "total_max_attempts": 5},
        connect_timeout=5,
        max_pool_connections=_CONNECTIONS,
        user_agent_extra="facematch-cli",
    )
    if is_local:
        return config.merge(
            Config(proxies={}, s3={"addressing_style": "path"}, retries={"total_max_attempts": 2})
        )
    return config
