import json

from facematch.domain.verdict import Decision
from facematch_client.labels import STEPS, VERDICTS, WARNINGS
from harness.template import ROOT
from imaging.warnings import PhotoWarning

SCHEMA = json.loads((ROOT / "schemas" / "result-event.schema.json").read_text())


def test_every_decision_has_a_word() -> None:
    assert set(Decision) <= VERDICTS.keys()


def test_every_step_of_an_event_has_a_word() -> None:
    timings = SCHEMA["properties"]["data"]["properties"]["timings_ms"]

    assert timings["properties"].keys() - {"total"} == STEPS.keys()


def test_every_warning_has_a_sentence() -> None:
    assert set(PhotoWarning) == WARNINGS.keys()
