"""The one room that reads the environment; the template sets every variable, so none has a default here."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from facematch.domain.comparison import Options
from facematch.domain.errors import ConfigurationError, InvalidInputError
from facematch.domain.priority import Priority
from facematch.domain.provider import Operation
from facematch.domain.regions import PROFILES, Network, Region, RegionPolicy, home_region
from facematch.domain.verdict import Bounds


@dataclass(frozen=True, slots=True)
class StoredKey:
    """The provider's key stands in a secret."""

    secret_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FederatedKey:
    """The provider's key is issued for the function's own identity, at `sts_url`."""

    sts_url: str
    oidc_provider_arn: str
    role_arn: str
    audience: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoSettings:
    """What photos must be, by the names that `imaging.Limits` has for it."""

    max_source_size_bytes: int
    max_source_pixels: int
    enlarge_up_to: float
    read_heic: bool
    frame_faces: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a stack was deployed with; `calls_per_s` already is this stack's share of the account's quota."""

    table: str
    bucket: str
    comparison_queue_urls: Mapping[tuple[str, Priority], str]
    results_queue_url: str
    provider_key: StoredKey | FederatedKey
    event_source: str
    regions: RegionPolicy
    endpoints: Mapping[Region, str]
    endpoint_protocol: str
    operation: Operation
    calls_per_s: Mapping[Region, float]
    options: Options
    pair_deadline_s: int
    attempt_budget: int
    retry_time_limit_s: int
    photos: PhotoSettings
    retention_days: int
    deletes_photos: bool
    erases_at_provider: bool


def runs_as_function(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this process is a Lambda function."""
    return "AWS_LAMBDA_FUNCTION_NAME" in environment


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Return the settings that `environment` holds.

    Raises
    ------
    ConfigurationError
        A variable is missing, empty or contradicts another; the message names it.
    """
    reader = _Reader(environment)
    regions, endpoints = _read_regions(reader), _read_endpoints(reader)
    settings = Settings(
        table=reader.text("TABLE_NAME"),
        bucket=reader.text("BUCKET_NAME"),
        comparison_queue_urls=_read_queue_urls(reader, regions),
        results_queue_url=reader.text("RESULTS_QUEUE_URL"),
        provider_key=_read_provider_key(reader, regions, endpoints),
        event_source=reader.text("EVENT_SOURCE"),
        regions=regions,
        endpoints=endpoints,
        endpoint_protocol="HTTPS" if reader.text("PROVIDER_ENDPOINTS") == _AUTOMATIC else "HTTP",
        operation=_read_operation(reader),
        calls_per_s=_read_quota(reader),
        options=_read_options(reader),
        pair_deadline_s=reader.number("PAIR_DEADLINE_SECONDS", int),
        attempt_budget=reader.number("ATTEMPT_BUDGET", int),
        retry_time_limit_s=reader.number("RETRY_TIME_LIMIT_SECONDS", int),
        photos=_read_photos(reader),
        retention_days=reader.number("RECORD_RETENTION_DAYS", int),
        deletes_photos=reader.flag("DELETE_PHOTOS_AFTER_VERDICT"),
        erases_at_provider=reader.flag("ERASE_AT_PROVIDER"),
    )
    _check_retention(settings, reader.number("PHOTO_RETENTION_DAYS", int) * _SECONDS_PER_DAY)
    return settings


_SECONDS_PER_DAY: Final = 86_400
_AUTOMATIC: Final = "auto"
_ABSENT: Final = "none"
_STATIC: Final = "static"
_FEDERATED: Final = "federated"
_SEPARATOR: Final = ","


@dataclass(frozen=True, slots=True)
class _Reader:
    environment: Mapping[str, str]

    def text(self, name: str) -> str:
        value = self.environment.get(name, "").strip()
        if not value:
            raise ConfigurationError(f"The environment variable {name} is missing or empty.")
        return value

    def needed(self, name: str, reason: str) -> str:
        value = self.text(name)
        if value == _ABSENT:
            raise ConfigurationError(f"The environment variable {name} is needed {reason}.")
        return value

    def flag(self, name: str) -> bool:
        value = self.text(name)
        if value not in {"true", "false"}:
            raise ConfigurationError(f"The environment variable {name} is true or false, not {value!r}.")
        return value == "true"

    def number[N: (int, float)](self, name: str, kind: Callable[[str], N]) -> N:
        return self.parse_number(name, self.text(name), kind)

    def parse_number[N: (int, float)](self, name: str, text: str, kind: Callable[[str], N]) -> N:
        try:
            value = kind(text)
        except ValueError:
            value = kind("0")
        if not (value > 0 and math.isfinite(value)):
            raise ConfigurationError(f"The environment variable {name} holds a number above 0, not {text!r}.")
        return value

    def mapping(self, name: str) -> dict[str, str]:
        entries = (entry.partition("=") for entry in self.text(name).split(_SEPARATOR))
        return {key.strip(): value.strip() for key, _, value in entries}

    def region(self, name: str, value: str) -> Region:
        if value not in set(Region):
            raise ConfigurationError(f"The environment variable {name} names no region: {value!r}.")
        return Region(value)


def _read_regions(reader: _Reader) -> RegionPolicy:
    default_name = reader.text("DEFAULT_REGION")
    if default_name == _AUTOMATIC:
        default = home_region(reader.text("AWS_REGION"))
    else:
        default = reader.region("DEFAULT_REGION", default_name)
    allowed_names = [name.strip() for name in reader.text("ALLOWED_REGIONS").split(_SEPARATOR)]
    if allowed_names == [_AUTOMATIC]:
        allowed = frozenset({default} if default else set())
    else:
        allowed = frozenset(reader.region("ALLOWED_REGIONS", name) for name in allowed_names)
    if default_name == _AUTOMATIC and default not in allowed:
        default = None
    return RegionPolicy(default, allowed)


def _read_endpoints(reader: _Reader) -> dict[Region, str]:
    """Return the provider's host by region, or a local stack's stand-ins for it."""
    network_name = reader.text("PROVIDER_NETWORK")
    if network_name not in set(Network):
        raise ConfigurationError(f"PROVIDER_NETWORK is public or internal, not {network_name!r}.")
    network = Network(network_name)
    is_local = reader.flag("LOCAL_STACK")
    if reader.text("PROVIDER_ENDPOINTS") == _AUTOMATIC:
        return {region: profile.host(network) for region, profile in PROFILES.items()}
    if not is_local:
        raise ConfigurationError("PROVIDER_ENDPOINTS may be set only where LOCAL_STACK is true.")
    stand_ins = reader.mapping("PROVIDER_ENDPOINTS")
    missing = [f"{region}.{network}" for region in Region if not stand_ins.get(f"{region}.{network}")]
    if missing:
        raise ConfigurationError(f"PROVIDER_ENDPOINTS lacks {', '.join(missing)}.")
    return {region: stand_ins[f"{region}.{network}"] for region in Region}


def _read_queue_urls(reader: _Reader, regions: RegionPolicy) -> dict[tuple[str, Priority], str]:
    """Return the queue of each lane that the stack has: those of the allowed regions."""
    return {
        (region, priority): reader.needed(_queue_variable(region, priority), f"to compare in {region}")
        for region in regions.allowed
        for priority in Priority
    }


def _queue_variable(region: Region, priority: Priority) -> str:
    return f"{region}_{priority}_QUEUE_URL".upper().replace("-", "_")


def _check_retention(settings: Settings, photo_retention_s: int) -> None:
    """Accept settings under which photos outlast every wait, and records outlast photos.

    Raises
    ------
    ConfigurationError
        A wait is longer than photos or records are kept.
    """
    waits = {
        "PAIR_DEADLINE_SECONDS": settings.pair_deadline_s,
        "RETRY_TIME_LIMIT_SECONDS": settings.retry_time_limit_s,
    }
    for name, wait_s in waits.items():
        if wait_s >= photo_retention_s:
            raise ConfigurationError(f"{name} must be shorter than PHOTO_RETENTION_DAYS.")
        if wait_s >= settings.retention_days * _SECONDS_PER_DAY:
            raise ConfigurationError(f"{name} must be shorter than RECORD_RETENTION_DAYS.")


def _read_photos(reader: _Reader) -> PhotoSettings:
    return PhotoSettings(
        max_source_size_bytes=reader.number("PHOTO_SIZE_LIMIT_BYTES", int),
        max_source_pixels=reader.number("PIXEL_LIMIT", int),
        enlarge_up_to=reader.number("ENLARGE_UP_TO", float),
        read_heic=reader.flag("HEIC_PHOTOS"),
        frame_faces=reader.flag("FACE_FRAMING"),
    )


def _read_operation(reader: _Reader) -> Operation:
    name = reader.text("PROVIDER_OPERATION")
    if name not in set(Operation):
        raise ConfigurationError(f"PROVIDER_OPERATION is {' or '.join(Operation)}, not {name!r}.")
    return Operation(name)


def _read_provider_key(
    reader: _Reader, regions: RegionPolicy, endpoints: Mapping[Region, str]
) -> StoredKey | FederatedKey:
    """Return where the provider's key comes from; a stack that does not say has it stored."""
    source = reader.environment.get("PROVIDER_CREDENTIALS", _STATIC)
    reason = f"where PROVIDER_CREDENTIALS is {source}"
    if source == _STATIC:
        return StoredKey(reader.needed("SECRET_ARN", reason))
    if source != _FEDERATED:
        raise ConfigurationError(f"PROVIDER_CREDENTIALS is {_STATIC} or {_FEDERATED}, not {source!r}.")
    return FederatedKey(
        sts_url=_find_sts(reader, regions, endpoints),
        oidc_provider_arn=reader.needed("PROVIDER_OIDC_PROVIDER_ARN", reason),
        role_arn=reader.needed("PROVIDER_ROLE_ARN", reason),
        audience=reader.needed("PROVIDER_OIDC_AUDIENCE", reason),
    )


