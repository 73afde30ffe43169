"""The secret with the provider's key."""

import json
import re
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from facematch.domain.provider import Credentials
from facematch_cli.doctor.check import Check, failed, passed

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

_NAME: Final = "secret.format"
_FIELDS: Final = ("access_key_id", "access_key_secret")
_FORM: Final = (
    'Set it with `aws secretsmanager put-secret-value` to {"access_key_id": "…", "access_key_secret": "…"}.'
)


def read_key(client: "SecretsManagerClient", arn: str) -> tuple[Check, Credentials | None]:
    """Return the finding about the secret's format, and the key if it has one.

    Raises
    ------
    ClientError
        The secret can't be read, for another reason than that it is not there.
    """
    try:
        text = client.get_secret_value(SecretId=arn).get("SecretString")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return _fail("There is no such secret, or it has no value."), None
    if text is None:
        return _fail("The secret is binary."), None
    try:
        secret: Any = json.loads(text)
    except (ValueError, RecursionError):
        # Without the cause: the error of a JSON reader holds what it read.
        return _fail("The secret is not JSON."), None
    fault = _find_fault(secret)
    if fault is not None:
        return _fail(fault), None
    key = Credentials(*(secret[name] for name in _FIELDS))
    return passed(_NAME, "The secret holds a key in the right format."), key


def _find_fault(secret: object) -> str | None:
    """Return what is wrong with the secret; its values are not in the sentence."""
    if not isinstance(secret, dict):
        return "The secret is not a JSON object."
    for name in _FIELDS:
        value = secret.get(name)
        if not isinstance(value, str) or not value:
            return f"The secret has no text in {name}."
        if re.fullmatch(r"[!-~]+", value) is None:
            return f"The secret's {name} contains spaces, line ends or characters that no key has."
    return None


def _fail(finding: str) -> Check:
    return failed(_NAME, finding, _FORM)
