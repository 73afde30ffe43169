import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters import SecretsProvider

from facecompare_emulator import Addresses, Rules, run_emulator
from facecompare_emulator import Credentials as EmulatorCredentials
from facecompare_emulator.endpoints import REGIONS
from facematch.adapters.face_compare import FaceCompareEndpoint, FaceCompareProvider
from facematch.adapters.secret_credentials import SecretCredentials
from facematch.domain.comparison import Outcome
from facematch.domain.errors import LaneHeldError, OperatorError
from facematch.domain.provider import Credentials
from facematch.domain.regions import Region
from tests.factories import make_call, make_environment
from tests.fakes.stack import make_stack
from tests.integration.adapters.leaks import find_leaks
from tests.integration.emulator.clients import ControlClient, close_sdk_sessions

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

KEY = {"access_key_id": "LTAI-first", "access_key_secret": "s3cr3t-first"}
OTHER_KEY = {"access_key_id": "LTAI-second", "access_key_secret": "s3cr3t-second"}
MARK = "s3cr3t"


@pytest.fixture(scope="module")
def secrets_manager(session: boto3.Session) -> "SecretsManagerClient":
    return session.client("secretsmanager")


@pytest.fixture
def arn(secrets_manager: "SecretsManagerClient") -> str:
    return secrets_manager.create_secret(Name=f"key-{uuid4().hex}", SecretString=json.dumps(KEY))["ARN"]


@pytest.fixture
def credentials(secrets_manager: "SecretsManagerClient", arn: str) -> SecretCredentials:
    return SecretCredentials(SecretsProvider(boto3_client=secrets_manager), arn)


def change(credentials: SecretCredentials, secret: str) -> None:
    credentials.secrets.client.put_secret_value(SecretId=credentials.arn, SecretString=secret)


def make(key: dict[str, str]) -> Credentials:
    return Credentials(key["access_key_id"], key["access_key_secret"])


def test_key_is_read(credentials: SecretCredentials) -> None:
    assert credentials.read() == make(KEY)


def test_further_fields_of_the_secret_do_no_harm(credentials: SecretCredentials) -> None:
    change(credentials, json.dumps({**KEY, "note": "rotated in May", "n": 1}))
    assert credentials.read() == make(KEY)


def test_key_is_kept(credentials: SecretCredentials) -> None:
    credentials.read()
    change(credentials, json.dumps(OTHER_KEY))
    assert credentials.read() == make(KEY)


def test_invalidated_key_is_read_again_once_and_kept_again(credentials: SecretCredentials) -> None:
    credentials.read()
    change(credentials, json.dumps(OTHER_KEY))
    credentials.invalidate()
    assert credentials.read() == make(OTHER_KEY)
    change(credentials, json.dumps(KEY))
    assert credentials.read() == make(OTHER_KEY)


def test_invalidated_key_that_is_still_there_is_read_again_once_more(credentials: SecretCredentials) -> None:
    credentials.read()
    credentials.invalidate()
    assert [credentials.read() for _ in range(2)] == [make(KEY)] * 2
    change(credentials, json.dumps(OTHER_KEY))
    assert credentials.read() == make(KEY)


def test_invalidated_key_that_is_replaced_after_all_is_not_used_again(credentials: SecretCredentials) -> None:
    credentials.read()
    credentials.invalidate()
    credentials.read()
    change(credentials, json.dumps(OTHER_KEY))
    assert credentials.read() == make(OTHER_KEY)


def test_invalidated_key_stays_so_until_it_could_be_read(credentials: SecretCredentials) -> None:
    credentials.read()
    credentials.invalidate()
    change(credentials, "not a key")
    with pytest.raises(OperatorError):
        credentials.read()
    change(credentials, json.dumps(OTHER_KEY))
    assert credentials.read() == make(OTHER_KEY)


