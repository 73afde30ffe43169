"""Lambda's detection of recursive loops, in front of a stack's queues in moto."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from facematch import bootstrap
from tests.integration.handlers.functions import failed_records, invoke, make_messages
from tests.integration.handlers.stack import HandlerStack

INVOCATIONS_LIMIT: Final = 16
"""How often one chain may invoke a function. Source: Lambda developer guide, recursive loop detection."""
_HEADER: Final = "X-Amzn-Trace-Id"
_VARIABLE: Final = "_X_AMZN_TRACE_ID"


@dataclass(slots=True)
class RecursionGuard:
    """Invokes functions as Lambda does, unless their chain of invocations is too long.

    A chain is followed by the trace header: the SDK sends that of the invocation with each message, and SQS
    keeps it. `allowed` are the functions with `RecursiveLoop: Allow`; `dropped` are those that were not
    invoked, and `longest` is the most invocations of each function in one chain.
    """

    stack: HandlerStack
    monkeypatch: pytest.MonkeyPatch
    allowed: frozenset[str]
    dropped: list[str] = field(default_factory=list)
    longest: dict[str, int] = field(default_factory=dict)
    _headers: list[str] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator["RecursionGuard"]:
        """Read the trace header of each message that is sent during the block."""
        events, sent = bootstrap.comparison_queues().client.meta.events, "before-send.sqs.SendMessage"
        # Only in a function does the SDK send that header.
        self.monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "function")
        events.register(sent, self._keep_header)
        try:
            yield self
        finally:
            events.unregister(sent, self._keep_header)

    def start(self, function: str, event: dict[str, Any]) -> None:
        """Invoke a function by an event that no other invocation caused."""
        self._invoke(function, event, "")

    def deliver(self, queue: str, function: str) -> int:
        """Deliver all messages of a queue, one at a time; return how many there were."""
        bodies, headers = self.stack.take_bodies(queue), self._headers
        assert len(bodies) == len(headers)
        self._headers = []
        for body, header in zip(bodies, headers, strict=True):
            self._invoke(function, make_messages(body), header)
        return len(bodies)

    def _invoke(self, function: str, event: dict[str, Any], header: str) -> None:
        lineage = {name: int(count) for name, count in re.findall(r"(\w+):(\d+)", header)}
        lineage[function] = lineage.get(function, 0) + 1
        if lineage[function] > INVOCATIONS_LIMIT and function not in self.allowed:
            self.dropped.append(function)
            return
        self.longest[function] = max(self.longest.get(function, 0), lineage[function])
        reported = ";".join(f"{name}:{count}" for name, count in lineage.items())
        self.monkeypatch.setenv(_VARIABLE, f"Root=1-00000000-{'0' * 24};Lineage={reported}")
        response = invoke(function, event)
        assert response is None or failed_records(response) == []
        self.monkeypatch.delenv(_VARIABLE)

    def _keep_header(self, request: Any, **_: Any) -> None:
        header = request.headers.get(_HEADER, b"")
        text = header.decode() if isinstance(header, bytes) else str(header)
        assert text.startswith("Root=")
        self._headers.append(text.partition("Lineage=")[2])
