"""What a diagnosis of the provider means, from this machine or from the stack's functions."""

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
"""The provider refuses a call whose time differs by more from its own. Source: its common errors."""

# What repairs a refusal, by how its code begins, in lower case.
_REPAIRS: Final[Mapping[str, str]] = {
    "invalidaccesskeyid.inactive": "The key is disabled: enable it in RAM, or put another into the secret.",
    "forbidden.accesskeydisabled": "The key is disabled: enable it in RAM, or put another into the secret.",
    "invalidaccesskeyid": "The provider does not know the key: put the right access_key_id into the secret.",
    "signaturedoesnotmatch": "The access_key_secret is not that of the access_key_id: correct the secret.",
    "incompletesignature": "The access_key_secret is not that of the access_key_id: correct the secret.",
    "invalidsecuritytoken": "The temporary key is not valid: repeat this, then check the RAM role.",
    "illegaltimestamp": "The clocks differ too much: correct the one named below.",
    "invalidtimestamp": "The clocks differ too much: correct the one named below.",
    "insufficientbalance": "Pay the provider's account up.",
    "invalidaction": "The operation is not offered in this region: check AllowedRegions, and that ID "
    "Verification is activated there.",
    "unauthorized": "Allow the RAM user or role what docs/credentials.md lists, in this region.",
    "forbidden": "Allow the RAM user or role what docs/credentials.md lists, in this region.",
    "nopermission": "Allow the RAM user or role what docs/credentials.md lists, in this region.",
}
_OTHER_REPAIR: Final = "Look the code up in the provider's error center and in docs/provider.md."


@dataclass(frozen=True, slots=True)
class Viewpoint:
    """From where the provider is called: `name` is part of the checks' names, `label` of their sentences.

    If it is not `decisive`, only the functions' way to the provider counts, and a dead one here is a warning.
    """

    name: str
    label: str
    clock: str
    is_decisive: bool


HERE: Final = Viewpoint("here", "this machine", "this machine's clock", is_decisive=False)
FUNCTIONS: Final = Viewpoint("functions", "the functions", "the functions' clock", is_decisive=True)


def diagnose_from_here(settings: Settings, key: Credentials) -> Diagnosis | None:
    """Try the key from this machine by free calls; None if the provider's SDK is not installed here."""
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
    """Check each region's answer to the key, and the clocks."""
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
                f"{region} refuses the free operation to {label} ({code}); comparisons may be allowed.",
                "Allow antcloudauth:KeepaliveIntl to the key, or run `facematch doctor --pay`.",
            )
        case Access.REFUSED:
            return failed(
                name, f"{region} refuses the key or the account to {label} ({code}).", _find_repair(code)
            )
        case Access.UNREACHABLE:
            level = Level.ERROR if viewpoint.is_decisive else Level.WARNING
            fix = f"Allow HTTPS from {label} to {address}, and check the proxy and the region's DNS name."
            return Check(name, level, f"{label.capitalize()} can't connect to {region}.", fix)
        case Access.FAILED:
            return failed(
                name,
                f"{region} gives {label} no usable answer ({code}).",
                "Repeat this in a few minutes; if it persists, check the provider's status page.",
            )


def _check_latency(name: str, region: Region, found: RegionDiagnosis, viewpoint: Viewpoint) -> Check:
    latency_ms = found.latency_ms or 0
    finding = f"{region} accepts the key from {viewpoint.label}, in {latency_ms} ms with the connection."
    if latency_ms < _SLOW_MS:
        return passed(name, finding)
    return warned(name, finding, "Look for a slow proxy or network: calls wait for the connection.")


def _check_clock(ahead_s: Mapping[Region, float], viewpoint: Viewpoint) -> Check:
    name = f"provider.{viewpoint.name}.clock"
    region = max(ahead_s, key=lambda one: abs(ahead_s[one]))
    off_s = ahead_s[region]
    if abs(off_s) < _CLOCK_NOTED_S:
        return passed(name, f"{viewpoint.clock.capitalize()} agrees with the provider's.")
    side = "behind" if off_s > 0 else "ahead of"
    # The provider tells its time in whole seconds.
    about = format_duration(round(abs(off_s), -1))
    finding = f"{viewpoint.clock.capitalize()} is {about} {side} the provider's in {region}."
    if viewpoint is HERE:
        fix = "Set this machine's clock by NTP."
    else:
        fix = "AWS keeps the functions' clock: ask the provider's support about theirs."
    if abs(off_s) < _CLOCK_LIMIT_S:
        return warned(name, finding, fix)
    return failed(name, f"{finding} The provider refuses calls from 15 min on.", fix)


def _find_repair(code: str) -> str:
    lower = code.lower()
    return next((fix for prefix, fix in _REPAIRS.items() if lower.startswith(prefix)), _OTHER_REPAIR)


def check_key_source(diagnosis: Diagnosis, settings: Settings, role_arn: str) -> Iterator[Check]:
    """Check how the functions get their key: from the secret, or step by step from the two token services.

    `role_arn` is the role of the diagnostic function.
    """
    fault = diagnosis.key_fault
    if not isinstance(settings.provider_key, FederatedKey):
        yield _check_secret_of_functions(fault)
        return
    if fault is not None and fault.startswith(_FIRST_STEP):
        yield failed(
            "federation.token",
            f"AWS STS gives the functions no token ({clean(fault.removeprefix(_FIRST_STEP))}).",
            "Run `aws iam enable-outbound-web-identity-federation` once per account, and check that no "
            "policy denies sts:GetWebIdentityToken.",
        )
        return
    yield passed("federation.token", "AWS STS gives the functions a token.")
    if fault is not None:
        code = clean(fault.removeprefix(_SECOND_STEP))
        yield failed(
            "federation.exchange",
            f"Alibaba Cloud STS gives no key for the token ({code}).",
            _find_exchange_repair(code, settings.provider_key, role_arn),
        )
        return
    yield passed("federation.exchange", "Alibaba Cloud STS gives a key of the RAM role for it.")


_FIRST_STEP: Final = "web_identity."
_SECOND_STEP: Final = "assume_role."


def _check_secret_of_functions(fault: str | None) -> Check:
    if fault is None:
        return passed("provider.functions.key", "The functions can read the key.")
    return failed(
        "provider.functions.key",
        f"The functions can't read the key ({clean(fault)}).",
        "Check ProviderSecretArn, the secret's format, and the policies of the secret and its KMS key.",
    )


def _find_exchange_repair(code: str, key: FederatedKey, role_arn: str) -> str:
    if "NoPermission" in code or "NotExist" in code:
        return (
            f"In RAM, name {role_arn} as a subject in the trust policy of {key.role_arn}, beside "
            "ApiRoleArn and CompareRoleArn."
        )
    if "AudienceNotMatch" in code:
        return f"Add {key.audience} to the client IDs of {key.oidc_provider_arn}."
    if "Fingerprint" in code or "InvalidSignature" in code or "IssuerNotMatch" in code:
        return f"Correct the issuer and the fingerprints of {key.oidc_provider_arn} (docs/credentials.md)."
    if code in {"timeout", "no_connection", "unreadable_answer"}:
        return f"Check that the functions reach {key.sts_url}."
    return f"Compare {key.oidc_provider_arn} and {key.role_arn} with docs/credentials.md."
