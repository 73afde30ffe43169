import pytest

from facematch.domain.comparison import Options
from facematch.domain.errors import ConfigurationError
from facematch.domain.priority import Priority
from facematch.domain.provider import Operation
from facematch.domain.regions import PROFILES, Network, Region, RegionPolicy
from facematch.domain.verdict import Bounds
from facematch.settings import (
    FederatedKey,
    Settings,
    StoredKey,
    read_settings,
    runs_as_function,
)
from tests.factories import make_environment, make_queue_url

EMULATORS = ",".join(
    f"{region}.{network}=127.0.0.1:{port}" for port, region in enumerate(Region, 1) for network in Network
)

SINGAPORE = ("SINGAPORE_BULK_QUEUE_URL", "SINGAPORE_URGENT_QUEUE_URL")
UNUSED = {name for name in make_environment() if name.endswith("_QUEUE_URL")} - {
    *SINGAPORE,
    "RESULTS_QUEUE_URL",
}
"""The queues of regions in which the stack of `make_environment` does not compare."""


def test_settings_are_what_the_template_set() -> None:
    settings = read_settings(make_environment())

    assert (settings.table, settings.bucket) == ("ledger", "photos")
    assert settings.comparison_queue_urls == {
        ("singapore", priority): make_queue_url("singapore", priority) for priority in Priority
    }
    assert settings.results_queue_url == "https://sqs.invalid/results"
    assert settings.provider_key == StoredKey(make_environment()["SECRET_ARN"])
    assert settings.event_source == "urn:facematch:000000000000:ap-southeast-1:test"
    assert settings.regions == RegionPolicy(Region.SINGAPORE, frozenset({Region.SINGAPORE}))
    assert settings.options == Options()
    assert settings.endpoint_protocol == "HTTPS"
    assert (settings.pair_deadline_s, settings.attempt_budget) == (900, 4)
    assert settings.retry_time_limit_s == 72_000
    assert settings.photos.max_source_size_bytes == 20_000_000
    assert settings.photos.max_source_pixels == 64_000_000
    assert settings.photos.enlarge_up_to == 2
    assert settings.photos.read_heic is False
    assert settings.photos.frame_faces is False
    assert settings.retention_days == 30
    assert settings.deletes_photos is True


@pytest.mark.parametrize("name", sorted(make_environment().keys() - UNUSED))
@pytest.mark.parametrize("value", [None, "", "  "], ids=["missing", "empty", "blank"])
def test_a_variable_that_is_missing_or_empty_names_itself(name: str, value: str | None) -> None:
    with pytest.raises(ConfigurationError, match=rf"\b{name} is missing or empty"):
        read_settings(make_environment(**{name: value}))


