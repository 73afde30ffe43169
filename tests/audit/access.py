"""Attempts to access resources of a stack and other resources, and those that each function's role allows."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local.stack import STACK_NAME, Stack
from tests.audit.roles import FUNCTIONS, Roles

_DENIED: Final = {"AccessDenied", "AccessDeniedException", "403", "AuthorizationError"}
_KEY_PARTS: Final = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
_OTHER: Final = "not-of-this-stack"
_PHOTO: Final = "comparisons/audit/photo"
_UPLOAD: Final = "inbox/readme.txt"
"""A key in the inbox that is not a photo of a pair."""
_REGIONS: Final = ("Singapore", "Indonesia", "Malaysia", "HongKong")
_BULK: Final = tuple(f"{region}BulkQueue" for region in _REGIONS)
_URGENT: Final = tuple(f"{region}UrgentQueue" for region in _REGIONS)
_QUEUES: Final = (
    "UploadsQueue",
    "UploadsDeadLetters",
    *_BULK,
    *_URGENT,
    "ComparisonsDeadLetters",
    "ResultsQueue",
    "OutboxDeadLetters",
    "SweepDeadLetters",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """A stack's resources, and other resources of the same kinds."""

    stack: Stack
    queue_urls: Mapping[str, str]
    role_arns: Mapping[str, str]
    functions: Mapping[str, str]
    other_bucket: str
    other_table: str
    other_secret: str

    def client(self, service: str, credentials: Mapping[str, str]) -> Any:
        """Return a client with these credentials that does not retry."""
        return _make_client(self.stack, service, tuple(sorted(credentials.items())))


type Attempt = Callable[[Resources, Callable[[str], Any]], object]


