"""Limits access to the console: only its own page, in the browser on this machine.

It refuses host names that another site has pointed at this machine (DNS rebinding), and requests from the
pages of other sites.
"""

from collections.abc import Collection
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
# `Sec-Fetch-Site` of requests from no page, or from the console's page.
_ALLOWED_SITES: Final = frozenset({"none", "same-origin"})


def make_guard(host_names: Collection[str]) -> Middleware:
    """Return a middleware that accepts only these host names, and no requests from other sites."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _read_host_name(request.host) not in host_names:
            return web.Response(
                status=HTTPStatus.MISDIRECTED_REQUEST, text="The console does not accept this host name.\n"
            )
        if not _is_own(request):
            return web.Response(
                status=HTTPStatus.FORBIDDEN, text="Only the console's own page may send this request.\n"
            )
        return await handler(request)

    return guard


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Add the security headers, which limit the page to the console's own content."""
    response.headers.update(_HEADERS)


def _read_host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_own(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site", "none")
    if request.method in _SAFE_METHODS:
        # Other sites may link to the page, but not call its API.
        return site in _ALLOWED_SITES or not request.path.startswith("/api/")
    return site in _ALLOWED_SITES and request.headers.get("Origin") == f"{request.scheme}://{request.host}"
