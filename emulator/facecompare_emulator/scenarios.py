"""Scenarios: scripted outcomes and faults, and the calls that they apply to."""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Final, cast

from .answers import CODES
from .endpoints import NETWORKS, REGIONS
from .operations import FACE_COMPARES, OPERATIONS


class ScenarioError(ValueError):
    """A scenario is not valid. The message is a sentence that says why."""


# Refusals that are about one comparison. Other operations do not get them.
_ABOUT_ONE_COMPARISON: Final = frozenset(
    {
        "DataDuplication",
        "DownloadTimeout",
        "InvalidParameter",
        "MissingParameter",
        "NoFaceDetected",
        "Throttling.Api",
        "ToolargeImage",
        "UnqualifiedPhoto",
    }
)


class Effect(StrEnum):
    """What a scenario does to a call."""

    ANSWER = "answer"
    REFUSE = "refuse"
    HTML = "html"
    BROKEN_JSON = "broken_json"
    MISSING_RESULT = "missing_result"
    RESET = "reset"
    HANG = "hang"


@dataclass(frozen=True, slots=True)
class CallFacts:
    """The properties of a call that a scenario can match. `key` seeds the random share and latency."""

    region: str
    network: str
    operation: str
    merchant_biz_id: str
    url_paths: tuple[str, ...]
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One scripted outcome. The README describes the fields."""

    id: str
    effect: Effect
    region: str | None = None
    network: str | None = None
    operations: tuple[str, ...] | None = None
    merchant_biz_id_prefix: str | None = None
    url_path_suffix: str | None = None
    nth_call: int | None = None
    share: float | None = None
    seed: int = 0
    times: int | None = None
    for_s: float | None = None
    latency_ms: tuple[float, float] = (0, 0)
    after_compare: bool = False
    code: str | int | None = None
    http_status: int | None = None
    message: str | None = None
    retry_after_ms: int | None = None
    score: float | str | None = None
    passed: str | bool | float | None = None
    result: object = None
    without: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse fields that cannot be combined."""
        if self.effect is Effect.REFUSE:
            if not isinstance(self.code, str):
                raise ScenarioError("A scenario with the effect 'refuse' needs a 'code' that is a string.")
            if self.code not in CODES and self.http_status is None:
                raise ScenarioError(f"The code '{self.code}' is unknown: add its 'http_status'.")
        for name, effects in _ONLY_WITH.items():
            if getattr(self, name) is not None and self.effect not in effects:
                allowed = " or ".join(f"'{effect}'" for effect in effects)
                raise ScenarioError(f"The scenario field '{name}' is only allowed with the effect {allowed}.")

    def matches(self, call: CallFacts) -> bool:
        """Return whether the scenario's fields match the call."""
        return (
            self.region in {None, call.region}
            and self.network in {None, call.network}
            and self._covers(call.operation)
            and call.merchant_biz_id.startswith(self.merchant_biz_id_prefix or "")
            and (
                self.url_path_suffix is None
                or any(path.endswith(self.url_path_suffix) for path in call.url_paths)
            )
        )

    def _covers(self, operation: str) -> bool:
        """Return whether the scenario covers an operation. By default, an outage covers every operation."""
        if self.operations is not None:
            return operation in self.operations
        return operation in FACE_COMPARES or self._is_outage()

    def _is_outage(self) -> bool:
        """Return whether the whole service fails, not only some comparisons."""
        if self.effect in {Effect.ANSWER, Effect.MISSING_RESULT} or self.after_compare:
            return False
        narrowed = (self.merchant_biz_id_prefix, self.url_path_suffix, self.nth_call, self.times)
        return all(field is None for field in narrowed) and self.code not in _ABOUT_ONE_COMPARISON

    def is_in_share(self, call: CallFacts) -> bool:
        """Return whether the call is in the share. The key of the call decides, not the order of calls."""
        return self.share is None or self._draw("share", call) < self.share

    def latency_s(self, call: CallFacts) -> float:
        """Return the latency of the call. The key of the call decides."""
        shortest_ms, longest_ms = self.latency_ms
        return (shortest_ms + (longest_ms - shortest_ms) * self._draw("latency", call)) / 1000

    def _draw(self, purpose: str, call: CallFacts) -> float:
        text = f"{self.seed}/{purpose}/{call.key}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:7]) / 2**56


