"""Requests to the stack's API, signed with AWS Signature Version 4."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local.processes import LOCAL_KEY
from local.stack import Stack

_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer. `body` is the parsed JSON, or None."""

    status: HTTPStatus
    headers: Mapping[str, str]
    body: Any


def request_api(
    stack: Stack,
    method: str,
    path: str,
    body: Any = None,  # noqa: ANN401 - any JSON value, or bytes
    headers: Mapping[str, str] | None = None,
    *,
    signed: bool = True,
    timeout_s: float = _TIMEOUT_S,
) -> HttpAnswer:
    """Send one request to the stack's API.

    Raises
    ------
    OSError
        There is no answer within `timeout_s`, or no connection.
    """
    return send(make_request(stack, method, path, body, headers, signed=signed), timeout_s)


def make_request(
    stack: Stack,
    method: str,
    path: str,
    body: Any = None,  # noqa: ANN401 - any JSON value, or bytes
    headers: Mapping[str, str] | None = None,
    *,
    signed: bool = True,
    credentials: Credentials | None = None,
) -> urllib.request.Request:
    """Return a request to the stack's API, signed with `credentials` or the local cloud's key."""
    url = stack.api_url + path
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    unsigned = {"Content-Type": "application/json", **(headers or {})}
    request = AWSRequest(method, url, data=data, headers=unsigned)
    if signed:
        key = credentials or Credentials(LOCAL_KEY, LOCAL_KEY)
        SigV4Auth(key, "execute-api", stack.aws_region).add_auth(request)
    return urllib.request.Request(url, data=data, method=method, headers=dict(request.headers))


def send(request: urllib.request.Request, timeout_s: float = _TIMEOUT_S) -> HttpAnswer:
    """Send a request without a proxy; return the answer, also if its status is an error."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        response = opener.open(request, timeout=timeout_s)
    except urllib.error.HTTPError as error:
        response = error
    with response:
        content = response.read()
        is_json = "json" in response.headers.get("Content-Type", "") and content
        return HttpAnswer(
            HTTPStatus(response.status), dict(response.headers), json.loads(content) if is_json else None
        )
