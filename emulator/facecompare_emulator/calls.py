"""The log of calls."""

from collections import deque
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final

from .endpoints import Endpoint
from .photos import PhotoFacts
from .recent import Recent

MAX_CALLS: Final = 100_000
# Long enough to see that an id is too long. The log must not contain a picture that is sent as an id.
MAX_ID_LENGTH: Final = 64


@dataclass(slots=True, kw_only=True)
class Call:
    """One call, without pictures and URLs. It is not frozen: the emulator fills it in step by step."""

    region: str
    network: str
    host: str
    action: str | None
    received_at: str
    merchant_biz_id: str | None = None
    duplicate_merchant_biz_id: bool = False
    transaction_id: str | None = None
    code: str | None = None
    http_status: int | None = None
    duration_ms: float = 0.0
    compared: bool = False
    delivery: str = "send"
    scenario: str | None = None
    pictures: dict[str, PhotoFacts | None] = field(default_factory=dict)


def begin_call(endpoint: Endpoint, action: str | None, received_at: datetime) -> Call:
    """Return the record of a call that has just arrived."""
    return Call(
        region=endpoint.region,
        network=endpoint.network,
        host=endpoint.host,
        action=action[:MAX_ID_LENGTH] if action else None,
        received_at=received_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )


class CallLog:
    """The last calls, oldest first."""

    def __init__(self, max_calls: int = MAX_CALLS) -> None:
        self._calls: deque[Call] = deque(maxlen=max_calls)
        self._merchant_biz_ids = Recent(max_count=max_calls)

    def note_merchant_biz_id(self, call: Call, merchant_biz_id: str, now_s: float) -> None:
        """Record the business id, and whether an earlier call used it."""
        call.merchant_biz_id = merchant_biz_id[:MAX_ID_LENGTH]
        call.duplicate_merchant_biz_id = not self._merchant_biz_ids.remember(call.merchant_biz_id, now_s)

    def add(self, call: Call) -> None:
        """Add an answered call."""
        self._calls.append(call)

    def clear(self) -> None:
        """Remove all calls and business ids."""
        self._calls.clear()
        self._merchant_biz_ids.clear()

    def describe(
        self, region: str | None = None, merchant_biz_id: str | None = None
    ) -> list[dict[str, object]]:
        """Return the calls for JSON: all calls, or those of a region or a business id."""
        return [
            asdict(call)
            for call in self._calls
            if region in {None, call.region} and merchant_biz_id in {None, call.merchant_biz_id}
        ]
