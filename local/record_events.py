"""`make record-events`: records one event of each kind in `events/`, as the local cloud delivers it.

A recorder replaces the code of each deployed function. Then each kind of event is triggered through the real
resources. Values that identify anyone or that change from run to run are replaced, so that each recording
gives the same files.
"""

import io
import json
import re
import shutil
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from facematch.adapters.ledger import DynamoDbLedger
from facematch.adapters.queues import SqsComparisonQueues
from facematch.domain.comparison import (
    Attempt,
    Comparison,
    Ending,
    Origin,
    Outcome,
    State,
    StoredPhoto,
    identify_upload,
    make_photo_prefix,
)
from facematch.domain.priority import Priority
from facematch.domain.verdict import Decision, Role, Verdict
from imaging import Report
from local.processes import LOCAL, ROOT, LocalError, Ports
from local.signed_http import request_api
from local.stack import Stack, run_stack

EVENTS: Final = ROOT / "events"
FUNCTIONS: Final = ("uploads", "api", "compare", "publish")
_FOLDER: Final = LOCAL / "record"
_WAIT_LIMIT_S: Final = 60.0
_COMPARISON_ID: Final = "a" * 26
_LANE: Final = "singapore/bulk"
_WRITTEN_BY_HAND: Final = {"sweep_scheduled"}
_REPORT: Final = Report(
    source_format="JPEG",
    source_size_bytes=90_000,
    source_width=720,
    source_height=960,
    source_mode="RGB",
    orientation=1,
    scale=1.0,
    padded_rows=0,
    alpha_flattened=False,
    profile_converted=False,
    quality=None,
    passes=0,
    size_bytes=90_000,
    untouched=True,
)
_LOCAL_ACCOUNT: Final = "000000000000"
_FIXED_TIME_MS: Final = 1_767_225_600_000
_FIXED_TIME: Final = "2026-01-01T00:00:00.000Z"

_RECORDER: Final = """\
import json, os, uuid

def handle(event, context):
    print("recorded")
    name = uuid.uuid4().hex
    with open(os.path.join({folder!r}, name + ".part"), "w") as file:
        json.dump(event, file)
    os.replace(os.path.join({folder!r}, name + ".part"), os.path.join({folder!r}, name + ".json"))
    return {answer!r}
"""
_BATCH_ANSWER: Final[Mapping[str, Any]] = {"batchItemFailures": []}
_API_ANSWER: Final[Mapping[str, Any]] = {"statusCode": 200, "headers": {}, "body": "{}"}

type Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Recorder:
    """Replaces the functions of a stack, and returns the events that they receive."""

    stack: Stack
    folder: Path

    def install(self) -> None:
        """Replace the code of each function by a recorder, once the queues are empty."""
        # The bucket sends a test event when it is deployed. A function that processes it must not be stopped.
        _wait(lambda: self._count_waiting() == 0, "the queues to be empty")
        functions = self.stack.client("lambda")
        listed = functions.list_functions()["Functions"]
        names = {function["Handler"]: function["FunctionName"] for function in listed}
        shutil.rmtree(self.folder, ignore_errors=True)
        for function in FUNCTIONS:
            folder = self.folder / function
            folder.mkdir(parents=True)
            name = names[f"facematch.handlers.{function}.handle"]
            updated = functions.update_function_code(
                FunctionName=name, ZipFile=_pack_recorder(function, folder), Publish=True
            )
            for alias in functions.list_aliases(FunctionName=name)["Aliases"]:
                functions.update_alias(
                    FunctionName=name, Name=alias["Name"], FunctionVersion=updated["Version"]
                )

    def take(self, function: str, *, records: int | None = None) -> Event:
        """Return the event that `function` received, and check its number of records.

        Raises
        ------
        LocalError
            No event arrived, or another one than expected.
        """
        arrived: list[Path] = []

        def look() -> bool:
            arrived.extend(self.folder.joinpath(function).glob("*.json"))
            return bool(arrived)

        _wait(look, f"an event at {function}")
        event: Event = json.loads(arrived[0].read_text())
        arrived[0].unlink()
        if len(arrived) > 1 or (records is not None and len(event["Records"]) != records):
            raise LocalError(f"{function} received unexpected events. Run the command again.")
        _wait(lambda: self._count_waiting() == 0, "the queues to be empty")
        return event

    @contextmanager
    def batch_uploads(self) -> Iterator[None]:
        """Stop reading the uploads queue during the block, so that its messages arrive as one batch."""
        functions = self.stack.client("lambda")
        mappings = functions.list_event_source_mappings()["EventSourceMappings"]
        queue = _name(self.stack.uploads_queue_url)
        (mapping_id,) = (
            mapping["UUID"] for mapping in mappings if mapping["EventSourceArn"].endswith(f":{queue}")
        )
        functions.update_event_source_mapping(UUID=mapping_id, Enabled=False)
        try:
            yield
        finally:
            functions.update_event_source_mapping(UUID=mapping_id, Enabled=True)

    def _count_waiting(self) -> int:
        names = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")
        queues = self.stack.client("sqs")
        answers = (
            queues.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))["Attributes"]
            for url in (self.stack.uploads_queue_url, self.stack.comparison_queue_urls[_LANE])
        )
        return sum(int(attributes[name]) for attributes in answers for name in names)


