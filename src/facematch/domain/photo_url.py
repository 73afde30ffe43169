"""Photo URLs that callers hand in: handed on to the provider, never fetched here.

Only public hosts are let through, in whatever spelling a resolver would take: the provider must not be made
to ask its own network, and a mistake should show before it costs a call.
"""

import ipaddress
import re
import socket
from typing import Final
from urllib.parse import urlsplit

from facematch.domain.errors import InvalidInputError
from facematch.domain.reasons import Reason

URL_LENGTH_LIMIT: Final = 2048
_HOST_NAME: Final = re.compile(
    r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]*[a-z0-9]"
)
_ENCODED: Final = re.compile(r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*")
"""What a URL may hold. Source: RFC 3986, section 2; every other character is percent-encoded."""
_CREDENTIALS: Final = re.compile(r"[^/]*//[^/]*@")
"""An at sign before any path: some readers take all before it for credentials, be it `host?` or `host#`."""
_AZURE_HOST: Final = ipaddress.IPv4Address("168.63.129.16")
"""The one metadata service behind an address that is public by its number."""
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_PRIVATE_SUFFIXES: Final = (
    ".localhost",
    ".localdomain",
    ".localdomain4",
    ".localdomain6",
    ".local",
    ".internal",
    ".svc",
    ".private",
    ".home",
    ".lan",
    ".home.arpa",
    ".intranet",
    ".corp",
    ".test",
    ".invalid",
    ".example",
    ".onion",
)


def check_photo_url(url: str, *, field: str) -> None:
    """Accept an http or https URL on a public host, without credentials, of at most 2,048 characters.

    Raises
    ------
    InvalidInputError
        `invalid_url` for one that is not a URL of that kind, `forbidden_url` for a host that is not public.
    """
    if len(url) > URL_LENGTH_LIMIT:
        raise _invalid(field, f"is longer than {URL_LENGTH_LIMIT} characters")
    if not _ENCODED.fullmatch(url):
        raise _invalid(field, "holds characters that a URL must percent-encode")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _invalid(field, "can't be read as a URL") from None
    if parts.scheme not in {"http", "https"}:
        raise _invalid(field, "is neither http nor https")
    if _CREDENTIALS.match(url):
        raise _invalid(field, "holds credentials")
    if not parts.hostname:
        raise _invalid(field, "names no host")
    if port == 0:
        raise _invalid(field, "has port 0")
    if "[" in parts.netloc and ":" not in parts.hostname:
        raise _invalid(field, "can't be read as a URL")
    if not _is_public(parts.hostname):
        raise InvalidInputError(Reason.FORBIDDEN_URL, "The URL does not lead to a public host.", field=field)


def _invalid(field: str, why: str) -> InvalidInputError:
    return InvalidInputError(Reason.INVALID_URL, f"The URL {why}.", field=field)


def _is_public(hostname: str) -> bool:
    host = hostname.rstrip(".").lower()
    address = _read_address(host)
    if address is not None:
        return _is_public_address(address)
    return bool(_HOST_NAME.fullmatch(host)) and not f".{host}".endswith(_PRIVATE_SUFFIXES)


def _read_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        # inet_aton knows the decimal, octal, hexadecimal and shortened spellings that resolvers take.
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        pass
    try:
        return ipaddress.IPv6Address(host)
    except ValueError:
        return None


def _is_public_address(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            return False
        embedded = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if embedded:
            return _is_public_address(embedded)
        if address in ipaddress.IPv6Network("64:ff9b::/96"):
            return _is_public_address(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _GLOBAL_UNICAST:
            return False
    return address.is_global and not address.is_multicast and address != _AZURE_HOST
