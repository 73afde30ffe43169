"""The wiring: settings, clients and collaborators are made here, once per process and when first asked for.

What only some functions need (the provider's SDK, Pillow) is imported where it is wired, so that the others
start without it.
"""

from functools import cache
from typing import TYPE_CHECKING

import boto3

from facematch.adapters.ledger import DynamoDbLedger
from facematch.adapters.queues import SqsComparisonQueue, SqsDeadlineQueue, SqsResultQueue
from facematch.domain.clock import SystemClock
from facematch.settings import Settings, StoredKey, read_settings
from facematch.use_cases.receive_photo import PhotoIntake

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from facematch.adapters.photo_store import S3PhotoStore
    from facematch.domain.provider import CredentialSource
    from facematch.use_cases.compare_pair import PairComparer
    from facematch.use_cases.discard_photos import PhotoDisposal
    from facematch.use_cases.issue_uploads import UploadDesk
    from facematch.use_cases.publish_result import ResultPublisher
    from facematch.use_cases.request_comparison import ComparisonDesk
    from facematch.use_cases.sweep_outbox import OutboxSweeper


@cache
def settings() -> Settings:
    """Return the settings of this process."""
    return read_settings()


@cache
def _session() -> boto3.Session:
    return boto3.Session()


@cache
def _dynamodb() -> "DynamoDBClient":
    from botocore.config import Config

    # A slot in the quota is near: what does not answer soon is asked again.
    config = Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 6, "mode": "standard"})
    return _session().client("dynamodb", config=config)


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
    from facematch.use_cases.discard_photos import PhotoDisposal

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
        deletes_uploads=settings().deletes_photos,
    )


@cache
def _provider_credentials() -> "CredentialSource":
    key = settings().provider_key
    if isinstance(key, StoredKey):
        from aws_lambda_powertools.utilities.parameters import SecretsProvider

        from facematch.adapters.secret_credentials import SecretCredentials

        return SecretCredentials(SecretsProvider(boto3_session=_session()), key.secret_arn)
    from botocore.config import Config

    from facematch.adapters.federated_credentials import FederatedCredentials
    from facematch.adapters.web_identity import WebIdentity

    # A call of the provider waits for it.
    config = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 2, "mode": "standard"})
    identity = WebIdentity(_session().client("sts", config=config), key.audience)
    return FederatedCredentials(
        issue_token=identity.issue_token,
        sts_url=key.sts_url,
        oidc_provider_arn=key.oidc_provider_arn,
        role_arn=key.role_arn,
        clock=SystemClock(),
    )


@cache
def pair_comparer() -> "PairComparer":
    """Return the worker."""
    from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerDynamoDBPersistence

    from facematch.adapters.circuit import GuardedProvider
    from facematch.adapters.face_compare import FaceCompareEndpoint, FaceCompareProvider
    from facematch.adapters.quota import DynamoDbQuota
    from facematch.handlers.telemetry import count_attempt
    from facematch.use_cases.compare_pair import PairComparer, RetryPolicy
    from facematch.use_cases.prepare_photos import PhotoPreparer
    from imaging import Limits

    provider = FaceCompareProvider(
        endpoints={
            region: FaceCompareEndpoint(address, settings().endpoint_protocol)
            for region, address in settings().endpoints.items()
        },
        credentials=_provider_credentials(),
    )
    circuits = CircuitBreakerDynamoDBPersistence(
        settings().table, key_attr="pk", expiry_attr="expires_at", boto3_client=_dynamodb()
    )
    limits = Limits(
        max_source_size_bytes=settings().photo_size_limit_bytes, max_source_pixels=settings().pixel_limit
    )
    return PairComparer(
        ledger=_ledger(),
        photos=_photo_store(),
        preparer=PhotoPreparer(limits),
        quota=DynamoDbQuota(_dynamodb(), settings().table, settings().calls_per_s),
        provider=GuardedProvider(provider, circuits),
        clock=SystemClock(),
        regions=settings().regions,
        retries=RetryPolicy(attempt_budget=settings().attempt_budget),
        notice=count_attempt,
    )


@cache
def comparison_desk() -> "ComparisonDesk":
    """Return the intake from the API."""
    from facematch.use_cases.collect_photos import PhotoCollector
    from facematch.use_cases.request_comparison import ComparisonDesk

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
    from facematch.use_cases.issue_uploads import UploadDesk

    return UploadDesk(
        photos=_photo_store(),
        regions=settings().regions,
        size_limit_bytes=settings().photo_size_limit_bytes,
        reads_heic=settings().reads_heic,
    )


@cache
def result_publisher() -> "ResultPublisher":
    """Return the way out."""
    from facematch.use_cases.publish_result import ResultPublisher

    return ResultPublisher(
        ledger=_ledger(),
        results=SqsResultQueue(_sqs(), settings().results_queue_url),
        clock=SystemClock(),
        source=settings().event_source,
        disposal=_disposal(),
        deletes_uploads=settings().deletes_photos,
    )


@cache
def outbox_sweeper() -> "OutboxSweeper":
    """Return the sweeper of the outbox."""
    from facematch.use_cases.sweep_outbox import OutboxSweeper

    return OutboxSweeper(_ledger(), result_publisher(), SystemClock())
