"""Checks the provider, from this machine or from the stack's functions."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from facematch.domain.provider import Credentials
from facematch.domain.regions import Region
from facematch.settings import FederatedKey, Settings
from facematch.use_cases.diagnose_provider import Access, Diagnosis, ProviderDiagnoser, RegionDiagnosis
from facematch_cli.direct import FixedCredentials
from facematch_cli.doctor.check import Check, Level, failed, passed, warned
from facematch_client.text import clean, format_duration

_SLOW_MS: Final = 1000
_CLOCK_NOTED_S: Final = 60.0
_CLOCK_LIMIT_S: Final = 900.0
"""The provider refuses calls with a larger time difference. Source: its common errors."""

# The repair of a refusal, by the beginning of its code in lower case.
_REPAIRS: Final[Mapping[str, str]] = {
    "invalidaccesskeyid.inactive": "The key is disabled. Enable it in RAM, or put another into the secret.",
    "forbidden.accesskeydisabled": "The key is disabled. Enable it in RAM, or put another into the secret.",
    "invalidaccesskeyid": "The provider does not know the key. Correct the access_key_id in the secret.",
    "signaturedoesnotmatch": "The access_key_secret does not match the access_key_id. Correct the secret.",
    "incompletesignature": "The access_key_secret does not match the access_key_id. Correct the secret.",
    "invalidsecuritytoken": "The temporary key is not valid. Repeat the command, then check the RAM role.",
    "illegaltimestamp": "The clocks differ too much. Correct the clock named below.",
    "invalidtimestamp": "The clocks differ too much. Correct the clock named below.",
    "insufficientbalance": "Top up the balance of the provider's account.",
    "invalidaction": "This region does not offer the operation. Check AllowedRegions, and that ID "
    "Verification is activated there.",
    "unauthorized": "Give the RAM user or role the permissions in docs/credentials.md, for this region.",
    "forbidden": "Give the RAM user or role the permissions in docs/credentials.md, for this region.",
    "nopermission": "Give the RAM user or role the permissions in docs/credentials.md, for this region.",
}
_OTHER_REPAIR: Final = "Look up the code in the provider's error center and in docs/provider.md."


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """The place that calls the provider. `name` is part of the checks' names, `label` of their sentences.

    If it is not `is_decisive`, a failed connection is only a warning.
    """

    name: str
    label: str
    clock: str
    is_decisive: bool


HERE: Final = Viewpoint("here", "this machine", "this machine's clock", is_decisive=False)
FUNCTIONS: Final = Viewpoint("functions", "the functions", "the functions' clock", is_decisive=True)


def diagnose_from_here(settings: Settings, key: Credentials) -> Diagnosis | None:
    """Test the key from this machine with free calls. Return None if the provider's SDK is not installed."""
    try:
        from facematch.adapters.face_compare import FaceCompareEndpoint, FaceCompareProvider  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    endpoints = {
        region: FaceCompareEndpoint(address, settings.endpoint_protocol)
        for region, address in settings.endpoints.items()
    }
    credentials = FixedCredentials(key)
    provider = FaceCompareProvider(endpoints, credentials, settings.operation)
    return ProviderDiagnoser(credentials, provider, settings.regions).diagnose()


def check_regions(
    regions: Mapping[Region, RegionDiagnosis], settings: Settings, viewpoint: Viewpoint
) -> Iterator[Check]:
    """Check each region's response to the key, and the clocks."""
    for region, found in regions.items():
        yield _check_region(region, found, settings.endpoints[region], viewpoint)
    ahead_s = {
        region: found.clock_ahead_s for region, found in regions.items() if found.clock_ahead_s is not None
    }
    if ahead_s:
        yield _check_clock(ahead_s, viewpoint)


def _check_region(region: Region, found: RegionDiagnosis, address: str, viewpoint: Viewpoint) -> Check:
    name = f"provider.{viewpoint.name}.{region}"
    code, label = clean(found.code), viewpoint.label
    match found.access:
        case Access.ACCEPTED:
            return _check_latency(name, region, found, viewpoint)
        case Access.UNCLEAR:
            return warned(
                name,
                f"{region} refuses the free operation from {label} ({code}). Comparisons may still work.",
                "Give the key the permission antcloudauth:KeepaliveIntl, or run `facematch doctor --pay`.",
            )
        case Access.REFUSED:
            return failed(
                name, f"{region} refuses the key or the account from {label} ({code}).", _find_repair(code)
            )
        case Access.UNREACHABLE:
            level = Level.ERROR if viewpoint.is_decisive else Level.WARNING
            fix = f"Allow HTTPS from {label} to {address}, and check the proxy and the region's DNS name."
            return Check(name, level, f"{label.capitalize()} cannot connect to {region}.", fix)
        case Access.FAILED:
            return failed(
                name,
                f"{region} gives no usable response to {label} ({code}).",
                "Repeat the command in a few minutes. If it persists, check the provider's status page.",
            )


