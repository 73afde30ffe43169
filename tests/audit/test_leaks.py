"""Nothing leaks: marked photos, names, URLs and keys are looked for wherever something could be written."""

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

PIECE_BYTES = 24
PLANTED = "planted"


@dataclass(frozen=True, slots=True)
class Searched:
    """What was sent, looked at and found."""

    sent: list[str]
    search: Search
    leaks: list[Finding]
    planted: list[Finding]

    def __repr__(self) -> str:
        """Say little: a failing test shows all of it."""
        return f"{len(self.leaks)} leaks"


@pytest.fixture(scope="module")
def searched(driver: Driver) -> Searched:
    """Everything sent, a leak planted in each kind of location, and all locations searched."""
    locations = Locations(driver, FOLDER)
    traffic = AuditTraffic(driver, locations)
    traffic.send_all()
    plant_leaks(locations, traffic.markers)
    search = Search(traffic.markers.known)
    finds = [find for location in locations.read() for find in search.scan(*location)]
    found = Searched(
        sent=traffic.sent,
        search=search,
        leaks=[find for find in finds if PLANTED not in find.marker],
        planted=[find for find in finds if PLANTED in find.marker],
    )
    add_to_report("leak search", describe(found, len(traffic.markers.known)))
    clear(driver)
    return found


def clear(driver: Driver) -> None:
    """Take what was planted off the queues, for whoever uses the stack next."""
    queues = driver.client("sqs")
    for queue_url in queues.list_queues()["QueueUrls"]:
        queues.purge_queue(QueueUrl=queue_url)
    driver.events.clear()


def plant_leaks(locations: Locations, markers: Markers) -> None:
    """Write a piece of a marked photo into one location of each kind, in one encoding or another."""
    driver = locations.driver
    photo = markers.make_photo(PLANTED, pixels=PLANTED)
    piece = photo[-200 : -200 + PIECE_BYTES]
    queues, stack = driver.client("sqs"), driver.stack
    write_log(driver, f"Request failed: {base64.b64encode(b'_' + photo[-300:-200]).decode()}")
    queues.send_message(QueueUrl=stack.results_queue_url, MessageBody=json.dumps({"hex": piece.hex()}))
    queues.send_message(QueueUrl=stack.uploads_dead_letters_url, MessageBody=quote_from_bytes(piece))
    driver.events[PLANTED] = [{"data": {"photo": base64.b64encode(photo[-90:-30]).decode()}}]
    driver.client("dynamodb").put_item(
        TableName=stack.table, Item={"pk": {"S": PLANTED}, "photo": {"S": piece.decode("latin-1")}}
    )
    locations.answers.append((PLANTED, repr(piece).encode()))
    worker = next((FOLDER / "scratch").glob("ministack-lambda-*"))
    (worker / "code" / f"{PLANTED}.bin").write_bytes(b"\0" + piece)
    (FOLDER / f"{PLANTED}.log").write_bytes(b"..." + piece)


def write_log(driver: Driver, message: str) -> None:
    logs = driver.client("logs")
    group = logs.describe_log_groups(logGroupNamePrefix="/facematch/")["logGroups"][0]["logGroupName"]
    logs.create_log_stream(logGroupName=group, logStreamName=PLANTED)
    event = {"timestamp": 1_800_000_000_000, "message": message}
    logs.put_log_events(logGroupName=group, logStreamName=PLANTED, logEvents=[event])


def describe(found: Searched, markers: int) -> Iterator[str]:
    yield f"sent: {len(found.sent)} successes and faults; markers: {markers}, each in every encoding"
    for kind in KINDS:
        locations, size = found.search.locations_by_kind.get(kind, 0), found.search.bytes_by_kind.get(kind, 0)
        planted = sum(find.kind == kind for find in found.planted)
        leaks = sum(find.kind == kind for find in found.leaks)
        yield f"{kind:12} {locations:5} locations {size:10,} bytes  leaks: {leaks}  planted and found: {planted}"
    for find in found.leaks:
        yield f"{find.length_bytes} bytes of {find.marker!r} ({find.encoding}) in {find.kind} {find.location}"
    yield "traces       none: the code makes none, and the local cloud keeps none"


def test_a_planted_leak_is_found_in_each_kind_of_place(searched: Searched) -> None:
    assert sorted({find.kind for find in searched.planted}) == sorted(KINDS)


def test_no_piece_of_what_was_marked_is_anywhere(searched: Searched) -> None:
    leaks = searched.leaks
    assert leaks == []


def test_the_functions_ran_with_the_sdk_told_to_log(searched: Searched) -> None:
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
