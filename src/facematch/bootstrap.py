"""Settings, clients and use cases: each is made once per process, when it is first asked for.

What only some functions need (the provider's SDK, Pillow) is imported where it is used, so that the others
start without it.
"""

from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from facematch.adapters.ledger import DynamoDbLedger
from facematch.adapters.photo_store import S3PhotoStore
from facematch.adapters.queues import SqsComparisonQueues, SqsResultQueue
from facematch.domain.clock import Clock, SystemClock
from facematch.settings import Settings, StoredKey, read_settings
from facematch.use_cases.register_comparison import ComparisonRegistrar

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

    from facematch.adapters.face_compare import FaceCompareProvider
    from facematch.adapters.rate_limiter import DynamoDbRateLimiter
    from facematch.domain.provider import CredentialSource
    from facematch.use_cases.compare_pair import PairComparer
    from facematch.use_cases.diagnose_provider import ProviderDiagnoser
    from facematch.use_cases.erase_comparison import ComparisonEraser, ProviderEraser
    from facematch.use_cases.issue_uploads import UploadDesk
    from facematch.use_cases.load_photos import PhotoLoader
    from facematch.use_cases.publish_result import ResultPublisher
    from facematch.use_cases.receive_upload import UploadReceiver
    from facematch.use_cases.request_comparison import ComparisonRequester
    from facematch.use_cases.sweep import Sweeper


@cache
def settings() -> Settings:
    """Return the settings of this process."""
    return read_settings()


@cache
def clock() -> Clock:
    """Return the clock of this process."""
    return SystemClock()


@cache
def _session() -> boto3.Session:
    return boto3.Session()


@cache
def _dynamodb() -> "DynamoDBClient":
    # A slot of the rate limiter is near: repeat soon what does not answer.
    config = Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 6, "mode": "standard"})
    return _session().client("dynamodb", config=config)


@cache
def _sqs() -> "SQSClient":
    config = Config(connect_timeout=2, read_timeout=5, retries={"total_max_attempts": 4, "mode": "standard"})
    return _session().client("sqs", config=config)


@cache
def _ledger() -> DynamoDbLedger:
    return DynamoDbLedger(_dynamodb(), settings().table, settings().retention_days)


@cache
def _rate_limiter() -> "DynamoDbRateLimiter":
    from facematch.adapters.rate_limiter import DynamoDbRateLimiter

    return DynamoDbRateLimiter(_dynamodb(), settings().table, settings().calls_per_s)


@cache
def comparison_queues() -> SqsComparisonQueues:
    """Return the queues of the lanes."""
    return SqsComparisonQueues(_sqs(), settings().comparison_queue_urls)


@cache
def _photo_store() -> S3PhotoStore:
    # The newer AWS regions accept presigned forms only at their own endpoint, by Signature Version 4.
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "virtual"},
        connect_timeout=2,
        read_timeout=10,
        retries={"total_max_attempts": 4, "mode": "standard"},
    )
    return S3PhotoStore(_session().client("s3", config=config), settings().bucket)


@cache
def _registrar() -> ComparisonRegistrar:
    return ComparisonRegistrar(_ledger(), _photo_store())


@cache
def upload_receiver() -> "UploadReceiver":
    """Return the intake from the bucket."""
    from facematch.use_cases.receive_upload import UploadReceiver

    return UploadReceiver(
        ledger=_ledger(),
        photos=_photo_store(),
        queues=comparison_queues(),
        registrar=_registrar(),
        clock=clock(),
        regions=settings().regions,
        options=settings().options,
        pair_deadline_s=settings().pair_deadline_s,
    )


@cache
def _provider_credentials() -> "CredentialSource":
    from botocore.config import Config

    # A call of the provider waits for the key.
    config = Config(connect_timeout=2, read_timeout=4, retries={"total_max_attempts": 2, "mode": "standard"})
    key = settings().provider_key
    if isinstance(key, StoredKey):
        from aws_lambda_powertools.utilities.parameters import SecretsProvider

        from facematch.adapters.secret_credentials import SecretCredentials

        secrets = SecretsProvider(boto_config=config, boto3_session=_session())
        return SecretCredentials(secrets, key.secret_arn)
    from facematch.adapters.federated_credentials import FederatedCredentials
    from facematch.adapters.web_identity import WebIdentity

    identity = WebIdentity(_session().client("sts", config=config), key.audience)
    return FederatedCredentials(
        issue_token=identity.issue_token,
        sts_url=key.sts_url,
        oidc_provider_arn=key.oidc_provider_arn,
        role_arn=key.role_arn,
        clock=clock(),
    )


