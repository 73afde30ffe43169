import pytest

from facematch.domain.regions import Region
from facematch.settings import Settings
from facematch.use_cases.diagnose_provider import Access, Diagnosis, RegionDiagnosis
from facematch_cli.doctor.check import Check, Level
from facematch_cli.doctor.provider import FUNCTIONS, HERE, Viewpoint, check_key_source, check_regions
from tests.factories.command import make_settings

ROLE = "arn:aws:iam::000000000000:role/diagnose"
FEDERATED = make_settings(
    PROVIDER_CREDENTIALS="federated",
    PROVIDER_ROLE_ARN="acs:ram::1:role/facematch",
    PROVIDER_OIDC_PROVIDER_ARN="acs:ram::1:oidc-provider/aws",
    PROVIDER_OIDC_AUDIENCE="sts.aliyuncs.com",
)


def check(found: RegionDiagnosis, viewpoint: Viewpoint = FUNCTIONS) -> list[Check]:
    return list(check_regions({Region.INDONESIA: found}, make_settings(), viewpoint))


def test_an_accepted_key_says_how_long_the_answer_took() -> None:
    region, clock = check(RegionDiagnosis(Access.ACCEPTED, "Success", 87, 0.4))

    assert (region.name, region.level) == ("provider.functions.indonesia", Level.OK)
    assert "in 87 ms" in region.finding
    assert (clock.name, clock.level) == ("provider.functions.clock", Level.OK)


def test_a_slow_answer_is_a_warning() -> None:
    region, _ = check(RegionDiagnosis(Access.ACCEPTED, "Success", 1000, 0.4))

    assert region.level is Level.WARNING


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("InvalidAccessKeyId.NotFound", "does not know the key"),
        ("InvalidAccessKeyId.Inactive", "disabled"),
        ("Forbidden.AccessKeyDisabled", "disabled"),
        ("SignatureDoesNotMatch", "access_key_secret"),
        ("InvalidSecurityToken.Expired", "RAM role"),
        ("InvalidTimeStamp.Expired", "clocks"),
        ("IllegalTimestamp", "clocks"),
        ("InsufficientBalance", "account"),
        ("Forbidden.AccountAccessDenied", "docs/credentials.md"),
        ("Unauthorized", "docs/credentials.md"),
        ("SomethingNew", "docs/provider.md"),
    ],
)
def test_each_refusal_is_named_with_its_repair(code: str, words: str) -> None:
    (region,) = check(RegionDiagnosis(Access.REFUSED, code, 50))

    assert region.level is Level.ERROR
    assert code in region.finding
    assert region.fix is not None
    assert words in region.fix


def test_a_refusal_of_the_free_operation_says_nothing_of_comparisons() -> None:
    (region,) = check(RegionDiagnosis(Access.UNCLEAR, "Forbidden.RAMUserAccessDenied", 50))

    assert region.level is Level.WARNING


def test_a_region_that_fails_is_an_error() -> None:
    (region,) = check(RegionDiagnosis(Access.FAILED, "timeout"))

    assert (region.level, "timeout" in region.finding) == (Level.ERROR, True)


@pytest.mark.parametrize(("viewpoint", "level"), [(FUNCTIONS, Level.ERROR), (HERE, Level.WARNING)])
def test_only_the_functions_have_to_reach_the_provider(viewpoint: Viewpoint, level: Level) -> None:
    (region,) = check(RegionDiagnosis(Access.UNREACHABLE, "no_connection"), viewpoint)

    assert region.level is level
    assert region.fix is not None
    assert "cloudauth-intl.ap-southeast-5.aliyuncs.com" in region.fix


@pytest.mark.parametrize(
    ("ahead_s", "level", "words"),
    [
        (59.9, Level.OK, "agrees"),
        (-60.0, Level.WARNING, "1 min ahead of"),
        (899.0, Level.WARNING, "15 min behind"),
        (1199.2, Level.ERROR, "20 min behind"),
        (-1200.0, Level.ERROR, "20 min ahead of"),
    ],
)
def test_a_clock_that_is_off_is_named_with_its_side(ahead_s: float, level: Level, words: str) -> None:
    clock = check(RegionDiagnosis(Access.REFUSED, "IllegalTimestamp", 50, ahead_s), HERE)[1]

    assert (clock.level, words in clock.finding) == (level, True)
    assert clock.finding.startswith("This machine's clock")


def check_source(fault: str | None, settings: Settings = FEDERATED) -> list[tuple[str, Level]]:
    return [(one.name, one.level) for one in check_key_source(Diagnosis(fault, {}), settings, ROLE)]


def test_a_secret_that_the_functions_can_not_read_is_an_error() -> None:
    assert check_source(None, make_settings()) == [("provider.functions.key", Level.OK)]
    assert check_source("secret_unreadable", make_settings()) == [("provider.functions.key", Level.ERROR)]


def test_the_federated_exchange_is_reported_step_by_step() -> None:
    token, exchange = "federation.token", "federation.exchange"
    assert check_source(None) == [(token, Level.OK), (exchange, Level.OK)]
    assert check_source("web_identity.AccessDenied") == [(token, Level.ERROR)]
    assert check_source("assume_role.timeout") == [(token, Level.OK), (exchange, Level.ERROR)]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AuthenticationFail.NoPermission", ROLE),
        ("AuthenticationFail.OIDCToken.AudienceNotMatch", "sts.aliyuncs.com"),
        ("AuthenticationFail.OIDCToken.PublicKeyFingerprintMismatch", "fingerprints"),
        ("AuthenticationFail.OIDCToken.IssuerNotMatch", "issuer"),
        ("no_connection", "https://sts.ap-southeast-1.aliyuncs.com/"),
        ("InvalidParameter.RoleArn", "acs:ram::1:role/facematch"),
    ],
)
def test_each_refusal_of_the_exchange_is_named_with_its_repair(code: str, words: str) -> None:
    *_, exchange = check_key_source(Diagnosis(f"assume_role.{code}", {}), FEDERATED, ROLE)

    assert code in exchange.finding
    assert exchange.fix is not None
    assert words in exchange.fix
