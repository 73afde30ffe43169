"""The provider's key, from a secret in AWS Secrets Manager.

The secret is JSON: `{"access_key_id": …, "access_key_secret": …}`.
"""

import json
import logging
import re
from dataclasses import dataclass, field
from threading import Lock
from typing import Final

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from facematch.domain.errors import OperatorFaultError
from facematch.domain.provider import Credentials

# botocore logs each answer's body at DEBUG.
logging.getLogger("botocore.parsers").setLevel(logging.INFO)

KEPT_S: Final = 300
"""How long a key that was read is used before it is read again."""

_READS_ANEW: Final = 2
"""How often the secret is read anew for a refused key: at once, to repeat the call, and for the next call,
which may come once someone has put the right key there."""


def _is_key_part(value: object) -> bool:
    """Return whether a value can be a part of a key: text that fits into a header, without spaces."""
    return isinstance(value, str) and re.fullmatch(r"[!-~]+", value) is not None


@dataclass(slots=True)
class SecretCredentials:
    """The key in the secret `arn`, kept for five minutes."""

    secrets: SecretsProvider
    arn: str
    _kept: Credentials | None = field(default=None, init=False)
    _reads_anew: int = field(default=0, init=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def read(self) -> Credentials:
        """Return the key.

        Raises
        ------
        OperatorFaultError
            `secret_unreadable`: the secret can't be read or is not in the form above.
        """
        with self._lock:
            credentials = self._fetch()
            if credentials is None:
                # What can't be read is not kept either: whoever repairs it need not wait for five minutes.
                self._reads_anew = _READS_ANEW
            elif credentials == self._kept:
                self._reads_anew = max(self._reads_anew - 1, 0)
            else:
                self._reads_anew = 0
            self._kept = credentials
        if credentials is None:
            raise OperatorFaultError("secret_unreadable", "The secret with the provider's key can't be read.")
        return credentials

    def _fetch(self) -> Credentials | None:
        """Return the key, or None: an error of the JSON reader would carry the secret as its context."""
        try:
            text = self.secrets.get(self.arn, max_age=KEPT_S, force_fetch=self._reads_anew > 0)
            secret = json.loads(str(text))
            key = (secret["access_key_id"], secret["access_key_secret"])
        except (GetParameterError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return Credentials(*key) if all(map(_is_key_part, key)) else None

    def distrust(self) -> None:
        """Read the secret anew the next two times, or until it holds another key: this one was refused."""
        with self._lock:
            self._reads_anew = _READS_ANEW
