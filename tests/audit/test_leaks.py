"""Nothing leaks: marked photos, names, URLs and keys are looked for wherever something could be written."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote_from_bytes

import pytest

from audit.search import Find, Search
from harness.driver import Driver
from tests.audit.journeys import Journeys
from tests.audit.marked import Markers
from tests.audit.places import FOLDER, KINDS, Places
from tests.audit.report import tell

PIECE_BYTES = 24
PLANTED = "planted"


@dataclass(frozen=True, slots=True)
class Searched:
    """What was played, looked at and found."""

    played: list[str]
    search: Search
    leaks: list[Find]
    planted: list[Find]

    def __repr__(self) -> str:
        """Say little: a failing test shows all of it."""
        return f"{len(self.leaks)} leaks"


@pytest.fixture(scope="module")
def searched(driver: Driver) -> Searched:
    """Everything played, a leak planted in each kind of place, and all places searched."""
    places = Places(driver, FOLDER)
    journeys = Journeys(driver, places)
    journeys.play_all()
    plant_leaks(places, journeys.markers)
    search = Search(journeys.markers.known)
    finds = [find for place in places.read() for find in search.look(*place)]
    found = Searched(
        played=journeys.played,
        search=search,
        leaks=[find for find in finds if PLANTED not in find.marker],
        planted=[find for find in finds if PLANTED in find.marker],
    )
    tell("leak search", describe(found, len(journeys.markers.known)))
    clear(driver)
    return found


def clear(driver: Driver) -> None:
    """Take what was planted off the queues, for whoever uses the stack next."""
    queues = driver.client("sqs")
    for queue_url in queues.list_queues()["QueueUrls"]:
        queues.purge_queue(QueueUrl=queue_url)
    driver.events.clear()


def plant_leaks(places: Places, markers: Markers) -> None:
    """Write a piece of a marked photo into one place of each kind, in one writing or another."""
    driver = places.driver
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
    places.answers.append((PLANTED, repr(piece).encode()))
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
    yield f"played: {len(found.played)} successes and faults; markers: {markers}, each in every writing"
    for kind in KINDS:
        places, size = found.search.places_by_kind.get(kind, 0), found.search.bytes_by_kind.get(kind, 0)
        planted = sum(find.kind == kind for find in found.planted)
        leaks = sum(find.kind == kind for find in found.leaks)
        yield f"{kind:12} {places:5} places {size:10,} bytes   leaks: {leaks}   planted and found: {planted}"
    for find in found.leaks:
        yield f"{find.length_bytes} bytes of {find.marker!r} ({find.writing}) in {find.kind} {find.place}"
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
    assert searched.played
    assert workers
    assert all(b"DEBUG=sdk" in read(worker / "environ").split(b"\0") for worker in workers)


def read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
