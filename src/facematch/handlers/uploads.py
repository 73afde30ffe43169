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
from facematch.handlers.start import finish_start
from facematch.handlers.telemetry import count, logger, metrics

_SEQUENCER_DIGITS: Final = 32


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], _context: LambdaContext) -> PartialItemFailureResponse:
    """Process a batch of the uploads queue. Only failed messages are retried."""
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
    """Yield the photos in a notification of S3. It may come directly, through SNS or through EventBridge.

    Other notifications, such as of deleted or tagged objects, are counted and ignored. Source: Amazon S3 user
    guide, Event message structure, and EventBridge event message structure.

    Raises
    ------
    ValueError
        The body is not a notification of S3.
    """
    match body:
        case {"Type": "Notification", "Message": str(message)}:
            yield from _list_arrivals(json.loads(message))
        case {
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"object": stored},
            "time": time,
        }:
            # Only in events of EventBridge, the key is not URL-encoded.
            yield _make_arrived(stored["key"], stored["etag"], stored["sequencer"], time)
        case {"Records": [*records]}:
            for record in records:
                # Some emulators of S3 keep the prefix of the event names in the bucket's configuration.
                if record["eventName"].removeprefix("s3:").startswith("ObjectCreated:"):
                    stored = record["s3"]["object"]
                    key = unquote_plus(stored["key"])
                    yield _make_arrived(key, stored["eTag"], stored["sequencer"], record["eventTime"])
                else:
                    count("NotificationsIgnored")
        case {"source": "aws.s3"} | {"Event": "s3:TestEvent"} | {"Type": "SubscriptionConfirmation"}:
            count("NotificationsIgnored")
        case _:
            raise ValueError("The message is not a notification of S3.")


def _make_arrived(key: str, etag: str, sequencer: str, time: str) -> ArrivedPhoto:
    return ArrivedPhoto(
        photo=StoredPhoto(key=key, etag=etag),
        # S3's documentation: pad the shorter sequencer with zeros on the right before comparing.
        sequencer=sequencer.lower().ljust(_SEQUENCER_DIGITS, "0"),
        arrived_at_ms=round(datetime.fromisoformat(time).timestamp() * 1000),
    )


finish_start(bootstrap.upload_receiver)
