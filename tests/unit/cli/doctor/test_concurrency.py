from typing import Any

import pytest

from facematch.domain.regions import PROFILES, Region
from facematch_cli.doctor.check import Level
from facematch_cli.doctor.concurrency import check_concurrency, sum_needs
from facematch_cli.doctor.sources import STREAM, Source
from harness.deployed import read_stack
from harness.template import ROOT
from tests.unit.cli.doctor.stubs import make_client


def make_account(limit: int) -> Any:
    answer = {"AccountLimit": {"ConcurrentExecutions": limit, "UnreservedConcurrentExecutions": limit}}
    return make_client("lambda", ("get_account_settings", {}, answer))


def list_template_sources(*, shards: int = 1, **parameters: str) -> list[Source]:
    """Return the event sources that the template makes, with so many shards of the stream."""
    sources = []
    for resource in read_stack(**parameters).values():
        if resource["Type"] == "AWS::Lambda::EventSourceMapping":
            properties = resource["Properties"]
            queue = properties["EventSourceArn"]["Fn::GetAtt"][0]
            batches = properties.get("ParallelizationFactor", 0) * shards
            limit = properties.get("ScalingConfig", {}).get("MaximumConcurrency", batches)
            name = {"Ledger": STREAM, "UploadsQueue": "uploads"}.get(queue, queue)
            sources.append(Source(name=name, concurrency=5 if isinstance(limit, dict) else limit))
    return sources


def test_a_default_stack_needs_what_its_lanes_uploads_stream_and_api_can_run_at_once() -> None:
    assert sum_needs(list_template_sources(), 9.7) == {
        "workers": 7,
        "uploads": 10,
        "publish": 10,
        "api": 34,
        "sweep": 1,
    }


def test_each_allowed_region_adds_its_lanes() -> None:
    sources = list_template_sources(AllowedRegions=",".join(Region))

    assert sum_needs(sources, 1)["workers"] == len(Region) * 7


@pytest.mark.parametrize(
    ("limit", "level"),
    [(1000, Level.OK), (30, Level.OK), (29, Level.WARNING), (8, Level.WARNING), (7, Level.ERROR)],
)
def test_an_account_that_can_not_run_all_is_found(limit: int, level: Level) -> None:
    needs = {"workers": 7, "uploads": 10, "publish": 10, "api": 2, "sweep": 1}

    check = check_concurrency(make_account(limit), needs)

    assert check.level is level
    assert f"run {limit} functions at the same time. The stack uses up to 30 (workers 7" in check.finding


@pytest.mark.parametrize("regions", ["singapore", "indonesia", "singapore,hong-kong"])
def test_the_page_says_what_stacks_need(regions: str) -> None:
    page = (ROOT / "docs" / "first-hour.md").read_text()
    sources = list_template_sources(shards=4, AllowedRegions=regions)
    calls_per_s = sum(PROFILES[Region(region)].default_qps * 0.97 for region in regions.split(","))

    needs = sum_needs(sources, calls_per_s)

    row = " | ".join(map(str, [regions.replace(",", ", "), *needs.values(), sum(needs.values())]))
    assert f"| {row} |" in page