@pytest.mark.parametrize(
    "name",
    [
        "QUOTA_SHARE",
        "PAIR_DEADLINE_SECONDS",
        "ATTEMPT_BUDGET",
        "PHOTO_SIZE_LIMIT_BYTES",
        "PIXEL_LIMIT",
        "RETRY_TIME_LIMIT_SECONDS",
        "PHOTO_RETENTION_DAYS",
        "ENLARGE_UP_TO",
        "RECORD_RETENTION_DAYS",
    ],
)
@pytest.mark.parametrize("value", ["0", "-1", "many", "nan", "inf", "1,5", "0x10", "--1"])
def test_a_variable_that_is_no_number_above_0_names_itself(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read_settings(make_environment(**{name: value}))


@pytest.mark.parametrize("value", ["1.5", "1e3"])
def test_a_count_is_a_whole_number(value: str) -> None:
    with pytest.raises(ConfigurationError, match="ATTEMPT_BUDGET"):
        read_settings(make_environment(ATTEMPT_BUDGET=value))


@pytest.mark.parametrize(
    "name",
    ["LOCAL_STACK", "FACE_QUALITY_CHECK", "HEIC_PHOTOS", "FACE_FRAMING", "DELETE_PHOTOS_AFTER_VERDICT"],
)
@pytest.mark.parametrize("value", ["True", "yes", "1", "on"])
def test_a_switch_is_true_or_false_and_names_itself(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read_settings(make_environment(**{name: value}))


# Regions.


@pytest.mark.parametrize(
    ("aws_region", "home"),
    [
        ("ap-southeast-1", Region.SINGAPORE),
        ("ap-southeast-3", Region.INDONESIA),
        ("ap-southeast-5", Region.MALAYSIA),
        ("ap-east-1", Region.HONG_KONG),
    ],
)
def test_by_default_a_stack_compares_in_its_own_jurisdiction(aws_region: str, home: Region) -> None:
    settings = read_settings(make_environment(AWS_REGION=aws_region))

    assert settings.regions == RegionPolicy(home, frozenset({home}))


def test_a_stack_in_another_aws_region_needs_the_allowed_regions() -> None:
    with pytest.raises(ConfigurationError, match="AllowedRegions"):
        read_settings(make_environment(AWS_REGION="eu-west-1"))


def test_a_stack_in_another_aws_region_has_no_default() -> None:
    settings = read_settings(make_environment(AWS_REGION="eu-west-1", ALLOWED_REGIONS="singapore, hong-kong"))

    assert settings.regions == RegionPolicy(None, frozenset({Region.SINGAPORE, Region.HONG_KONG}))


def test_a_default_that_nobody_named_gives_way_where_it_is_not_allowed() -> None:
    settings = read_settings(make_environment(ALLOWED_REGIONS="malaysia"))

    assert settings.regions == RegionPolicy(None, frozenset({Region.MALAYSIA}))


def test_a_default_that_somebody_named_does_not_give_way() -> None:
    with pytest.raises(ConfigurationError, match="DefaultRegion"):
        read_settings(make_environment(DEFAULT_REGION="indonesia", ALLOWED_REGIONS="malaysia"))


def test_a_named_default_alone_is_the_only_region_allowed() -> None:
    settings = read_settings(make_environment(DEFAULT_REGION="indonesia", AWS_REGION="eu-west-1"))

    assert settings.regions == RegionPolicy(Region.INDONESIA, frozenset({Region.INDONESIA}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEFAULT_REGION", "ap-southeast-1"),
        ("DEFAULT_REGION", "Singapore"),
        ("ALLOWED_REGIONS", "singapore,mars"),
        ("ALLOWED_REGIONS", "singapore,"),
        ("ALLOWED_REGIONS", "auto,singapore"),
        ("ALLOWED_REGIONS", "*"),
    ],
)
def test_a_region_that_does_not_exist_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read_settings(make_environment(**{name: value}))


# Queues.


@pytest.mark.parametrize("absent", ["none", None, ""])
def test_only_the_regions_that_are_allowed_need_queues(absent: str | None) -> None:
    environment = make_environment(ALLOWED_REGIONS="hong-kong,malaysia", **dict.fromkeys(SINGAPORE, absent))

    settings = read_settings(environment)

    assert settings.comparison_queue_urls == {
        (region, priority): make_queue_url(region, priority)
        for region in (Region.HONG_KONG, Region.MALAYSIA)
        for priority in Priority
    }


@pytest.mark.parametrize("name", SINGAPORE)
@pytest.mark.parametrize("value", [None, "", "none"], ids=["missing", "empty", "none"])
def test_a_queue_that_an_allowed_region_lacks_is_named(name: str, value: str | None) -> None:
    with pytest.raises(ConfigurationError, match=rf"\b{name}\b"):
        read_settings(make_environment(**{name: value}))


# Retention.


@pytest.mark.parametrize("name", ["PAIR_DEADLINE_SECONDS", "RETRY_TIME_LIMIT_SECONDS"])
@pytest.mark.parametrize(
    ("photo_days", "record_days", "longest"),
    [("2", "30", "PHOTO_RETENTION_DAYS"), ("30", "2", "RECORD_RETENTION_DAYS")],
)
def test_photos_and_records_outlast_every_wait(
    name: str, photo_days: str, record_days: str, longest: str
) -> None:
    def read(wait_s: int) -> Settings:
        retention = {"PHOTO_RETENTION_DAYS": photo_days, "RECORD_RETENTION_DAYS": record_days}
        return read_settings(make_environment(**retention, **{name: str(wait_s)}))

    two_days_s = 2 * 86_400
    assert two_days_s - 1 in read_waits(read(two_days_s - 1))
    with pytest.raises(ConfigurationError, match=f"{name} .*{longest}"):
        read(two_days_s)


def read_waits(settings: Settings) -> tuple[int, int]:
    return settings.pair_deadline_s, settings.retry_time_limit_s


def test_a_pair_may_wait_for_seven_days() -> None:
    environment = make_environment(PAIR_DEADLINE_SECONDS="604800", PHOTO_RETENTION_DAYS="8")

    assert read_settings(environment).pair_deadline_s == 604_800


# Endpoints.


@pytest.mark.parametrize("operation", Operation)
def test_the_operation_is_the_one_that_is_named(operation: Operation) -> None:
    assert read_settings(make_environment(PROVIDER_OPERATION=operation.value)).operation is operation


@pytest.mark.parametrize("name", ["facecompare", "FaceCompareV3", "KeepaliveIntl"])
def test_another_operation_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="PROVIDER_OPERATION"):
        read_settings(make_environment(PROVIDER_OPERATION=name))


@pytest.mark.parametrize("network", Network)
def test_endpoints_are_the_providers_own(network: Network) -> None:
    settings = read_settings(make_environment(PROVIDER_NETWORK=network.value))

    assert settings.endpoints == {region: profile.host(network) for region, profile in PROFILES.items()}


@pytest.mark.parametrize("network", ["Public", "vpc"])
def test_an_unknown_network_names_its_variable(network: str) -> None:
    with pytest.raises(ConfigurationError, match="PROVIDER_NETWORK"):
        read_settings(make_environment(PROVIDER_NETWORK=network))


def test_a_stack_in_the_cloud_refuses_emulators() -> None:
    with pytest.raises(ConfigurationError, match="PROVIDER_ENDPOINTS"):
        read_settings(make_environment(PROVIDER_ENDPOINTS=EMULATORS))


@pytest.mark.parametrize("network", Network)
def test_a_local_stack_may_call_emulators(network: Network) -> None:
    environment = make_environment(
        PROVIDER_ENDPOINTS=EMULATORS, LOCAL_STACK="true", PROVIDER_NETWORK=network.value
    )

    settings = read_settings(environment)

    assert settings.endpoint_protocol == "HTTP"
    assert settings.endpoints == {region: f"127.0.0.1:{port}" for port, region in enumerate(Region, 1)}


def test_the_provider_itself_is_never_called_without_encryption() -> None:
    settings = read_settings(make_environment(LOCAL_STACK="true", PROVIDER_ENDPOINTS="auto"))

    assert settings.endpoints[Region.SINGAPORE] == "cloudauth-intl.ap-southeast-1.aliyuncs.com"
    assert settings.endpoint_protocol == "HTTPS"


@pytest.mark.parametrize(
    "emulators",
    [
        EMULATORS.replace("malaysia.public", "malaisia.public"),
        EMULATORS.replace("malaysia.public=127.0.0.1:3,", ""),
        EMULATORS.replace("malaysia.public=127.0.0.1:3", "malaysia.public="),
        EMULATORS.replace("malaysia.public=127.0.0.1:3", "malaysia.public"),
    ],
    ids=["misspelt", "left out", "empty", "without a value"],
)
def test_a_missing_or_empty_emulator_is_named(emulators: str) -> None:
    with pytest.raises(ConfigurationError, match=r"PROVIDER_ENDPOINTS.*malaysia\.public"):
        read_settings(make_environment(PROVIDER_ENDPOINTS=emulators, LOCAL_STACK="true"))


# The provider's key.

FEDERATED = {
    "PROVIDER_CREDENTIALS": "federated",
    "PROVIDER_OIDC_PROVIDER_ARN": "acs:ram::1234567890123456:oidc-provider/aws",
    "PROVIDER_ROLE_ARN": "acs:ram::1234567890123456:role/facematch",
    "PROVIDER_OIDC_AUDIENCE": "sts.aliyuncs.com",
    "SECRET_ARN": "none",
}


def test_a_stack_that_does_not_say_otherwise_has_its_key_stored() -> None:
    said = read_settings(make_environment(PROVIDER_CREDENTIALS="static"))
    unsaid = read_settings(make_environment())

    assert said.provider_key == unsaid.provider_key == StoredKey(make_environment()["SECRET_ARN"])


def test_a_federated_stack_stores_no_key() -> None:
    settings = read_settings(make_environment(**FEDERATED))

    assert settings.provider_key == FederatedKey(
        sts_url="https://sts.ap-southeast-1.aliyuncs.com/",
        oidc_provider_arn=FEDERATED["PROVIDER_OIDC_PROVIDER_ARN"],
        role_arn=FEDERATED["PROVIDER_ROLE_ARN"],
        audience=FEDERATED["PROVIDER_OIDC_AUDIENCE"],
    )


@pytest.mark.parametrize(
    ("variables", "sts_url"),
    [
        ({"DEFAULT_REGION": "indonesia"}, "https://sts.ap-southeast-5.aliyuncs.com/"),
        ({"ALLOWED_REGIONS": "hong-kong,malaysia"}, "https://sts.ap-southeast-3.aliyuncs.com/"),
        ({"PROVIDER_NETWORK": "internal"}, "https://sts-vpc.ap-southeast-1.aliyuncs.com/"),
        (
            {"PROVIDER_ENDPOINTS": EMULATORS, "LOCAL_STACK": "true", "DEFAULT_REGION": "malaysia"},
            "http://127.0.0.1:3/",
        ),
    ],
    ids=["default", "first allowed", "internal", "emulator"],
)
def test_tokens_are_traded_in_a_jurisdiction_that_is_allowed_for_faces(
    variables: dict[str, str], sts_url: str
) -> None:
    key = read_settings(make_environment(**FEDERATED, **variables)).provider_key

    assert isinstance(key, FederatedKey)
    assert key.sts_url == sts_url


@pytest.mark.parametrize("value", ["", "Federated", "none", "static,federated"])
def test_another_source_of_the_key_names_its_variable(value: str) -> None:
    with pytest.raises(ConfigurationError, match="PROVIDER_CREDENTIALS"):
        read_settings(make_environment(**FEDERATED | {"PROVIDER_CREDENTIALS": value}))


@pytest.mark.parametrize(
    "name", ["PROVIDER_OIDC_PROVIDER_ARN", "PROVIDER_ROLE_ARN", "PROVIDER_OIDC_AUDIENCE"]
)
@pytest.mark.parametrize("value", [None, "", "none"], ids=["missing", "empty", "none"])
def test_what_a_federated_stack_lacks_is_named(name: str, value: str | None) -> None:
    with pytest.raises(ConfigurationError, match=rf"\b{name}\b"):
        read_settings(make_environment(**FEDERATED | {name: value}))


def test_a_stack_with_a_stored_key_needs_the_secret() -> None:
    with pytest.raises(ConfigurationError, match="SECRET_ARN"):
        read_settings(make_environment(SECRET_ARN="none"))


# The quota.


def test_a_stack_takes_its_share_of_each_regions_quota() -> None:
    settings = read_settings(make_environment(QUOTA_SHARE="0.5"))

    assert settings.calls_per_s == {region: profile.default_qps / 2 for region, profile in PROFILES.items()}


def test_a_stack_may_take_the_whole_quota_and_no_more() -> None:
    assert read_settings(make_environment(QUOTA_SHARE="1")).calls_per_s[Region.SINGAPORE] == 10
    with pytest.raises(ConfigurationError, match="QUOTA_SHARE"):
        read_settings(make_environment(QUOTA_SHARE="1.01"))


@pytest.mark.parametrize(
    "stated",
    [
        "singapore=10,indonesia=3,malaysia=3",
        "singapore=10,indonesia=3,malaysia=3,hongkong=10",
        "singapore=10,indonesia=3,malaysia=3,hong-kong",
        "singapore=10,indonesia=3,malaysia=3,hong-kong=",
        "singapore=10,indonesia=3,malaysia=3,hong-kong=0",
        "singapore=10,indonesia=3,malaysia=3,hong-kong=-1",
        "singapore=10,indonesia=3,malaysia=3,hong-kong=ten",
        "singapore=10,indonesia=3,malaysia=3,hong-kong=nan",
        "singapore=10,indonesia=3,malaysia=3,hong-kong=inf",
        "10",
    ],
)
def test_a_quota_that_is_not_stated_for_every_region_names_its_variable(stated: str) -> None:
    with pytest.raises(ConfigurationError, match="CALLS_PER_SECOND"):
        read_settings(make_environment(CALLS_PER_SECOND=stated))


# Options.


def test_bounds_and_quality_check_are_the_stacks() -> None:
    settings = read_settings(
        make_environment(MATCH_FROM_SCORE="80.5", NO_MATCH_UP_TO_SCORE="40", FACE_QUALITY_CHECK="true")
    )

    assert settings.options == Options(bounds=Bounds(80.5, 40.0), face_quality_check=True)


@pytest.mark.parametrize("name", ["MATCH_FROM_SCORE", "NO_MATCH_UP_TO_SCORE"])
@pytest.mark.parametrize("value", ["-1", "100.1", "high", "nan", "inf"])
def test_a_bound_that_is_no_score_names_its_variable(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read_settings(make_environment(**{name: value}))


@pytest.mark.parametrize("name", ["AWS_LAMBDA_FUNCTION_NAME", "AWS_REGION"])
def test_only_a_function_has_the_name_of_one(name: str) -> None:
    assert runs_as_function({name: "compare"}) is (name == "AWS_LAMBDA_FUNCTION_NAME")


def test_settings_do_not_change() -> None:
    settings = read_settings(make_environment())

    with pytest.raises(AttributeError):
        settings.table = "another"  # type: ignore[misc]
