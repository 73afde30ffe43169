"""A server on this machine that answers as it is told to, in the place of a cloud's."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """One request; of parameters that repeat, the first counts."""

    path: str
    query: Mapping[str, str]
    form: Mapping[str, str]


@dataclass(frozen=True)
class Response:
    body: bytes
    http_status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


type Answer = Callable[[Request], Response | None]


class StandIn(ThreadingHTTPServer):
    """Answers each POST by `answer`; with None it says nothing until the test is over."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.requests: list[Request] = []
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class _Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        request = Request(url.path, _read(url.query), _read(body))
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

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _read(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}


@contextmanager
def run_stand_in(answer: Answer) -> Iterator[StandIn]:
    with StandIn(answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
