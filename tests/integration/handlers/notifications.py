"""Notifications of S3 in every form that AWS documents; S3's own ones are recorded in `events/`.

Sources: Amazon S3 user guide, Event message structure, Supported event types and EventBridge event message
structure; Amazon SNS developer guide, HTTP/HTTPS headers and JSON formats.
"""

import json
from copy import deepcopy
from typing import Any
from urllib.parse import unquote_plus

from tests.events import Event

OTHER_EVENTS = [
    "ObjectRemoved:Delete",
    "ObjectRemoved:DeleteMarkerCreated",
    "LifecycleExpiration:Delete",
    "LifecycleExpiration:DeleteMarkerCreated",
    "LifecycleTransition",
    "IntelligentTiering",
    "ObjectRestore:Post",
    "ObjectRestore:Completed",
    "ObjectRestore:Delete",
    "ObjectTagging:Put",
    "ObjectTagging:Delete",
    "ObjectAcl:Put",
    "Replication:OperationFailedReplication",
    "Replication:OperationReplicatedAfterThreshold",
    "ReducedRedundancyLostObject",
]
OTHER_DETAIL_TYPES = [
    "Object Deleted",
    "Object Restore Initiated",
    "Object Restore Completed",
    "Object Restore Expired",
    "Object Storage Class Changed",
    "Object Access Tier Changed",
    "Object ACL Updated",
    "Object Tags Added",
    "Object Tags Deleted",
]


def read_body(event: Event) -> Any:
    """Return what the only message of a batch holds."""
    (message,) = event["Records"]
    return json.loads(message["body"])


def replace_body(event: Event, body: Any) -> Event:
    """Return a batch whose only message holds something else."""
    changed = deepcopy(event)
    changed["Records"][0]["body"] = json.dumps(body)
    return changed


def change_record(event: Event, **changes: Any) -> Event:
    """Return a notification of S3 with other fields in its only record."""
    body = read_body(event)
    (record,) = body["Records"]
    return replace_body(event, body | {"Records": [record | changes]})


def report_other_event(event: Event, name: str) -> Event:
    """Return a notification of another event for the same object, of which nothing may be left."""
    changed = change_record(event, eventName=name, eventVersion="2.3")
    body = read_body(changed)
    if "Delete" in name:
        del body["Records"][0]["s3"]["object"]["eTag"]
    return replace_body(changed, body)


def wrap_in_sns(event: Event) -> Event:
    """Return a notification as a queue gets it that is subscribed to a topic."""
    topic = "arn:aws:sns:ap-southeast-1:123456789012:facematch-photos"
    envelope = {
        "Type": "Notification",
        "MessageId": "message-1",
        "TopicArn": topic,
        "Subject": "Amazon S3 Notification",
        "Message": json.dumps(read_body(event)),
        "Timestamp": "2026-01-01T00:00:00.000Z",
        "SignatureVersion": "1",
        "Signature": "EXAMPLE",
        "SigningCertURL": "https://sns.ap-southeast-1.amazonaws.com/EXAMPLE.pem",
        "UnsubscribeURL": f"https://sns.ap-southeast-1.amazonaws.com/?Action=Unsubscribe&TopicArn={topic}",
    }
    return replace_body(event, envelope)


def wrap_in_eventbridge(event: Event, detail_type: str = "Object Created") -> Event:
    """Return a notification as a queue gets it that is the target of a rule."""
    (record,) = read_body(event)["Records"]
    found = record["s3"]["object"]
    envelope = {
        "version": "0",
        "id": "event-1",
        "detail-type": detail_type,
        "source": "aws.s3",
        "account": "123456789012",
        "time": "2026-01-01T00:00:00Z",
        "region": record["awsRegion"],
        "resources": [record["s3"]["bucket"]["arn"]],
        "detail": {
            "version": "0",
            "event-version": "1.1",
            "bucket": {"name": record["s3"]["bucket"]["name"]},
            "object": {
                "key": unquote_plus(found["key"]),
                "size": found["size"],
                "etag": found["eTag"],
                "sequencer": found["sequencer"],
            },
            "request-id": "request-1",
            "requester": "123456789012",
            "source-ip-address": "127.0.0.1",
            "reason": "PutObject",
        },
    }
    return replace_body(event, envelope)
