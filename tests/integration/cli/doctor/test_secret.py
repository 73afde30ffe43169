import json

import boto3
import pytest
from botocore.exceptions import ClientError

from facematch.domain.provider import Credentials
from facematch_cli.doctor.check import Check, Level
from facematch_cli.doctor.secret import read_key
from tests.fakes.moto_stack import AWS_REGION
from tests.integration.cli.environment import CliEnvironment


def read(
    cli: CliEnvironment, text: str | None, binary: bytes | None = None
) -> tuple[Check, Credentials | None]:
    client = boto3.client("secretsmanager", region_name=AWS_REGION)
    value = {"SecretString": text} if binary is None else {"SecretBinary": binary}
    arn = client.create_secret(Name=cli.name, **value)["ARN"]
    return read_key(client, arn)


def test_a_key_in_the_right_format_is_read(cli: CliEnvironment) -> None:
    check, key = read(cli, json.dumps({"access_key_id": "id", "access_key_secret": "secret", "more": 1}))

    assert (check.level, key) == (Level.OK, Credentials("id", "secret"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("s3cret-id:s3cret", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ('"s3cret"', "not a JSON object"),
        ('{"access_key_id": "s3cret"}', "access_key_secret is missing, empty or not text"),
        (
            '{"access_key_id": "", "access_key_secret": "s3cret"}',
            "access_key_id is missing, empty or not text",
        ),
        (
            '{"access_key_id": 7, "access_key_secret": "s3cret"}',
            "access_key_id is missing, empty or not text",
        ),
        ('{"access_key_id": "s3cret\\n", "access_key_secret": "s3cret"}', "access_key_id contains spaces"),
        ('{"access_key_id": "id", "access_key_secret": "s3cret "}', "access_key_secret contains spaces"),
    ],
    ids=lambda value: value[:40],
)
def test_a_secret_in_another_format_is_named_without_its_content(
    cli: CliEnvironment, text: str, words: str
) -> None:
    if len(text) > 65_536:
        text = text[:60_000]
    check, key = read(cli, text)

    assert (check.level, key) == (Level.ERROR, None)
    assert words in check.finding
    assert "s3cret" not in f"{check.finding}{check.fix}"


def test_a_binary_secret_is_named(cli: CliEnvironment) -> None:
    assert "binary" in read(cli, None, b"\x00")[0].finding


def test_a_secret_that_is_not_there_is_named(cli: CliEnvironment) -> None:
    client = boto3.client("secretsmanager", region_name=AWS_REGION)

    check, key = read_key(client, f"arn:aws:secretsmanager:{AWS_REGION}:1:secret:{cli.name}-none")

    assert (check.level, key) == (Level.ERROR, None)


def test_a_secret_that_may_not_be_read_is_not_said_to_be_wrong(cli: CliEnvironment) -> None:
    client = boto3.client("secretsmanager", region_name=AWS_REGION)

    def deny(**_: object) -> None:
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue")

    client.meta.events.register("before-call.secrets-manager.GetSecretValue", deny)

    with pytest.raises(ClientError):
        read_key(client, f"{cli.name}-denied")
