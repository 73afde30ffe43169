"""Nothing leaks: marked photos, names, URLs and keys are searched for in all locations."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest

from audit.search import Finding, Search
from harness.driver import Driver
from tests.audit.locations import FOLDER, KINDS, Locations
from tests.audit.markers import Markers
from tests.audit.report import add_to_report
from tests.audit.traffic import AuditTraffic

FRAGMENT_BYTES = 24
PLANTED = "planted"


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What was sent, searched and found."""

    sent: list[str]
    search: Search
    leaks: list[Finding]
    planted: list[Finding]

    def __repr__(self) -> str:
        """Keep the message of a failing test short."""
        return f"{len(self.leaks)} leaks"


@pytest.fixture(scope="module")
def searched(driver: Driver) -> SearchResult:
    """Send all traffic, plant a leak in each kind of location, and search all locations."""
    locations = Locations(driver, FOLDER)
    traffic = AuditTraffic(driver, locations)
    traffic.send_all()
    plant_leaks(locations, traffic.markers)
    search = Search(traffic.markers.known)
    findings = [finding for location in locations.read() for finding in search.scan(*location)]
    result = SearchResult(
        sent=traffic.sent,
        search=search,
        leaks=[finding for finding in findings if PLANTED not in finding.marker],
        planted=[finding for finding in findings if PLANTED in finding.marker],
    )
    add_to_report("leak search", describe(result, len(traffic.markers.known)))
    clear(driver)
    return result


def clear(driver: Driver) -> None:
    """Remove the planted leaks from the queues, for the next test of the stack."""
    queues = driver.client("sqs")
    for queue_url in queues.list_queues()["QueueUrls"]:
        queues.purge_queue(QueueUrl=queue_url)
    driver.events.clear()


def plant_leaks(locations: Locations, markers: Markers) -> None:
    """Write a fragment of a marked photo to one location of each kind, in different encodings."""
    driver = locations.driver
    photo = markers.make_photo(PLANTED, pixels=PLANTED)
    fragment = photo[-200 : -200 + FRAGMENT_BYTES]
    queues, stack = driver.client("sqs"), driver.stack
    write_log(driver, f"Request failed: {base64.b64encode(b'_' + photo[-300:-200]).decode()}")
    queues.send_message(QueueUrl=stack.results_queue_url, MessageBody=json.dumps({"hex": fragment.hex()}))
    queues.send_message(QueueUrl=stack.uploads_dead_letters_url, MessageBody=quote_from_bytes(fragment))
    driver.events[PLANTED] = [{"data": {"photo": base64.b64encode(photo[-90:-30]).decode()}}]
    driver.client("dynamodb").put_item(
        TableName=stack.table, Item={"pk": {"S": PLANTED}, "photo": {"S": fragment.decode("latin-1")}}
    )
    locations.answers.append((PLANTED, repr(fragment).encode()))
    worker = next((FOLDER / "scratch").glob("ministack-lambda-*"))
    (worker / "code" / f"{PLANTED}.bin").write_bytes(b"\0" + fragment)
    (FOLDER / f"{PLANTED}.log").write_bytes(b"..." + fragment)


def write_log(driver: Driver, message: str) -> None:
    logs = driver.client("logs")
    group = logs.describe_log_groups(logGroupNamePrefix="/facematch/")["logGroups"][0]["logGroupName"]
    logs.create_log_stream(logGroupName=group, logStreamName=PLANTED)
    event = {"timestamp": 1_800_000_000_000, "message": message}
    logs.put_log_events(logGroupName=group, logStreamName=PLANTED, logEvents=[event])


def describe(result: SearchResult, markers: int) -> Iterator[str]:
    yield f"sent: {len(result.sent)} successes and faults; markers: {markers}, each in every encoding"
    for kind in KINDS:
        locations = result.search.locations_by_kind.get(kind, 0)
        size_bytes = result.search.bytes_by_kind.get(kind, 0)
        planted = sum(finding.kind == kind for finding in result.planted)
        leaks = sum(finding.kind == kind for finding in result.leaks)
        yield f"{kind:12} {locations:5} locations {size_bytes:10,} bytes  leaks: {leaks}  planted: {planted}"
    for leak in result.leaks:
        yield f"{leak.length_bytes} bytes of {leak.marker!r} ({leak.encoding}) in {leak.kind} {leak.location}"
    yield "traces       none: the code writes none, and the local cloud keeps none"


def test_a_planted_leak_is_found_in_each_kind_of_place(searched: SearchResult) -> None:
    assert sorted({finding.kind for finding in searched.planted}) == sorted(KINDS)


def test_no_piece_of_what_was_marked_is_anywhere(searched: SearchResult) -> None:
    leaks = searched.leaks
    assert leaks == []


def test_the_functions_ran_with_the_sdks_log_enabled(searched: SearchResult) -> None:
    workers = [
        process
        for process in Path("/proc").iterdir()
        if process.name.isdecimal() and str(FOLDER).encode() in read(process / "cmdline")
    ]
    assert searched.sent
    assert workers
    assert all(b"DEBUG=sdk" in read(worker / "environ").split(b"\0") for worker in workers)


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
