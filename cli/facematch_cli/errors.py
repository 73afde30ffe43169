"""How the command ends: its exit codes, and every error as one sentence with the way out."""

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
    """What a script can tell of a run; a verdict itself is never a failure."""

    DONE = 0
    FAULT = 1
    USAGE = 2
    REFUSED = 3
    UNREACHABLE = 4
    PARTIAL = 5
    NO_VERDICT = 6
    INTERRUPTED = 130


class CommandError(Exception):
    """Why the command can't go on: one sentence for a person, and the code to exit with."""

    def __init__(self, message: str, exit_code: ExitCode) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


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
    """Return an error of the cloud or of the domain as the command tells it."""
    match error:
        case InvalidInputError() | NotFoundError():
            return CommandError(error.message, ExitCode.REFUSED)
        case FacematchError():
            return CommandError(error.message, ExitCode.NO_VERDICT)
        case HTTPClientError() | BotoConnectionError() if is_local:
            return CommandError(
                "The local stack does not answer: `make down` and `make up` start it anew.",
                ExitCode.UNREACHABLE,
            )
        case ClientError():
            return CommandError(_explain_answer(error), ExitCode.UNREACHABLE)
    return CommandError(_explain_silence(error), ExitCode.UNREACHABLE)


def _explain_silence(error: BotoCoreError) -> str:
    match error:
        case ProfileNotFound():
            return f"{error}: `aws configure list-profiles` names yours, --profile chooses one."
        case NoRegionError():
            return "No AWS region is chosen: name the stack's with --aws-region."
        case NoCredentialsError() | PartialCredentialsError():
            return "No AWS credentials are there: choose a profile with --profile, or sign in (`aws login`)."
        case SSOError() | CredentialRetrievalError():
            return f"The AWS sign-in is no longer good: sign in again and repeat the command ({error})."
        case HTTPClientError() | BotoConnectionError():
            return f"The cloud can't be reached: check the network and --aws-region, then repeat ({error})."
    return f"The cloud can't be asked: {error}"


def _explain_answer(error: ClientError) -> str:
    code = error.response["Error"]["Code"]
    if code in _EXPIRED:
        return "The AWS credentials have expired: sign in again and repeat the command."
    if code in _UNKNOWN_KEYS:
        return f"AWS does not know the credentials ({code}): choose a profile with --profile."
    if code in _DENIED:
        return (
            f"The AWS profile may not do {error.operation_name}: have that allowed, or use another --profile."
        )
    told = str(error.response["Error"].get("Message", "")).rstrip(".")
    return f"AWS refused {error.operation_name} with {code}{f': {told}' if told else ''}."
