"""One pair compared by the provider itself, past any stack: one call, recorded nowhere."""

import json
import os
import secrets
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from facematch.domain.clock import Clock
from facematch.domain.errors import OperatorFaultError, ProviderError, RejectedPhotoError
from facematch.domain.provider import Call, Credentials, InlinePicture, Operation, judge
from facematch.domain.regions import PROFILES, Network, Region
from facematch.domain.stopwatch import Stopwatch
from facematch.domain.verdict import Bounds, Role
from facematch.settings import StoredKey
from facematch.use_cases.prepare_photos import PhotoPreparer
from facematch_client.errors import CommandError, ExitCode
from facematch_client.stack import Stack

if TYPE_CHECKING:
    from facematch.adapters.face_compare import FaceCompareProvider

KEY_VARIABLES: Final = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
)


@dataclass(frozen=True, slots=True)
class DirectRequest:
    """A pair for the provider."""

    photos: Mapping[Role, bytes]
    region: Region
    bounds: Bounds
    face_quality_check: bool


@dataclass(frozen=True, slots=True)
class FixedCredentials:
    """One key, and no other."""

    credentials: Credentials

    def read(self) -> Credentials:
        """Return the key."""
        return self.credentials

    def distrust(self) -> None:
        """Keep the key."""


def compare_directly(
    request: DirectRequest, preparer: PhotoPreparer, stack: Stack | None, clock: Clock
) -> dict[str, Any]:
    """Make one call and return what came of it, in the words of the result event's `data`.

    With a `stack`, its key and its endpoints are used, else the key in the environment.

    Raises
    ------
    RejectedPhotoError
        A photo can't be made acceptable; no call was made.
    CommandError
        There is no key, or the provider gave no verdict.
    """
    stopwatch = Stopwatch(clock)
    with stopwatch.measure("prepare"):
        prepared = preparer.prepare(request.photos)
    provider = _make_provider(request.region, stack)
    merchant_biz_id = secrets.token_hex(16)
    call = Call(
        region=request.region,
        merchant_biz_id=merchant_biz_id,
        source=InlinePicture(prepared[Role.SOURCE].jpeg),
        target=InlinePicture(prepared[Role.TARGET].jpeg),
        face_quality_check=request.face_quality_check,
    )
    try:
        with stopwatch.measure("call"), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            verdict = judge(provider.compare(call), request.bounds)
    except ProviderError as error:
        raise _explain(error) from None
    return {
        "region": request.region.value,
        "verdict": verdict.decision.value,
        "reason": verdict.reason,
        "message": verdict.message,
        "score": verdict.score,
        "passed": verdict.passed,
        "bounds": asdict(request.bounds),
        "provider": {
            "code": verdict.provider_code,
            "request_id": verdict.request_id,
            "transaction_id": verdict.transaction_id,
            "merchant_biz_ids": [merchant_biz_id],
            "face_quality": verdict.face_quality,
        },
        "photos": {
            role.value: {**asdict(photo.report), "width": photo.width, "height": photo.height}
            for role, photo in prepared.items()
        },
        "timings_ms": stopwatch.steps_ms,
    }


def reject_directly(error: RejectedPhotoError, region: Region) -> dict[str, Any]:
    """Return what came of a pair with a photo that can't be made acceptable, in the same words."""
    return {
        "region": region.value,
        "verdict": "photo_rejected",
        "reason": error.code,
        "message": error.message,
        "photo": error.field,
        "score": None,
    }


def _make_provider(region: Region, stack: Stack | None) -> "FaceCompareProvider":
    try:
        from facematch.adapters.face_compare import FaceCompareEndpoint, FaceCompareProvider  # noqa: PLC0415 - an extra
    except ImportError:
        raise CommandError(
            "--direct needs the provider's SDK: in the clone of facematch, `pip install './cli[direct]'`.",
            ExitCode.USAGE,
        ) from None
    if stack is None:
        address, protocol = PROFILES[region].host(Network.PUBLIC), "HTTPS"
        operation = Operation.FACE_COMPARE
    else:
        address, protocol = stack.settings.endpoints[region], stack.settings.endpoint_protocol
        operation = stack.settings.operation
    key = _read_environment_key() if stack is None else _read_stack_key(stack)
    endpoints = {region: FaceCompareEndpoint(address, protocol)}
    return FaceCompareProvider(endpoints, FixedCredentials(key), operation)


def _read_environment_key() -> Credentials:
    key_id, key_secret, token = (os.environ.get(name) or None for name in KEY_VARIABLES)
    if not key_id or not key_secret:
        raise CommandError(
            f"--direct needs the provider's key: set {KEY_VARIABLES[0]} and {KEY_VARIABLES[1]}, or name the "
            "stack whose key to use.",
            ExitCode.USAGE,
        )
    return Credentials(key_id, key_secret, token)


def _read_stack_key(stack: Stack) -> Credentials:
    key = stack.settings.provider_key
    if not isinstance(key, StoredKey):
        raise CommandError(
            f"The stack {stack.name} has no stored key: set yours in {KEY_VARIABLES[0]} and "
            f"{KEY_VARIABLES[1]}, and name no stack.",
            ExitCode.REFUSED,
        )
    text = stack.secrets().get_secret_value(SecretId=key.secret_arn)["SecretString"]
    try:
        secret = json.loads(text)
        return Credentials(secret["access_key_id"], secret["access_key_secret"])
    except (ValueError, KeyError, TypeError):
        # Without the cause: a JSON reader's error holds what it read.
        raise CommandError(
            "The stack's secret does not hold the provider's key as JSON.", ExitCode.REFUSED
        ) from None


def _explain(error: ProviderError) -> CommandError:
    quoted = f" (request {error.request_id})" if error.request_id else ""
    if isinstance(error, OperatorFaultError):
        return CommandError(
            f"The provider refuses the account or its key with {error.code}{quoted}: repair that first.",
            ExitCode.UNREACHABLE,
        )
    billed = "; the call may have been billed" if error.possibly_billed else ""
    return CommandError(f"The provider gave no verdict: {error.code}{quoted}{billed}.", ExitCode.NO_VERDICT)
