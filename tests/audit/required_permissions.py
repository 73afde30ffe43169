"""What each permission of a deployed role is there for."""

from collections.abc import Mapping
from typing import Final

from facematch.domain.priority import Priority
from facematch.domain.regions import Region
from local.resource_names import name_region
from tests.audit import checks
from tests.audit.checks import Check
from tests.audit.roles import FUNCTIONS, Permission

LANES: Final = {name_region(region): region for region in Region}
"""Each region by its name in the template."""

REQUIRED_BY: Final[Mapping[Permission, Check]] = {
    Permission(function, action, resource): path
    for function, action, resource, path in (
        ("Api", "dynamodb:DeleteItem", "Ledger", checks.an_incomplete_pair_is_erased),
        ("Api", "dynamodb:GetItem", "Ledger", checks.a_pair_is_posted_for_later),
        ("Api", "dynamodb:PutItem", "Ledger", checks.a_pair_is_posted_for_later),
        ("Api", "dynamodb:UpdateItem", "Ledger", checks.a_pair_is_posted),
        ("Api", "s3:DeleteObject", "Photos/comparisons/*", checks.a_posted_pair_is_erased),
        ("Api", "s3:DeleteObject", "Photos/inbox/*", checks.an_uploaded_pair_is_posted),
        ("Api", "s3:GetObject", "Photos/comparisons/*", checks.a_known_pair_is_posted),
        ("Api", "s3:GetObject", "Photos/inbox/*", checks.an_uploaded_pair_is_posted),
        ("Api", "s3:PutObject", "Photos/comparisons/*", checks.a_pair_is_posted_for_later),
        ("Api", "s3:ListBucket", "Photos", checks.a_posted_pair_is_erased),
        ("Api", "s3:PutObject", "Photos/inbox/*", checks.a_photo_is_uploaded_by_form),
        (
            "Api",
            "secretsmanager:GetSecretValue",
            "ProviderSecret",
            checks.a_request_reads_a_refused_key_again,
        ),
        *(
            ("Api", "sqs:SendMessage", f"{lane}UrgentQueue", checks.posting_for_later_in(region))
            for lane, region in LANES.items()
        ),
        ("Compare", "dynamodb:GetItem", "Ledger", checks.a_pair_is_compared),
        ("Compare", "dynamodb:UpdateItem", "Ledger", checks.a_pair_is_compared),
        ("Compare", "s3:GetObject", "Photos/comparisons/*", checks.a_pair_is_compared),
        (
            "Compare",
            "secretsmanager:GetSecretValue",
            "ProviderSecret",
            checks.a_worker_reads_a_refused_key_again,
        ),
        *(
            ("Compare", "sqs:SendMessage", f"{lane}{priority.title()}Queue", checks.holding(region, priority))
            for lane, region in LANES.items()
            for priority in Priority
        ),
        ("Diagnose", "secretsmanager:GetSecretValue", "ProviderSecret", checks.the_key_is_diagnosed),
        ("Publish", "dynamodb:GetItem", "Ledger", checks.a_verdict_is_published),
        ("Publish", "dynamodb:UpdateItem", "Ledger", checks.a_verdict_is_published),
        ("Publish", "s3:DeleteObject", "Photos/comparisons/*", checks.a_verdict_is_published),
        ("Publish", "s3:ListBucket", "Photos", checks.a_verdict_is_published),
        ("Publish", "sqs:SendMessage", "ResultsQueue", checks.a_verdict_is_published),
        ("Sweep", "dynamodb:DeleteItem", "Ledger", checks.an_incomplete_pair_without_its_photo_is_forgotten),
        ("Sweep", "dynamodb:GetItem", "Ledger", checks.a_verdict_is_swept),
        ("Sweep", "dynamodb:PutItem", "Ledger", checks.an_incomplete_pair_ends),
        ("Sweep", "dynamodb:Query", "Ledger/index/work", checks.a_verdict_is_swept),
        ("Sweep", "dynamodb:UpdateItem", "Ledger", checks.a_verdict_is_swept),
        ("Sweep", "s3:DeleteObject", "Photos/comparisons/*", checks.a_verdict_is_swept),
        ("Sweep", "s3:DeleteObject", "Photos/inbox/*", checks.a_pair_left_behind_is_registered),
        ("Sweep", "s3:GetObject", "Photos/inbox/*", checks.an_incomplete_pair_ends),
        ("Sweep", "s3:ListBucket", "Photos", checks.a_verdict_is_swept),
        ("Sweep", "s3:PutObject", "Photos/comparisons/*", checks.a_pair_left_behind_is_registered),
        ("Sweep", "sqs:SendMessage", "ResultsQueue", checks.a_verdict_is_swept),
        *(
            ("Sweep", "sqs:SendMessage", f"{lane}BulkQueue", checks.enqueueing_forgotten_in(region))
            for lane, region in LANES.items()
        ),
        ("Uploads", "dynamodb:GetItem", "Ledger", checks.a_pair_arrives),
        ("Uploads", "dynamodb:PutItem", "Ledger", checks.a_pair_arrives),
        ("Uploads", "dynamodb:UpdateItem", "Ledger", checks.one_photo_arrives),
        ("Uploads", "s3:DeleteObject", "Photos/inbox/*", checks.a_pair_arrives),
        ("Uploads", "s3:GetObject", "Photos/inbox/*", checks.a_pair_arrives),
        ("Uploads", "s3:PutObject", "Photos/comparisons/*", checks.a_pair_arrives),
        *(
            ("Uploads", "sqs:SendMessage", f"{lane}BulkQueue", checks.arriving_in(region))
            for lane, region in LANES.items()
        ),
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
_RACING: Final = (
    "Only a pair that loses a race for its registration deletes its copies; no test brings that about."
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
            for function in FUNCTIONS
            for action in ("logs:CreateLogStream", "logs:PutLogEvents")
        ),
        *(
            # AWS has no resource to name for traces.
            (function, action, "*", _TRACED)
            for function in FUNCTIONS
            for action in ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
        ),
        *(
            (function, action, queue, _POLLED)
            for function, queue in (
                ("Uploads", "UploadsQueue"),
                *(("Compare", f"{lane}{priority.title()}Queue") for lane in LANES for priority in Priority),
            )
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
        *((function, "s3:ListBucket", "Photos", _MISSING) for function in ("Compare", "Uploads")),
        ("Uploads", "s3:DeleteObject", "Photos/comparisons/*", _RACING),
    )
}
"""What AWS needs and the local cloud does not ask for, and why; that it does not is tried as well."""
