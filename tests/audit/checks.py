"""Checks of single deployed functions. Each check returns whether its function succeeded.

Except for the API, a check invokes the function with a recorded event, while the function's queues and
streams are disabled. So the check ends with the function, and uses only that function's role.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.clock import SystemClock
from facematch.domain.comparison import Origin, State, StoredPhoto, make_photo_key
from facematch.domain.lane import HoldReason
from facematch.domain.pair import ArrivedPhoto, Pair, identify_pair
from facematch.domain.priority import Priority
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from facematch.use_cases.sweep import FORGOTTEN_AFTER_S
from harness.driver import Driver, post_form
from harness.faults import Cloud, Emulator, ScenarioContext, make_small_photo
from harness.workers import register_pair
from tests.events import load_event
from tests.factories import make_comparison, make_ended

REFUSED_KEY = "InvalidAccessKeyId.NotFound"
_LONG_S = 2 * FORGOTTEN_AFTER_S
"""Longer than any wait of the sweep."""
_RECORDED_PAIR = "pair-1"
_RECORDED_ENDED = "b53gxigz5i3jbguhj552zwoxv7"


@dataclass(frozen=True, slots=True)
class AuditedStack:
    """A deployed stack to run checks on. Checks that put a region on hold use their own region."""

    context: ScenarioContext
    caller: str

    @property
    def driver(self) -> Driver:
        return self.context.driver

    @property
    def ledger(self) -> DynamoDbLedger:
        return DynamoDbLedger(self.context.cloud.client("dynamodb"), self.driver.stack.table, 90)

    def at(self, region: Region) -> ScenarioContext:
        context = self.context
        return ScenarioContext(
            cloud=context.cloud,
            emulator=context.emulator,
            region=region,
            prefix=context.prefix,
            folder=context.folder,
        )

    def invoke(self, function: str, event: object, qualifier: str | None = None) -> Any:
        """Return the answer of a function, or None if it fails."""
        name = self.context.cloud.find_function(function)
        qualified = f"{name}:{qualifier}" if qualifier else name
        answer = self.context.cloud.client("lambda").invoke(
            FunctionName=qualified, Payload=json.dumps(event).encode()
        )
        return None if "FunctionError" in answer else json.loads(answer["Payload"].read() or b"null")

    def process_batch(self, function: str, event: object, qualifier: str | None = None) -> bool:
        """Invoke a function with a batch; return whether all its messages succeeded."""
        response = self.invoke(function, event, qualifier)
        return response is not None and not response["batchItemFailures"]

    def remove(self, key: str) -> None:
        self.context.cloud.client("dynamodb").delete_item(
            TableName=self.driver.stack.table, Key={"pk": {"S": key}}
        )


type Check = Callable[[AuditedStack], bool]


def audit_stack(driver: Driver, folder: Any) -> AuditedStack:
    """Return the stack of a driver for checks in Singapore."""
    stack = driver.stack
    context = ScenarioContext(
        cloud=Cloud(driver),
        emulator=Emulator(stack.emulator_url),
        region=Region.SINGAPORE,
        prefix="audit",
        folder=folder,
    )
    return AuditedStack(context, str(driver.client("sts").get_caller_identity()["Arn"]))


def _name_pair() -> str:
    return f"pair-{uuid.uuid4().hex}"


def _record(name: str, recorded: str, actual: str, **photos: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(json.dumps(load_event(name, **photos)).replace(recorded, actual))
    return event


def _notify(context: ScenarioContext, pair_id: str, photos: Mapping[Role, StoredPhoto]) -> dict[str, Any]:
    """Return the notifications of photos as one batch."""
    batch: list[Any] = []
    for role, photo in photos.items():
        etag = {f"{role}_etag": photo.etag or ""}
        event = _record(
            f"uploads_{role}", f"singapore/{_RECORDED_PAIR}", f"{context.region}/{pair_id}", **etag
        )
        batch += event["Records"]
    return {"Records": batch}


def _put_photos(audited: AuditedStack, context: ScenarioContext, pair_id: str) -> dict[Role, StoredPhoto]:
    """Upload a pair to the inbox; return its photos."""
    photos = {}
    for number, role in enumerate(Role):
        key = context.name_key(pair_id, role)
        stored = audited.driver.client("s3").put_object(
            Bucket=audited.driver.stack.bucket, Key=key, Body=make_small_photo(number)
        )
        photos[role] = StoredPhoto(key=key, etag=stored["ETag"].strip('"'))
    return photos


def _put_old_pair(audited: AuditedStack, *roles: Role) -> tuple[str, Pair]:
    """Upload a pair to the inbox, and record some of its photos in the ledger as if they came long ago."""
    pair_id, context = _name_pair(), audited.context
    photos = _put_photos(audited, context, pair_id)
    for role in roles:
        arrived = ArrivedPhoto(
            photo=photos[role],
            sequencer="0" * 32,
            arrived_at_ms=SystemClock().now_ms() - 1000 * _LONG_S,
        )
        pair = audited.ledger.put_photo(context.region, pair_id, role, arrived)
    return pair_id, pair


def _sweep(audited: AuditedStack) -> None:
    audited.invoke("Sweep", load_event("sweep_scheduled"))


# Uploads


def one_photo_arrives(audited: AuditedStack) -> bool:
    pair_id = _name_pair()
    photos = {Role.SOURCE: StoredPhoto(key=audited.context.name_key(pair_id, Role.SOURCE), etag="0" * 32)}
    return audited.process_batch("Uploads", _notify(audited.context, pair_id, photos))


def a_pair_arrives(audited: AuditedStack) -> bool:
    return _arrive(audited, audited.context)


def arriving_in(region: Region) -> Check:
    """Return the check of a pair that arrives in a region."""

    def a_pair_arrives_there(audited: AuditedStack) -> bool:
        return _arrive(audited, audited.at(region))

    return a_pair_arrives_there


def _arrive(audited: AuditedStack, context: ScenarioContext) -> bool:
    pair_id = _name_pair()
    photos = _put_photos(audited, context, pair_id)
    worked = audited.process_batch("Uploads", _notify(context, pair_id, photos))
    return worked and not audited.driver.list_keys(f"inbox/{context.region}/{pair_id}/")


# Api


def a_pair_is_posted(audited: AuditedStack) -> bool:
    answer, _ = audited.context.post(_name_pair())
    return answer.status is HTTPStatus.OK


def a_pair_is_posted_for_later(audited: AuditedStack) -> bool:
    answer, _ = audited.context.post(_name_pair(), {"Prefer": "respond-async"})
    return answer.status is HTTPStatus.ACCEPTED


def an_uploaded_pair_is_posted(audited: AuditedStack) -> bool:
    pair_id = _name_pair()
    audited.context.put_pair(pair_id)
    return _post_uploaded(audited, pair_id).status is HTTPStatus.OK


def a_missing_upload_is_posted(audited: AuditedStack) -> bool:
    answer = _post_uploaded(audited, _name_pair())
    return answer.status is HTTPStatus.UNPROCESSABLE_ENTITY and answer.body["code"] == "photo_not_found"


def posting_for_later_in(region: Region) -> Check:
    """Return the check of an asynchronous request in a region."""

    def a_pair_is_posted_for_later_there(audited: AuditedStack) -> bool:
        answer, _ = audited.at(region).post(_name_pair(), {"Prefer": "respond-async"})
        return answer.status is HTTPStatus.ACCEPTED

    return a_pair_is_posted_for_later_there


def a_known_pair_is_posted(audited: AuditedStack) -> bool:
    """Repeat a request. The photos are read from the comparison's own prefix."""
    pair_id = _name_pair()
    headers = {"Idempotency-Key": pair_id}
    first, _ = audited.context.post(pair_id, {**headers, "Prefer": "respond-async"})
    second, _ = audited.context.post(pair_id, headers)
    return (first.status, second.status) == (HTTPStatus.ACCEPTED, HTTPStatus.OK)


