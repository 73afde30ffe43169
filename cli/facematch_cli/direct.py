"""Compares one pair with one call to the provider, without a stack. Nothing is recorded."""

import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from facematch.domain.clock import Clock
from facematch.domain.comparison import (
    Attempt,
    Comparison,
    Ending,
    Options,
    Origin,
    Outcome,
    identify_request,
)
from facematch.domain.errors import OperatorError, ProviderError, RejectedPhotoError
from facematch.domain.provider import Call, Credentials, Operation, judge
from facematch.domain.regions import PROFILES, Network, Region
from facematch.domain.result_event import describe_ending
from facematch.domain.stopwatch import Stopwatch
from facematch.domain.verdict import Bounds, Role, Verdict, reject_photo
from facematch.settings import StoredKey
from facematch.use_cases.load_photos import PreparedPhoto, pack_photo
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
    """A pair for one call to the provider."""

    photos: Mapping[Role, bytes]
    region: Region
    bounds: Bounds
    face_quality_check: bool


@dataclass(frozen=True, slots=True)
class FixedCredentials:
    """Credentials with one fixed key."""

    credentials: Credentials

    def read(self) -> Credentials:
        """Return the key."""
        return self.credentials

    def invalidate(self) -> None:
        """Keep the key."""


def compare_directly(
    request: DirectRequest, preparer: PhotoPreparer, stack: Stack | None, clock: Clock
) -> dict[str, Any]:
    """Compare a pair with at most one call, and return the result event's `data`.

    The call uses the key and endpoints of `stack`, or without a stack the key in the environment. If a photo
    cannot be prepared, no call is made and the verdict is `photo_rejected`. The `comparison_id` is random and
    in no ledger.

    Raises
    ------
    CommandError
        There is no key, or the provider gave no verdict.
    """
    stopwatch = Stopwatch(clock)
    comparison = Comparison(
        id=identify_request("direct", None),
        region=request.region.value,
        origin=Origin.API,
        created_at_ms=clock.now_ms(),
        photos={},
        options=Options(bounds=request.bounds, face_quality_check=request.face_quality_check),
    )
    photos: dict[Role, PreparedPhoto] = {}
    try:
        with stopwatch.measure("prepare"):
            photos = {role: pack_photo(photo) for role, photo in preparer.prepare(request.photos).items()}
    except RejectedPhotoError as error:
        verdict = reject_photo(error.code, error.message, photo=Role(error.field))
    else:
        provider = _make_provider(request.region, stack)
        verdict, attempt = _call(provider, comparison, photos, stopwatch)
        comparison = comparison.settle(attempt)
    ending = Ending(
        verdict=verdict,
        ended_at_ms=clock.now_ms(),
        photos={role: photo.report for role, photo in photos.items()},
        timings_ms=stopwatch.steps_ms,
    )
    return describe_ending(comparison, ending)


def _call(
    provider: "FaceCompareProvider",
    comparison: Comparison,
    photos: Mapping[Role, PreparedPhoto],
    stopwatch: Stopwatch,
) -> tuple[Verdict, Attempt]:
    attempt = comparison.next_attempt(stopwatch.clock.now_ms())
    call = Call(
        region=Region(comparison.region),
        merchant_biz_id=attempt.merchant_biz_id,
        source=photos[Role.SOURCE].photo,
        target=photos[Role.TARGET].photo,
        face_quality_check=comparison.options.face_quality_check,
    )
    try:
        with stopwatch.measure("call"), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            verdict = judge(provider.compare(call), comparison.options.bounds)
    except ProviderError as error:
        raise _explain(error) from None
    return verdict, replace(attempt, outcome=Outcome.ANSWERED)


def _make_provider(region: Region, stack: Stack | None) -> "FaceCompareProvider":
    try:
        from facematch.adapters.face_compare import FaceCompareEndpoint, FaceCompareProvider  # noqa: PLC0415 - an extra
    except ImportError:
        raise CommandError(
            "--direct needs the provider's SDK. In the clone of facematch, run "
            "`pip install './cli[direct]'`.",
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
            f"--direct needs the provider's key. Set {KEY_VARIABLES[0]} and {KEY_VARIABLES[1]}, or name a "
            "stack to use its key.",
            ExitCode.USAGE,
        )
    return Credentials(key_id, key_secret, token)


def _read_stack_key(stack: Stack) -> Credentials:
    key = stack.settings.provider_key
    if not isinstance(key, StoredKey):
        raise CommandError(
            f"The stack {stack.name} has no stored key. Set your key in {KEY_VARIABLES[0]} and "
            f"{KEY_VARIABLES[1]}, and do not name a stack.",
            ExitCode.REFUSED,
        )
    text = stack.secrets().get_secret_value(SecretId=key.secret_arn)["SecretString"]
    try:
        secret = json.loads(text)
        return Credentials(secret["access_key_id"], secret["access_key_secret"])
    except (ValueError, KeyError, TypeError):
        # Without the cause: the error of a JSON reader contains the text.
        raise CommandError(
            "The stack's secret does not contain the provider's key as JSON.", ExitCode.REFUSED
        ) from None


def _explain(error: ProviderError) -> CommandError:
    request = f" (request {error.request_id})" if error.request_id else ""
    if isinstance(error, OperatorError):
        return CommandError(
            f"The provider refuses the account or its key with {error.code}{request}. Repair this first.",
            ExitCode.UNREACHABLE,
        )
    billed = "; the call may have been billed" if error.possibly_billed else ""
    return CommandError(f"The provider gave no verdict: {error.code}{request}{billed}.", ExitCode.NO_VERDICT)
