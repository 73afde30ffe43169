import pytest

from facematch.domain.errors import ConfigurationError, InvalidInputError
from facematch.domain.regions import PROFILES, Network, Region, RegionPolicy, home_region
from tests.factories import make_policy

# Written out from the provider's pages; nothing here is put together from parts.
TABLE = [
    (
        "singapore",
        "ap-southeast-1",
        "ap-southeast-1",
        "cloudauth-intl.ap-southeast-1.aliyuncs.com",
        "cloudauth-intl-vpc.ap-southeast-1.aliyuncs.com",
        10,
        None,
    ),
    (
        "indonesia",
        "ap-southeast-5",
        "ap-southeast-3",
        "cloudauth-intl.ap-southeast-5.aliyuncs.com",
        "cloudauth-intl-vpc.ap-southeast-5.aliyuncs.com",
        3,
        0.002,
    ),
    (
        "malaysia",
        "ap-southeast-3",
        "ap-southeast-5",
        "cloudauth-intl.ap-southeast-3.aliyuncs.com",
        "cloudauth-intl-vpc.ap-southeast-3.aliyuncs.com",
        3,
        None,
    ),
    (
        "hong-kong",
        "cn-hongkong",
        "ap-east-1",
        "cloudauth-intl.cn-hongkong.aliyuncs.com",
        "cloudauth-intl-vpc.cn-hongkong.aliyuncs.com",
        10,
        0.001,
    ),
]


@pytest.mark.parametrize("row", TABLE, ids=[row[0] for row in TABLE])
def test_each_jurisdiction_is_as_the_provider_states_it(
    row: tuple[str, str, str, str, str, int, float | None],
) -> None:
    jurisdiction, provider_region_id, aws_region, public_host, internal_host, default_qps, price_usd = row

    profile = PROFILES[Region(jurisdiction)]

    assert profile.provider_region_id == provider_region_id
    assert profile.aws_region == aws_region
    assert profile.host(Network("public")) == public_host
    assert profile.host(Network("internal")) == internal_host
    assert profile.default_qps == default_qps
    assert profile.stated_price_usd == price_usd


@pytest.mark.parametrize("region", Region)
def test_a_jurisdiction_is_in_the_table(region: Region) -> None:
    assert region in {row[0] for row in TABLE}, (
        f"tests/unit/domain/test_regions.py: add {region} to TABLE, as the provider's pages state it."
    )


def test_the_two_clouds_swap_the_ids_of_indonesia_and_malaysia() -> None:
    indonesia, malaysia = PROFILES[Region.INDONESIA], PROFILES[Region.MALAYSIA]

    assert indonesia.aws_region == malaysia.provider_region_id == "ap-southeast-3"
    assert malaysia.aws_region == indonesia.provider_region_id == "ap-southeast-5"


@pytest.mark.parametrize(("jurisdiction", "aws_region"), [(row[0], row[2]) for row in TABLE])
def test_a_stack_is_at_home_in_the_jurisdiction_that_its_aws_region_lies_in(
    jurisdiction: str, aws_region: str
) -> None:
    assert home_region(aws_region) is Region(jurisdiction)


@pytest.mark.parametrize(
    "aws_region", ["us-east-1", "ap-southeast-2", "ap-southeast-4", "cn-hongkong", "", "AP-SOUTHEAST-1"]
)
def test_elsewhere_a_stack_has_no_home(aws_region: str) -> None:
    assert home_region(aws_region) is None


@pytest.mark.parametrize("region", Region)
def test_an_allowed_region_that_is_asked_for_is_chosen(region: Region) -> None:
    assert make_policy().choose(region.value) is region


def test_where_nobody_says_the_default_is_chosen() -> None:
    policy = make_policy(Region.MALAYSIA, Region.INDONESIA, default=Region.MALAYSIA)

    assert policy.choose(None) is Region.MALAYSIA


def test_without_a_default_a_region_must_be_named() -> None:
    policy = make_policy(Region.HONG_KONG, Region.SINGAPORE)

    with pytest.raises(InvalidInputError) as refusal:
        policy.choose(None)

    assert (refusal.value.code, refusal.value.field) == ("region_required", "region")
    assert "singapore, hong-kong" in refusal.value.message
    assert "malaysia" not in refusal.value.message


@pytest.mark.parametrize(
    "requested", ["", " ", "Singapore", "SINGAPORE", "singapore ", "hongkong", "ap-southeast-1", "mars"]
)
def test_a_region_that_does_not_exist_is_refused_even_where_there_is_a_default(requested: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        make_policy(default=Region.SINGAPORE).choose(requested)

    assert (refusal.value.code, refusal.value.field) == ("unknown_region", "region")
    assert "singapore, indonesia, malaysia, hong-kong" in refusal.value.message


def test_a_long_region_is_not_repeated_at_length() -> None:
    with pytest.raises(InvalidInputError) as refusal:
        make_policy().choose("x" * 10_000)

    assert len(refusal.value.message) < 200


@pytest.mark.parametrize("requested", sorted(set(Region) - {Region.SINGAPORE}))
def test_a_region_that_the_stack_does_not_allow_is_refused_and_never_replaced_by_the_default(
    requested: Region,
) -> None:
    policy = make_policy(Region.SINGAPORE, default=Region.SINGAPORE)

    with pytest.raises(InvalidInputError) as refusal:
        policy.choose(requested.value)

    assert (refusal.value.code, refusal.value.field) == ("region_not_allowed", "region")
    assert requested.value in refusal.value.message


def test_a_policy_that_allows_nothing_does_not_come_about() -> None:
    with pytest.raises(ConfigurationError, match="AllowedRegions"):
        RegionPolicy(None, frozenset())


def test_a_default_that_is_not_allowed_does_not_come_about() -> None:
    with pytest.raises(ConfigurationError, match="DefaultRegion indonesia"):
        RegionPolicy(Region.INDONESIA, frozenset({Region.SINGAPORE}))
