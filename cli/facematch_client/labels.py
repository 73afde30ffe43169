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
    "open": ("Open", "plain"),
    "incomplete": ("Incomplete", "plain"),
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

WARNINGS: Final[Mapping[str, str]] = {
    "no_face": "No face was found.",
    "several_faces": "There are several faces.",
    "face_too_small": "The face is small: with its hair it fills less than 30 % of the photo that is sent.",
    "blurred": "The face is blurred.",
    "dark": "The face is dark.",
    "head_cut_off": "The photo's border cuts the head off.",
}
"""Each warning about a photo in words."""
