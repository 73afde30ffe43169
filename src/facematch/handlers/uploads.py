"""Photos have landed in the inbox, or half a pair has come to its deadline."""

from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote_plus

from aws_lambda_powertools.utilities.batch import EventType
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes import S3Event, SQSRecord
from aws_lambda_powertools.utilities.data_classes.s3_event import S3EventRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from facematch import bootstrap
from facematch.domain.comparison import StoredPhoto
from facematch.domain.inbox import parse_inbox_key
from facematch.domain.ports import ArrivedPhoto
from facematch.handlers.start import end_start
from facematch.handlers.telemetry import count, logger, metrics, work_through

_SEQUENCER_DIGITS: Final = 32


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
    """Take a batch of the uploads queue; a message that can't be worked on fails alone."""
    return work_through(event, EventType.SQS, _receive, context)


def _receive(message: SQSRecord) -> None:
    body = message.json_body
    if "deadline" in body:
        if bootstrap.photo_intake().expire(body["deadline"]["region"], body["deadline"]["pair_id"]):
            count("PairsIncomplete")
    elif body.get("Event") != "s3:TestEvent":
        for record in S3Event(body).records:
            _receive_photo(record)


def _receive_photo(record: S3EventRecord) -> None:
    photo_object = record.s3.get_object
    key = parse_inbox_key(unquote_plus(photo_object.key))
    if key is None:
        count("ForeignKeys")
        return
    arrived = ArrivedPhoto(
        photo=StoredPhoto(key=unquote_plus(photo_object.key), etag=photo_object.etag),
        # S3's documentation: pad the shorter of two sequencers with zeros on the right before comparing.
        sequencer=photo_object.sequencer.lower().ljust(_SEQUENCER_DIGITS, "0"),
        arrived_at_ms=round(datetime.fromisoformat(record.event_time).timestamp() * 1000),
    )
    bootstrap.photo_intake().receive(key, arrived)
    count("PhotosReceived")


end_start(bootstrap.photo_intake)
