"""Who this function is, as a signed token of AWS STS that another cloud can verify."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from facematch.domain.errors import OperatorFaultError

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

# botocore logs each answer's body, and with it the token, at DEBUG.
logging.getLogger("botocore.parsers").setLevel(logging.INFO)

TOKEN_LIFETIME_S: Final = 60
"""The shortest that AWS STS issues: the token is used once, at once."""

SIGNING_ALGORITHM: Final = "RS256"
"""The one that every OpenID Connect party has to understand."""


@dataclass(frozen=True, slots=True)
class WebIdentity:
    """Has tokens issued that are meant for `audience` alone."""

    client: "STSClient"
    audience: str

    def issue_token(self) -> str:
        """Return a token.

        Raises
        ------
        OperatorFaultError
            `web_identity.…`: there is none. The code goes on with that of AWS STS, or says why none came.
        """
        try:
            response = self.client.get_web_identity_token(
                Audience=[self.audience],
                DurationSeconds=TOKEN_LIFETIME_S,
                SigningAlgorithm=SIGNING_ALGORITHM,
            )
        except ClientError as error:
            reason = error.response.get("Error", {}).get("Code", "unreadable_answer")
        except (BotoCoreError, ResponseParserError) as error:
            reason = type(error).__name__
        else:
            if token := response.get("WebIdentityToken"):
                return token
            reason = "unreadable_answer"
        raise OperatorFaultError(f"web_identity.{reason}", "AWS STS issued no web identity token.")
