import json
from pathlib import Path
from typing import Any

import pytest

from console.emulator import (
    SWITCHES,
    Switch,
    choose_script,
    describe_calls,
    describe_script,
    find_emulator,
)
from facecompare_emulator.scenarios import Script, read_scenario, read_scenarios


def play(script: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what an emulator returns for a script that was put in force."""
    return Script(lambda: 0.0, read_scenarios(script)).describe()


def make_logged_call(number: int, **changes: Any) -> dict[str, Any]:
    call = {
        "region": "singapore",
        "network": "public",
        "action": "FaceCompare",
        "received_at": f"2026-01-01T00:00:{number:02d}.000Z",
        "merchant_biz_id": f"biz-{number}",
        "code": "Success",
        "http_status": 200,
        "duration_ms": 12.5,
        "delivery": "send",
        "compared": True,
        "scenario": None,
    }
    return call | changes


@pytest.mark.parametrize("switch", SWITCHES, ids=lambda switch: switch.id)
def test_every_switch_is_a_scenario_that_the_emulator_takes(switch: Switch) -> None:
    assert read_scenario(switch.fields, switch.id).id == switch.id


def test_what_is_switched_on_is_put_in_force_in_the_order_of_the_switches() -> None:
    script = choose_script(["slow", "outage", "unknown"], [])

    assert [scenario["id"] for scenario in script] == ["outage", "slow"]


def test_the_scenarios_of_others_stay_behind_ours() -> None:
    standing = play([{"id": "theirs", "effect": "html", "latency_ms": 20}, {"id": "slow", "latency_ms": 1}])

    script = choose_script(["outage"], standing)

    assert [scenario["id"] for scenario in script] == ["outage", "theirs"]
    assert play(json.loads(json.dumps(script)))[1]["scenario"] == standing[0]["scenario"]


def test_a_script_is_shown_as_switches() -> None:
    reported = describe_script(play([*choose_script(["outage"], []), {"id": "theirs"}]))

    assert [switch["id"] for switch in reported["switches"] if switch["is_on"]] == ["outage"]
    assert (len(reported["switches"]), reported["other_scenarios"]) == (len(SWITCHES), 1)


def test_the_latest_comparisons_are_shown_and_nothing_else() -> None:
    calls = [make_logged_call(number) for number in range(30)]
    calls.append(make_logged_call(30, action="FaceCompareV2"))
    calls.append(make_logged_call(31, action="KeepaliveIntl", merchant_biz_id=None))

    reported = describe_calls(calls)

    assert [call["merchant_biz_id"] for call in reported] == [f"biz-{number}" for number in range(30, 22, -1)]
    assert reported[0]["is_billed"] is True


def test_the_emulator_of_the_local_stack_is_found_from_below(tmp_path: Path) -> None:
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "stack.json").write_text('{"emulator_url": "http://127.0.0.1:9"}')
    below = tmp_path / "deep"
    below.mkdir()

    assert find_emulator(below) == "http://127.0.0.1:9"


def test_without_a_local_stack_there_is_no_emulator(tmp_path: Path) -> None:
    assert find_emulator(tmp_path) is None
