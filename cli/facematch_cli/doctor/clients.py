"""AWS clients that only the doctor needs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.config import Config

from facematch_client.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sns import SNSClient

_RETRIES: Final = Config(
    retries={"mode": "standard", "total_max_attempts": 5},
    connect_timeout=5,
    user_agent_extra="facematch-cli",
    # The diagnostic function runs for a minute at most.
    read_timeout=70,
)
_LOCAL: Final = Config(proxies={}, retries={"total_max_attempts": 2})


@dataclass(frozen=True, slots=True)
class Clients:
    """Makes clients for the cloud of a stack."""

    stack: Stack

    def cloudformation(self) -> "CloudFormationClient":
        """Return a client of CloudFormation."""
        return self.stack.session.client(
            "cloudformation", endpoint_url=self.stack.endpoint_url, config=self._config()
        )

    def cloudwatch(self) -> "CloudWatchClient":
        """Return a client of CloudWatch."""
        return self.stack.session.client(
            "cloudwatch", endpoint_url=self.stack.endpoint_url, config=self._config()
        )

    def events(self) -> "EventBridgeClient":
        """Return a client of EventBridge."""
        return self.stack.session.client(
            "events", endpoint_url=self.stack.endpoint_url, config=self._config()
        )

    def functions(self) -> "LambdaClient":
        """Return a client of Lambda."""
        return self.stack.session.client(
            "lambda", endpoint_url=self.stack.endpoint_url, config=self._config()
        )

    def streams(self) -> "DynamoDBStreamsClient":
        """Return a client of DynamoDB's streams."""
        return self.stack.session.client(
            "dynamodbstreams", endpoint_url=self.stack.endpoint_url, config=self._config()
        )

    def topics(self) -> "SNSClient":
        """Return a client of SNS."""
        return self.stack.session.client("sns", endpoint_url=self.stack.endpoint_url, config=self._config())

    def _config(self) -> Config:
        return _RETRIES if self.stack.endpoint_url is None else _RETRIES.merge(_LOCAL)
