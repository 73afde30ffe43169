"""Receives the bucket's notifications of photos in the inbox."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from facematch import bootstrap
from facematch.domain.comparison import StoredPhoto
from facematch.domain.inbox import parse_inbox_key
from facematch.domain.pair import ArrivedPhoto
from facematch.handlers.batch import process_messages
from facematch.handlers.start import end_start
from facematch.handlers.telemetry import count, logger, metrics

_SEQUENCER_DIGITS: Final = 32


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], _context: LambdaContext) -> PartialItemFailureResponse:
    """Process a batch of the uploads queue; a message that fails does so alone."""
    return process_messages(event, _receive)


def _receive(message: SQSRecord) -> None:
    for arrived in _list_arrivals(message.json_body):
        key = parse_inbox_key(arrived.photo.key)
        if key is None:
            count("ForeignKeys")
            continue
        bootstrap.upload_receiver().receive(key, arrived)
        count("PhotosReceived")


def _list_arrivals(body: Any) -> Iterator[ArrivedPhoto]:  # noqa: ANN401 - whatever JSON holds
    """Yield the photos that a notification reports, from S3 itself, through SNS or through EventBridge.

    Other notifications, such as of removed or tagged objects, are counted and ignored. Source: Amazon S3 user
    guide, Event message structure, and EventBridge event message structure.

    Raises
    ------
    ValueError
        The body is none of these.
    """
    match body:
        case {"Type": "Notification", "Message": str(message)}:
            yield from _list_arrivals(json.loads(message))
        case {"source": "aws.s3", "detail-type": "Object Created", "detail": {"object": found}, "time": time}:
            # Only EventBridge gets the key without URL encoding.
            yield _make_arrived(found["key"], found["etag"], found["sequencer"], time)
        case {"Records": [*records]}:
            for record in records:
                # Of S3's stand-ins, some keep the prefix that names have in the bucket's configuration.
                if record["eventName"].removeprefix("s3:").startswith("ObjectCreated:"):
                    found = record["s3"]["object"]
                    key = unquote_plus(found["key"])
                    yield _make_arrived(key, found["eTag"], found["sequencer"], record["eventTime"])
                else:
                    count("NotificationsIgnored")
        case {"source": "aws.s3"} | {"Event": "s3:TestEvent"} | {"Type": "SubscriptionConfirmation"}:
            count("NotificationsIgnored")
        case _:
            raise ValueError("The message is no notification of S3.")


def _make_arrived(key: str, etag: str, sequencer: str, time: str) -> ArrivedPhoto:
    return ArrivedPhoto(
        photo=StoredPhoto(key=key, etag=etag),
        # S3's documentation: pad the shorter of two sequencers with zeros on the right before comparing.
        sequencer=sequencer.lower().ljust(_SEQUENCER_DIGITS, "0"),
        arrived_at_ms=round(datetime.fromisoformat(time).timestamp() * 1000),
    )


end_start(bootstrap.upload_receiver)
