"""Errors as HTTP answers: problem details by RFC 9457, each with a stable `code`."""

import json
import math
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError

from facematch.domain.errors import (
    ConflictError,
    FacematchError,
    InvalidInputError,
    NotFoundError,
    PostponedError,
    RejectedPhotoError,
)

PROBLEM_TYPE: Final = "application/problem+json"

_STATUSES_BY_CODE: Final = {
    "region_not_allowed": HTTPStatus.FORBIDDEN,
    "unknown_caller": HTTPStatus.FORBIDDEN,
    "foreign_upload_key": HTTPStatus.FORBIDDEN,
    "too_large": HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "photo_not_found": HTTPStatus.UNPROCESSABLE_ENTITY,
    "comparison_erased": HTTPStatus.GONE,
}
_STATUSES_BY_TYPE: Final = (
    (RejectedPhotoError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (ConflictError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (InvalidInputError, HTTPStatus.BAD_REQUEST),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (PostponedError, HTTPStatus.SERVICE_UNAVAILABLE),
)
_CODES: Final = {
    "extra_forbidden": ("unknown_field", "This field is not known."),
    "missing": ("missing_field", "This field is required."),
    "json_invalid": ("invalid_json", "The body is not JSON."),
}


def answer_error(error: FacematchError) -> Response[str]:
    """Return the problem document for an error of ours."""
    by_type = (status for kind, status in _STATUSES_BY_TYPE if isinstance(error, kind))
    status = _STATUSES_BY_CODE.get(error.code) or next(by_type, HTTPStatus.INTERNAL_SERVER_ERROR)
    field = getattr(error, "field", None)
    errors = [{"field": field, "code": error.code, "message": error.message}] if field else []
    answer = answer_problem(status, error.code, error.message, errors)
    if isinstance(error, PostponedError):
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    return answer


def answer_validation(error: RequestValidationError) -> Response[str]:
    """Return the problem document for a request that is not of the schema; input is not repeated in it."""
    errors = [_describe(found) for found in error.errors()]
    first = errors[0]
    detail = f"{first['field']}: {first['message']}" if first["field"] else first["message"]
    return answer_problem(HTTPStatus.BAD_REQUEST, first["code"], detail, errors)


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
    elif "_" in kind and kind.startswith(("photo_", "invalid_")):
        code, message = kind, found["msg"]
    else:
        code, message = "invalid_field", f"{found['msg']}."
    field = "" if code == "invalid_json" else ".".join(str(part) for part in location)
    if kind == "missing" and not location:
        field, message = "body", "The request needs a JSON body."
    return {"field": field, "code": code, "message": message}
