"""What each permission of a deployed role is there for."""

from collections.abc import Mapping
from typing import Final

from tests.audit import paths
from tests.audit.paths import Path
from tests.audit.roles import Permission

NEEDED_BY: Final[Mapping[Permission, Path]] = {
    Permission(function, action, resource): path
    for function, action, resource, path in (
        ("Api", "dynamodb:DeleteItem", "Ledger", paths.an_uploaded_pair_is_erased),
        ("Api", "dynamodb:GetItem", "Ledger", paths.a_pair_is_posted_for_later),
        ("Api", "dynamodb:PutItem", "Ledger", paths.a_pair_is_posted_for_later),
        ("Api", "dynamodb:UpdateItem", "Ledger", paths.a_pair_is_posted),
        ("Api", "s3:DeleteObject", "Photos/*", paths.a_posted_pair_is_erased),
        ("Api", "s3:GetObject", "Photos/*", paths.an_uploaded_pair_is_posted),
        ("Api", "s3:PutObject", "Photos/*", paths.a_pair_is_posted_for_later),
        ("Api", "secretsmanager:GetSecretValue", "ProviderSecret", paths.a_request_reads_a_refused_key_anew),
        ("Api", "sqs:SendMessage", "ComparisonsQueue", paths.a_pair_is_posted_for_later),
        ("Compare", "dynamodb:GetItem", "Ledger", paths.an_open_circuit_postpones_a_pair),
        ("Compare", "dynamodb:PutItem", "Ledger", paths.a_pair_probes_a_circuit),
        ("Compare", "dynamodb:UpdateItem", "Ledger", paths.a_pair_is_compared),
        ("Compare", "s3:GetObject", "Photos/*", paths.a_pair_is_compared),
        (
            "Compare",
            "secretsmanager:GetSecretValue",
            "ProviderSecret",
            paths.a_worker_reads_a_refused_key_anew,
        ),
        ("Compare", "sqs:SendMessage", "ComparisonsQueue", paths.an_open_circuit_postpones_a_pair),
        ("Publish", "dynamodb:GetItem", "Ledger", paths.a_verdict_is_published),
        ("Publish", "dynamodb:UpdateItem", "Ledger", paths.a_verdict_is_published),
        ("Publish", "s3:DeleteObject", "Photos/*", paths.a_verdict_is_published),
        ("Publish", "s3:GetObject", "Photos/*", paths.a_verdict_is_published),
        ("Publish", "sqs:SendMessage", "ResultsQueue", paths.a_verdict_is_published),
        ("Sweep", "dynamodb:GetItem", "Ledger", paths.a_verdict_is_swept),
        ("Sweep", "dynamodb:Query", "Ledger/index/outbox", paths.a_verdict_is_swept),
        ("Sweep", "dynamodb:UpdateItem", "Ledger", paths.a_verdict_is_swept),
        ("Sweep", "s3:DeleteObject", "Photos/*", paths.a_verdict_is_swept),
        ("Sweep", "s3:GetObject", "Photos/*", paths.a_verdict_is_swept),
        ("Sweep", "sqs:SendMessage", "ResultsQueue", paths.a_verdict_is_swept),
        ("Uploads", "dynamodb:ConditionCheckItem", "Ledger", paths.half_a_pair_ends),
        ("Uploads", "dynamodb:GetItem", "Ledger", paths.half_a_pair_ends),
        ("Uploads", "dynamodb:PutItem", "Ledger", paths.a_pair_arrives),
        ("Uploads", "dynamodb:UpdateItem", "Ledger", paths.half_a_pair_arrives),
        ("Uploads", "sqs:SendMessage", "ComparisonsQueue", paths.a_pair_arrives),
        ("Uploads", "sqs:SendMessage", "UploadsQueue", paths.half_a_pair_arrives),
    )
}
"""The path that fails where the permission is taken away."""

_POLLED: Final = (
    "The local cloud's own poller reads the queue, whatever the role may; Lambda's needs the role."
)
_STREAMED: Final = (
    "The local cloud's own poller reads the stream, whatever the role may; Lambda's needs the role."
)
_LOGGED: Final = "The local cloud writes the log itself, whatever the role may; Lambda needs the role."
_TRACED: Final = "The local cloud makes no traces; Lambda needs the role."
_MISSING: Final = (
    "The local cloud says that an object is missing to whoever may read it; S3 needs this, or says 403."
)
_DESTINED: Final = "The local cloud fills a stream's failure destination itself; Lambda needs the role."
_DROPPED: Final = (
    "The local cloud drops what a function's own dead letters should get; Lambda needs the role."
)

UNENFORCED: Final[Mapping[Permission, str]] = {
    Permission(function, action, resource): reason
    for function, action, resource, reason in (
        *(
            (function, action, f"{function}Logs:*", _LOGGED)
            for function in ("Api", "Compare", "Publish", "Sweep", "Uploads")
            for action in ("logs:CreateLogStream", "logs:PutLogEvents")
        ),
        *(
            # AWS has no resource to name for traces.
            (function, action, "*", _TRACED)
            for function in ("Api", "Compare", "Publish", "Sweep", "Uploads")
            for action in ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
        ),
        *(
            (function, action, queue, _POLLED)
            for function, queue in (("Compare", "ComparisonsQueue"), ("Uploads", "UploadsQueue"))
            for action in ("sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage")
        ),
        *(
            ("Publish", action, "Ledger/stream", _STREAMED)
            for action in (
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
            )
        ),
        ("Publish", "sqs:SendMessage", "OutboxDeadLetters", _DESTINED),
        ("Sweep", "sqs:SendMessage", "SweepDeadLetters", _DROPPED),
        *(
            (function, "s3:ListBucket", "Photos", _MISSING)
            for function in ("Api", "Compare", "Publish", "Sweep")
        ),
    )
}
"""What AWS needs and the local cloud does not ask for, and why; that it does not is tried as well."""
