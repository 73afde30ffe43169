import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from aws_lambda_powertools.utilities.parameters import SecretsProvider

from facematch.adapters.credentials import SecretCredentials
from facematch.errors import OperatorFaultError
from facematch.provider import Credentials
from tests.integration.adapters.leaks import find_leaks

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


def test_distrusted_key_is_read_anew_once_and_kept_again(credentials: SecretCredentials) -> None:
    credentials.read()
    change(credentials, json.dumps(OTHER_KEY))
    credentials.distrust()
    assert credentials.read() == make(OTHER_KEY)
    change(credentials, json.dumps(KEY))
    assert credentials.read() == make(OTHER_KEY)


def test_distrusted_key_stays_so_until_it_could_be_read(credentials: SecretCredentials) -> None:
    credentials.read()
    credentials.distrust()
    change(credentials, "not a key")
    with pytest.raises(OperatorFaultError):
        credentials.read()
    change(credentials, json.dumps(OTHER_KEY))
    assert credentials.read() == make(OTHER_KEY)


def test_repaired_secret_is_read_at_once(credentials: SecretCredentials) -> None:
    change(credentials, "not a key")
    with pytest.raises(OperatorFaultError):
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
    "empty secret": '{"access_key_id": "s3cr3t", "access_key_secret": ""}',
}


@pytest.mark.parametrize("secret", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_secret_is_an_operators_fault_that_tells_nothing_of_it(
    credentials: SecretCredentials, secret: str
) -> None:
    change(credentials, secret)
    with pytest.raises(OperatorFaultError) as failure:
        credentials.read()
    assert failure.value.code == "secret_unreadable"
    assert find_leaks(failure.value, MARK) == []


def test_secret_in_bytes_is_an_operators_fault(
    credentials: SecretCredentials, secrets_manager: "SecretsManagerClient"
) -> None:
    secrets_manager.put_secret_value(SecretId=credentials.arn, SecretBinary=b"\xff s3cr3t")
    with pytest.raises(OperatorFaultError) as failure:
        credentials.read()
    assert find_leaks(failure.value, MARK) == []


def test_secret_that_does_not_exist_is_an_operators_fault(
    secrets_manager: "SecretsManagerClient",
) -> None:
    credentials = SecretCredentials(SecretsProvider(boto3_client=secrets_manager), "never-made")
    with pytest.raises(OperatorFaultError) as failure:
        credentials.read()
    assert failure.value.code == "secret_unreadable"
