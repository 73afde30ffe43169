"""The HTTP API."""

import json
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Final

from aws_lambda_powertools.event_handler import APIGatewayRestResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError as RouteNotFoundError
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Path
from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEvent
from aws_lambda_powertools.utilities.typing import LambdaContext

from facematch import bootstrap
from facematch.domain.comparison import Comparison, Options, State
from facematch.domain.errors import FacematchError, NotFoundError
from facematch.domain.principals import name_principal, parse_principals
from facematch.domain.quota import INTERACTIVE_HORIZON_S
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
from facematch.handlers.problems import answer_error, answer_problem, answer_validation
from facematch.handlers.start import end_start
from facematch.handlers.telemetry import count, describe_error, logger, metrics
from facematch.use_cases.compare_pair import Effort
from facematch.use_cases.request_comparison import Caller, ComparisonRequest


def _read_json(text: str) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Return what a body holds; nesting too deep and numbers too long for Python are no JSON, either."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise json.JSONDecodeError("unreadable", "", 0) from None


app = APIGatewayRestResolver(enable_validation=True, json_body_deserializer=_read_json)

_ANSWER_TIME_S: Final = 10.0
"""How long a caller waits for a slot and for repeated calls; the last call may time out after that."""
_IDEMPOTENCY_KEY_LIMIT: Final = 255
_RETRY_AFTER_S: Final = 2
_JSON: Final = "application/json"
ADMINISTRATORS: Final = "AdminPrincipals"
"""The stage's variable of that name: a stage has its change at once, a published version never."""

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
        (503, "The provider is failing at the moment; `Retry-After` says when to come again."),
    )
}


@metrics.log_metrics
@logger.inject_lambda_context(clear_state=True)
def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one request."""
    response = app.resolve(event, context) if _brings_json(event) else _refuse_media_type()
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
    # RFC 7240: preferences with commas between them, each perhaps with parameters.
    preferences = {part.partition(";")[0].strip().lower() for part in (prefer or "").split(",")}
    effort = None if "respond-async" in preferences else Effort(INTERACTIVE_HORIZON_S, _ANSWER_TIME_S)
    return _answer_comparison(bootstrap.comparison_desk().submit(request, effort))


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
def read_comparison(comparison_id: Annotated[str, Path()]) -> Response[str]:
    """Answer with the state or the verdict of a comparison."""
    comparison = bootstrap.comparison_desk().find(comparison_id, _caller())
    if comparison.state is State.ERASED:
        raise NotFoundError(comparison_id, code="comparison_erased")
    return _answer_json(HTTPStatus.OK, view_comparison(comparison))


@app.delete(
    "/v1/comparisons/<comparison_id>",
    summary="Erase a comparison",
    responses={204: {"description": "The photos and the record are gone."}, **_PROBLEMS},
)
def erase_comparison(comparison_id: Annotated[str, Path()]) -> Response[str]:
    """Erase the photos and the record."""
    bootstrap.comparison_desk().erase(comparison_id, _caller())
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
    return answer_problem(HTTPStatus.NOT_FOUND, "route_not_found", "There is no such route.")


@app.exception_handler(Exception)
def _on_fault(error: Exception) -> Response[str]:
    # The text of an unforeseen error may hold what the request held, so only its kind is told.
    logger.error("Request failed", extra={"error": describe_error(error)})
    return answer_problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        "Something failed here; the request may be repeated.",
    )


def _brings_json(event: dict[str, Any]) -> bool:
    """Whether a body is declared as JSON, or as nothing; Powertools by itself would read forms as well."""
    declared = APIGatewayProxyEvent(event).headers.get("content-type") or _JSON
    return not event.get("body") or declared.partition(";")[0].strip() == _JSON


def _refuse_media_type() -> dict[str, Any]:
    refusal = answer_problem(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", f"The body is {_JSON}."
    )
    return {
        "statusCode": refusal.status_code,
        "multiValueHeaders": {"Content-Type": [refusal.content_type]},
        "body": refusal.body,
        "isBase64Encoded": False,
    }


def _caller() -> Caller:
    """Return who signed the request; the stage tells who of them may see everything."""
    arn: str = app.current_event.request_context.identity.user_arn or ""
    if not arn:
        raise FacematchError("unknown_caller", "The request is not signed by a known principal.")
    principal = name_principal(arn)
    administrators = parse_principals(app.current_event.stage_variables.get(ADMINISTRATORS, ""))
    return Caller(principal, is_administrator=principal in administrators)


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
        raise NotFoundError(comparison.id, code="comparison_erased")
    # The path as the client knows it, stage and all.
    location = {"Location": f"{app.current_event.request_context.path.rstrip('/')}/{comparison.id}"}
    if comparison.ended:
        return _answer_json(HTTPStatus.OK, view_comparison(comparison), location)
    headers = {**location, "Retry-After": str(_RETRY_AFTER_S)}
    return _answer_json(HTTPStatus.ACCEPTED, view_comparison(comparison), headers)


def _answer_json(
    status: HTTPStatus, content: dict[str, Any], headers: dict[str, str] | None = None
) -> Response[str]:
    return Response(
        status.value,
        content_type=_JSON,
        body=json.dumps(content),
        headers=dict(headers or {}),
    )


end_start(bootstrap.comparison_desk, bootstrap.upload_desk)