def record(stack: Stack, folder: Path) -> dict[str, Event]:
    """Trigger one event of each kind; return the received events by name."""
    recorder = Recorder(stack, folder)
    recorder.install()
    return {**_record_uploads(recorder), **_record_queue_and_stream(recorder), **_record_api(recorder)}


def _record_uploads(recorder: Recorder) -> dict[str, Event]:
    stack, bucket, queues = recorder.stack, recorder.stack.client("s3"), recorder.stack.client("sqs")
    events: dict[str, Event] = {}

    def put(key: str) -> None:
        bucket.put_object(Bucket=stack.bucket, Key=key, Body=b"not a photo", ContentType="image/jpeg")

    notifications = bucket.get_bucket_notification_configuration(Bucket=stack.bucket)
    notifications.pop("ResponseMetadata")
    bucket.put_bucket_notification_configuration(Bucket=stack.bucket, NotificationConfiguration=notifications)
    events["uploads_test_event"] = recorder.take("uploads", records=1)

    for role in Role:
        put(f"inbox/singapore/pair-1/{role}.jpg")
        events[f"uploads_{role}"] = recorder.take("uploads", records=1)

    with recorder.batch_uploads():
        put("inbox/singapore/Zoë + Åsa 100% 张伟/source.jpg")
        put("inbox/singapore/Zoë + Åsa 100% 张伟/target.jpg")
    events["uploads_encoded_keys"] = recorder.take("uploads", records=2)

    put("inbox/readme.txt")
    events["uploads_foreign_key"] = recorder.take("uploads", records=1)

    with recorder.batch_uploads():
        put("inbox/singapore/pair-1/source.jpg")
        queues.send_message(QueueUrl=stack.uploads_queue_url, MessageBody="this is no JSON")
    events["uploads_bad_record"] = recorder.take("uploads", records=2)
    return events


def _record_queue_and_stream(recorder: Recorder) -> dict[str, Event]:
    stack, events = recorder.stack, {}
    urls = {("singapore", Priority.BULK): stack.comparison_queue_urls[_LANE]}
    SqsComparisonQueues(stack.client("sqs"), urls).send("singapore", Priority.BULK, _COMPARISON_ID)
    events["compare_comparison"] = recorder.take("compare", records=1)
    DynamoDbLedger(stack.client("dynamodb"), stack.table, 90).register(_make_ended_comparison())
    events["publish_ended"] = recorder.take("publish", records=1)
    return events


