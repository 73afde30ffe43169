"""Exit codes, and errors as sentences that say what to do."""

from enum import IntEnum
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError

from facematch.domain.errors import FacematchError, InvalidInputError, NotFoundError


class ExitCode(IntEnum):
    """The result of a run. A verdict is never a failure."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    PARTIAL = 5
    NO_VERDICT = 6
    UNHEALTHY = 7
    INTERRUPTED = 130


class CommandError(Exception):
    """The command cannot continue. `reason` is a stable code, if there is one."""

    def __init__(self, message: str, exit_code: ExitCode, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.reason = reason


_EXPIRED: Final = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_UNKNOWN_KEYS: Final = frozenset(
    {"InvalidClientTokenId", "InvalidAccessKeyId", "SignatureDoesNotMatch", "UnrecognizedClientException"}
)
_DENIED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError"}
)


def explain_error(
    error: FacematchError | BotoCoreError | ClientError, *, is_local: bool = False
) -> CommandError:
    """Return an error of AWS or of the domain as a `CommandError`."""
    match error:
        case InvalidInputError() | NotFoundError():
            return CommandError(error.message, ExitCode.REFUSED, error.code)
        case FacematchError():
            return CommandError(error.message, ExitCode.NO_VERDICT)
        case HTTPClientError() | BotoConnectionError() if is_local:
            return CommandError(
                "The local stack does not respond. Restart it with `make down` and `make up`.",
                ExitCode.UNREACHABLE,
            )
        case ClientError():
            return CommandError(_explain_client_error(error), ExitCode.UNREACHABLE)
    return CommandError(_explain_connection_error(error), ExitCode.UNREACHABLE)


def _explain_connection_error(error: BotoCoreError) -> str:
    match error:
        case ProfileNotFound():
            return f"{error}. `aws configure list-profiles` lists your profiles. Choose one with --profile."
        case NoRegionError():
            return "There is no AWS region. Set the stack's AWS region with --aws-region."
        case NoCredentialsError() | PartialCredentialsError():
            return "There are no AWS credentials. Choose a profile with --profile, or sign in (`aws login`)."
        case SSOError() | CredentialRetrievalError():
            return f"The AWS sign-in has expired ({error}). Sign in again and repeat the command."
        case HTTPClientError() | BotoConnectionError():
            return f"Cannot connect to AWS ({error}). Check the network and --aws-region, then repeat."
    return f"The call to AWS failed: {error}"


def _explain_client_error(error: ClientError) -> str:
    code = error.response["Error"]["Code"]
    if code in _EXPIRED:
        return "The AWS credentials have expired. Sign in again and repeat the command."
    if code in _UNKNOWN_KEYS:
        return f"AWS does not accept the credentials ({code}). Choose another profile with --profile."
    if code in _DENIED:
        return f"The AWS profile may not call {error.operation_name}. Choose another profile with --profile."
    message = str(error.response["Error"].get("Message", "")).rstrip(".")
    return f"AWS refused {error.operation_name} with {code}{f': {message}' if message else ''}."