_ONLY_WITH: Final[Mapping[str, tuple[Effect, ...]]] = {
    "code": (Effect.REFUSE, Effect.ANSWER, Effect.MISSING_RESULT),
    "message": (Effect.REFUSE,),
    "retry_after_ms": (Effect.REFUSE,),
    "http_status": (Effect.REFUSE, Effect.HTML),
    "score": (Effect.ANSWER,),
    "passed": (Effect.ANSWER,),
    "result": (Effect.ANSWER,),
    "without": (Effect.ANSWER,),
}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_code(value: object) -> bool:
    return _is_text(value) or (isinstance(value, int) and not isinstance(value, bool))


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _is_list_of(is_member: Callable[[object], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, list) and bool(value) and all(map(is_member, value))


def _is_latency(value: object) -> bool:
    if isinstance(value, list):
        return len(value) == 2 and all(map(_is_latency, value)) and value[0] <= value[1]  # noqa: PLR2004
    return _is_number(value) and cast("float", value) >= 0


def _is_score(value: object) -> bool:
    try:
        return not isinstance(value, bool) and 0 <= float(cast("float", value)) <= 100  # noqa: PLR2004
    except (TypeError, ValueError):
        return False


def _is_share(value: object) -> bool:
    return _is_number(value) and 0 <= cast("float", value) <= 1


def _is_duration(value: object) -> bool:
    return _is_number(value) and cast("float", value) > 0


def _is_http_status(value: object) -> bool:
    return _is_count(value) and 200 <= cast("int", value) <= 599  # noqa: PLR2004


def _is_one_of(values: Iterable[str]) -> tuple[Callable[[object], bool], str]:
    allowed = tuple(values)
    return (lambda value: value in allowed), "one of " + ", ".join(allowed)


_TEXT: Final = (_is_text, "a string that is not empty")
_COUNT: Final = (_is_count, "a whole number from 1")
_CHECKS: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "id": _TEXT,
    "effect": _is_one_of(Effect),
    "region": _is_one_of(REGIONS),
    "network": _is_one_of(NETWORKS),
    "operations": (
        _is_list_of(lambda value: value in OPERATIONS),
        f"an array of {', '.join(OPERATIONS)}",
    ),
    "merchant_biz_id_prefix": _TEXT,
    "url_path_suffix": _TEXT,
    "nth_call": _COUNT,
    "share": (_is_share, "a number from 0 to 1"),
    "seed": (lambda value: isinstance(value, int), "a whole number"),
    "times": _COUNT,
    "for_s": (_is_duration, "a number of seconds above 0"),
    "latency_ms": (_is_latency, "a number of milliseconds or a pair [shortest, longest]"),
    "after_compare": (lambda value: isinstance(value, bool), "true or false"),
    "code": (_is_code, "a string that is not empty, or a whole number"),
    "http_status": (_is_http_status, "an HTTP status from 200 to 599"),
    "message": _TEXT,
    "retry_after_ms": _COUNT,
    "score": (_is_score, "a number from 0 to 100, also as a string"),
    "passed": (_is_scalar, "a string, a number, true or false"),
    "result": (lambda value: value is not None, "a JSON value other than null"),
    "without": (_is_list_of(_is_text), "an array of strings"),
}