def _record_api(recorder: Recorder) -> dict[str, Event]:
    pair = {"source": {"photo": "{{source_photo}}"}, "target": {"photo": "{{target_photo}}"}}
    create = {"region": "singapore", "pair_id": "pair-1", **pair}
    comparison = f"/v1/comparisons/{_COMPARISON_ID}"
    requests: dict[str, tuple[str, str, Any, dict[str, str]]] = {
        "api_create_comparison": ("POST", "/v1/comparisons", create, {}),
        "api_respond_async": ("POST", "/v1/comparisons", create, {"Prefer": "respond-async"}),
        "api_idempotency_key": ("POST", "/v1/comparisons", create, {"Idempotency-Key": "order-1"}),
        "api_read_comparison": ("GET", comparison, None, {}),
        "api_erase_comparison": ("DELETE", comparison, None, {}),
        "api_create_uploads": ("POST", "/v1/uploads", {"region": "singapore", "pair_id": "pair-1"}, {}),
    }
    events = {}
    for name, (method, path, body, headers) in requests.items():
        request_api(recorder.stack, method, path, body, headers)
        events[name] = recorder.take("api")
    return events


def _make_ended_comparison() -> Comparison:
    etags = {role: f"{{{{{role}_etag}}}}" for role in Role}
    comparison_id = identify_upload("singapore", "pair-1", etags)
    photos = {
        role: StoredPhoto(key=f"{make_photo_prefix(comparison_id)}{role}-{etag}")
        for role, etag in etags.items()
    }
    verdict = Verdict(
        decision=Decision.MATCH,
        message="Both photos show one person, by the provider's word and this stack's bounds.",
        passed=True,
        score=98.5,
        provider_code="Success",
        request_id="request-1",
        transaction_id="transaction-1",
    )
    attempt = Attempt(
        number=1,
        merchant_biz_id=f"{comparison_id}01" + "0" * 4,
        started_at_ms=_FIXED_TIME_MS,
        outcome=Outcome.ANSWERED,
        code="Success",
        request_id="request-1",
        duration_ms=200,
    )
    return Comparison(
        id=comparison_id,
        region="singapore",
        pair_id="pair-1",
        origin=Origin.UPLOAD,
        created_at_ms=_FIXED_TIME_MS,
        photos=photos,
        state=State.COMPLETED,
        attempts=(attempt,),
        ending=Ending(
            verdict=verdict,
            ended_at_ms=_FIXED_TIME_MS + 900,
            photos={role: {**asdict(_REPORT), "width": 720, "height": 960} for role in Role},
            timings_ms={"read": 100, "prepare": 300, "wait_for_slot": 50, "call": 200},
        ),
    )


