"""Checks that the HTTP API refuses unsigned requests and accepts signed ones."""

from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.exceptions import HTTPClientError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies

from facematch.domain.regions import Region
from facematch_cli.doctor.check import Check, failed, passed
from facematch_client.api import call_api
from facematch_client.errors import CommandError
from facematch_client.stack import Stack

_TIMEOUT_S: Final = 30
_CONNECTION_ERRORS: Final = (HTTPClientError, BotoConnectionError)
_PATH: Final = "/v1/uploads"
"""The route to call. It only signs upload forms, and stores nothing."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def check_unsigned(api_url: str) -> Check:
    """Check that the API refuses a request without a signature."""
    name = "api.unsigned"
    try:
        status = _send_unsigned(f"{api_url}{_PATH}")
    except _CONNECTION_ERRORS:
        return failed(
            name,
            f"The API at {api_url} does not respond.",
            "Check your network, your proxy and the stack's API.",
        )
    if status == HTTPStatus.FORBIDDEN:
        return passed(name, "The API refuses an unsigned request (403).")
    return failed(
        name,
        f"The API responds to an unsigned request with {status} instead of 403.",
        "Deploy the stack again, to restore the authorizer AWS_IAM of every route.",
    )


def check_signed(stack: Stack, region: Region) -> Check:
    """Check that the API accepts a request signed by the AWS profile."""
    name = "api.signed"
    try:
        response = call_api(stack, "POST", _PATH, {"region": region.value, "pair_id": "doctor"})
    except CommandError as error:
        return failed(
            name,
            f"A signed request failed. {error.message}",
            "Give your profile the permission execute-api:Invoke, or read the log of api.",
        )
    except _CONNECTION_ERRORS:
        return failed(name, "The API does not respond to a signed request.", "Check your network and proxy.")
    return passed(name, f"The API accepts a signed request ({response.status}).")


def _send_unsigned(url: str) -> int:
    prepared: AWSPreparedRequest = AWSRequest("POST", url, data=b"{}").prepare()
    is_loopback = urlsplit(url).hostname in _LOOPBACK
    session = URLLib3Session(timeout=_TIMEOUT_S, proxies={} if is_loopback else get_environ_proxies(url))
    try:
        return int(session.send(prepared).status_code)
    finally:
        session.close()