def test_repaired_secret_is_read_at_once(credentials: SecretCredentials) -> None:
    change(credentials, "not a key")
    with pytest.raises(OperatorError):
        credentials.read()
    change(credentials, json.dumps(KEY))
    assert credentials.read() == make(KEY)


def test_key_is_not_shown(credentials: SecretCredentials) -> None:
    assert repr(credentials.read()) == "Credentials()"


MALFORMED: dict[str, Any] = {
    "text": "s3cr3t",
    "half of the JSON": '{"access_key_id": "LTAI", "access_key_secret": "s3cr3t',
    "JSON and more": json.dumps(KEY) + "}",
    "deep": "[" * 30_000 + MARK,
    "list": '["LTAI", "s3cr3t"]',
    "string": '"s3cr3t"',
    "number": "1",
    "null": "null",
    "empty object": "{}",
    "no id": '{"access_key_secret": "s3cr3t"}',
    "no secret": '{"access_key_id": "s3cr3t"}',
    "other names": '{"AccessKeyId": "LTAI", "AccessKeySecret": "s3cr3t"}',
    "null as a secret": '{"access_key_id": "s3cr3t", "access_key_secret": null}',
    "number as an id": '{"access_key_id": 12, "access_key_secret": "s3cr3t"}',
    "object as a secret": '{"access_key_id": "LTAI", "access_key_secret": {"value": "s3cr3t"}}',
    "empty id": '{"access_key_id": "", "access_key_secret": "s3cr3t"}',
    "line end behind the id": '{"access_key_id": "s3cr3t\\n", "access_key_secret": "s3cr3t"}',
    "space in the secret": '{"access_key_id": "LTAI", "access_key_secret": " s3cr3t"}',
    "letter that no header takes": '{"access_key_id": "LTA\u0130", "access_key_secret": "s3cr3t"}',
    "empty secret": '{"access_key_id": "s3cr3t", "access_key_secret": ""}',
}