@cache
def _photo_loader() -> "PhotoLoader":
    from facematch.use_cases.load_photos import PhotoLoader
    from facematch.use_cases.prepare_photos import PhotoPreparer, photo_limits

    return PhotoLoader(_photo_store(), PhotoPreparer(photo_limits(settings())))


@cache
def _provider() -> "FaceCompareProvider":
    from facematch.adapters.face_compare import FaceCompareEndpoint, FaceCompareProvider

    return FaceCompareProvider(
        endpoints={
            region: FaceCompareEndpoint(address, settings().endpoint_protocol)
            for region, address in settings().endpoints.items()
        },
        credentials=_provider_credentials(),
        operation=settings().operation,
    )


@cache
def provider_diagnoser() -> "ProviderDiagnoser":
    """Return what tries the provider's key."""
    from facematch.use_cases.diagnose_provider import ProviderDiagnoser

    return ProviderDiagnoser(_provider_credentials(), _provider(), settings().regions)


@cache
def pair_comparer() -> "PairComparer":
    """Return the worker."""
    from facematch.domain.retries import RetryPolicy
    from facematch.handlers.telemetry import count_attempt
    from facematch.use_cases.call_provider import ProviderCaller
    from facematch.use_cases.compare_pair import PairComparer

    retries = RetryPolicy(
        attempt_budget=settings().attempt_budget, time_limit_s=settings().retry_time_limit_s
    )
    caller = ProviderCaller(
        ledger=_ledger(),
        limiter=_rate_limiter(),
        provider=_provider(),
        clock=clock(),
        retries=retries,
        report=count_attempt,
    )
    return PairComparer(
        ledger=_ledger(),
        loader=_photo_loader(),
        caller=caller,
        clock=clock(),
        regions=settings().regions,
        retries=retries,
    )


@cache
def comparison_requester() -> "ComparisonRequester":
    """Return the intake from the API."""
    from facematch.use_cases.request_comparison import ComparisonRequester

    return ComparisonRequester(
        ledger=_ledger(),
        limiter=_rate_limiter(),
        photos=_photo_store(),
        loader=_photo_loader(),
        registrar=_registrar(),
        queues=comparison_queues(),
        comparer=pair_comparer(),
        clock=clock(),
        regions=settings().regions,
        options=settings().options,
    )


@cache
def comparison_eraser() -> "ComparisonEraser":
    """Return what erases comparisons."""
    from facematch.use_cases.erase_comparison import ComparisonEraser

    return ComparisonEraser(
        ledger=_ledger(),
        photos=_photo_store(),
        queues=comparison_queues(),
        clock=clock(),
        erases_at_provider=settings().erases_at_provider,
    )


@cache
def provider_eraser() -> "ProviderEraser":
    """Return what asks the provider to delete its results."""
    from facematch.use_cases.erase_comparison import ProviderEraser

    return ProviderEraser(_ledger(), _provider())


@cache
def upload_desk() -> "UploadDesk":
    """Return what issues upload tickets."""
    from facematch.use_cases.issue_uploads import UploadDesk

    return UploadDesk(
        photos=_photo_store(),
        regions=settings().regions,
        size_limit_bytes=settings().photos.max_source_size_bytes,
        reads_heic=settings().photos.read_heic,
    )


@cache
def result_publisher() -> "ResultPublisher":
    """Return what publishes verdicts."""
    from facematch.use_cases.publish_result import ResultPublisher

    return ResultPublisher(
        ledger=_ledger(),
        results=SqsResultQueue(_sqs(), settings().results_queue_url),
        photos=_photo_store(),
        clock=clock(),
        source=settings().event_source,
        deletes_photos=settings().deletes_photos,
    )


@cache
def sweeper() -> "Sweeper":
    """Return what finds unfinished work."""
    from facematch.use_cases.sweep import Sweeper

    return Sweeper(
        ledger=_ledger(),
        limiter=_rate_limiter(),
        queues=comparison_queues(),
        clock=clock(),
        regions=settings().regions,
        pair_deadline_s=settings().pair_deadline_s,
    )
