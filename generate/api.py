"""The interfaces as documents, from the code; `make interfaces` writes them.

The HTTP API as OpenAPI 3.1: each answer has an example, made by the code that makes the answers. The schema
of the result event with its reasons and regions. The page of all reasons.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final, get_args

from facematch.domain.comparison import Attempt, Comparison, Ending, Options, Origin, Outcome, State
from facematch.domain.inbox import make_inbox_key
from facematch.domain.ports import PresignedPost
from facematch.domain.reasons import Reason, ReasonOutcome, list_outcome
from facematch.domain.regions import Region
from facematch.domain.verdict import Bounds, Decision, Role, Verdict
from facematch.handlers.api_schema import view_comparison, view_uploads
from facematch.handlers.problems import answer_problem
from facematch.use_cases.issue_uploads import TICKET_VALID_S, UploadTicket, UploadTickets
from local.processes import ROOT

OPENAPI: Final = ROOT / "schemas" / "openapi.json"
EVENT_SCHEMA: Final = ROOT / "schemas" / "result-event.schema.json"
REASONS_PAGE: Final = ROOT / "docs" / "reasons.md"
_STARTED_MS: Final = 1_767_225_600_000
_ID: Final = "sr6uybv2yezkjrhtpjkvfdpm65"
_CALLER: Final = "arn:aws:iam::123456789012:user/onboarding"
_FORM_URL: Final = "https://s3.ap-southeast-1.amazonaws.com/facematch-photos"
_PROBLEMS: Final = {
    400: (Reason.INVALID_FIELD, "match_from: Input should be less than or equal to 100."),
    403: (Reason.REGION_NOT_ALLOWED, "The region hong-kong is not one that this stack may send faces to."),
    404: (Reason.COMPARISON_NOT_FOUND, "There is no such comparison."),
    410: (Reason.COMPARISON_ERASED, "The comparison was erased."),
    413: (Reason.FILE_TOO_LARGE, "The photo is larger than 20 MB."),
    415: (Reason.UNSUPPORTED_MEDIA_TYPE, "Send the body as application/json."),
    422: (Reason.TOO_SMALL, "The photo has too few pixels."),
    429: (
        Reason.TOO_MANY_REQUESTS,
        "The API receives too many requests. Repeat the request in a few seconds.",
    ),
    503: (Reason.PROVIDER_UNAVAILABLE, "The provider is failing in this region; come again later."),
}


def describe_api() -> dict[str, Any]:
    """Return the document."""
    # The handlers read where they run, as every function does.
    os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "api")
    os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "facematch")
    from facematch.handlers.api import app  # noqa: PLC0415 - only once that is set

    document: dict[str, Any] = json.loads(
        app.get_openapi_json_schema(
            title="facematch",
            version="1.0.0",
            openapi_version="3.1.0",
            description="Face comparison with Alibaba Cloud's FaceCompare, within its quota.",
        )
    )
    document["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    document["servers"] = [_describe_server()]
    document["components"]["securitySchemes"] = {"signature": _describe_signature()}
    document["security"] = [{"signature": []}]
    for operation_id, operation in _list_operations(document):
        operation["operationId"] = operation_id
        operation["responses"] = {
            status: _describe_answer(operation_id, int(status), answer)
            for status, answer in sorted(operation["responses"].items())
        }
    return document


def describe_event() -> dict[str, Any]:
    """Return the schema of the result event with the reasons of the catalogue and the regions."""
    schema: dict[str, Any] = json.loads(EVENT_SCHEMA.read_text())
    reason = schema["properties"]["data"]["properties"]["reason"]
    reason["enum"] = [*(one for one in Reason if one.outcome), None]
    completed, rejected, failed = (rule["then"]["properties"]["data"] for rule in schema["allOf"])
    completed["then"]["properties"]["reason"] = {"enum": list_outcome("review")}
    rejected["properties"]["reason"] = {"enum": list_outcome("photo_rejected")}
    failed["properties"]["reason"] = {"enum": list_outcome("failed")}
    schema["properties"]["data"]["properties"]["region"]["examples"] = list(Region)
    for data in (completed, rejected):
        data["properties"]["region"] = {"enum": list(Region)}
    return schema


def describe_reasons() -> str:
    """Return the page of all reasons."""
    problems = [
        f"| {reason.http_status} | `{reason}` | {reason.meaning} |"
        for reason in sorted(Reason, key=lambda reason: reason.http_status or 0)
        if reason.http_status
    ]
    endings = [
        f"| `{outcome}` | `{reason}` | {reason.meaning} |"
        for outcome in get_args(ReasonOutcome.__value__)
        for reason in list_outcome(outcome)
    ]
    return _REASONS_TEXT.format(problems="\n".join(problems), endings="\n".join(endings))


def _list_operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of each function that answers, and its operation."""
    for methods in document["paths"].values():
        for operation in methods.values():
            generated = operation["operationId"]
            yield generated.partition("_v1_")[0], operation


