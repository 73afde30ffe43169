"""Decodes compressed request bodies."""

import zlib
from typing import Final

from .answers import Refusal

# Far above the provider's limit, so that callers get the provider's refusals.
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
# RFC 9110, 8.4.1: "deflate" is the zlib format. 47 accepts the header of gzip and of zlib.
_GZIP_OR_ZLIB: Final = 47
_READABLE: Final = ("gzip", "x-gzip", "deflate")


def decode_body(body: bytes, content_encoding: str | None) -> bytes:
    """Return a body without its content encodings.

    Raises
    ------
    Refusal
        An encoding is unknown, the body is damaged, or the decoded body is too large.
    """
    for encoding in reversed([part.strip().lower() for part in (content_encoding or "").split(",")]):
        if encoding not in {"", "identity"}:
            body = _inflate(body, encoding)
    return body


def _inflate(body: bytes, encoding: str) -> bytes:
    if encoding not in _READABLE:
        raise Refusal("InvalidParameter", f"The body's content encoding '{encoding[:40]}' is not supported.")
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        decoded = inflater.decompress(body, MAX_BODY_BYTES)
    except zlib.error:
        raise _damaged(encoding) from None
    if inflater.unconsumed_tail:
        raise Refusal("ToolargeImage")
    if not inflater.eof:
        raise _damaged(encoding)
    return decoded


def _damaged(encoding: str) -> Refusal:
    return Refusal("InvalidParameter", f"The body cannot be decoded: it is not valid {encoding}.")