def a_photo_is_uploaded_by_form(audited: AuditedStack) -> bool:
    body = {"pair_id": _name_pair(), "region": "singapore"}
    form = audited.driver.request("POST", "/v1/uploads", body).body["source"]
    try:
        return post_form(form["url"], form["fields"], make_small_photo()) == HTTPStatus.NO_CONTENT
    except HTTPError:
        return False


def a_posted_pair_is_erased(audited: AuditedStack) -> bool:
    posted, _ = audited.context.post(_name_pair(), {"Prefer": "respond-async"})
    erased = audited.driver.request("DELETE", f"/v1/comparisons/{posted.body['id']}")
    gone = not audited.driver.list_keys(f"comparisons/{posted.body['id']}/")
    return erased.status is HTTPStatus.NO_CONTENT and gone


def an_incomplete_pair_is_erased(audited: AuditedStack) -> bool:
    pair_id, pair = _put_old_pair(audited, Role.SOURCE)
    comparison = make_comparison(
        id=identify_pair(pair.region, pair.folder, pair.photos),
        region=audited.context.region.value,
        pair_id=pair_id,
        photos=pair.photos,
        origin=Origin.UPLOAD,
    )
    audited.ledger.register(comparison, pair=pair, takes_photos=False)
    erased = audited.driver.request("DELETE", f"/v1/comparisons/{comparison.id}")
    known = audited.ledger.find_pair(pair.region, pair.folder)
    return erased.status is HTTPStatus.NO_CONTENT and known is None