def create_resources(stack: Stack) -> Resources:
    """Create other resources besides the stack's own, each with content."""
    roles, objects, tables = Roles(stack), stack.client("s3"), stack.client("dynamodb")
    bucket = f"{_OTHER}-{stack.bucket}"[:63].rstrip("-")
    location = {"LocationConstraint": stack.aws_region}
    objects.create_bucket(Bucket=bucket, CreateBucketConfiguration=location)
    for name in (bucket, stack.bucket):
        objects.put_object(Bucket=name, Key=_PHOTO, Body=b"-")
    for key in (_UPLOAD, "elsewhere"):
        objects.put_object(Bucket=stack.bucket, Key=key, Body=b"-")
    tables.create_table(
        TableName=_OTHER,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    stack.client("sqs").create_queue(QueueName=_OTHER)
    secret = stack.client("secretsmanager").create_secret(Name=_OTHER, SecretString="-")
    urls = {name: roles.find_physical(name) for name in _QUEUES}
    lambdas = stack.client("lambda")
    functions = {name: roles.find_physical(name) for name in FUNCTIONS}
    return Resources(
        stack=stack,
        queue_urls={**urls, _OTHER: stack.client("sqs").get_queue_url(QueueName=_OTHER)["QueueUrl"]},
        role_arns={
            name: lambdas.get_function_configuration(FunctionName=physical)["Role"]
            for name, physical in functions.items()
        },
        functions=functions,
        other_bucket=bucket,
        other_table=_OTHER,
        other_secret=secret["ARN"],
    )


def is_denied(resources: Resources, attempt: Attempt, credentials: Mapping[str, str]) -> bool:
    """Make an attempt with these credentials; return whether it was refused because of a missing permission.

    Raises
    ------
    ClientError
        It was refused for another reason, so it proves nothing.
    """
    try:
        attempt(resources, lambda service: resources.client(service, credentials))
    except ClientError as error:
        if error.response["Error"]["Code"] not in _DENIED:
            raise
        return True
    return False


@cache
def _make_client(stack: Stack, service: str, credentials: tuple[tuple[str, str], ...]) -> Any:
    config = Config(s3={"addressing_style": "path"}, proxies={}, retries={"total_max_attempts": 1})
    make: Callable[..., Any] = _make_session(stack.aws_region, credentials).client
    return make(service, endpoint_url=stack.endpoint_url, config=config)


@cache
def _make_session(aws_region: str, credentials: tuple[tuple[str, str], ...]) -> boto3.Session:
    key_id, secret, token = (dict(credentials).get(name) for name in _KEY_PARTS)
    return boto3.Session(key_id, secret, token, aws_region)


def _objects(verb: str, *, is_other: bool, **arguments: Any) -> Attempt:
    def attempt(resources: Resources, client: Callable[[str], Any]) -> object:
        bucket = resources.other_bucket if is_other else resources.stack.bucket
        return getattr(client("s3"), verb)(Bucket=bucket, **arguments)

    return attempt


def _table(verb: str, *, is_other: bool = False, **arguments: Any) -> Attempt:
    def attempt(resources: Resources, client: Callable[[str], Any]) -> object:
        table = resources.other_table if is_other else resources.stack.table
        return getattr(client("dynamodb"), verb)(TableName=table, **arguments)

    return attempt


def _send(queue: str) -> Attempt:
    return lambda resources, client: client("sqs").send_message(
        QueueUrl=resources.queue_urls[queue], MessageBody=json.dumps({"Event": "s3:TestEvent"})
    )


def _receive(queue: str) -> Attempt:
    return lambda resources, client: client("sqs").receive_message(
        QueueUrl=resources.queue_urls[queue], VisibilityTimeout=0
    )


def assume(function: str) -> Attempt:
    """Return the attempt to assume the role of a function."""
    return lambda resources, client: client("sts").assume_role(
        RoleArn=resources.role_arns[function], RoleSessionName="audit"
    )


_KEY: Final = {"pk": {"S": "audit"}}

ATTEMPTS: Final[Mapping[str, Attempt]] = {
    "read a photo": _objects("get_object", is_other=False, Key=_PHOTO),
    "write a photo": _objects("put_object", is_other=False, Key=_PHOTO, Body=b"-"),
    "delete a photo": _objects("delete_object", is_other=False, Key=_PHOTO + "-none"),
    "read an upload": _objects("get_object", is_other=False, Key=_UPLOAD),
    "write an upload": _objects("put_object", is_other=False, Key=_UPLOAD, Body=b"-"),
    "delete an upload": _objects("delete_object", is_other=False, Key="inbox/none"),
    "read elsewhere in the bucket": _objects("get_object", is_other=False, Key="elsewhere"),
    "write elsewhere in the bucket": _objects("put_object", is_other=False, Key="elsewhere", Body=b"-"),
    "delete elsewhere in the bucket": _objects("delete_object", is_other=False, Key="elsewhere-none"),
    "list the photos": _objects("list_objects_v2", is_other=False),
    "tag a photo": _objects("put_object_tagging", is_other=False, Key=_PHOTO, Tagging={"TagSet": []}),
    "read who may read the photos": _objects("get_bucket_acl", is_other=False),
    "read an object of another bucket": _objects("get_object", is_other=True, Key=_PHOTO),
    "write to another bucket": _objects("put_object", is_other=True, Key=_PHOTO, Body=b"-"),
    "delete from another bucket": _objects("delete_object", is_other=True, Key=_PHOTO + "-none"),
    "list another bucket": _objects("list_objects_v2", is_other=True),
    "list all buckets": lambda _, client: client("s3").list_buckets(),
    "read an item": _table("get_item", Key=_KEY),
    "write an item": _table("put_item", Item=_KEY),
    "update an item": _table("update_item", Key=_KEY),
    "delete an item": _table("delete_item", Key={"pk": {"S": "audit-none"}}),
    "query the index": _table(
        "query",
        IndexName="work",
        KeyConditionExpression="#work = :none",
        ExpressionAttributeNames={"#work": "work"},
        ExpressionAttributeValues={":none": {"S": "none"}},
    ),
    "query the table": _table(
        "query", KeyConditionExpression="pk = :none", ExpressionAttributeValues={":none": {"S": "none"}}
    ),
    "scan the table": _table("scan", Limit=1),
    "scan the index": _table("scan", IndexName="work", Limit=1),
    "describe the table": _table("describe_table"),
    "read an item of another table": _table("get_item", is_other=True, Key=_KEY),
    "write an item of another table": _table("put_item", is_other=True, Item=_KEY),
    **{f"send to {queue}": _send(queue) for queue in _QUEUES},
    "send to another queue": _send(_OTHER),
    **{f"receive from {queue}": _receive(queue) for queue in _QUEUES},
    "receive from another queue": _receive(_OTHER),
    "read the provider's secret": lambda _, client: client("secretsmanager").get_secret_value(
        SecretId=f"{STACK_NAME}-provider"
    ),
    "describe the provider's secret": lambda _, client: client("secretsmanager").describe_secret(
        SecretId=f"{STACK_NAME}-provider"
    ),
    "read another secret": lambda resources, client: client("secretsmanager").get_secret_value(
        SecretId=resources.other_secret
    ),
    "have a token issued": lambda _, client: client("sts").get_web_identity_token(
        Audience=["audit"], DurationSeconds=60, SigningAlgorithm="RS256"
    ),
    "list the roles": lambda _, client: client("iam").list_roles(),
    "read a function's settings": lambda resources, client: client("lambda").get_function_configuration(
        FunctionName=resources.functions["Sweep"]
    ),
    "invoke a function": lambda resources, client: client("lambda").invoke(
        FunctionName=resources.functions["Uploads"], Payload=b'{"Records": []}'
    ),
    "read the logs": lambda _, client: client("logs").describe_log_groups(),
    "make a log group": lambda _, client: client("logs").create_log_group(logGroupName=f"/{_OTHER}/new"),
}
"""All attempts. They do not change what the stack does."""

_SEND_BULK: Final = frozenset(f"send to {queue}" for queue in _BULK)
_SEND_URGENT: Final = frozenset(f"send to {queue}" for queue in _URGENT)
_RECEIVE_LANES: Final = frozenset(f"receive from {queue}" for queue in (*_BULK, *_URGENT))
_TAKE_UPLOADS: Final = frozenset(
    {"read an upload", "delete an upload", "write a photo", "delete a photo", "list the photos"}
)

ALLOWED: Final[Mapping[str, frozenset[str]]] = {
    "Api": _TAKE_UPLOADS
    | _SEND_URGENT
    | {
        "write an upload",
        "read a photo",
        "read an item",
        "write an item",
        "update an item",
        "delete an item",
        "read the provider's secret",
    },
    "Compare": _SEND_BULK
    | _SEND_URGENT
    | _RECEIVE_LANES
    | {
        "read a photo",
        "list the photos",
        "read an item",
        "update an item",
        "read the provider's secret",
    },
    "Diagnose": frozenset({"read the provider's secret"}),
    "Publish": frozenset(
        {
            "delete a photo",
            "list the photos",
            "read an item",
            "update an item",
            "send to ResultsQueue",
            "send to OutboxDeadLetters",
        }
    ),
    "Sweep": _TAKE_UPLOADS
    | _SEND_BULK
    | {
        "read an item",
        "write an item",
        "update an item",
        "delete an item",
        "query the index",
        "send to ResultsQueue",
        "send to SweepDeadLetters",
    },
    "Uploads": _TAKE_UPLOADS
    | _SEND_BULK
    | {
        "read an item",
        "write an item",
        "update an item",
        "receive from UploadsQueue",
    },
}
"""The attempts that each function's role allows. It denies all others."""
