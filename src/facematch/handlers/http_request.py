"""An event of API Gateway in the one form that the routes read.

API Gateway passes on what a client sent: header names in any case, headers on several lines,
a body of bytes.
"""

import base64
import re
from email.message import Message
from typing import Any, Final

from facematch.domain.errors import FacematchError
from facematch.domain.reasons import Reason

_JSON: Final = "application/json"
_CHARSETS: Final = {"utf-8", "utf8", "us-ascii"}
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')


def normalize_request(event: dict[str, Any]) -> dict[str, Any]:
    """Return the event with header names in lower case, `Prefer` on one line and the body as text.

    Raises
    ------
    FacematchError
        `unsupported_media_type` for a body that is declared as something other than JSON in UTF-8,
        `invalid_encoding` for one that is not UTF-8.
    """
    headers = _merge_headers(event)
    body = event.get("body")
    if body:
        body = _read_text(body, headers, is_base64=bool(event.get("isBase64Encoded")))
        # Powertools compares the media type letter by letter.
        headers["content-type"] = [_JSON]
    if "prefer" in headers:
        headers["prefer"] = [", ".join(headers["prefer"])]
    return {
        **event,
        "headers": {name: lines[-1] for name, lines in headers.items() if lines},
        "multiValueHeaders": headers,
        "body": body,
        "isBase64Encoded": False,
    }


def prefers_async(prefer: str) -> bool:
    """Return whether a `Prefer` header asks for `respond-async`.

    Source: RFC 7240, section 2. Parameters are ignored, an empty value is no value, and the first of two
    equal preferences counts.
    """
    # A quoted value may hold commas and semicolons.
    plain = _QUOTED.sub(lambda quoted: "quoted" if quoted[1] else "", prefer)
    for preference in plain.split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "respond-async":
            return not value.strip()
    return False


def _merge_headers(event: dict[str, Any]) -> dict[str, list[str]]:
    """Return the lines of each header, from the single ones if an event has no `multiValueHeaders`."""
    single = {name: [value] for name, value in (event.get("headers") or {}).items()}
    merged: dict[str, list[str]] = {}
    for name, lines in (event.get("multiValueHeaders") or single).items():
        merged.setdefault(name.lower(), []).extend(lines)
    return merged


def _read_text(body: str, headers: dict[str, list[str]], *, is_base64: bool) -> str:
    charset = _read_charset(headers.get("content-type", []))
    try:
        text = base64.b64decode(body, validate=True).decode() if is_base64 else body
    except ValueError:
        raise FacematchError(
            Reason.INVALID_ENCODING, "The body is not UTF-8 text without compression."
        ) from None
    # API Gateway has replaced every byte that is not UTF-8 by then.
    if charset not in _CHARSETS and not text.isascii():
        raise FacematchError(Reason.UNSUPPORTED_MEDIA_TYPE, "Send the body in UTF-8.")
    return text


def _read_charset(content_types: list[str]) -> str:
    """Return the charset of a body of JSON, by default UTF-8.

    Source: RFC 9110, section 8.3.1: types and names of parameters have no case, values may be quoted.
    """
    charset = "utf-8"
    for line in content_types:
        header = Message()
        header["content-type"] = line
        if line.strip() and header.get_content_type() != _JSON:
            raise FacematchError(Reason.UNSUPPORTED_MEDIA_TYPE, f"Send the body as {_JSON}.")
        charset = header.get_content_charset() or charset
    return charset