@dataclass(slots=True)
class Anonymiser:
    """Replaces values in recorded events. `names` has the names of a stack and their replacements."""

    names: Mapping[str, str]
    _counts: dict[str, int] = field(default_factory=dict)

    def clean(self, value: Any) -> Any:  # noqa: ANN401 - any JSON value
        """Return an event or a part of it, with the values replaced that identify anyone or change."""
        match value:
            case dict():
                return {
                    name: self._clean_field(name, value) for name in value if name.lower() not in _DROPPED
                }
            case list():
                return [self.clean(item) for item in value]
            case str() if value.startswith("{") and not value.startswith("{{"):
                # The body of a message or a request.
                return json.dumps(self.clean(json.loads(value)), ensure_ascii=False)
            case str():
                return self._clean_text(value)
        return value

    def _clean_field(self, name: str, owner: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
        value = owner[name]
        known = name.lower()
        if known == "etag" and isinstance(value, str):
            role = next((role for role in Role if f"/{role}." in owner["key"]), None)
            return f"{{{{{role}_etag}}}}" if role else "0" * 32
        if known in _COUNTED:
            self._counts[known] = self._counts.get(known, 0) + 1
            return _COUNTED[known].format(self._counts[known])
        if known in _FIXED:
            return [_FIXED[known]] if isinstance(value, list) else _FIXED[known]
        return self.clean(value)

    def _clean_text(self, text: str) -> str:
        for name, replacement in self.names.items():
            text = text.replace(name, replacement)
        return re.sub(r"/stream/.*", "/stream/2026-01-01T00:00:00.000", text)


_DROPPED: Final = {"content-length", "awstraceheader", "x-amzn-trace-id"}
_COUNTED: Final = {
    "messageid": "message-{}",
    "receipthandle": "receipt-{}",
    "sequencer": "{:018X}",
}
_FIXED: Final[Mapping[str, Any]] = {
    "accesskey": "access-key",
    "apiid": "api-id",
    "approximatecreationdatetime": _FIXED_TIME_MS // 1000,
    "approximatefirstreceivetimestamp": str(_FIXED_TIME_MS),
    "authorization": "AWS4-HMAC-SHA256 removed",
    "configurationid": "uploads",
    "eventid": "event-1",
    "eventtime": _FIXED_TIME,
    "extendedrequestid": "request-1",
    "host": "api-id.execute-api.ap-southeast-1.amazonaws.com",
    "hostid": "host-1",
    "md5ofbody": "0" * 32,
    "requestid": "request-1",
    "requesttime": "01/Jan/2026:00:00:00 +0000",
    "requesttimeepoch": _FIXED_TIME_MS,
    "resourceid": "resource-id",
    "senttimestamp": str(_FIXED_TIME_MS),
    "sequencenumber": "1",
    "sourceip": "127.0.0.1",
    "sourceipaddress": "127.0.0.1",
    "time": _FIXED_TIME,
    "user-agent": "client",
    "useragent": "client",
    "x-amz-date": "20260101T000000Z",
    "x-amz-request-id": "request-1",
}


def anonymise(stack: Stack, recorded: Mapping[str, Event]) -> dict[str, Event]:
    """Return the events without values that identify anyone or that differ between runs."""
    names = {
        stack.bucket: "facematch-photos",
        stack.table: "facematch-ledger",
        _name(stack.uploads_queue_url): "facematch-uploads",
        _name(stack.comparison_queue_urls[_LANE]): "facematch-singapore-bulk",
        _LOCAL_ACCOUNT: "123456789012",
    }
    anonymiser = Anonymiser(names)
    return {name: anonymiser.clean(event) for name, event in recorded.items()}


def write(events: Mapping[str, Event], folder: Path) -> None:
    """Write each event to its own file, and delete the files of earlier recordings."""
    for file in folder.glob("*.json"):
        if file.stem not in _WRITTEN_BY_HAND:
            file.unlink()
    for name, event in events.items():
        text = json.dumps(event, indent=2, sort_keys=True, ensure_ascii=False)
        folder.joinpath(f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


def main() -> None:
    """Record all events again."""
    with run_stack(Ports(cloud=0, emulator=0), _FOLDER) as stack:
        print("Recording one event of each kind …")
        events = anonymise(stack, record(stack, _FOLDER / "events"))
    write(events, EVENTS)
    print(f"Wrote {len(events)} events to {EVENTS.relative_to(ROOT)}/. The tests replay them.")


def _pack_recorder(function: str, folder: Path) -> bytes:
    answer = _API_ANSWER if function == "api" else _BATCH_ANSWER
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("facematch/__init__.py", "")
        bundle.writestr("facematch/handlers/__init__.py", "")
        bundle.writestr(
            f"facematch/handlers/{function}.py", _RECORDER.format(folder=str(folder), answer=dict(answer))
        )
    return archive.getvalue()


def _wait(ready: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _WAIT_LIMIT_S
    while not ready():
        if time.monotonic() > deadline:
            raise LocalError(f"Waited {_WAIT_LIMIT_S:.0f} s for {what}. See {_FOLDER}/cloud.log.")
        time.sleep(0.1)


def _name(queue_url: str) -> str:
    return queue_url.rpartition("/")[2]


if __name__ == "__main__":
    try:
        main()
    except LocalError as error:
        sys.exit(str(error))