def a_request_reads_a_refused_key_again(audited: AuditedStack) -> bool:
    context = audited.at(Region.MALAYSIA)
    with _refusing_the_key(audited, context):
        posted, _ = context.post(_name_pair())
    return _recorded_refused_key(audited, posted.body.get("id", ""))


def _post_uploaded(audited: AuditedStack, pair_id: str) -> Any:
    keys = {role.value: {"upload_key": audited.context.name_key(pair_id, role)} for role in Role}
    return audited.driver.request("POST", "/v1/comparisons", keys)


# Compare


def a_pair_is_compared(audited: AuditedStack) -> bool:
    return _has_state(_compare(audited, audited.context), State.COMPLETED)


def holding(region: Region, priority: Priority) -> Check:
    """Return the check of a pair in a region that is on hold."""

    def a_hold_postpones_a_pair(audited: AuditedStack) -> bool:
        context = audited.at(region)
        with _held(audited, context):
            comparison = _work(audited, context, register_pair(context, _name_pair()), priority)
        return _has_state(comparison, State.REGISTERED) and not comparison["attempts"]

    return a_hold_postpones_a_pair


def a_pair_without_photos_fails(audited: AuditedStack) -> bool:
    comparison_id = register_pair(audited.context, _name_pair())
    for key in audited.driver.list_keys(f"comparisons/{comparison_id}/"):
        audited.driver.client("s3").delete_object(Bucket=audited.driver.stack.bucket, Key=key)
    return _has_state(_work(audited, audited.context, comparison_id), State.FAILED)


def a_worker_reads_a_refused_key_again(audited: AuditedStack) -> bool:
    context = audited.at(Region.MALAYSIA)
    comparison_id = register_pair(context, _name_pair())
    with _refusing_the_key(audited, context):
        _work(audited, context, comparison_id)
    return _recorded_refused_key(audited, comparison_id)


def _has_state(comparison: Mapping[str, Any], state: State) -> bool:
    return str(comparison["state"]) == state


def _compare(audited: AuditedStack, context: ScenarioContext) -> dict[str, Any]:
    return _work(audited, context, register_pair(context, _name_pair()))


def _work(
    audited: AuditedStack, context: ScenarioContext, comparison_id: str, priority: Priority = Priority.BULK
) -> dict[str, Any]:
    """Invoke a worker with a comparison; return its record, with another state if the worker failed."""
    event = load_event("compare_comparison")
    body = {"comparison_id": comparison_id, "region": context.region, "priority": priority}
    event["Records"][0]["body"] = json.dumps(body)
    worked = audited.process_batch("Compare", event, "live")
    comparison = dict(context.read_item(f"comparison#{comparison_id}"))
    return comparison if worked else {**comparison, "state": "worker failed"}


@contextmanager
def _held(audited: AuditedStack, context: ScenarioContext) -> Iterator[None]:
    """Put the region on hold during the block."""
    key, now_ms = f"lane#{context.region}", SystemClock().now_ms()
    item = {
        "pk": {"S": key},
        "hold_reason": {"S": HoldReason.OPERATOR.value},
        "hold_code": {"S": REFUSED_KEY},
        "hold_since_ms": {"N": str(now_ms)},
        "hold_until_ms": {"N": str(now_ms + 600_000)},
        "hold_duration_ms": {"N": "600000"},
        "hold_is_trial": {"BOOL": False},
    }
    context.cloud.client("dynamodb").put_item(TableName=audited.driver.stack.table, Item=item)
    try:
        yield
    finally:
        audited.remove(key)


@contextmanager
def _refusing_the_key(audited: AuditedStack, context: ScenarioContext) -> Iterator[None]:
    """Let the provider refuse the key once during the block. The caller reads the secret again at once."""
    context.emulator.play(context.region, "refuse", code=REFUSED_KEY, times=1)
    try:
        yield
    finally:
        context.emulator.clear()
        audited.remove(f"lane#{context.region}")


def _recorded_refused_key(audited: AuditedStack, comparison_id: str) -> bool:
    """Return whether the refusal was recorded: the secret was read again, and contained the same key."""
    return bool(audited.context.read_item(f"comparison#{comparison_id}").get("last_code") == REFUSED_KEY)


# Diagnose


