"""The emulator on its sockets: a control port and one port for each endpoint."""

import asyncio
import errno
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from .answers import Answer, Delivery, Refusal, new_request_id, refuse
from .control import Control
from .endpoints import ENDPOINTS, PUBLIC, Endpoint
from .service import FaceCompareService, Rules
from .signature import ReceivedRequest

# Far above what the provider takes, so that its own refusals are what a caller meets.
_MAX_BODY_BYTES: Final = 64 * 1024 * 1024
# SO_LINGER on, zero seconds: closing sends a reset instead of a polite end.
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


class PortBusyError(OSError):
    """A port that the emulator needs is not free."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running emulator listens."""

    control: str
    endpoints: tuple[tuple[Endpoint, str], ...]

    def address(self, region: str, network: str = PUBLIC) -> str:
        """Return ``host:port`` for the SDK's ``Config(endpoint=…, protocol="HTTP")``."""
        return next(
            address
            for endpoint, address in self.endpoints
            if (endpoint.region, endpoint.network) == (region, network)
        )

    def to_json(self) -> dict[str, object]:
        """Return what the program prints when it is ready."""
        return {"control": self.control, "endpoints": self.list_endpoints()}

    def list_endpoints(self) -> list[dict[str, str]]:
        """Return every endpoint with the provider's host name and the local address."""
        return [
            {
                "region": endpoint.region,
                "network": endpoint.network,
                "host": endpoint.host,
                "address": address,
            }
            for endpoint, address in self.endpoints
        ]


class Emulator:
    """All ports of one emulator, in the running event loop."""

    def __init__(self, rules: Rules | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.service = FaceCompareService(rules or Rules())
        self._host = host
        self._port = port
        self._runners: list[web.AppRunner] = []
        self._serving: set[asyncio.Task[Answer]] = set()
        self._stopping = asyncio.Event()
        self._addresses: Addresses | None = None

    async def start(self) -> Addresses:
        """Listen on every port; on port 0 each is whichever is free."""
        try:
            control = await self._listen(self._control_app(), self._port)
            endpoints = []
            for offset, endpoint in enumerate(ENDPOINTS, start=1):
                port = self._port + offset if self._port else 0
                endpoints.append((endpoint, await self._listen(self._endpoint_app(endpoint), port)))
        except OSError:
            await self.stop()
            raise
        self._addresses = Addresses(f"http://{control}", tuple(endpoints))
        return self._addresses

    async def stop(self) -> None:
        """Release hanging calls, drop those still being served, and close every port."""
        self._stopping.set()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        self._runners.clear()

    async def _listen(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        self._runners.append(runner)
        try:
            await web.TCPSite(runner, self._host, port).start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            raise PortBusyError(error.errno, f"Port {port} on {self._host} is in use.") from error
        host, bound_port, *_ = runner.addresses[0]
        return f"{host}:{bound_port}"

    def _control_app(self) -> web.Application:
        app = web.Application()
        Control(self.service, self._list_endpoints).add_routes(app.router)
        return app

    def _list_endpoints(self) -> list[dict[str, str]]:
        return self._addresses.list_endpoints() if self._addresses else []

    def _endpoint_app(self, endpoint: Endpoint) -> web.Application:
        app = web.Application(client_max_size=_MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handler(endpoint))
        return app

    def _handler(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            try:
                received = await _receive(request)
            except web.HTTPRequestEntityTooLarge:
                return _respond(refuse(new_request_id(), endpoint.host, Refusal("ToolargeImage")))
            return await self._deliver(request, await self._serve(endpoint, received))

        return handle

    async def _serve(self, endpoint: Endpoint, received: ReceivedRequest) -> Answer:
        # Like the provider, it finishes and bills what it began, also for a client that has gone away.
        task = asyncio.create_task(self.service.serve(endpoint, received))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return await asyncio.shield(task)

    async def _deliver(self, request: web.Request, answer: Answer) -> web.Response:
        if answer.delivery is Delivery.HANG:
            # Ends when the client goes away, which cancels this handler, or when the emulator stops.
            await self._stopping.wait()
        if answer.delivery is not Delivery.SEND:
            _reset(request)
        return _respond(answer)


async def _receive(request: web.Request) -> ReceivedRequest:
    size_bytes = request.content_length or 0
    if size_bytes > _MAX_BODY_BYTES:
        raise web.HTTPRequestEntityTooLarge(_MAX_BODY_BYTES, size_bytes)
    path, _, query_string = request.raw_path.partition("?")
    headers = tuple((name.lower(), value) for name, value in request.headers.items())
    return ReceivedRequest(request.method, path, query_string, headers, await request.read())


def _respond(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.http_status or 500,
        body=answer.body,
        content_type=answer.content_type,
        charset="utf-8",
        headers=answer.headers,
    )


def _reset(request: web.Request) -> None:
    if request.transport is None:
        return
    connection: socket.socket = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    request.transport.abort()


@contextmanager
def run_emulator(
    rules: Rules | None = None, *, host: str = "127.0.0.1", port: int = 0
) -> Iterator[Addresses]:
    """Run an emulator in a thread of its own for as long as the context lasts."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="facecompare-emulator")
    thread.start()

    async def start() -> tuple[Emulator, Addresses]:
        emulator = Emulator(rules, host=host, port=port)
        return emulator, await emulator.start()

    try:
        emulator, addresses = asyncio.run_coroutine_threadsafe(start(), loop).result()
        try:
            yield addresses
        finally:
            asyncio.run_coroutine_threadsafe(emulator.stop(), loop).result()
    finally:
        asyncio.run_coroutine_threadsafe(loop.shutdown_default_executor(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
