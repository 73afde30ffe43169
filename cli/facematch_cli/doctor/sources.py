"""Checks the event sources that start the functions, and reads their concurrency."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from facematch_cli.doctor.check import Check, failed, passed, warned

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sqs import SQSClient

STREAM: Final = "the ledger's stream"
_ACTIVE: Final = ("Enabled", "Enabling", "Creating", "Updating")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A queue or the stream, with its event source in Lambda, if any.

    `concurrency` is the maximum number of functions that it runs at the same time, 0 without an event source.
    """

    name: str
    id: str | None = None
    state: str = ""
    last_result: str = ""
    concurrency: int = 0


def find_queue_sources(functions: "LambdaClient", sqs: "SQSClient", urls: Mapping[str, str]) -> list[Source]:
    """Return the event source of each queue in `urls`."""
    return [_find_source(functions, name, _find_arn(sqs, url), shards=1) for name, url in urls.items()]


def find_stream_source(
    functions: "LambdaClient", dynamodb: "DynamoDBClient", streams: "DynamoDBStreamsClient", table: str
) -> Source:
    """Return the event source of the ledger's stream."""
    arn = dynamodb.describe_table(TableName=table)["Table"].get("LatestStreamArn")
    if arn is None:
        return Source(name=STREAM)
    shards = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]
    is_open = ["EndingSequenceNumber" not in shard.get("SequenceNumberRange", {}) for shard in shards]
    return _find_source(functions, STREAM, arn, shards=max(sum(is_open), 1))


def check_sources(sources: Sequence[Source]) -> Iterator[Check]:
    """Check that every queue and the stream have an active event source."""
    broken = [check for source in sources if (check := _check_source(source)) is not None]
    yield from broken
    if not broken:
        yield passed("sources.enabled", f"All {len(sources)} event sources are enabled.")


def check_schedule(client: "EventBridgeClient", rule: str) -> Check:
    """Check that the sweep runs every minute."""
    state = client.describe_rule(Name=rule).get("State")
    if state == "ENABLED":
        return passed("sources.sweep", "The sweep is scheduled every minute.")
    return failed(
        "sources.sweep",
        f"The schedule of the sweep is not enabled ({state}).",
        f"Enable the rule: `aws events enable-rule --name {rule}`.",
    )


def _check_source(source: Source) -> Check | None:
    name = f"sources.{source.name.replace(' ', '-')}"
    if source.id is None:
        return failed(
            name,
            f"Nothing reads {source.name}: it has no event source.",
            "Create the stack again, or restore the event source in CloudFormation.",
        )
    if source.state not in _ACTIVE:
        return failed(
            name,
            f"The event source of {source.name} is {source.state.lower()}: nothing reads it.",
            f"Enable it: `aws lambda update-event-source-mapping --uuid {source.id} --enabled`.",
        )
    if source.last_result.startswith("PROBLEM"):
        return warned(
            name,
            f"Lambda reports a problem with {source.name}: {source.last_result}",
            "Check the role and the log of the function.",
        )
    return None


def _find_source(functions: "LambdaClient", name: str, arn: str, *, shards: int) -> Source:
    found = functions.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
    if not found:
        return Source(name=name)
    mapping = found[0]
    limit = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
    return Source(
        name=name,
        id=mapping["UUID"],
        state=mapping.get("State", ""),
        last_result=mapping.get("LastProcessingResult", ""),
        concurrency=limit or mapping.get("ParallelizationFactor", 1) * shards,
    )


def _find_arn(sqs: "SQSClient", url: str) -> str:
    return sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
