"""The emulator's answers: the provider's codes, statuses and JSON."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

SUCCESS: Final = "Success"
THROTTLED: Final = "Throttling.Api"
RETRY_AFTER_HEADER: Final = "x-acs-retry-after"

# Code -> HTTP status and message: the codes of the API page, of the gateway (the provider's lists of common
# errors), and of STS. `NotEmulated.*` are the emulator's own.
CODES: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        "MissingParameter": (400, "A required parameter is missing."),
        "InvalidParameter": (400, "A parameter is not valid."),
        "NoFaceDetected": (401, "No facial features could be extracted from the photo."),
        "UnqualifiedPhoto": (401, "The photo is unreadable or outside the permitted resolution."),
        "ToolargeImage": (401, "The photo is too large."),
        "DataDuplication": (401, "A photo was given both as a base64 string and as a URL."),
        "DownloadTimeout": (401, "The photo could not be downloaded from its URL in time."),
        "Forbidden.RAMUserAccessDenied": (403, "The RAM user may not perform this operation."),
        "Forbidden.AccountAccessDenied": (403, "The service is not activated or the account is overdue."),
        THROTTLED: (403, "The call was rejected because of throttling."),
        "InternalError": (500, "An internal error occurred."),
        "ActionUnauthorized": (403, "The user is not authorized to perform this operation."),
        # The spelling is the provider's.
        "Forbedden.NotSupportRAM": (403, "This operation does not support RAM users."),
        "Forbidden.ExceptionRepeatedInvoke": (403, "The same faulty request was repeated too often."),
        "Forbidden.NotSupportRAM": (403, "This operation does not support RAM users."),
        "IllegalTimestamp": (400, "The time stamp is not valid."),
        "InsufficientBalance": (400, "The account's balance is insufficient."),
        "InvalidApi.NotFound": (404, "Specified api is not found."),
        "InvalidProtocol.NeedSsl": (404, "This operation requires HTTPS."),
        "NoSuchVersion": (400, "Specified version does not exist."),
        "SuspiciousActivity": (429, "Suspicious activity was detected. Try again later."),
        "IncompleteSignature": (400, "The request signature does not conform to the signature method."),
        "InvalidAccessKeyId.NotFound": (404, "Specified access key is not found."),
        "InvalidAccessKeyId.Inactive": (400, "Specified access key is disabled."),
        "InvalidAction.NotFound": (404, "Specified api is not found, please check your url and method."),
        "InvalidSecurityToken.Expired": (400, "Specified SecurityToken is expired."),
        "InvalidSecurityToken.MismatchWithAccessKey": (
            400,
            "Specified SecurityToken mismatch with AccessKey.",
        ),
        "InvalidTimeStamp.Expired": (400, "Specified time stamp or date value is expired."),
        "InvalidTimeStamp.Format": (400, "Specified time stamp or date value is not well formatted."),
        "InvalidVersion": (400, "Specified parameter Version is not valid."),
        "MissingAccessKeyId": (400, "AccessKeyId is mandatory for this action."),
        "MissingAction": (400, "Action is mandatory for this action."),
        "MissingSecurityToken": (400, "SecurityToken is mandatory for this action."),
        "MissingSignatureNonce": (400, "SignatureNonce is mandatory for this action."),
        "MissingTimestamp": (400, "Timestamp is mandatory for this action."),
        "MissingVersion": (400, "Version is mandatory for this action."),
        "SignatureDoesNotMatch": (400, "Specified signature does not match our calculation."),
        "SignatureNonceUsed": (400, "Specified signature nonce was used already."),
        "UnsupportedHTTPMethod": (403, "This http method is not supported."),
        "NotEmulated.Signature": (400, "The emulator verifies ACS3-HMAC-SHA256 signatures only."),
        "AuthenticationFail.NoPermission": (401, "The role may not be assumed with this token."),
        "AuthenticationFail.OIDCToken.AudienceNotMatch": (401, "The token is meant for another audience."),
        "AuthenticationFail.OIDCToken.Expired": (401, "The token has expired."),
        "AuthenticationFail.OIDCToken.Invalid": (
            401,
            "The token is not a JSON Web Token.",
        ),
        "AuthenticationFail.OIDCToken.InvalidSignature": (401, "The token is not signed by its issuer."),
        "AuthenticationFail.OIDCToken.IssuerNotMatch": (401, "The token has another issuer."),
        "InvalidParameter.DurationSeconds": (400, "The parameter DurationSeconds is not valid."),
        "InvalidParameter.RoleArn": (400, "The parameter RoleArn is not valid."),
        "InvalidParameter.RoleSessionName": (400, "The parameter RoleSessionName is not valid."),
    },
)


class Refusal(Exception):  # noqa: N818 - the provider's refusal is an answer, not an error of the emulator
    """A call ends with one of the provider's codes."""

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        http_status: int | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        known_status, known_message = CODES.get(code, (500, code))
        self.code = code
        self.message = message or known_message
        self.http_status = http_status or known_status
        self.retry_after_ms = retry_after_ms
        super().__init__(f"{self.code}: {self.message}")


