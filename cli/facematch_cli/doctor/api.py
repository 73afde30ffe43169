"""The HTTP API: it refuses unsigned requests and answers signed ones."""

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
_SILENCE: Final = (HTTPClientError, BotoConnectionError)
_PATH: Final = "/v1/uploads"
"""The route that is asked: it only signs forms. It stores nothing and calls nothing."""
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def check_unsigned(api_url: str) -> Check:
    """Check that the API refuses a request without a signature."""
    name = "api.unsigned"
    try:
        status = _ask_unsigned(f"{api_url}{_PATH}")
    except _SILENCE:
        return failed(
            name, f"The API at {api_url} does not answer.", "Check your network, proxy and the stack's API."
        )
    if status == HTTPStatus.FORBIDDEN:
        return passed(name, "The API refuses an unsigned request (403).")
    return failed(
        name,
        f"The API answers an unsigned request with {status}, not with 403.",
        "Restore the authorizer AWS_IAM of every route: deploy the stack anew.",
    )


def check_signed(stack: Stack, region: Region) -> Check:
    """Check that the API answers a request that your AWS profile signs."""
    name = "api.signed"
    try:
        answer = call_api(stack, "POST", _PATH, {"region": region.value, "pair_id": "doctor"})
    except CommandError as error:
        return failed(
            name,
            f"The API refuses a signed request. {error.message}",
            "Allow your profile execute-api:Invoke, or read the log of api.",
        )
    except _SILENCE:
        return failed(name, "The API does not answer a signed request.", "Check your network and proxy.")
    return passed(name, f"The API answers a signed request ({answer.status}).")


def _ask_unsigned(url: str) -> int:
    prepared: AWSPreparedRequest = AWSRequest("POST", url, data=b"{}").prepare()
    is_near = urlsplit(url).hostname in _LOOPBACK
    session = URLLib3Session(timeout=_TIMEOUT_S, proxies={} if is_near else get_environ_proxies(url))
    try:
        return int(session.send(prepared).status_code)
    finally:
        session.close()
