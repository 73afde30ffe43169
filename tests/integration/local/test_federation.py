"""The exchange of tokens between the local cloud, which issues them, and the emulator, which takes them."""

import json
from collections.abc import Iterator

import boto3
import pytest

from facematch.adapters.face_compare import FaceCompareEndpoint, FaceCompareProvider
from facematch.adapters.federated_credentials import FederatedCredentials
from facematch.adapters.web_identity import WebIdentity
from facematch.domain.clock import SystemClock
from facematch.domain.errors import OperatorFaultError
from facematch.domain.regions import Region, RegionPolicy
from facematch.use_cases.diagnose_provider import Access, Diagnosis, ProviderDiagnoser
from local.processes import LOCAL_KEY, Ports, RunningPrograms, start
from tests.factories import make_call
from tests.integration.emulator.clients import ControlClient, close_sdk_sessions

AWS_REGION = "ap-southeast-1"
PERMISSION = {"Effect": "Allow", "Action": "sts:GetWebIdentityToken", "Resource": "*"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPrograms]:
    programs = start(Ports(cloud=0, emulator=0), tmp_path_factory.mktemp("programs"))
    yield programs
    programs.stop()
    close_sdk_sessions()


@pytest.fixture
def control(running: RunningPrograms) -> ControlClient:
    client = ControlClient(running.emulator_url.removeprefix("http://"))
    client.reset()
    return client


def make_principal(running: RunningPrograms, name: str, *statements: dict[str, str]) -> boto3.Session:
    """Make someone in the local cloud who may do what the statements say, and nothing else."""
    iam = boto3.Session(LOCAL_KEY, LOCAL_KEY, region_name=AWS_REGION).client(
        "iam", endpoint_url=running.endpoint_url
    )
    iam.create_user(UserName=name)
    if statements:
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_user_policy(UserName=name, PolicyName="only", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=AWS_REGION)


def make_provider(
    running: RunningPrograms,
    control: ControlClient,
    principal: boto3.Session,
    audience: str = "sts.aliyuncs.com",
) -> FaceCompareProvider:
    endpoints = control.ask("GET", "/endpoints").document
    address = next(one["address"] for one in endpoints if one["region"] == "malaysia")
    identity = WebIdentity(principal.client("sts", endpoint_url=running.endpoint_url), audience)
    credentials = FederatedCredentials(
        issue_token=identity.issue_token,
        sts_url=f"http://{address}/",
        oidc_provider_arn="acs:ram::1234567890123456:oidc-provider/aws",
        role_arn="acs:ram::1234567890123456:role/facematch",
        clock=SystemClock(),
    )
    return FaceCompareProvider({Region.MALAYSIA: FaceCompareEndpoint(address, "HTTP")}, credentials)


def test_a_pair_is_compared_without_a_stored_key(running: RunningPrograms, control: ControlClient) -> None:
    provider = make_provider(running, control, make_principal(running, "allowed", PERMISSION))

    assert provider.compare(make_call(region=Region.MALAYSIA)).code == "Success"
    assert [call["action"] for call in control.calls()] == ["AssumeRoleWithOIDC", "FaceCompare"]


def test_who_may_not_ask_for_a_token_gets_no_key(running: RunningPrograms, control: ControlClient) -> None:
    provider = make_provider(running, control, make_principal(running, "nobody"))

    with pytest.raises(OperatorFaultError) as failure:
        provider.compare(make_call(region=Region.MALAYSIA))

    assert failure.value.code == "web_identity.AccessDenied"
    assert control.calls() == []


def test_a_token_for_someone_else_brings_no_key(running: RunningPrograms, control: ControlClient) -> None:
    principal = make_principal(running, "elsewhere", PERMISSION)

    with pytest.raises(OperatorFaultError) as failure:
        make_provider(running, control, principal, "another.audience").compare(
            make_call(region=Region.MALAYSIA)
        )

    assert failure.value.code == "assume_role.AuthenticationFail.OIDCToken.AudienceNotMatch"
    assert [call["action"] for call in control.calls()] == ["AssumeRoleWithOIDC"]


def diagnose(provider: FaceCompareProvider) -> Diagnosis:
    return ProviderDiagnoser(
        provider.credentials, provider, RegionPolicy(None, frozenset({Region.MALAYSIA}))
    ).diagnose()


def test_the_exchange_is_diagnosed_up_to_a_free_call(
    running: RunningPrograms, control: ControlClient
) -> None:
    diagnosis = diagnose(make_provider(running, control, make_principal(running, "diagnosed", PERMISSION)))

    assert (diagnosis.key_fault, diagnosis.regions[Region.MALAYSIA].access) == (None, Access.ACCEPTED)
    assert [call["action"] for call in control.calls()] == ["AssumeRoleWithOIDC", "KeepaliveIntl"]


def test_a_diagnosis_names_the_step_of_the_exchange_that_fails(
    running: RunningPrograms, control: ControlClient
) -> None:
    without_token = make_provider(running, control, make_principal(running, "no-token"))
    principal = make_principal(running, "no-key", PERMISSION)
    without_key = make_provider(running, control, principal, "another.audience")

    assert diagnose(without_token).key_fault == "web_identity.AccessDenied"
    assert diagnose(without_key).key_fault == "assume_role.AuthenticationFail.OIDCToken.AudienceNotMatch"
