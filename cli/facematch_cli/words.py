"""The words that pages have for what events hold in codes."""

from collections.abc import Mapping
from typing import Final

VERDICTS: Final[Mapping[str, tuple[str, str]]] = {
    "match": ("Match", "match"),
    "no_match": ("No match", "no_match"),
    "review": ("For review", "review"),
    "photo_rejected": ("Photo rejected", "fault"),
    "failed": ("Failed", "fault"),
    "erased": ("Erased", "plain"),
}
"""Each verdict in words, and the tone that it is shown in."""

STEPS: Final[Mapping[str, str]] = {
    "wait_for_worker": "Wait for a worker",
    "read": "Read the photos",
    "prepare": "Prepare them",
    "connect": "Connect",
    "wait_for_slot": "Wait for a slot",
    "call": "Call the provider",
    "back_off": "Back off before a retry",
}
"""The steps of which an event's `timings_ms` tells, in their order."""
