"""Labels for the codes in events, for pages."""

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
"""The label and the colour of each verdict."""

STEPS: Final[Mapping[str, str]] = {
    "wait_for_worker": "Wait for a worker",
    "read": "Read the photos",
    "prepare": "Prepare the photos",
    "connect": "Connect",
    "wait_for_slot": "Wait for a slot",
    "call": "Call the provider",
    "back_off": "Back off before a retry",
}
"""The steps in an event's `timings_ms`, in order."""

WARNINGS: Final[Mapping[str, str]] = {
    "no_face": "The detector finds no face.",
    "several_faces": "The photo has more than one face.",
    "face_too_small": "The face is small: with hair, it fills less than 30 % of the photo that is sent.",
    "blurred": "The face is blurred.",
    "dark": "The face is dark.",
    "head_cut_off": "The border of the photo cuts off the head.",
}
"""The sentence for each warning about a photo."""
