"""The identity of this function, as a signed token of AWS STS that another cloud can verify."""

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from facematch.domain.errors import OperatorError

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

# At DEBUG, botocore logs each answer's body, which contains the token.
logging.getLogger("botocore.parsers").setLevel(logging.INFO)

TOKEN_LIFETIME_S: Final = 60
"""The minimum of AWS STS. The token is used once, at once."""

SIGNING_ALGORITHM: Final = "RS256"
"""The algorithm that every OpenID Connect implementation supports."""


@dataclass(frozen=True, slots=True)
class WebIdentity:
    """Issues tokens for `audience`."""

    client: "STSClient"
    audience: str

    def issue_token(self) -> str:
        """Return a token.

        Raises
        ------
        OperatorError
            `web_identity.…`: AWS STS issued none. The code ends with its code, or the kind of failure.
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
        raise OperatorError(f"web_identity.{reason}", "AWS STS issued no web identity token.")
