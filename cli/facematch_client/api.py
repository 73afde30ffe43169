"""A client of the stack's HTTP API. It signs requests with AWS Signature Version 4."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.exceptions import NoCredentialsError
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies
from urllib3.filepost import encode_multipart_formdata

from facematch.domain.reasons import Reason
from facematch_client.errors import CommandError, ExitCode
from facematch_client.stack import Stack

_TIMEOUT_S: Final = 60
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """A response of the API; `body` is its JSON document, or None."""

    status: int
    headers: Mapping[str, str]
    body: Any


def call_api(
    stack: Stack,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> ApiResponse:
    """Send one signed request to the stack's API and return the response.

    Raises
    ------
    CommandError
        The API refused the request. The message is the API's.
    """
    data = None if body is None else json.dumps(body).encode()
    request = AWSRequest(
        method,
        stack.api_url + path,
        data=data,
        headers={"Content-Type": "application/json", **(headers or {})},
    )
    credentials = stack.session.get_credentials()
    if credentials is None:
        raise NoCredentialsError
    SigV4Auth(credentials, "execute-api", stack.session.region_name).add_auth(request)
    response = _send(request)
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise _explain_problem(response)
    return response


def post_form(url: str, fields: Mapping[str, str], content: bytes) -> None:
    """Upload a file with a presigned form.

    Raises
    ------
    CommandError
        The bucket refused the file.
    """
    body, content_type = encode_multipart_formdata({**fields, "file": ("photo", content)})
    response = _send(AWSRequest("POST", url, data=body, headers={"Content-Type": content_type}))
    if response.status >= HTTPStatus.BAD_REQUEST:
        raise CommandError(
            f"The bucket refused an upload (HTTP {response.status}). Repeat the command.",
            ExitCode.UNREACHABLE,
        )


def _send(request: AWSRequest) -> ApiResponse:
    prepared: AWSPreparedRequest = request.prepare()
    is_loopback = urlsplit(prepared.url).hostname in _LOOPBACK
    proxies = {} if is_loopback else get_environ_proxies(prepared.url)
    session = URLLib3Session(timeout=_TIMEOUT_S, proxies=proxies)
    try:
        response = session.send(prepared)
        headers = {name.lower(): value for name, value in response.headers.items()}
        is_json = "json" in headers.get("content-type", "") and response.content
        return ApiResponse(response.status_code, headers, json.loads(response.content) if is_json else None)
    finally:
        session.close()


def _explain_problem(response: ApiResponse) -> CommandError:
    problem = response.body if isinstance(response.body, dict) else {}
    code = problem.get("code", "")
    detail = str(problem.get("detail") or problem.get("message") or f"HTTP {response.status}").rstrip(".")
    if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return CommandError(
            f"The API failed ({detail}). Repeat the command later.", ExitCode.NO_VERDICT, code or None
        )
    if code in {"", Reason.GATEWAY, Reason.UNKNOWN_CALLER}:
        return CommandError(
            f"The API refuses this AWS profile ({detail}). The profile needs execute-api:Invoke.",
            ExitCode.UNREACHABLE,
        )
    return CommandError(f"{detail} ({code}).", ExitCode.REFUSED, code)
