"""What a sweep that finds nothing takes: the figures of `bench/capacity/idle.py`."""

import json
from collections import Counter
from typing import Any

import pytest

from bench.capacity.idle import SWEEP_METRICS, count_sweep_reads
from facematch import bootstrap
from tests.events import load_event
from tests.integration.handlers.functions import invoke

ALLOWED_REGIONS = 3


@pytest.mark.usefixtures("stack")
def test_a_sweep_that_finds_nothing_counts_these_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    invoke("sweep", load_event("sweep_scheduled"))

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (emitted,) = [line["_aws"]["CloudWatchMetrics"][0]["Metrics"] for line in lines if "_aws" in line]
    assert len(emitted) == SWEEP_METRICS


@pytest.mark.usefixtures("stack")
def test_a_sweep_that_finds_nothing_makes_these_requests_to_the_ledger() -> None:
    asked = Counter[str]()

    def note(model: Any, **_: object) -> None:
        asked[model.name] += 1

    events = bootstrap.sweeper().limiter.client.meta.events  # type: ignore[attr-defined] # DynamoDB's limiter
    events.register("before-call.dynamodb.*", note)
    invoke("sweep", load_event("sweep_scheduled"))
    events.unregister("before-call.dynamodb.*", note)

    assert asked.keys() == {"GetItem", "Query"}
    assert asked.total() == count_sweep_reads(ALLOWED_REGIONS)
