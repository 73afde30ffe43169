"""The exit codes, and every error as one sentence that says what to do."""

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
    """How a run ended; a verdict itself is never a failure."""

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
    """Why the command can't continue: a sentence, the exit code, and a stable reason if there is one."""

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
    """Return an error of AWS or of the domain as an error of the command."""
    match error:
        case InvalidInputError() | NotFoundError():
            return CommandError(error.message, ExitCode.REFUSED, error.code)
        case FacematchError():
            return CommandError(error.message, ExitCode.NO_VERDICT)
        case HTTPClientError() | BotoConnectionError() if is_local:
            return CommandError(
                "The local stack does not answer: restart it with `make down` and `make up`.",
                ExitCode.UNREACHABLE,
            )
        case ClientError():
            return CommandError(_explain_answer(error), ExitCode.UNREACHABLE)
    return CommandError(_explain_silence(error), ExitCode.UNREACHABLE)


def _explain_silence(error: BotoCoreError) -> str:
    match error:
        case ProfileNotFound():
            return f"{error}: `aws configure list-profiles` lists yours, --profile chooses one."
        case NoRegionError():
            return "No AWS region is chosen: give the stack's with --aws-region."
        case NoCredentialsError() | PartialCredentialsError():
            return "There are no AWS credentials: choose a profile with --profile, or sign in (`aws login`)."
        case SSOError() | CredentialRetrievalError():
            return f"The AWS sign-in has expired: sign in again and repeat the command ({error})."
        case HTTPClientError() | BotoConnectionError():
            return f"The cloud can't be reached: check the network and --aws-region, then repeat ({error})."
    return f"AWS can't be called: {error}"


def _explain_answer(error: ClientError) -> str:
    code = error.response["Error"]["Code"]
    if code in _EXPIRED:
        return "The AWS credentials have expired: sign in again and repeat the command."
    if code in _UNKNOWN_KEYS:
        return f"AWS does not know the credentials ({code}): choose a profile with --profile."
    if code in _DENIED:
        return (
            f"The AWS profile is not allowed to call {error.operation_name}: choose another with --profile."
        )
    told = str(error.response["Error"].get("Message", "")).rstrip(".")
    return f"AWS refused {error.operation_name} with {code}{f': {told}' if told else ''}."
