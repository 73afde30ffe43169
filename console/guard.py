"""Who may talk to the console: the browser on this machine, and in it no other site's page.

Names that another site has pointed at this machine (DNS rebinding) are not answered to, nor are requests that
another site's page sends.
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
_READING: Final = frozenset({"GET", "HEAD"})
# What a browser says of a request that no page made, or one of ours.
_OUR_SITES: Final = frozenset({"none", "same-origin"})


def make_guard(host_names: Collection[str]) -> Middleware:
    """Return a middleware that answers only to these host names, and to no other site's page."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _read_host_name(request.host) not in host_names:
            return web.Response(
                status=HTTPStatus.MISDIRECTED_REQUEST, text="The console does not go by this name.\n"
            )
        if not _is_ours(request):
            return web.Response(
                status=HTTPStatus.FORBIDDEN, text="Only the console's own page may ask for this.\n"
            )
        return await handler(request)

    return guard


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """Tell the browser what the page may do: nothing that is not the console's own."""
    response.headers.update(_HEADERS)


def _read_host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _is_ours(request: web.Request) -> bool:
    site = request.headers.get("Sec-Fetch-Site", "none")
    if request.method in _READING:
        # A link from elsewhere may lead to the page, but nothing of a stack may be asked for from there.
        return site in _OUR_SITES or not request.path.startswith("/api/")
    return site in _OUR_SITES and request.headers.get("Origin") == f"{request.scheme}://{request.host}"
