"""What the demo has seen of one pair on its way through the stack."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PhotoPassage:
    """One photo, as it came and as it was sent to the provider (None where it was refused)."""

    name: str
    before: bytes
    after: bytes | None
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Journey:
    """One pair from its way in to the results queue.

    `provider_host` is where the call goes in the cloud, `called_address` where it went here (None if it made
    no call). `event` is the message as it came off the results queue, `problem` the API's refusal; one of
    them is None. `total_ms` is what a person waited.
    """

    way_in: str
    region: str
    provider_host: str
    called_address: str | None
    photos: Mapping[str, PhotoPassage]
    event: Mapping[str, Any] | None
    problem: Mapping[str, Any] | None
    total_ms: int
