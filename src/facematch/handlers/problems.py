"""Errors as HTTP answers: problem details (RFC 9457), each with a stable `code`."""

import json
import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final, get_args

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from pydantic_core.core_schema import ErrorType

from facematch.domain.errors import FacematchError, PostponedError
from facematch.domain.reasons import Reason, find_reason

PROBLEM_TYPE: Final = "application/problem+json"

_CODES: Final = {
    "extra_forbidden": (Reason.UNKNOWN_FIELD, "The API does not know this field."),
    "missing": (Reason.MISSING_FIELD, "This field is required."),
    "json_invalid": (Reason.INVALID_JSON, "The body is not JSON."),
}

_PYDANTIC_ERRORS: Final = frozenset(get_args(ErrorType))
"""The error types of pydantic's own checks. The types of our checks are codes."""


def answer_error(error: FacematchError) -> Response[str]:
    """Return the problem document for an error of facematch. Codes of the provider do not appear in it."""
    unlisted = Reason.PROVIDER_UNAVAILABLE if isinstance(error, PostponedError) else Reason.INTERNAL_ERROR
    reason = find_reason(error.code)
    code = reason if reason and reason.http_status else unlisted
    field = getattr(error, "field", None)
    errors = [{"field": field, "code": code, "message": error.message}] if field else []
    status = HTTPStatus(code.http_status or HTTPStatus.INTERNAL_SERVER_ERROR)
    answer = answer_problem(status, code, error.message, errors)
    if isinstance(error, PostponedError):
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    return answer


def answer_validation(error: RequestValidationError) -> Response[str]:
    """Return the problem document for an invalid request. It does not contain the input."""
    errors = [_describe(fault) for fault in error.errors()]
    first = errors[0]
    statuses = {reason.http_status for error in errors if (reason := find_reason(error["code"]))}
    status = HTTPStatus(statuses.pop() or 400) if len(statuses) == 1 else HTTPStatus.BAD_REQUEST
    detail = f"{first['field']}: {first['message']}" if first["field"] else first["message"]
    return answer_problem(status, first["code"], detail, errors)


def answer_problem(
    status: HTTPStatus, code: str, detail: str, errors: Sequence[dict[str, str]] = ()
) -> Response[str]:
    """Return one problem document."""
    problem = {
        "type": f"urn:facematch:problem:{code}",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "code": code,
        "errors": list(errors),
    }
    return Response(status.value, content_type=PROBLEM_TYPE, body=json.dumps(problem))


def _describe(fault: dict[str, Any]) -> dict[str, str]:
    kind, location = fault["type"], fault["loc"]
    if location and location[0] in {"body", "header", "path"}:
        location = location[1:]
    if kind in _CODES:
        code, message = _CODES[kind]
    elif kind in _PYDANTIC_ERRORS:
        code, message = Reason.INVALID_FIELD, f"{fault['msg']}."
    else:
        code, message = kind, fault["msg"]
    field = "" if code == Reason.INVALID_JSON else ".".join(str(part) for part in location) or "body"
    if kind == "missing" and not location:
        message = "The request needs a JSON body."
    return {"field": field, "code": code, "message": message}
