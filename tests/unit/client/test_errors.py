from typing import Any

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ProfileNotFound,
    UnauthorizedSSOTokenError,
)

from facematch.domain.errors import FacematchError, InvalidInputError, NotFoundError, OperatorError
from facematch_client.errors import ExitCode, explain_error


def make_client_error(code: str, message: str = "Some words.") -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}}
    return ClientError(response, "DescribeStacks")


@pytest.mark.parametrize(
    ("error", "way_out"),
    [
        (ProfileNotFound(profile="work"), "--profile"),
        (NoRegionError(), "--aws-region"),
        (NoCredentialsError(), "--profile"),
        (UnauthorizedSSOTokenError(), "Sign in again"),
        (EndpointConnectionError(endpoint_url="https://sqs.invalid"), "Check the network"),
        (ConnectTimeoutError(endpoint_url="https://sqs.invalid"), "Check the network"),
        (make_client_error("ExpiredToken"), "Sign in again"),
        (make_client_error("InvalidClientTokenId"), "--profile"),
        (make_client_error("AccessDeniedException"), "may not call DescribeStacks"),
        (make_client_error("Throttling"), "Throttling: Some words."),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_cloud_that_does_not_answer_is_reported_in_one_sentence(
    error: BotoCoreError | ClientError, way_out: str
) -> None:
    explained = explain_error(error)

    assert explained.exit_code is ExitCode.UNREACHABLE
    assert way_out in explained.message
    assert "\n" not in explained.message


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (InvalidInputError("unknown_region", "There is no such region.", field="region"), ExitCode.REFUSED),
        (NotFoundError("abc"), ExitCode.REFUSED),
        (OperatorError("Forbidden", "The account is not in order."), ExitCode.NO_VERDICT),
    ],
    ids=["invalid", "not found", "another"],
)
def test_an_error_of_the_domain_keeps_its_words(error: FacematchError, exit_code: ExitCode) -> None:
    explained = explain_error(error)

    assert (explained.message, explained.exit_code) == (error.message, exit_code)


def test_a_local_stack_that_is_gone_is_reported_with_the_command_that_starts_it() -> None:
    explained = explain_error(EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), is_local=True)

    assert explained.exit_code == ExitCode.UNREACHABLE
    assert "make up" in explained.message
