"""An HTTP server on this machine that answers as a test decides, in the place of a cloud's."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """One request; of parameters that repeat, the first counts."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return _read(urlsplit(self.target).query)

    @property
    def form(self) -> dict[str, str]:
        return _read(self.body.decode())


@dataclass(frozen=True)
class Response:
    body: bytes
    http_status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


type Answer = Callable[[Request], Response | None]


def make_json_response(document: object, http_status: int = 200) -> Response:
    return Response(json.dumps(document).encode(), http_status, {"content-type": "application/json"})


class FakeHttpServer(ThreadingHTTPServer):
    """Answers each request by `answer`; with None it does not answer until the test is over."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.requests: list[Request] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: FakeHttpServer

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        request = Request(self.command, self.path, dict(self.headers), body)
        self.server.requests.append(request)
        response = self.server.answer(request)
        if response is None:
            self.server.over.wait()
            return
        self.send_response(response.http_status)
        self.send_header("content-length", str(len(response.body)))
        for name, value in response.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - so the server calls them

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _read(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}


@contextmanager
def run_http_server(answer: Answer) -> Iterator[FakeHttpServer]:
    with FakeHttpServer(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
