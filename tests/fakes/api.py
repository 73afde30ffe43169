"""An API on this machine with scripted answers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.http_server import Request, Response, make_json_response, run_http_server


@dataclass(slots=True)
class FakeApi:
    """Gives each request the next of `answers`, a status and a document, and keeps the requests."""

    url: str = ""
    answers: list[tuple[int, Any]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    def answer(self, request: Request) -> Response:
        self.requests.append((f"{request.method} {request.target}", dict(request.headers), request.body))
        status, document = self.answers.pop(0)
        return Response(b"", status) if document is None else make_json_response(document, status)


@contextmanager
def run_fake_api() -> Iterator[FakeApi]:
    api = FakeApi()
    with run_http_server(api.answer) as server:
        api.url = server.url.rstrip("/")
        yield api
