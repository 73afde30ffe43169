"""Errors as HTTP answers: problem details by RFC 9457, each with a stable `code`."""

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
    "extra_forbidden": (Reason.UNKNOWN_FIELD, "This field is not known."),
    "missing": (Reason.MISSING_FIELD, "This field is required."),
    "json_invalid": (Reason.INVALID_JSON, "The body is not JSON."),
}

_PYDANTIC_ERRORS: Final = frozenset(get_args(ErrorType))
"""The types of errors of pydantic's own checks; those of our checks are codes."""


def answer_error(error: FacematchError) -> Response[str]:
    """Return the problem document for an error of ours; a code of the provider's is not in it."""
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
    """Return the problem document for a request that is not of the schema; input is not repeated in it."""
    errors = [_describe(found) for found in error.errors()]
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


def _describe(found: dict[str, Any]) -> dict[str, str]:
    kind = found["type"]
    location = (
        found["loc"][1:] if found["loc"] and found["loc"][0] in {"body", "header", "path"} else found["loc"]
    )
    if kind in _CODES:
        code, message = _CODES[kind]
    elif kind in _PYDANTIC_ERRORS:
        code, message = Reason.INVALID_FIELD, f"{found['msg']}."
    else:
        code, message = kind, found["msg"]
    field = "" if code == Reason.INVALID_JSON else ".".join(str(part) for part in location) or "body"
    if kind == "missing" and not location:
        message = "The request needs a JSON body."
    return {"field": field, "code": code, "message": message}