def _find_sts(reader: _Reader, regions: RegionPolicy, endpoints: Mapping[Region, str]) -> str:
    """Return where tokens are traded: in a jurisdiction that the stack may use for faces, too.

    A local stack's stand-in for a region answers as STS as well.
    """
    region = regions.default or next(region for region in Region if region in regions.allowed)
    if reader.text("PROVIDER_ENDPOINTS") != _AUTOMATIC:
        return f"http://{endpoints[region]}/"
    product = "sts-vpc" if reader.text("PROVIDER_NETWORK") == Network.INTERNAL else "sts"
    return f"https://{product}.{PROFILES[region].provider_region_id}.aliyuncs.com/"


def _read_quota(reader: _Reader) -> dict[Region, float]:
    share = reader.number("QUOTA_SHARE", float)
    if share > 1:
        raise ConfigurationError(f"QUOTA_SHARE is at most 1, not {share}.")
    stated = reader.mapping("CALLS_PER_SECOND")
    missing = [region for region in Region if region not in stated]
    if missing:
        raise ConfigurationError(f"CALLS_PER_SECOND lacks {', '.join(missing)}.")
    return {
        region: reader.parse_number("CALLS_PER_SECOND", stated[region], float) * share for region in Region
    }


def _read_options(reader: _Reader) -> Options:
    scores = {name: reader.text(name) for name in ("MATCH_FROM_SCORE", "NO_MATCH_UP_TO_SCORE")}
    try:
        bounds = Bounds(*(float(text) for text in scores.values()))
    except (ValueError, InvalidInputError):
        raise ConfigurationError(f"{' and '.join(scores)} are scores from 0 to 100.") from None
    return Options(bounds=bounds, face_quality_check=reader.flag("FACE_QUALITY_CHECK"))
