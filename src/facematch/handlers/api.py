"""The HTTP API."""

import json
import re
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as RouteNotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Path
from aws_lambda_powertools.utilities.typing import LambdaContext

from facematch import bootstrap
from facematch.domain.comparison import Comparison, Options, State
from facematch.domain.deadline import ANSWER_TIME_S, Deadline
from facematch.domain.errors import FacematchError, NotFoundError
from facematch.domain.principals import name_caller, name_principal, parse_principals
from facematch.domain.reasons import Reason
from facematch.domain.verdict import Bounds, Role
from facematch.handlers.api_schema import (
    ComparisonBody,
    ComparisonView,
    Problem,
    UploadsBody,
    UploadsView,
    view_comparison,
    view_uploads,
)
from facematch.handlers.http_request import normalize_request, prefers_async
from facematch.handlers.problems import answer_error, answer_problem, answer_validation
from facematch.handlers.start import end_start
from facematch.handlers.telemetry import count, describe_error, logger, metrics
from facematch.use_cases.request_comparison import Caller, ComparisonRequest


def _read_json(text: str) -> Any:  # noqa: ANN401 - Powertools declares no `null`
    """Return the object that a body holds, or None for `null`.

    Powertools takes the first element of an array for the body, so an array is refused here.

    Raises
    ------
    json.JSONDecodeError
        The text is not JSON, or nested too deep for Python.
    RequestValidationError
        `invalid_body`: the text is JSON, but not an object.
    """
    try:
        content = json.loads(text, parse_int=_read_integer)
    except (ValueError, RecursionError):
        raise json.JSONDecodeError("not JSON", "", 0) from None
    if content is None or isinstance(content, dict):
        return content
    message = f"The body must be a JSON object, not {_JSON_KINDS[type(content)]}."
    raise RequestValidationError([{"type": Reason.INVALID_BODY, "loc": ("body",), "msg": message}])


def _read_integer(digits: str) -> float:
    """Return an integer; one with more digits than Python reads becomes infinite, which no field allows."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


_JSON_KINDS: Final = {
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
}
app = APIGatewayRestResolver(enable_validation=True, json_body_deserializer=_read_json)

_IDEMPOTENCY_KEY_LIMIT: Final = 255
_RETRY_AFTER_S: Final = 2
_JSON: Final = "application/json"
_COMPARISON_ID: Final = re.compile(r"[a-z2-7]{26}")
_ComparisonId = Annotated[str, Path(json_schema_extra={"pattern": f"^{_COMPARISON_ID.pattern}$"})]
ADMINISTRATORS: Final = "AdminPrincipals"
"""The stage's variable of that name: a stage has its change at once, a published version never."""
ALLOWED_ORIGIN: Final = "AllowedOrigin"
"""The stage's variable with the origin whose pages may call the API."""
_NO_ORIGIN: Final = "none"

