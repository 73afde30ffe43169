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

from facematch.domain.errors import OperatorError
from facematch.domain.provider import Credentials

# botocore logs each answer's body at DEBUG.
logging.getLogger("botocore.parsers").setLevel(logging.INFO)

KEPT_S: Final = 300
"""How long a key is cached."""

_FORCED_READS: Final = 2
"""How often the secret is read again after a refused key: once for the retry, and once for the next call,
because somebody may have stored the right key meanwhile."""


def _is_key_part(value: object) -> bool:
    """Return whether a value is text without spaces that is valid in a header."""
    return isinstance(value, str) and re.fullmatch(r"[!-~]+", value) is not None


@dataclass(slots=True)
class SecretCredentials:
    """The key in the secret `arn`, cached for five minutes."""

    secrets: SecretsProvider
    arn: str
    _cached: Credentials | None = field(default=None, init=False)
    _forced_reads: int = field(default=0, init=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def read(self) -> Credentials:
        """Return the key.

        Raises
        ------
        OperatorError
            `secret_unreadable`: the secret can't be read or has another form.
        """
        with self._lock:
            credentials = self._fetch()
            if credentials is None:
                # Do not cache an unreadable secret: a repaired one must be used at once.
                self._forced_reads = _FORCED_READS
            elif credentials == self._cached:
                self._forced_reads = max(self._forced_reads - 1, 0)
            else:
                self._forced_reads = 0
            self._cached = credentials
        if credentials is None:
            raise OperatorError("secret_unreadable", "The secret with the provider's key can't be read.")
        return credentials

    def _fetch(self) -> Credentials | None:
        """Return the key or None. It raises no error, because the JSON reader's errors contain the secret."""
        try:
            text = self.secrets.get(self.arn, max_age=KEPT_S, force_fetch=self._forced_reads > 0)
            secret = json.loads(str(text))
            key = (secret["access_key_id"], secret["access_key_secret"])
        except (GetParameterError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return Credentials(*key) if all(map(_is_key_part, key)) else None

    def invalidate(self) -> None:
        """Read the secret again the next two times, or until it has another key: this one was refused."""
        with self._lock:
            self._forced_reads = _FORCED_READS
