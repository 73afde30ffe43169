"""A client of the emulator on a local stack: its calls, and the scenarios that the page switches."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientSession

from facematch_client.stack import STACK_FILE

_COMPARISONS: Final = frozenset({"FaceCompare", "FaceCompareV2"})
_SHOWN: Final = 8
_READ: Final = 200
"""Calls to read. Comparisons are rare among the free calls of `facematch doctor` and of a hold."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A scenario that the page switches. `fields` are the emulator's fields for it."""

    id: str
    title: str
    description: str
    fields: Mapping[str, Any]


SWITCHES: Final = (
    Switch(
        "no-face",
        "No face",
        "The provider finds no face. The pair ends immediately as photo rejected.",
        {"effect": "refuse", "code": "NoFaceDetected"},
    ),
    Switch(
        "throttled",
        "Throttled",
        "The provider throttles the calls. The region is on hold for a second, again and again.",
        {"effect": "refuse", "code": "Throttling.Api", "retry_after_ms": 1000},
    ),
    Switch(
        "outage",
        "Outage",
        "Every call fails. The region is put on hold. From time to time, one trial call is made.",
        {"effect": "refuse", "code": "InternalError"},
    ),
    Switch(
        "lost-answer",
        "Lost answer",
        "The connection breaks after the comparison. The call was possibly billed.",
        {"effect": "reset", "after_compare": True},
    ),
    Switch(
        "key-refused",
        "Key refused",
        "The provider refuses the key. The region is on hold until it accepts the key. No work is lost.",
        {"effect": "refuse", "code": "Forbidden.RAMUserAccessDenied"},
    ),
    Switch(
        "other-person",
        "Another person",
        "The provider does not pass the pair. The score is 12.5.",
        {"effect": "answer", "score": 12.5, "passed": "N"},
    ),
    Switch(
        "in-doubt",
        "In doubt",
        "The provider passes the pair with a score of 72. With a higher bound, the verdict is review.",
        {"effect": "answer", "score": 72, "passed": "Y"},
    ),
    Switch(
        "slow",
        "Slow",
        "Every answer takes 4 s.",
        {"effect": "answer", "latency_ms": 4000},
    ),
)
"""In order of priority: if several are on, the first applies."""


def find_emulator(folder: Path) -> str | None:
    """Return the address of the emulator's control port, from the stack file in `folder` or above."""
    for above in (folder, *folder.parents):
        file = above / STACK_FILE
        if file.is_file():
            address: str = json.loads(file.read_text(encoding="utf-8"))["emulator_url"]
            return address
    return None


@dataclass(frozen=True, slots=True)
class EmulatorControl:
    """The control port of a running emulator."""

    session: ClientSession
    url: str

    async def describe(self) -> dict[str, Any]:
        """Return the switches and the latest calls as JSON values."""
        about = await self._get("")
        calls = await self._get("/calls", last=_READ)
        return {
            "judge": about["judge"],
            "pass_score": about["pass_score"],
            **describe_script(await self._get("/scenarios")),
            "calls": describe_calls(calls),
        }

    async def switch(self, on: Collection[str]) -> dict[str, Any]:
        """Activate the scenarios of these switches, before the scenarios that others have set."""
        script = choose_script(on, await self._get("/scenarios"))
        async with self.session.put(
            f"{self.url}/_emulator/scenarios", json=script, raise_for_status=True
        ) as response:
            return describe_script(await response.json())

    async def find_pictures(self, merchant_biz_id: str) -> dict[str, Any]:
        """Return the emulator's findings about the photos of a call, none if there was no such call."""
        calls = await self._get("/calls", merchant_biz_id=merchant_biz_id, last=1)
        return calls[0]["pictures"] if calls else {}

    async def _get(self, path: str, **query: int | str) -> Any:  # noqa: ANN401 - any JSON value
        address = f"{self.url}/_emulator{path}"
        async with self.session.get(address, params=query, raise_for_status=True) as response:
            return await response.json()


def choose_script(on: Collection[str], script: Collection[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the scenarios to activate. `script` lists the emulator's current scenarios."""
    own = [{"id": switch.id, **switch.fields} for switch in SWITCHES if switch.id in on]
    other_scenarios = [dict(part["scenario"]) for part in script if not _is_own(part)]
    return [*own, *other_scenarios]


def describe_script(script: Collection[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the switches with their state and count, and the number of other scenarios."""
    active = {part["scenario"]["id"]: part["played"] for part in script if part["active"]}
    return {
        "switches": [
            {
                "id": switch.id,
                "title": switch.title,
                "description": switch.description,
                "is_on": switch.id in active,
                "played": active.get(switch.id, 0),
            }
            for switch in SWITCHES
        ],
        "other_scenarios": sum(part["active"] and not _is_own(part) for part in script),
    }


def describe_calls(calls: Collection[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the latest comparisons in a call log, newest first."""
    names = ("region", "received_at", "merchant_biz_id", "code", "http_status", "duration_ms", "delivery")
    compared = [call for call in calls if call["action"] in _COMPARISONS]
    return [
        {**{name: call[name] for name in names}, "scenario": call["scenario"], "is_billed": call["compared"]}
        for call in reversed(compared[-_SHOWN:])
    ]


def _is_own(part: Mapping[str, Any]) -> bool:
    return part["scenario"]["id"] in {switch.id for switch in SWITCHES}