def _check_latency(name: str, region: Region, found: RegionDiagnosis, viewpoint: Viewpoint) -> Check:
    latency_ms = found.latency_ms or 0
    finding = f"{region} accepts the key from {viewpoint.label}, in {latency_ms} ms including the connection."
    if latency_ms < _SLOW_MS:
        return passed(name, finding)
    return warned(name, finding, "Check for a slow proxy or network.")


def _check_clock(ahead_s: Mapping[Region, float], viewpoint: Viewpoint) -> Check:
    name = f"provider.{viewpoint.name}.clock"
    region = max(ahead_s, key=lambda candidate: abs(ahead_s[candidate]))
    off_s = ahead_s[region]
    if abs(off_s) < _CLOCK_NOTED_S:
        return passed(name, f"{viewpoint.clock.capitalize()} agrees with the provider's clock.")
    side = "behind" if off_s > 0 else "ahead of"
    # The provider's time has whole seconds.
    about = format_duration(round(abs(off_s), -1))
    finding = f"{viewpoint.clock.capitalize()} is {about} {side} the provider's clock in {region}."
    if viewpoint is HERE:
        fix = "Synchronise this machine's clock with NTP."
    else:
        fix = "AWS sets the functions' clock. Ask the provider's support about their clock."
    if abs(off_s) < _CLOCK_LIMIT_S:
        return warned(name, finding, fix)
    return failed(name, f"{finding} The provider refuses calls if the difference is 15 min or more.", fix)


def _find_repair(code: str) -> str:
    lower = code.lower()
    return next((fix for prefix, fix in _REPAIRS.items() if lower.startswith(prefix)), _OTHER_REPAIR)


def check_key_source(diagnosis: Diagnosis, settings: Settings, role_arn: str) -> Iterator[Check]:
    """Check that the functions get their key, from the secret or in two steps from the token services.

    `role_arn` is the role of the diagnostic function.
    """
    fault = diagnosis.key_fault
    if not isinstance(settings.provider_key, FederatedKey):
        yield _check_secret_of_functions(fault)
        return
    if fault is not None and fault.startswith(_FIRST_STEP):
        yield failed(
            "federation.token",
            f"AWS STS issues no token to the functions ({clean(fault.removeprefix(_FIRST_STEP))}).",
            "Run `aws iam enable-outbound-web-identity-federation` once per account, and check that no "
            "policy denies sts:GetWebIdentityToken.",
        )
        return
    yield passed("federation.token", "AWS STS issues a token to the functions.")
    if fault is not None:
        code = clean(fault.removeprefix(_SECOND_STEP))
        yield failed(
            "federation.exchange",
            f"Alibaba Cloud STS issues no key for the token ({code}).",
            _find_exchange_repair(code, settings.provider_key, role_arn),
        )
        return
    yield passed("federation.exchange", "Alibaba Cloud STS issues a key of the RAM role for the token.")


_FIRST_STEP: Final = "web_identity."
_SECOND_STEP: Final = "assume_role."


def _check_secret_of_functions(fault: str | None) -> Check:
    if fault is None:
        return passed("provider.functions.key", "The functions can read the key.")
    return failed(
        "provider.functions.key",
        f"The functions cannot read the key ({clean(fault)}).",
        "Check ProviderSecretArn, the secret's format, and the policies of the secret and its KMS key.",
    )


def _find_exchange_repair(code: str, key: FederatedKey, role_arn: str) -> str:
    if "NoPermission" in code or "NotExist" in code:
        return (
            f"In RAM, name {role_arn} as a subject in the trust policy of {key.role_arn}, next to "
            "ApiRoleArn and CompareRoleArn."
        )
    if "AudienceNotMatch" in code:
        return f"Add {key.audience} to the client IDs of {key.oidc_provider_arn}."
    if "Fingerprint" in code or "InvalidSignature" in code or "IssuerNotMatch" in code:
        return f"Correct the issuer and the fingerprints of {key.oidc_provider_arn} (docs/credentials.md)."
    if code in {"timeout", "no_connection", "unreadable_answer"}:
        return f"Check that the functions reach {key.sts_url}."
    return f"Compare {key.oidc_provider_arn} and {key.role_arn} with docs/credentials.md."
