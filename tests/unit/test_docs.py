import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from harness.template import ROOT, read_template

README = (ROOT / "README.md").read_text()
PAGES = [
    page
    for page in ROOT.rglob("*.md")
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
]


def read_page(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def read_table(text: str, first_heading: str) -> list[list[str]]:
    lines = text.split(f"| {first_heading} |", 1)[1].splitlines()[2:]
    rows: list[list[str]] = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split(" | ")])
    return rows


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_the_page_of_parameters_lists_every_parameter() -> None:
    page = read_page("parameters.md").partition("## Outputs")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(read_template()["Parameters"])


def test_the_page_on_sending_lists_every_route() -> None:
    events = read_template()["Resources"]["Api"]["Properties"]["Events"].values()
    routes = {f"`{event['Properties']['Method']} {event['Properties']['Path']}`" for event in events}
    assert {row[0] for row in read_table(read_page("send.md"), "route")} == routes


def test_the_example_event_of_the_readme_is_json_with_the_fields_of_the_schema() -> None:
    block = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert block
    example = json.loads(block[1])
    schema = json.loads((ROOT / "schemas" / "result-event.schema.json").read_text())
    assert example.keys() <= schema["properties"].keys()
    assert example["data"].keys() <= schema["properties"]["data"]["properties"].keys()


def test_the_runbook_has_a_cause_and_an_action_for_each_alarm_and_no_other() -> None:
    rows = read_table(read_page("operate.md"), "alarm")
    alarms = {
        name
        for name, resource in read_template()["Resources"].items()
        if resource["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row[0])) == sorted(alarms)
    assert all(len(row) == 3 and all(row) for row in rows)


@pytest.mark.parametrize("drawing", sorted((ROOT / "docs").glob("*.svg")), ids=lambda drawing: drawing.name)
def test_a_drawing_is_well_formed_and_has_a_title(drawing: Path) -> None:
    title = ET.parse(drawing).find("{http://www.w3.org/2000/svg}title")  # noqa: S314 - our own file
    assert title is not None
    assert title.text


def test_every_image_is_shown_on_a_page_with_a_description() -> None:
    shown = [found for page in PAGES for found in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text())]
    images = {file.name for kind in ("svg", "png") for file in (ROOT / "docs").glob(f"*.{kind}")}
    assert {Path(address).name for _, address in shown} == images
    assert all(description for description, _ in shown)


@pytest.mark.parametrize(
    "page", sorted((ROOT / "docs" / "decisions").glob("0*.md")), ids=lambda page: page.stem
)
def test_a_decision_is_short_and_has_context_decision_and_consequences(page: Path) -> None:
    lines = page.read_text().splitlines()
    assert len(lines) < 40
    assert [line for line in lines if line.startswith("## ")][:3] == [
        "## Context",
        "## Decision",
        "## Consequences",
    ]


def test_every_decision_is_listed() -> None:
    pages = {page.name for page in (ROOT / "docs" / "decisions").glob("0*.md")}
    assert set(re.findall(r"\((0[^)]+)\)", read_page("decisions/index.md"))) == pages
