"""The emulator's HTTP servers: a control port, and one port for each endpoint."""

import asyncio
import errno
import logging
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.utils import format_datetime
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from .answers import Answer, Delivery, Refusal
from .bodies import MAX_BODY_BYTES, decode_body
from .control import Control
from .endpoints import ENDPOINTS, PUBLIC, Endpoint
from .photos import JudgeError
from .service import FaceCompareService, Rules
from .signature import ReceivedRequest

# SO_LINGER with zero seconds: closing sends a reset.
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


_LOG: Final = logging.getLogger(__name__)


class PortBusyError(OSError):
    """A port that the emulator needs is in use."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of a running emulator."""

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
        """Return the JSON document that the program prints when it is ready."""
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
    """One emulator with all its ports, in the running event loop."""

    def __init__(self, rules: Rules | None = None, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.service = FaceCompareService(rules or Rules())
        self._host = host
        self._port = port
        self._runners: list[web.AppRunner] = []
        self._serving: set[asyncio.Task[Answer]] = set()
        self._stopping = asyncio.Event()
        self._addresses: Addresses | None = None

    async def start(self) -> Addresses:
        """Listen on every port. With port 0, the system chooses free ports."""
        try:
            control = await self._listen(self._control_app(), self._port)
            endpoints = []
            for offset, endpoint in enumerate(ENDPOINTS, start=1):
                port = self._port + offset if self._port else 0
                endpoints.append((endpoint, await self._listen(self._endpoint_app(endpoint), port)))
            await self.service.rules.judge.start()
        except (OSError, JudgeError):
            await self.stop()
            raise
        self._addresses = Addresses(f"http://{control}", tuple(endpoints))
        return self._addresses

    async def stop(self) -> None:
        """End the hanging calls, cancel the calls in progress, and close every port."""
        self._stopping.set()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await self.service.rules.judge.stop()
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        self._runners.clear()

    async def _listen(self, app: web.Application, port: int) -> str:
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=_LOG,
            handler_cancellation=True,
            shutdown_timeout=1,
            keepalive_timeout=self.service.rules.idle_timeout_s,
            # `decode_body` decompresses, so that a damaged body is refused in the provider's format.
            auto_decompress=False,
        )
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
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handler(endpoint), expect_handler=_continue)
        return app

    def _handler(self, endpoint: Endpoint) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            received = _read_head(request)
            try:
                received = replace(received, body=await _read_body(request))
            except Refusal as refusal:
                answer = self.service.refuse_unreadable(endpoint, received, refusal)
            else:
                answer = await self._serve(endpoint, received)
            return await self._deliver(request, answer)

        return handle

    async def _serve(self, endpoint: Endpoint, received: ReceivedRequest) -> Answer:
        # Like the provider, the emulator finishes and bills a call even if the client disconnects.
        task = asyncio.create_task(self.service.serve(endpoint, received))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return await asyncio.shield(task)

    async def _deliver(self, request: web.Request, answer: Answer) -> web.Response:
        if answer.delivery is Delivery.HANG:
            # Ends when the client disconnects, which cancels this handler, or when the emulator stops.
            await self._stopping.wait()
        if answer.delivery is not Delivery.SEND:
            _reset(request)
        return self._respond(answer)

    def _respond(self, answer: Answer) -> web.Response:
        gateway = {
            "Date": format_datetime(self.service.now, usegmt=True),
            "Keep-Alive": f"timeout={self.service.rules.idle_timeout_s:g}",
        }
        return web.Response(
            status=answer.http_status or 500,
            body=answer.body,
            content_type=answer.content_type,
            charset="utf-8",
            headers={**gateway, **answer.headers},
        )


async def _continue(request: web.Request) -> None:
    """Send the 100 Continue that a client waits for. Other expectations are ignored."""
    if request.headers.get("expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


def _is_own_error(record: logging.LogRecord) -> bool:
    """Return whether a log record is about an error of the emulator, not about invalid HTTP of a client."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_LOG.addFilter(_is_own_error)


def _read_head(request: web.Request) -> ReceivedRequest:
    path, _, query_string = _clean(request.raw_path).partition("?")
    headers = tuple((name.lower(), _clean(value)) for name, value in request.headers.items())
    return ReceivedRequest(request.method, path, query_string, headers, b"")


async def _read_body(request: web.Request) -> bytes:
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise Refusal("ToolargeImage")
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Refusal("ToolargeImage") from None
    encoding = request.headers.get("content-encoding")
    return await asyncio.to_thread(decode_body, body, encoding) if encoding else body


def _clean(text: str) -> str:
    """Replace bytes that are not UTF-8, which aiohttp keeps as lone surrogates."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def _reset(request: web.Request) -> None:
    if request.transport is None:
        return
    connection: socket.socket = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    request.transport.abort()


@contextmanager
def run_emulator(
    rules: Rules | None = None, *, host: str = "127.0.0.1", port: int = 0
) -> Iterator[Addresses]:
    """Run an emulator in another thread during the block."""
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
