"""Checks the secret with the provider's key."""

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
    """Check the format of the secret. Return the check, and the key if it is valid.

    Raises
    ------
    ClientError
        The secret exists but cannot be read.
    """
    try:
        text = client.get_secret_value(SecretId=arn).get("SecretString")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
        return _fail("The secret does not exist, or it has no value."), None
    if text is None:
        return _fail("The secret is binary."), None
    try:
        secret: Any = json.loads(text)
    except (ValueError, RecursionError):
        # Without the cause: the error of a JSON reader contains the text.
        return _fail("The secret is not JSON."), None
    fault = _find_fault(secret)
    if fault is not None:
        return _fail(fault), None
    key = Credentials(*(secret[name] for name in _FIELDS))
    return passed(_NAME, "The secret has a key in the right format."), key


def _find_fault(secret: object) -> str | None:
    """Return a sentence about the error in the secret, without its values, or None."""
    if not isinstance(secret, dict):
        return "The secret is not a JSON object."
    for name in _FIELDS:
        value = secret.get(name)
        if not isinstance(value, str) or not value:
            return f"The secret's {name} is missing, empty or not text."
        if re.fullmatch(r"[!-~]+", value) is None:
            return f"The secret's {name} contains spaces, line breaks or invalid characters."
    return None


def _fail(finding: str) -> Check:
    return failed(_NAME, finding, _FORM)
