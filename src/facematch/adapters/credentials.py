"""The provider's key, from a secret in AWS Secrets Manager.

The secret is JSON: `{"access_key_id": …, "access_key_secret": …}`.
"""

import json
from dataclasses import dataclass, field

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from facematch.errors import OperatorFaultError
from facematch.provider import Credentials

_KEPT_S = 300


@dataclass(slots=True)
class SecretCredentials:
    """The key in the secret `arn`, kept for five minutes."""

    secrets: SecretsProvider
    arn: str
    _stale: bool = field(default=False, init=False)

    def read(self) -> Credentials:
        """Return the key.

        Raises
        ------
        OperatorFaultError
            `secret_unreadable`: the secret can't be read or is not in the form above.
        """
        credentials = self._fetch()
        # What can't be read is not kept either: whoever repairs it need not wait for five minutes.
        self._stale = credentials is None
        if credentials is None:
            raise OperatorFaultError("secret_unreadable", "The secret with the provider's key can't be read.")
        return credentials

    def _fetch(self) -> Credentials | None:
        """Return the key, or None: an error of the JSON reader would carry the secret as its context."""
        try:
            text = self.secrets.get(self.arn, max_age=_KEPT_S, force_fetch=self._stale)
            secret = json.loads(str(text))
            key = (secret["access_key_id"], secret["access_key_secret"])
        except (GetParameterError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return Credentials(*key) if all(isinstance(part, str) and part for part in key) else None

    def distrust(self) -> None:
        """Read the secret anew next time: the provider did not know the key."""
        self._stale = True
