import json
import re
from pathlib import Path
from typing import Any

import pytest

from facematch.domain.comparison import Ending, Outcome
from facematch.domain.verdict import Decision
from facematch.handlers import telemetry
from tests.factories import make_attempt, make_comparison, make_ended, make_verdict
from tests.fakes.clock import START_MS

SOURCES = Path(telemetry.__file__).parents[1]


def read_figures(printed: str) -> dict[str, Any]:
    """Return the one line of metrics that was printed, each metric by its name."""
    (line,) = (json.loads(text) for text in printed.splitlines() if '"_aws"' in text)
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    figures = {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}
    (dimensions,) = directive["Dimensions"]
    return figures | {name: line[name] for name in dimensions}


def test_a_verdict_is_counted_by_its_region_with_its_score_and_what_it_took(
    capsys: pytest.CaptureFixture[str],
) -> None:
    timings_ms = {"wait_for_worker": 100, "read": 20, "prepare": 50, "wait_for_slot": 7, "call": 300}
    ending = Ending(verdict=make_verdict(), ended_at_ms=START_MS + 1000, timings_ms=timings_ms)
    attempts = (make_attempt(1, Outcome.POSSIBLY_BILLED, code="SdkTimeout"), make_attempt(2, code="Success"))

    telemetry.count_result(make_ended(ending=ending, attempts=attempts, region="hong-kong"))

    assert read_figures(capsys.readouterr().out) == {
        "region": "hong-kong",
        "service": "tests",
        "VerdictsMatch": [1],
        "Score": [52.57],
        "CallsBilled": [1],
        "CallsPossiblyBilledPerVerdict": [1],
        "WaitForWorkerDuration": [100],
        "ReadDuration": [20],
        "PrepareDuration": [50],
        "WaitForSlotDuration": [7],
        "CallDuration": [300],
        "TotalDuration": [1000],
    }


@pytest.mark.parametrize("code", ["Success", "success", "OK", "200"])
def test_a_call_is_billed_by_any_code_of_success(capsys: pytest.CaptureFixture[str], code: str) -> None:
    telemetry.count_result(make_ended(attempts=(make_attempt(1, code=code),)))

    assert read_figures(capsys.readouterr().out)["CallsBilled"] == [1]


@pytest.mark.parametrize(
    ("decision", "metric"),
    [
        (Decision.MATCH, "VerdictsMatch"),
        (Decision.NO_MATCH, "VerdictsNoMatch"),
        (Decision.REVIEW, "VerdictsReview"),
        (Decision.PHOTO_REJECTED, "VerdictsPhotoRejected"),
        (Decision.FAILED, "VerdictsFailed"),
    ],
)
def test_each_verdict_has_its_metric_and_only_one_with_a_score_has_that(
    decision: Decision, metric: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verdict = make_verdict(decision)

    telemetry.count_result(make_ended(verdict))

    figures = read_figures(capsys.readouterr().out)
    assert [name for name in figures if name.startswith("Verdicts")] == [metric]
    assert ("Score" in figures) == (verdict.score is not None)


@pytest.mark.parametrize("region", ["mars", "", "Singapore", "customer-4711"])
def test_a_region_that_does_not_exist_gets_no_metric(region: str, capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.count_result(make_ended(make_verdict(Decision.FAILED), region=region))

    assert read_figures(capsys.readouterr().out)["region"] == "unknown"


def test_nothing_of_the_pair_is_in_its_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.count_result(make_ended(pair_id="passport-123", caller="arn:aws:iam::1:user/ann"))

    printed = capsys.readouterr().out
    assert [reported for reported in ("passport-123", "ann", "inbox/", "etag") if reported in printed] == []


def test_a_comparison_that_has_not_ended_is_not_counted(capsys: pytest.CaptureFixture[str]) -> None:
    telemetry.count_result(make_comparison())

    assert capsys.readouterr().out == ""


def test_every_step_that_is_timed_has_its_metric(capsys: pytest.CaptureFixture[str]) -> None:
    sources = "".join(path.read_text() for path in SOURCES.rglob("*.py"))
    found = re.findall(r'measure\("(\w+)"\)|steps_ms\["(\w+)"\]', sources)
    steps = {first or second for first, second in found}
    ending = Ending(verdict=make_verdict(), ended_at_ms=START_MS, timings_ms=dict.fromkeys(steps, 1))

    telemetry.count_result(make_ended(ending=ending))

    durations = [name for name in read_figures(capsys.readouterr().out) if name.endswith("Duration")]
    assert len(durations) == len(steps) + 1
