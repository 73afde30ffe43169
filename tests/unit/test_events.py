import json
import re
from pathlib import Path

import pytest

from tests.events import EVENTS, LOADED, load_event

TESTS = Path(__file__).resolve().parents[1]
FILES = sorted(EVENTS.glob("*.json"))

TELLTALES = {
    "an access key": r"(?:AKIA|ASIA)[0-9A-Z]{16}",
    "a principal's id": r"(?:AIDA|AROA|AGPA|ANPA)[0-9A-Z]{16}",
    "a signature": r"(?i)signature\s*=|X-Amz-Signature|X-Amz-Security-Token|Credential=",
    "an account": r"(?<!\d)(?!123456789012|0{12})\d{12}(?!\d)",
    "an IP address": r"(?<![\d.])(?!127\.0\.0\.1)\d{1,3}(?:\.\d{1,3}){3}(?![\d.])",
    "a photo or another long secret": r"[A-Za-z0-9+/]{64,}",
    "an id of one run": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "a name of one stack": r"facematch-local|127\.0\.0\.1:\d",
    "a time of one run": r"(?!2026-01-01)20\d\d-\d\d-\d\d|(?!20260101)20\d{6}T\d{6}Z",
}


def name(file: Path) -> str:
    return file.stem


@pytest.mark.parametrize("file", FILES, ids=name)
def test_event_is_json_in_its_written_form(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


@pytest.mark.parametrize("file", FILES, ids=name)
def test_event_identifies_no_one(file: Path) -> None:
    text = file.read_text(encoding="utf-8")

    assert {what: found for what, pattern in TELLTALES.items() if (found := re.findall(pattern, text))} == {}


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("an access key", "AKIA" + "B" * 16),
        ("a principal's id", "AIDA" + "B" * 16),
        ("a signature", "SignedHeaders=host, Signature=c718534f"),
        ("an account", "arn:aws:sqs:ap-southeast-1:210987654321:queue"),
        ("an IP address", '"sourceIp": "203.0.113.7"'),
        ("a photo or another long secret", "/9j/4AAQSkZJRgABAQ" * 4),
        ("an id of one run", "2aaead24-eb7a-4569-8f07-125254cce12c"),
        ("a name of one stack", "http://127.0.0.1:45641/"),
        ("a time of one run", "2026-11-22T19:49:23.025Z"),
    ],
)
def test_what_identifies_someone_would_be_found(what: str, text: str) -> None:
    assert re.search(TELLTALES[what], text)


def test_readme_lists_exactly_the_files() -> None:
    listed = re.findall(r"^\| `(.+?)` \|", (EVENTS / "README.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(listed) == [file.name for file in FILES]


def test_every_event_is_used_by_a_test() -> None:
    sources = (file.read_text(encoding="utf-8") for file in TESTS.rglob("test_*.py"))
    helpers = (file.read_text(encoding="utf-8") for file in TESTS.rglob("functions.py"))
    used = {found for text in (*sources, *helpers) for found in re.findall(r'\bload_event\(\s*"(\w+)"', text)}

    assert {file.stem for file in FILES} - used == set(), "Events that no test loads."
    assert used - {file.stem for file in FILES} == set(), "Tests that load what is not there."


def test_loader_fills_placeholders_inside_bodies_too() -> None:
    event = load_event("api_create_comparison", source_photo="one", target_photo="two")

    body = json.loads(event["body"])
    assert (body["source"], body["target"]) == ({"photo": "one"}, {"photo": "two"})
    assert "api_create_comparison" in LOADED


def test_loader_leaves_no_placeholder_open() -> None:
    with pytest.raises(KeyError, match="target_photo"):
        load_event("api_create_comparison", source_photo="one")