@pytest.mark.parametrize("secret", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_secret_is_an_operator_error_without_its_content(
    credentials: SecretCredentials, secret: str
) -> None:
    change(credentials, secret)
    with pytest.raises(OperatorError) as failure:
        credentials.read()
    assert failure.value.code == "secret_unreadable"
    assert find_leaks(failure.value, MARK) == []


def test_secret_in_bytes_is_an_operators_fault(
    credentials: SecretCredentials, secrets_manager: "SecretsManagerClient"
) -> None:
    secrets_manager.put_secret_value(SecretId=credentials.arn, SecretBinary=b"\xff s3cr3t")
    with pytest.raises(OperatorError) as failure:
        credentials.read()
    assert find_leaks(failure.value, MARK) == []


def test_secret_that_does_not_exist_is_an_operators_fault(
    secrets_manager: "SecretsManagerClient",
) -> None:
    credentials = SecretCredentials(SecretsProvider(boto3_client=secrets_manager), "never-made")
    with pytest.raises(OperatorError) as failure:
        credentials.read()
    assert failure.value.code == "secret_unreadable"


def test_no_log_at_any_level_contains_the_key(
    credentials: SecretCredentials, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    credentials.read()
    assert caplog.records
    assert [record.name for record in caplog.records if MARK in str(vars(record))] == []


# Rotation.


@pytest.fixture(scope="module")
def emulator() -> Iterator[Addresses]:
    keys = tuple(EmulatorCredentials(**key) for key in (KEY, OTHER_KEY))
    with run_emulator(Rules(credentials=keys, qps=dict.fromkeys(REGIONS, 1000))) as addresses:
        yield addresses
        close_sdk_sessions()


@pytest.fixture
def control(emulator: Addresses) -> ControlClient:
    client = ControlClient(emulator.control.removeprefix("http://"))
    client.reset()
    client.ask("DELETE", "/keys")
    return client


@pytest.fixture
def provider(
    emulator: Addresses,
    control: ControlClient,  # noqa: ARG001 - resets it
    credentials: SecretCredentials,
) -> FaceCompareProvider:
    endpoint = FaceCompareEndpoint(emulator.address("singapore"), "HTTP")
    return FaceCompareProvider({Region.SINGAPORE: endpoint}, credentials)


def disable(control: ControlClient, key: dict[str, str]) -> None:
    control.ask("PATCH", f"/keys/{key['access_key_id']}", {"active": False})


def list_codes(control: ControlClient) -> list[str]:
    return [call["code"] for call in control.calls()]


class TestRotation:
    def test_a_call_goes_through_although_its_key_was_replaced_and_disabled(
        self, provider: FaceCompareProvider, control: ControlClient, credentials: SecretCredentials
    ) -> None:
        provider.compare(make_call(merchant_biz_id=f"{1:032d}"))
        change(credentials, json.dumps(OTHER_KEY))
        disable(control, KEY)

        answers = [provider.compare(make_call(merchant_biz_id=f"{number:032d}")) for number in (2, 3)]

        assert [answer.code for answer in answers] == ["Success", "Success"]
        assert list_codes(control) == ["Success", "InvalidAccessKeyId.Inactive", "Success", "Success"]

    def test_the_refused_call_is_not_billed_and_its_id_is_used_once(
        self, provider: FaceCompareProvider, control: ControlClient, credentials: SecretCredentials
    ) -> None:
        credentials.read()
        change(credentials, json.dumps(OTHER_KEY))
        disable(control, KEY)

        provider.compare(make_call())

        reported = [(call["compared"], call["duplicate_merchant_biz_id"]) for call in control.calls()]
        assert reported == [(False, False), (True, False)]

    @pytest.mark.parametrize(
        "code",
        [
            "InvalidAccessKeyId.NotFound",
            "InvalidAccessKeyId.Inactive",
            "InvalidSecurityToken.Expired",
            "SignatureDoesNotMatch",
            "Forbidden.AccessKeyDisabled",
        ],
    )
    def test_every_code_that_refuses_a_key_leads_to_the_new_one(
        self,
        provider: FaceCompareProvider,
        control: ControlClient,
        credentials: SecretCredentials,
        code: str,
    ) -> None:
        credentials.read()
        change(credentials, json.dumps(OTHER_KEY))
        control.play({"effect": "refuse", "code": code, "http_status": 403, "times": 1})
        assert provider.compare(make_call()).code == "Success"

    def test_a_key_that_is_refused_and_not_replaced_is_called_with_once(
        self, provider: FaceCompareProvider, control: ControlClient
    ) -> None:
        disable(control, KEY)
        assert provider.compare(make_call()).code == "InvalidAccessKeyId.Inactive"
        assert list_codes(control) == ["InvalidAccessKeyId.Inactive"]

    def test_a_new_key_that_is_refused_too_is_the_end_of_it(
        self, provider: FaceCompareProvider, control: ControlClient, credentials: SecretCredentials
    ) -> None:
        credentials.read()
        change(credentials, json.dumps(OTHER_KEY))
        disable(control, KEY)
        disable(control, OTHER_KEY)
        assert provider.compare(make_call()).code == "InvalidAccessKeyId.Inactive"
        assert list_codes(control) == ["InvalidAccessKeyId.Inactive"] * 2

    def test_a_key_that_is_replaced_after_all_is_used_from_the_next_call_on(
        self, provider: FaceCompareProvider, control: ControlClient, credentials: SecretCredentials
    ) -> None:
        disable(control, KEY)
        provider.compare(make_call(merchant_biz_id=f"{1:032d}"))
        change(credentials, json.dumps(OTHER_KEY))
        assert provider.compare(make_call(merchant_biz_id=f"{2:032d}")).code == "Success"
        assert list_codes(control) == ["InvalidAccessKeyId.Inactive", "Success"]

    def test_a_secret_that_can_no_longer_be_read_is_an_operators_fault(
        self, provider: FaceCompareProvider, control: ControlClient, credentials: SecretCredentials
    ) -> None:
        credentials.read()
        change(credentials, "not a key")
        disable(control, KEY)
        with pytest.raises(OperatorError) as failure:
            provider.compare(make_call())
        assert failure.value.code == "secret_unreadable"
        assert find_leaks(failure.value, MARK, KEY["access_key_id"]) == []

    @pytest.mark.usefixtures("_atomic_requests")
    def test_many_threads_pass_a_rotation(
        self, provider: FaceCompareProvider, control: ControlClient, credentials: SecretCredentials
    ) -> None:
        credentials.read()
        change(credentials, json.dumps(OTHER_KEY))
        disable(control, KEY)
        start = threading.Barrier(8)

        def compare(number: int) -> str:
            start.wait()
            return provider.compare(make_call(merchant_biz_id=f"{number:032d}")).code

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(compare, range(8))) == {"Success"}


class TestLedgerThroughRotation:
    def test_a_comparison_costs_one_attempt_although_its_key_was_replaced(
        self, provider: FaceCompareProvider, control: ControlClient, credentials: SecretCredentials
    ) -> None:
        credentials.read()
        change(credentials, json.dumps(OTHER_KEY))
        disable(control, KEY)
        stack = make_stack(provider.compare)
        comparison_id = stack.upload_pair()

        stack.compare(comparison_id)

        (attempt,) = stack.comparison(comparison_id).attempts
        assert (attempt.outcome, attempt.code) == (Outcome.ANSWERED, "Success")
        assert list_codes(control) == ["InvalidAccessKeyId.Inactive", "Success"]

    def test_a_comparison_whose_key_was_not_replaced_stays_open_and_costs_nothing(
        self, provider: FaceCompareProvider, control: ControlClient, credentials: SecretCredentials
    ) -> None:
        disable(control, KEY)
        stack = make_stack(provider.compare, provider.compare)
        comparison_id = stack.upload_pair()
        with pytest.raises(LaneHeldError) as held:
            stack.compare(comparison_id)
        comparison = stack.comparison(comparison_id)
        assert (comparison.attempts, comparison.has_ended) == ((), False)
        assert comparison.unbilled_calls == {Outcome.REFUSED: 1}

        change(credentials, json.dumps(OTHER_KEY))
        stack.clock.advance(held.value.retry_after_s)
        stack.compare(comparison_id)

        comparison = stack.comparison(comparison_id)
        assert [attempt.outcome for attempt in comparison.attempts] == [Outcome.ANSWERED]


# What a function has to import for its key.

_WIRE = """
import sys
from facematch import bootstrap
source = bootstrap._provider_credentials()
print(type(source).__name__, *sorted(name for name in sys.modules if name.startswith("facematch.adapters.")))
"""
_PROCESS = {"AWS_DEFAULT_REGION": "ap-southeast-1"}
FEDERATED = {
    "PROVIDER_CREDENTIALS": "federated",
    "PROVIDER_OIDC_PROVIDER_ARN": "acs:ram::1234567890123456:oidc-provider/aws",
    "PROVIDER_ROLE_ARN": "acs:ram::1234567890123456:role/facematch",
    "PROVIDER_OIDC_AUDIENCE": "sts.aliyuncs.com",
}


@pytest.mark.parametrize(
    ("variables", "source", "imported"),
    [
        ({}, "SecretCredentials", {"secret_credentials"}),
        (FEDERATED, "FederatedCredentials", {"federated_credentials", "web_identity"}),
    ],
    ids=["static", "federated"],
)
def test_only_what_the_stack_is_set_to_is_imported(
    variables: dict[str, str], source: str, imported: set[str]
) -> None:
    reported = subprocess.run(
        [sys.executable, "-c", _WIRE],
        env={**os.environ, **make_environment(), **variables, **_PROCESS},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    names = {name.rpartition(".")[2] for name in reported[1:]}
    assert reported[0] == source
    assert names & {"secret_credentials", "federated_credentials", "web_identity"} == imported
