"""The stack's HTTP API, asked as any client asks it: signed with AWS Signature Version 4."""

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
class Answer:
    """One answer of the API; `body` is its JSON, or None where it has none."""

    status: int
    headers: Mapping[str, str]
    body: Any


def call_api(
    stack: Stack,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Make one request to the stack's API and return what it answered.

    Raises
    ------
    CommandError
        The API refused the request; the message is its own.
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
    answer = _send(request)
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise _explain_problem(answer)
    return answer


def post_form(url: str, fields: Mapping[str, str], content: bytes) -> None:
    """Post a file by a presigned form.

    Raises
    ------
    CommandError
        The bucket refused it.
    """
    body, content_type = encode_multipart_formdata({**fields, "file": ("photo", content)})
    answer = _send(AWSRequest("POST", url, data=body, headers={"Content-Type": content_type}))
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise CommandError(
            f"The bucket refused an upload with HTTP {answer.status}: repeat the command.",
            ExitCode.UNREACHABLE,
        )


def _send(request: AWSRequest) -> Answer:
    prepared: AWSPreparedRequest = request.prepare()
    is_near = urlsplit(prepared.url).hostname in _LOOPBACK
    proxies = {} if is_near else get_environ_proxies(prepared.url)
    session = URLLib3Session(timeout=_TIMEOUT_S, proxies=proxies)
    try:
        response = session.send(prepared)
        headers = {name.lower(): value for name, value in response.headers.items()}
        is_json = "json" in headers.get("content-type", "") and response.content
        return Answer(response.status_code, headers, json.loads(response.content) if is_json else None)
    finally:
        session.close()


def _explain_problem(answer: Answer) -> CommandError:
    problem = answer.body if isinstance(answer.body, dict) else {}
    code = problem.get("code", "")
    detail = str(problem.get("detail") or problem.get("message") or f"HTTP {answer.status}").rstrip(".")
    if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return CommandError(
            f"The API failed ({detail}): repeat the command later.", ExitCode.NO_VERDICT, code or None
        )
    if code in {"", Reason.GATEWAY, Reason.UNKNOWN_CALLER}:
        return CommandError(
            f"The API refuses this AWS profile ({detail}): it needs execute-api:Invoke.",
            ExitCode.UNREACHABLE,
        )
    return CommandError(f"{detail} ({code}).", ExitCode.REFUSED, code)