def read_scenario(document: object, default_id: str) -> Scenario:
    """Return the scenario that a JSON object describes, or raise a `ScenarioError`."""
    if not isinstance(document, dict):
        raise ScenarioError("A scenario must be a JSON object.")
    for name, value in document.items():
        if name not in _CHECKS:
            raise ScenarioError(f"The scenario field '{name}' is unknown.")
        is_valid, expected = _CHECKS[name]
        if not is_valid(value):
            raise ScenarioError(f"The scenario field '{name}' must be {expected}.")
    values = {"id": default_id, "effect": Effect.ANSWER, **document}
    latency_ms = values.pop("latency_ms", 0)
    values["latency_ms"] = tuple(latency_ms) if isinstance(latency_ms, list) else (latency_ms, latency_ms)
    values["effect"] = Effect(values["effect"])
    for name in ("operations", "without"):
        if name in values:
            values[name] = tuple(values[name])
    return Scenario(**values)


def read_scenarios(document: object) -> tuple[Scenario, ...]:
    """Return the scenarios of a JSON array, in the same order."""
    if not isinstance(document, list):
        raise ScenarioError("Scenarios must be a JSON array of objects.")
    return tuple(read_scenario(item, f"scenario-{number}") for number, item in enumerate(document, start=1))


def _to_json(scenario: Scenario) -> dict[str, object]:
    defaults = {field.name: field.default for field in fields(Scenario)}
    return {name: value for name, value in asdict(scenario).items() if value != defaults[name]}


class _ScriptedScenario:
    """A scenario, how often it matched and was played, and when it ends."""

    def __init__(self, scenario: Scenario, now_s: float) -> None:
        self.scenario = scenario
        self.matched = 0
        self.played = 0
        self._ends_at_s = math.inf if scenario.for_s is None else now_s + scenario.for_s

    def is_active(self, now_s: float) -> bool:
        return now_s < self._ends_at_s and self.played < (self.scenario.times or math.inf)

    def end(self) -> None:
        self._ends_at_s = -math.inf

    def applies_to(self, call: CallFacts, now_s: float) -> bool:
        if not self.is_active(now_s) or not self.scenario.matches(call):
            return False
        self.matched += 1
        if self.scenario.nth_call not in {None, self.matched} or not self.scenario.is_in_share(call):
            return False
        self.played += 1
        return True


class Script:
    """All scenarios. The first one that applies to a call decides it."""

    def __init__(self, clock: Callable[[], float], scenarios: Iterable[Scenario] = ()) -> None:
        self._clock = clock
        self._scenarios: list[_ScriptedScenario] = []
        self.replace(scenarios)

    def replace(self, scenarios: Iterable[Scenario]) -> None:
        """Replace all scenarios. The counts and times of the new ones start now."""
        scripted = [_ScriptedScenario(scenario, self._clock()) for scenario in scenarios]
        if len({entry.scenario.id for entry in scripted}) < len(scripted):
            raise ScenarioError("Two scenarios have the same 'id'.")
        self._scenarios = scripted

    def add(self, document: object) -> None:
        """Add a scenario at the end. The others keep their counts."""
        scenario = read_scenario(document, self._free_id())
        if any(entry.scenario.id == scenario.id for entry in self._scenarios):
            raise ScenarioError(f"The scenario '{scenario.id}' already exists.")
        self._scenarios.append(_ScriptedScenario(scenario, self._clock()))

    def end(self, scenario_id: str) -> bool:
        """End a scenario and keep its counts; return whether it exists."""
        ended = [entry for entry in self._scenarios if entry.scenario.id == scenario_id]
        for entry in ended:
            entry.end()
        return bool(ended)

    def pick(self, call: CallFacts) -> Scenario | None:
        """Return the scenario that applies to the call, or None."""
        now_s = self._clock()
        return next((entry.scenario for entry in self._scenarios if entry.applies_to(call, now_s)), None)

    def describe(self) -> list[dict[str, object]]:
        """Return the scenarios and their counts for JSON."""
        now_s = self._clock()
        return [
            {
                "scenario": _to_json(entry.scenario),
                "matched": entry.matched,
                "played": entry.played,
                "active": entry.is_active(now_s),
            }
            for entry in self._scenarios
        ]

    def _free_id(self) -> str:
        taken = {entry.scenario.id for entry in self._scenarios}
        number = len(taken) + 1
        while f"scenario-{number}" in taken:
            number += 1
        return f"scenario-{number}"
