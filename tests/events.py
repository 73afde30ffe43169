"""The one loader of the recorded events in `events/`."""

import json
import re
from pathlib import Path
from typing import Any

EVENTS = Path(__file__).resolve().parents[1] / "events"
LOADED: set[str] = set()
"""The names of the events that were loaded in this process."""

type Event = dict[str, Any]


def load_event(name: str, **photos: str) -> Event:
    """Return the recorded event `events/{name}.json`, its placeholders filled with `photos`.

    Raises
    ------
    KeyError
        The event has a placeholder that `photos` has nothing for.
    """
    event: Event = _fill(json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8")), photos)
    LOADED.add(name)
    return event


def _fill(value: Any, photos: dict[str, str]) -> Any:
    match value:
        case dict():
            return {name: _fill(inner, photos) for name, inner in value.items()}
        case list():
            return [_fill(inner, photos) for inner in value]
        case str():
            return re.sub(r"\{\{(\w+)\}\}", lambda found: photos[found[1]], value)
    return value