class Delivery(StrEnum):
    """How an answer is delivered."""

    SEND = "send"
    RESET = "reset"
    HANG = "hang"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer. A reset or a hang has no status, code or body."""

    delivery: Delivery = Delivery.SEND
    http_status: int | None = None
    code: str | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def new_request_id() -> str:
    """Return an id in the provider's format."""
    return str(uuid.uuid4()).upper()


def succeed(request_id: str, result: object = None, *, code: str | int = SUCCESS) -> Answer:
    """Answer HTTP 200 with a success code, and with a `Result` unless it is None."""
    body = {"Code": code, "Message": "success", **({} if result is None else {"Result": result})}
    return _answer_json(request_id, 200, body)


def succeed_without_code(request_id: str, document: Mapping[str, object]) -> Answer:
    """Answer HTTP 200 like STS, which sends no `Code` in this case."""
    return Answer(
        http_status=200,
        code=SUCCESS,
        headers={"x-acs-request-id": request_id},
        body=json.dumps({"RequestId": request_id, **document}).encode(),
    )


def refuse(request_id: str, host: str, refusal: Refusal) -> Answer:
    """Answer with a failing code, in the format of a result (HTTP 200) or of a gateway error."""
    body = {"Code": refusal.code, "Message": refusal.message}
    if refusal.http_status >= 400:  # noqa: PLR2004 - HTTP's first error status
        body["HostId"] = host
        body["Recommend"] = (
            f"https://api.alibabacloud.com/troubleshoot?q={refusal.code}"
            f"&product={'Sts' if host.startswith('sts') else 'Cloudauth-intl'}&requestId={request_id}"
        )
    headers = {} if refusal.retry_after_ms is None else {RETRY_AFTER_HEADER: str(refusal.retry_after_ms)}
    return _answer_json(request_id, refusal.http_status, body, headers=headers)


def answer_html(http_status: int) -> Answer:
    """Answer with an HTML page, like a proxy in front of a failing provider."""
    page = f"<html><head><title>{http_status}</title></head><body><h1>{http_status}</h1></body></html>\n"
    return Answer(http_status=http_status, content_type="text/html", body=page.encode())


def break_json(request_id: str) -> Answer:
    """Answer HTTP 200 with the first half of a JSON document."""
    whole = succeed(request_id)
    return Answer(http_status=200, headers=whole.headers, body=whole.body[: len(whole.body) // 2])


def _answer_json(
    request_id: str,
    http_status: int,
    body: Mapping[str, object],
    headers: Mapping[str, str] | None = None,
) -> Answer:
    return Answer(
        http_status=http_status,
        code=str(body["Code"]),
        headers={"x-acs-request-id": request_id, **(headers or {})},
        body=json.dumps({"RequestId": request_id, **body}).encode(),
    )
