"""The check that requires each permission of the deployed roles."""

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
        ("Sweep", "s3:DeleteObject", "Photos/inbox/*", checks.a_complete_pair_in_the_inbox_is_registered),
        ("Sweep", "s3:GetObject", "Photos/inbox/*", checks.an_incomplete_pair_ends),
        ("Sweep", "s3:ListBucket", "Photos", checks.a_verdict_is_swept),
        ("Sweep", "s3:PutObject", "Photos/comparisons/*", checks.a_complete_pair_in_the_inbox_is_registered),
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
"""The check that fails without the permission."""

_POLLED: Final = (
    "The poller of the local cloud reads the queue without the role. Lambda's poller needs the permission."
)
_STREAMED: Final = (
    "The poller of the local cloud reads the stream without the role. Lambda's poller needs the permission."
)
_LOGGED: Final = "The local cloud writes the log without the role. Lambda needs the permission."
_TRACED: Final = "The local cloud writes no traces. Lambda needs the permission."
_MISSING: Final = (
    "The local cloud always answers 404 for a missing object. S3 answers 403 without this permission."
)
_RACING: Final = (
    "A pair deletes its copies only if it loses a race for its registration. No test causes this."
)
_DESTINED: Final = (
    "The local cloud sends to a stream's failure destination without the role. Lambda needs the permission."
)
_DROPPED: Final = (
    "The local cloud sends nothing to a function's dead-letter queue. Lambda needs the permission."
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
            # Permissions for traces have no resource in AWS.
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
"""Permissions that AWS requires and the local cloud does not, with reasons. A test checks the latter."""