def _describe_answer(operation_id: str, status: int, answer: dict[str, Any]) -> dict[str, Any]:
    if status == HTTPStatus.NO_CONTENT:
        return {"description": answer["description"]}
    headers = _HEADERS.get((operation_id, status)) or _HEADERS.get(("", status))
    content = {
        kind: {**described, "example": _make_example(operation_id, status)}
        for kind, described in answer["content"].items()
    }
    return {**answer, **({"headers": headers} if headers else {}), "content": content}


def _make_example(operation_id: str, status: int) -> Any:  # noqa: ANN401 - any JSON value
    if status >= HTTPStatus.BAD_REQUEST:
        return _make_problem(status)
    if operation_id == "create_uploads":
        return _make_uploads()
    return _make_comparison(ended=status == HTTPStatus.OK)


def _make_problem(status: int) -> Any:  # noqa: ANN401 - any JSON value
    code, detail = _PROBLEMS[status]
    return json.loads(answer_problem(HTTPStatus(status), code, detail).body or "")


def _make_comparison(*, ended: bool) -> Any:  # noqa: ANN401 - any JSON value
    registered = Comparison(
        id=_ID,
        region="singapore",
        pair_id="customer-4711",
        origin=Origin.API,
        created_at_ms=_STARTED_MS,
        photos={},
        options=Options(bounds=Bounds(0, 100)),
    )
    if not ended:
        return view_comparison(registered)
    attempt = Attempt(
        number=1,
        merchant_biz_id=f"{_ID}abc123",
        started_at_ms=_STARTED_MS + 300,
        outcome=Outcome.ANSWERED,
        code="Success",
        request_id="B5C6D7E8-0000-4000-8000-000000000000",
        duration_ms=420,
    )
    verdict = Verdict(
        decision=Decision.MATCH,
        message="The provider passed the pair.",
        score=91.7,
        passed=True,
        provider_code="Success",
    )
    ending = Ending(verdict=verdict, ended_at_ms=_STARTED_MS + 800, timings_ms={"call": 420})
    return view_comparison(replace(registered, state=State.COMPLETED, attempts=(attempt,), ending=ending))


def _make_uploads() -> dict[str, Any]:
    region, pair_id = "singapore", "customer-4711"
    keys = {role: make_inbox_key(region, pair_id, role, "jpg", _CALLER) for role in Role}
    forms = {role: PresignedPost(_FORM_URL, {"key": key, "policy": "…"}) for role, key in keys.items()}
    tickets = {role: UploadTicket(keys[role], forms[role]) for role in Role}
    return view_uploads(UploadTickets(region, pair_id, TICKET_VALID_S, 20_000_000, tickets))


def _describe_server() -> dict[str, Any]:
    return {
        "url": "https://{apiId}.execute-api.{awsRegion}.amazonaws.com/live",
        "description": "The stack's output ApiUrl.",
        "variables": {"apiId": {"default": "api"}, "awsRegion": {"default": "ap-southeast-1"}},
    }


def _describe_signature() -> dict[str, Any]:
    return {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "AWS Signature Version 4 for the service execute-api.",
        "x-amazon-apigateway-authtype": "awsSigv4",
    }


_REASONS_TEXT: Final = """\
# Reasons

The codes on this page are stable. New versions may add codes.

## Errors of the API

Each problem document has a `code`. Each entry of its `errors` has a `code`, too. The status is 400 if one
request has several errors with different statuses.

| status | code | meaning |
| --- | --- | --- |
{problems}

## Results

Each result event has a `reason`. The `result` of the API has the same `reason`. For a `match` and a
`no_match` it is `null`.

| verdict | reason | meaning |
| --- | --- | --- |
{endings}
"""
_LOCATION: Final = {
    "Location": {
        "description": "Where the comparison is read.",
        "required": True,
        "schema": {"type": "string"},
    },
}
_RETRY_AFTER: Final = {
    "Retry-After": {"description": "In so many seconds.", "schema": {"type": "integer", "minimum": 0}},
}
_HEADERS: Final[dict[tuple[str, int], dict[str, Any]]] = {
    ("create_comparison", 200): _LOCATION,
    ("create_comparison", 202): {
        **_LOCATION,
        "Retry-After": {**_RETRY_AFTER["Retry-After"], "required": True},
    },
    ("", 429): _RETRY_AFTER,
    ("", 503): _RETRY_AFTER,
}
