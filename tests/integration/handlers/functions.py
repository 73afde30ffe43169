"""The functions as Lambda calls them, with recorded events or with the messages of the queues."""

import json
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import quote_plus

from aws_lambda_powertools.utilities.typing import LambdaContext

from facematch.domain.verdict import Role
from tests.events import Event, load_event
from tests.fakes.moto_stack import AWS_REGION
from tests.integration.handlers.stack import BULK, HandlerStack

PAIR_FOLDER = "inbox/singapore/pair-1"
PLENTY_OF_TIME_MS = 60_000


class Context(LambdaContext):
    """What Lambda hands to a function, with so much of its time left."""

    def __init__(self, function: str, remaining_ms: int) -> None:
        self._function_name = function
        self._function_version = "$LATEST"
        self._invoked_function_arn = f"arn:aws:lambda:{AWS_REGION}:123456789012:function:{function}"
        self._memory_limit_in_mb = 512
        self._aws_request_id = "request-1"
        self._remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override] # theirs is a static stub
        return self._remaining_ms


def make_context(function: str = "tests", *, remaining_ms: int = PLENTY_OF_TIME_MS) -> LambdaContext:
    return Context(function, remaining_ms)


def invoke(function: str, event: Event, *, remaining_ms: int = PLENTY_OF_TIME_MS) -> Any:
    """Call a function; its module is imported here, once its environment is set."""
    handler = import_module(f"facematch.handlers.{function}")
    return handler.handle(event, make_context(function, remaining_ms=remaining_ms))


def failed_records(response: Any) -> list[str]:
    return [failure["itemIdentifier"] for failure in response["batchItemFailures"]]


def land(
    stack: HandlerStack,
    role: Role,
    content: bytes,
    folder: str = PAIR_FOLDER,
    *,
    sequencer: str | None = None,
) -> Event:
    """Put a photo into the inbox; return the recorded event, changed to name this photo."""
    key = f"{folder}/{role}.jpg"
    etag = stack.put_photo(key, content)
    if role is Role.SOURCE:
        event = load_event("uploads_source", source_etag=etag)
    else:
        event = load_event("uploads_target", target_etag=etag)
    notice = json.loads(event["Records"][0]["body"])
    photo = notice["Records"][0]["s3"]["object"]
    photo |= {"key": quote_plus(key, safe="/")} | ({"sequencer": sequencer} if sequencer else {})
    event["Records"][0]["body"] = json.dumps(notice)
    return event


def land_pair(stack: HandlerStack, source: bytes, target: bytes, folder: str = PAIR_FOLDER) -> None:
    """Upload a pair and receive its notifications; then its comparison is enqueued."""
    for role, content in ((Role.SOURCE, source), (Role.TARGET, target)):
        assert failed_records(invoke("uploads", land(stack, role, content, folder))) == []


def make_messages(*bodies: str) -> Event:
    """Return a batch of messages as the worker receives it, with ids `message-0` and so on."""
    (recorded,) = load_event("compare_comparison")["Records"]
    records = [
        {**recorded, "messageId": f"message-{number}", "body": body} for number, body in enumerate(bodies)
    ]
    return {"Records": records}


def compare_waiting(
    stack: HandlerStack, queue: str = BULK, *, remaining_ms: int = PLENTY_OF_TIME_MS
) -> list[str]:
    """Hand all messages of a queue to the worker, as one batch; return those that failed."""
    bodies = stack.take_bodies(queue)
    return (
        failed_records(invoke("compare", make_messages(*bodies), remaining_ms=remaining_ms)) if bodies else []
    )


def publish_waiting(stack: HandlerStack) -> list[dict[str, Any]]:
    """Hand the ledger's stream to the publish function; return the new events of the results queue."""
    records = [make_stream_record(change) for change in stack.take_stream()]
    if records:
        assert failed_records(invoke("publish", {"Records": records})) == []
    return [json.loads(body) for body in stack.take_bodies("results")]


def make_stream_record(change: dict[str, Any]) -> Event:
    """Return the recorded stream record with another change."""
    record: Event = deepcopy(load_event("publish_ended", source_etag="", target_etag="")["Records"][0])
    record["dynamodb"] |= {"Keys": change["Keys"], "NewImage": change["NewImage"]}
    record["dynamodb"]["SequenceNumber"] = change["SequenceNumber"]
    return record


@dataclass(frozen=True)
class Answer:
    """What the API answered."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


def ask(event: Event) -> Answer:
    """Have the API function answer a request."""
    response = invoke("api", event)
    headers = {name: values[0] for name, values in response["multiValueHeaders"].items()}
    return Answer(response["statusCode"], headers, response["body"])


def change_body(event: Event, **changes: Any) -> Event:
    """Return a request with other fields in its body; None takes one away."""
    body = json.loads(event["body"]) | changes
    kept = {name: value for name, value in body.items() if value is not None}
    return {**event, "body": json.dumps(kept)}


def change_caller(event: Event, arn: str) -> Event:
    """Return a request that another principal signed."""
    changed = deepcopy(event)
    changed["requestContext"]["identity"]["userArn"] = arn
    return changed


def change_identity(event: Event, **identity: str) -> Event:
    """Return a request with other values in the identity that API Gateway verified."""
    changed = deepcopy(event)
    changed["requestContext"]["identity"] |= identity
    return changed


def let_see_all(event: Event, *arns: str) -> Event:
    """Return a request to a stack whose administrators are those principals."""
    return {**event, "stageVariables": {"AdminPrincipals": ",".join(arns)}}


def aim_at(event: Event, comparison_id: str) -> Event:
    """Return a recorded request for one comparison, for another one."""
    recorded = event["pathParameters"]["comparison_id"]
    aimed: Event = json.loads(json.dumps(event).replace(recorded, comparison_id))
    return aimed
