"""The wiring: settings, clients and collaborators are made here, once per process and when first asked for.

What only some functions need (the provider's SDK, Pillow) is imported where it is wired, so that the others
start without it.
"""

from functools import cache
from typing import TYPE_CHECKING

import boto3

from facematch.adapters.ledger import DynamoDbLedger
from facematch.adapters.queues import SqsComparisonQueue, SqsDeadlineQueue, SqsResultQueue
from facematch.clock import SystemClock
from facematch.receive_photo import PhotoIntake
from facematch.settings import Settings, read_settings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from facematch.adapters.photo_store import S3PhotoStore
    from facematch.compare_pair import PairComparer
    from facematch.discard_photos import PhotoDisposal
    from facematch.issue_uploads import UploadDesk
    from facematch.publish_result import ResultPublisher
    from facematch.request_comparison import ComparisonDesk


@cache
def settings() -> Settings:
    """Return the settings of this process."""
    return read_settings()


@cache
def _session() -> boto3.Session:
    return boto3.Session()


@cache
def _dynamodb() -> "DynamoDBClient":
    return _session().client("dynamodb")


@cache
def _sqs() -> "SQSClient":
    return _session().client("sqs")


@cache
def _ledger() -> DynamoDbLedger:
    return DynamoDbLedger(_dynamodb(), settings().table, settings().retention_days)


@cache
def comparison_queue() -> SqsComparisonQueue:
    """Return the queue of comparisons."""
    return SqsComparisonQueue(_sqs(), settings().comparisons_queue_url)


@cache
def _photo_store() -> "S3PhotoStore":
    from botocore.config import Config

    from facematch.adapters.photo_store import S3PhotoStore

    # The younger AWS regions take presigned forms only at their own endpoint, by Signature Version 4.
    config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
    return S3PhotoStore(_session().client("s3", config=config), settings().bucket)


@cache
def _disposal() -> "PhotoDisposal":
    from facematch.discard_photos import PhotoDisposal

    return PhotoDisposal(_ledger(), _photo_store())


@cache
def photo_intake() -> PhotoIntake:
    """Return the intake from the bucket."""
    deadlines = SqsDeadlineQueue(_sqs(), settings().uploads_queue_url)
    return PhotoIntake(
        ledger=_ledger(),
        comparisons=comparison_queue(),
        deadlines=deadlines,
        clock=SystemClock(),
        regions=settings().regions,
        options=settings().options,
        pair_deadline_s=settings().pair_deadline_s,
    )


@cache
def pair_comparer() -> "PairComparer":
    """Return the worker."""
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

    from facematch.adapters.credentials import SecretCredentials
    from facematch.adapters.face_compare import FaceCompareEndpoint, FaceCompareProvider
    from facematch.adapters.quota import DynamoDbQuota
    from facematch.compare_pair import PairComparer, RetryPolicy
    from facematch.prepare_photos import PhotoPreparer
    from imaging import Limits

    secrets = SecretsProvider(boto3_session=_session())
    provider = FaceCompareProvider(
        endpoints={
            region: FaceCompareEndpoint(address, settings().endpoint_protocol)
            for region, address in settings().endpoints.items()
        },
        credentials=SecretCredentials(secrets, settings().secret_arn),
    )
    limits = Limits(
        max_source_size_bytes=settings().photo_size_limit_bytes, max_source_pixels=settings().pixel_limit
    )
    return PairComparer(
        ledger=_ledger(),
        photos=_photo_store(),
        preparer=PhotoPreparer(limits),
        quota=DynamoDbQuota(_dynamodb(), settings().table, settings().calls_per_s),
        provider=provider,
        clock=SystemClock(),
        regions=settings().regions,
        retries=RetryPolicy(attempt_budget=settings().attempt_budget),
    )


@cache
def comparison_desk() -> "ComparisonDesk":
    """Return the intake from the API."""
    from facematch.collect_photos import PhotoCollector
    from facematch.request_comparison import ComparisonDesk

    return ComparisonDesk(
        ledger=_ledger(),
        photos=_photo_store(),
        collector=PhotoCollector(_photo_store(), pair_comparer()),
        comparisons=comparison_queue(),
        comparer=pair_comparer(),
        disposal=_disposal(),
        clock=SystemClock(),
        regions=settings().regions,
    )


@cache
def upload_desk() -> "UploadDesk":
    """Return the desk that issues upload tickets."""
    from facematch.issue_uploads import UploadDesk

    return UploadDesk(_photo_store(), settings().regions, settings().photo_size_limit_bytes)


@cache
def result_publisher() -> "ResultPublisher":
    """Return the way out."""
    from facematch.publish_result import ResultPublisher

    return ResultPublisher(
        ledger=_ledger(),
        results=SqsResultQueue(_sqs(), settings().results_queue_url),
        clock=SystemClock(),
        source=settings().event_source,
        disposal=_disposal(),
        deletes_uploads=settings().deletes_photos,
    )
