import pytest

from facematch.domain.principals import name_caller, name_principal, parse_principals

ROLE = "arn:aws:sts::123456789012:assumed-role/kyc-desk"


@pytest.mark.parametrize(
    "arn",
    [
        ROLE,
        f"{ROLE}/ann@example.com",
        f"{ROLE}/i-0123456789abcdef0",
        "arn:aws:iam::123456789012:role/kyc-desk",
        "arn:aws:iam::123456789012:role/a/long/path/kyc-desk",
    ],
)
def test_a_role_is_one_principal_with_each_form_of_its_arn(arn: str) -> None:
    assert name_principal(arn) == ROLE


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:sts::123456789012:assumed-role/kyc-desk-2/ann",
        "arn:aws:sts::210987654321:assumed-role/kyc-desk/ann",
        "arn:aws-us-gov:sts::123456789012:assumed-role/kyc-desk/ann",
        "arn:aws:iam::123456789012:user/kyc-desk",
        "arn:aws:iam::123456789012:user/role/kyc-desk",
        "arn:aws:iam::123456789012:role/",
        "arn:aws:iam::123456789012:root",
        "arn:aws:sts::123456789012:federated-user/kyc-desk",
    ],
)
def test_any_other_principal_is_another_one(arn: str) -> None:
    assert name_principal(arn) != ROLE


def test_a_list_is_of_principals_with_commas_between_them() -> None:
    listed = parse_principals(f"{ROLE}/ann, arn:aws:iam::123456789012:user/bob")

    assert listed == {ROLE, "arn:aws:iam::123456789012:user/bob"}


@pytest.mark.parametrize("text", ["", "none"])
def test_a_list_of_nobody_holds_no_principal(text: str) -> None:
    assert not any(principal.startswith("arn:") for principal in parse_principals(text))


def test_a_caller_is_the_principal() -> None:
    assert name_caller(f"{ROLE}/ann", None) == ROLE


def test_each_user_of_an_identity_pool_is_a_separate_caller() -> None:
    session = f"{ROLE}/CognitoIdentityCredentials"

    assert name_caller(session, "ap-southeast-1:one") != name_caller(session, "ap-southeast-1:two")
    assert name_principal(name_caller(session, "ap-southeast-1:one")) == "ap-southeast-1:one"