def the_key_is_diagnosed(audited: AuditedStack) -> bool:
    """The function `diagnose` reads the key, and the provider accepts it."""
    diagnosis = audited.invoke("Diagnose", {})
    return diagnosis["key_fault"] is None and {
        region["access"] for region in diagnosis["regions"].values()
    } == {"accepted"}


# Publish and Sweep


def a_verdict_is_published(audited: AuditedStack) -> bool:
    def publish(comparison_id: str) -> None:
        audited.invoke("Publish", _record("publish_ended", _RECORDED_ENDED, comparison_id, **_NO_ETAGS))

    return _is_published(audited, publish)


def a_verdict_is_swept(audited: AuditedStack) -> bool:
    return _is_published(audited, lambda _: _sweep(audited))


def an_incomplete_pair_ends(audited: AuditedStack) -> bool:
    pair_id, _ = _put_old_pair(audited, Role.SOURCE)
    _sweep(audited)
    records = audited.context.cloud.read_records()
    states = [record["state"] for record in records if record.get("pair_id") == pair_id]
    return states == [State.FAILED]


def an_incomplete_pair_without_its_photo_is_forgotten(audited: AuditedStack) -> bool:
    pair_id, pair = _put_old_pair(audited, Role.SOURCE)
    audited.driver.client("s3").delete_object(
        Bucket=audited.driver.stack.bucket, Key=audited.context.name_key(pair_id, Role.SOURCE)
    )
    _sweep(audited)
    return audited.ledger.find_pair(pair.region, pair.folder) is None


def a_complete_pair_in_the_inbox_is_registered(audited: AuditedStack) -> bool:
    pair_id, pair = _put_old_pair(audited, *Role)
    _sweep(audited)
    registered = audited.ledger.find(identify_pair(pair.region, pair.folder, pair.photos))
    left = audited.driver.list_keys(f"inbox/{audited.context.region}/{pair_id}/")
    return registered is not None and registered.state is State.REGISTERED and not left


def enqueueing_forgotten_in(region: Region) -> Check:
    """Return the check of a comparison in a region that no worker has received for a long time."""

    def a_forgotten_comparison_is_enqueued(audited: AuditedStack) -> bool:
        created_at_ms = SystemClock().now_ms() - 1000 * _LONG_S
        forgotten = make_comparison(
            id=uuid.uuid4().hex[:26], region=region.value, created_at_ms=created_at_ms, photos={}
        )
        audited.ledger.register(forgotten)
        key = f"comparison#{forgotten.id}"
        try:
            _sweep(audited)
            return "touched_at_ms" in audited.context.read_item(key)
        finally:
            audited.remove(key)

    return a_forgotten_comparison_is_enqueued


def a_verdict_without_photos_is_published(audited: AuditedStack) -> bool:
    def publish(comparison_id: str) -> None:
        _remove_photos(audited, comparison_id)
        event = _record("publish_ended", _RECORDED_ENDED, comparison_id, **_NO_ETAGS)
        assert audited.process_batch("Publish", event)

    return _is_published(audited, publish)


def a_verdict_without_photos_is_swept(audited: AuditedStack) -> bool:
    def sweep(comparison_id: str) -> None:
        _remove_photos(audited, comparison_id)
        _sweep(audited)

    return _is_published(audited, sweep)


_NO_ETAGS = {"source_etag": "-", "target_etag": "-"}


def _is_published(audited: AuditedStack, publish: Callable[[str], None]) -> bool:
    """Put an ended comparison into the outbox; return whether it is published and its photos are deleted."""
    comparison_id, long_ago_ms = uuid.uuid4().hex[:26], SystemClock().now_ms() - 1000 * _LONG_S
    photos = {role: StoredPhoto(key=make_photo_key(comparison_id, role)) for role in Role}
    for photo in photos.values():
        audited.driver.client("s3").put_object(
            Bucket=audited.driver.stack.bucket, Key=photo.key, Body=make_small_photo()
        )
    ended = make_ended(id=comparison_id, photos=photos, created_at_ms=long_ago_ms)
    assert ended.ending
    audited.ledger.register(replace(ended, ending=replace(ended.ending, ended_at_ms=long_ago_ms)))
    key = f"comparison#{comparison_id}"
    try:
        publish(comparison_id)
        left = "published_at_ms" in audited.context.read_item(key)
    finally:
        audited.remove(key)
    return left and not audited.driver.list_keys(f"comparisons/{comparison_id}/")


def _remove_photos(audited: AuditedStack, comparison_id: str) -> None:
    for key in audited.driver.list_keys(f"comparisons/{comparison_id}/"):
        audited.driver.client("s3").delete_object(Bucket=audited.driver.stack.bucket, Key=key)