_PROBLEMS: Final[dict[int, Any]] = {
    status: {"description": phrase, "content": {"application/problem+json": {"model": Problem}}}
    for status, phrase in (
        (400, "The request is not of the schema, or names something unknown."),
        (403, "The region is not allowed here, the upload key is another's, or the request is not signed."),
        (404, "There is no such comparison, or it is another caller's."),
        (410, "The comparison was erased."),
        (413, "A photo is too large."),
        (415, "The body is declared as something other than JSON."),
        (422, "A photo can't be used, or an Idempotency-Key came with another body."),
        (429, "More requests came than the stack lets in; `Retry-After` says when to come again."),
        (503, "The provider or the API is unavailable. Repeat the request after `Retry-After` seconds."),
    )
}


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request."""
    try:
        response = app.resolve(normalize_request(event), context)
    except FacematchError as error:
        response = _build_response(answer_error(error))
    response["multiValueHeaders"].update(_allow_origin(event))
    count("RequestsAnswered")
    logger.info("Request answered", extra={"route": event.get("resource"), "status": response["statusCode"]})
    return response


@app.post(
    "/v1/comparisons",
    summary="Compare two photos",
    responses={
        200: {"description": "The verdict.", "content": {"application/json": {"model": ComparisonView}}},
        202: {
            "description": "Accepted: the verdict comes later, at `Location` and on the results queue.",
            "content": {"application/json": {"model": ComparisonView}},
        },
        **_PROBLEMS,
    },
)
def create_comparison(
    body: Annotated[ComparisonBody, Body()],
    idempotency_key: Annotated[
        str | None, Header(alias="Idempotency-Key", min_length=1, max_length=_IDEMPOTENCY_KEY_LIMIT)
    ] = None,
    prefer: Annotated[str | None, Header(alias="Prefer", examples=["respond-async"])] = None,
) -> Response[str]:
    """Compare now, or with `Prefer: respond-async` later."""
    request = ComparisonRequest(
        caller=_caller(),
        photos={Role.SOURCE: body.source.to_input(), Role.TARGET: body.target.to_input()},
        options=_choose_options(body),
        region=body.region,
        pair_id=body.pair_id,
        idempotency_key=idempotency_key,
    )
    is_async = prefers_async(prefer or "")
    deadline = None if is_async else Deadline.after(ANSWER_TIME_S, bootstrap.clock())
    return _answer_comparison(bootstrap.comparison_requester().submit(request, deadline))


@app.get(
    "/v1/comparisons/<comparison_id>",
    summary="Read a comparison",
    responses={
        200: {
            "description": "Its state or verdict.",
            "content": {"application/json": {"model": ComparisonView}},
        },
        **_PROBLEMS,
    },
)
def read_comparison(comparison_id: _ComparisonId) -> Response[str]:
    """Answer with the state or the verdict of a comparison."""
    _check_id(comparison_id)
    comparison = bootstrap.comparison_requester().find(comparison_id, _caller())
    if comparison.state is State.ERASED:
        raise NotFoundError(comparison_id, code=Reason.COMPARISON_ERASED)
    return _answer_json(HTTPStatus.OK, _view(comparison))


@app.delete(
    "/v1/comparisons/<comparison_id>",
    summary="Erase a comparison",
    responses={204: {"description": "The photos and the record are gone."}, **_PROBLEMS},
)
def erase_comparison(comparison_id: _ComparisonId) -> Response[str]:
    """Erase the photos and the record."""
    _check_id(comparison_id)
    comparison = bootstrap.comparison_requester().find(comparison_id, _caller())
    bootstrap.comparison_eraser().erase(comparison)
    return Response(HTTPStatus.NO_CONTENT.value, body="")


@app.post(
    "/v1/uploads",
    summary="Get leave to upload a pair",
    responses={
        201: {"description": "Two forms.", "content": {"application/json": {"model": UploadsView}}},
        **_PROBLEMS,
    },
)
def create_uploads(body: Annotated[UploadsBody, Body()]) -> Response[str]:
    """Answer with two presigned forms."""
    content_types = {Role.SOURCE: body.source.content_type, Role.TARGET: body.target.content_type}
    uploads = bootstrap.upload_desk().issue(
        _caller().arn, content_types, region=body.region, pair_id=body.pair_id
    )
    return _answer_json(HTTPStatus.CREATED, view_uploads(uploads))


@app.exception_handler(FacematchError)
def _on_error(error: FacematchError) -> Response[str]:
    return answer_error(error)


@app.exception_handler(RequestValidationError)
def _on_invalid_request(error: RequestValidationError) -> Response[str]:
    return answer_validation(error)


@app.not_found
def _on_unknown_route(_: RouteNotFoundError) -> Response[str]:
    return answer_problem(HTTPStatus.NOT_FOUND, Reason.ROUTE_NOT_FOUND, "There is no such route.")


@app.exception_handler(Exception)
def _on_fault(error: Exception) -> Response[str]:
    # The text of an unforeseen error may hold what the request held, so only its kind is told.
    logger.error("Request failed", extra={"error": describe_error(error)})
    return answer_problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        Reason.INTERNAL_ERROR,
        "Something failed here; the request may be repeated.",
    )


def _build_response(answer: Response[str]) -> dict[str, Any]:
    return {
        "statusCode": answer.status_code,
        "multiValueHeaders": {"Content-Type": [answer.content_type]},
        "body": answer.body,
        "isBase64Encoded": False,
    }


def _allow_origin(event: dict[str, Any]) -> dict[str, list[str]]:
    """Return the headers that let a page of the allowed origin read an answer, if an origin is allowed."""
    origin = (event.get("stageVariables") or {}).get(ALLOWED_ORIGIN, _NO_ORIGIN)
    if origin == _NO_ORIGIN:
        return {}
    return {
        "Access-Control-Allow-Origin": [origin],
        "Access-Control-Expose-Headers": ["Location, Retry-After"],
    }


def _check_id(comparison_id: str) -> None:
    """Refuse what can't be the id of a comparison; DynamoDB fails on keys above 2,048 bytes.

    Raises
    ------
    NotFoundError
        No comparison has such an id.
    """
    if not _COMPARISON_ID.fullmatch(comparison_id):
        raise NotFoundError(comparison_id)


def _caller() -> Caller:
    """Return who signed the request; the stage names the administrators."""
    identity = app.current_event.request_context.identity
    arn: str = identity.user_arn or ""
    if not arn:
        raise FacematchError(Reason.UNKNOWN_CALLER, "The request is not signed by a known principal.")
    administrators = parse_principals(app.current_event.stage_variables.get(ADMINISTRATORS, ""))
    return Caller(
        name_caller(arn, identity.cognito_identity_id),
        is_administrator=name_principal(arn) in administrators,
    )


def _choose_options(body: ComparisonBody) -> Options:
    stack = bootstrap.settings().options
    bounds = Bounds(
        match_from=stack.bounds.match_from if body.match_from is None else body.match_from,
        no_match_up_to=stack.bounds.no_match_up_to if body.no_match_up_to is None else body.no_match_up_to,
    )
    options = replace(stack, bounds=bounds)
    if body.face_quality_check is None:
        return options
    return replace(options, face_quality_check=body.face_quality_check)


def _answer_comparison(comparison: Comparison) -> Response[str]:
    if comparison.state is State.ERASED:
        raise NotFoundError(comparison.id, code=Reason.COMPARISON_ERASED)
    # The path as the client knows it, stage and all.
    location = {"Location": f"{app.current_event.request_context.path.rstrip('/')}/{comparison.id}"}
    if comparison.has_ended:
        return _answer_json(HTTPStatus.OK, view_comparison(comparison), location)
    headers = {**location, "Retry-After": str(_RETRY_AFTER_S)}
    return _answer_json(HTTPStatus.ACCEPTED, _view(comparison), headers)


def _view(comparison: Comparison) -> dict[str, Any]:
    return view_comparison(comparison, bootstrap.comparison_requester().find_hold(comparison))


def _answer_json(
    status: HTTPStatus, content: dict[str, Any], headers: dict[str, str] | None = None
) -> Response[str]:
    return Response(
        status.value,
        content_type=_JSON,
        body=json.dumps(content),
        headers=dict(headers or {}),
    )


end_start(bootstrap.comparison_requester, bootstrap.upload_desk)
