"""AWS STS as far as its model in botocore describes `GetWebIdentityToken`, with a token signed here."""

from datetime import UTC, datetime
from xml.sax.saxutils import escape

from tests.fakes.http_server import Request, Response
from tests.fakes.web_identity import make_claims, make_token

_XML = {"content-type": "text/xml"}
_NAMESPACE = 'xmlns="https://sts.amazonaws.com/doc/2011-06-15/"'


def issue_token(request: Request, now_s: float | None = None) -> Response:
    """Answer as AWS STS does to a request in order."""
    if (request.form["Action"], request.form["Version"]) != ("GetWebIdentityToken", "2011-06-15"):
        return refuse("InvalidAction", 400)
    claims = make_claims(now_s, aud=request.form["Audience.member.1"])
    claims["exp"] = claims["iat"] + int(request.form["DurationSeconds"])
    token = make_token(claims, algorithm=request.form["SigningAlgorithm"])
    expiration = datetime.fromtimestamp(claims["exp"], UTC).isoformat().replace("+00:00", "Z")
    return hand_out(f"<WebIdentityToken>{token}</WebIdentityToken><Expiration>{expiration}</Expiration>")


def hand_out(result: str) -> Response:
    return _answer(
        f"<GetWebIdentityTokenResponse {_NAMESPACE}><GetWebIdentityTokenResult>{result}"
        f"</GetWebIdentityTokenResult></GetWebIdentityTokenResponse>"
    )


def refuse(code: str, http_status: int, message: str = "A sentence.") -> Response:
    return _answer(
        f"<ErrorResponse {_NAMESPACE}><Error><Type>Sender</Type><Code>{escape(code)}</Code>"
        f"<Message>{escape(message)}</Message></Error></ErrorResponse>",
        http_status,
    )


def _answer(document: str, http_status: int = 200) -> Response:
    return Response(document.encode(), http_status, _XML)
