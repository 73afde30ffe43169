"""The smallest paths through the deployed functions: each says whether it went as it should.

But for the API they are taken by invoking a function with a recorded event while nothing reaches it from its
queue or stream, so that each ends when the function does, and is only about that function's role.
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
from harness.faults import Cloud, Emulator, Site, make_small_photo
from harness.workers import register_pair
from tests.events import load_event
from tests.factories import make_comparison, make_ended

REFUSED_KEY = "InvalidAccessKeyId.NotFound"
_LONG_S = 2 * FORGOTTEN_AFTER_S
"""Longer than the sweep waits for anything."""
_RECORDED_PAIR = "pair-1"
_RECORDED_ENDED = "b53gxigz5i3jbguhj552zwoxv7"


@dataclass(frozen=True, slots=True)
class Ground:
    """A deployed stack to take paths through; lanes are held in regions that no other path uses."""

    site: Site
    caller: str

    @property
    def driver(self) -> Driver:
        return self.site.driver

    @property
    def ledger(self) -> DynamoDbLedger:
        return DynamoDbLedger(self.site.cloud.client("dynamodb"), self.driver.stack.table, 90)

    def at(self, region: Region) -> Site:
        site = self.site
        return Site(
            cloud=site.cloud, emulator=site.emulator, region=region, prefix=site.prefix, folder=site.folder
        )

    def invoke(self, function: str, event: object, qualifier: str | None = None) -> Any:
        """Return what a function answers, None where it fails."""
        name = self.site.cloud.find_function(function)
        qualified = f"{name}:{qualifier}" if qualifier else name
        answer = self.site.cloud.client("lambda").invoke(
            FunctionName=qualified, Payload=json.dumps(event).encode()
        )
        return None if "FunctionError" in answer else json.loads(answer["Payload"].read() or b"null")

    def works_off(self, function: str, event: object, qualifier: str | None = None) -> bool:
        """Hand a batch to a function; tell whether nothing of it failed."""
        response = self.invoke(function, event, qualifier)
        return response is not None and not response["batchItemFailures"]

    def remove(self, key: str) -> None:
        self.site.cloud.client("dynamodb").delete_item(
            TableName=self.driver.stack.table, Key={"pk": {"S": key}}
        )


type Path = Callable[[Ground], bool]


def open_ground(driver: Driver, folder: Any) -> Ground:
    """Return the ground that a stack is, in Singapore."""
    stack = driver.stack
    site = Site(
        cloud=Cloud(driver),
        emulator=Emulator(stack.emulator_url),
        region=Region.SINGAPORE,
        prefix="audit",
        folder=folder,
    )
    return Ground(site, str(driver.client("sts").get_caller_identity()["Arn"]))


def _name_pair() -> str:
    return f"pair-{uuid.uuid4().hex}"


def _record(name: str, recorded: str, actual: str, **photos: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(json.dumps(load_event(name, **photos)).replace(recorded, actual))
    return event


def _notify(site: Site, pair_id: str, photos: Mapping[Role, StoredPhoto]) -> dict[str, Any]:
    """Return the notifications of photos, as one batch."""
    batch: list[Any] = []
    for role, photo in photos.items():
        etag = {f"{role}_etag": photo.etag or ""}
        event = _record(f"uploads_{role}", f"singapore/{_RECORDED_PAIR}", f"{site.region}/{pair_id}", **etag)
        batch += event["Records"]
    return {"Records": batch}


def _put_photos(ground: Ground, site: Site, pair_id: str) -> dict[Role, StoredPhoto]:
    """Put a pair into the inbox; return its photos."""
    photos = {}
    for number, role in enumerate(Role):
        key = site.name_key(pair_id, role)
        stored = ground.driver.client("s3").put_object(
            Bucket=ground.driver.stack.bucket, Key=key, Body=make_small_photo(number)
        )
        photos[role] = StoredPhoto(key=key, etag=stored["ETag"].strip('"'))
    return photos


def _put_old_pair(ground: Ground, *roles: Role) -> tuple[str, Pair]:
    """Put a pair into the inbox, and some of its photos into the ledger, as if they came long ago."""
    pair_id, site = _name_pair(), ground.site
    photos = _put_photos(ground, site, pair_id)
    for role in roles:
        arrived = ArrivedPhoto(
            photo=photos[role],
            sequencer="0" * 32,
            arrived_at_ms=SystemClock().now_ms() - 1000 * _LONG_S,
        )
        pair = ground.ledger.put_photo(site.region, pair_id, role, arrived)
    return pair_id, pair


def _sweep(ground: Ground) -> None:
    ground.invoke("Sweep", load_event("sweep_scheduled"))


# Uploads


def half_a_pair_arrives(ground: Ground) -> bool:
    pair_id = _name_pair()
    photos = {Role.SOURCE: StoredPhoto(key=ground.site.name_key(pair_id, Role.SOURCE), etag="0" * 32)}
    return ground.works_off("Uploads", _notify(ground.site, pair_id, photos))


def a_pair_arrives(ground: Ground) -> bool:
    return _arrive(ground, ground.site)


def arriving_in(region: Region) -> Path:
    """Return the path of a pair that arrives in that region."""

    def a_pair_arrives_there(ground: Ground) -> bool:
        return _arrive(ground, ground.at(region))

    return a_pair_arrives_there


def _arrive(ground: Ground, site: Site) -> bool:
    pair_id = _name_pair()
    photos = _put_photos(ground, site, pair_id)
    worked = ground.works_off("Uploads", _notify(site, pair_id, photos))
    return worked and not ground.driver.list_keys(f"inbox/{site.region}/{pair_id}/")


# Api


def a_pair_is_posted(ground: Ground) -> bool:
    answer, _ = ground.site.post(_name_pair())
    return answer.status is HTTPStatus.OK


def a_pair_is_posted_for_later(ground: Ground) -> bool:
    answer, _ = ground.site.post(_name_pair(), {"Prefer": "respond-async"})
    return answer.status is HTTPStatus.ACCEPTED


def an_uploaded_pair_is_posted(ground: Ground) -> bool:
    pair_id = _name_pair()
    ground.site.put_pair(pair_id)
    return _post_uploaded(ground, pair_id).status is HTTPStatus.OK


def a_missing_upload_is_posted(ground: Ground) -> bool:
    answer = _post_uploaded(ground, _name_pair())
    return answer.status is HTTPStatus.UNPROCESSABLE_ENTITY and answer.body["code"] == "photo_not_found"


def posting_for_later_in(region: Region) -> Path:
    """Return the path of a request in that region that a worker is to finish."""

    def a_pair_is_posted_for_later_there(ground: Ground) -> bool:
        answer, _ = ground.at(region).post(_name_pair(), {"Prefer": "respond-async"})
        return answer.status is HTTPStatus.ACCEPTED

    return a_pair_is_posted_for_later_there


def a_known_pair_is_posted(ground: Ground) -> bool:
    """Ask again for what was registered before: its photos are read from where the comparison has them."""
    pair_id = _name_pair()
    headers = {"Idempotency-Key": pair_id}
    first, _ = ground.site.post(pair_id, {**headers, "Prefer": "respond-async"})
    second, _ = ground.site.post(pair_id, headers)
    return (first.status, second.status) == (HTTPStatus.ACCEPTED, HTTPStatus.OK)


def a_photo_is_uploaded_by_form(ground: Ground) -> bool:
    asked = {"pair_id": _name_pair(), "region": "singapore"}
    ticket = ground.driver.request("POST", "/v1/uploads", asked).body["source"]
    try:
        return post_form(ticket["url"], ticket["fields"], make_small_photo()) == HTTPStatus.NO_CONTENT
    except HTTPError:
        return False


def a_posted_pair_is_erased(ground: Ground) -> bool:
    posted, _ = ground.site.post(_name_pair(), {"Prefer": "respond-async"})
    erased = ground.driver.request("DELETE", f"/v1/comparisons/{posted.body['id']}")
    gone = not ground.driver.list_keys(f"comparisons/{posted.body['id']}/")
    return erased.status is HTTPStatus.NO_CONTENT and gone


def half_a_pair_is_erased(ground: Ground) -> bool:
    pair_id, pair = _put_old_pair(ground, Role.SOURCE)
    comparison = make_comparison(
        id=identify_pair(pair.region, pair.folder, pair.photos),
        region=ground.site.region.value,
        pair_id=pair_id,
        photos=pair.photos,
        origin=Origin.UPLOAD,
    )
    ground.ledger.register(comparison, pair=pair, takes_photos=False)
    erased = ground.driver.request("DELETE", f"/v1/comparisons/{comparison.id}")
    known = ground.ledger.find_pair(pair.region, pair.folder)
    return erased.status is HTTPStatus.NO_CONTENT and known is None


def a_request_reads_a_refused_key_anew(ground: Ground) -> bool:
    site = ground.at(Region.MALAYSIA)
    with _refusing_the_key(ground, site):
        posted, _ = site.post(_name_pair())
    return _tells_refused_key(ground, posted.body.get("id", ""))


def _post_uploaded(ground: Ground, pair_id: str) -> Any:
    keys = {role.value: {"upload_key": ground.site.name_key(pair_id, role)} for role in Role}
    return ground.driver.request("POST", "/v1/comparisons", keys)


# Compare


def a_pair_is_compared(ground: Ground) -> bool:
    return _stands_as(_compare(ground, ground.site), State.COMPLETED)


def holding(region: Region, priority: Priority) -> Path:
    """Return the path of a pair that meets a hold of its lane."""

    def a_hold_postpones_a_pair(ground: Ground) -> bool:
        site = ground.at(region)
        with _held(ground, site):
            comparison = _work(ground, site, register_pair(site, _name_pair()), priority)
        return _stands_as(comparison, State.REGISTERED) and not comparison["attempts"]

    return a_hold_postpones_a_pair


def a_pair_without_photos_fails(ground: Ground) -> bool:
    comparison_id = register_pair(ground.site, _name_pair())
    for key in ground.driver.list_keys(f"comparisons/{comparison_id}/"):
        ground.driver.client("s3").delete_object(Bucket=ground.driver.stack.bucket, Key=key)
    return _stands_as(_work(ground, ground.site, comparison_id), State.FAILED)


def a_worker_reads_a_refused_key_anew(ground: Ground) -> bool:
    site = ground.at(Region.MALAYSIA)
    comparison_id = register_pair(site, _name_pair())
    with _refusing_the_key(ground, site):
        _work(ground, site, comparison_id)
    return _tells_refused_key(ground, comparison_id)


def _stands_as(comparison: Mapping[str, Any], state: State) -> bool:
    return str(comparison["state"]) == state


def _compare(ground: Ground, site: Site) -> dict[str, Any]:
    return _work(ground, site, register_pair(site, _name_pair()))


def _work(
    ground: Ground, site: Site, comparison_id: str, priority: Priority = Priority.BULK
) -> dict[str, Any]:
    """Have a worker take a comparison; return what stands of it, as if untouched where the worker failed."""
    event = load_event("compare_comparison")
    body = {"comparison_id": comparison_id, "region": site.region, "priority": priority}
    event["Records"][0]["body"] = json.dumps(body)
    worked = ground.works_off("Compare", event, "live")
    comparison = dict(site.read_item(f"comparison#{comparison_id}"))
    return comparison if worked else {**comparison, "state": "not worked off"}


@contextmanager
def _held(ground: Ground, site: Site) -> Iterator[None]:
    """Have the region's lane on hold for the time of the block."""
    key, now_ms = f"lane#{site.region}", SystemClock().now_ms()
    item = {
        "pk": {"S": key},
        "hold_reason": {"S": HoldReason.OPERATOR.value},
        "hold_code": {"S": REFUSED_KEY},
        "hold_since_ms": {"N": str(now_ms)},
        "hold_until_ms": {"N": str(now_ms + 600_000)},
        "hold_duration_ms": {"N": "600000"},
        "hold_is_trial": {"BOOL": False},
    }
    site.cloud.client("dynamodb").put_item(TableName=ground.driver.stack.table, Item=item)
    try:
        yield
    finally:
        ground.remove(key)


@contextmanager
def _refusing_the_key(ground: Ground, site: Site) -> Iterator[None]:
    """Have the provider refuse the key once: whoever meets that reads the secret again at once."""
    site.emulator.play(site.region, "refuse", code=REFUSED_KEY, times=1)
    try:
        yield
    finally:
        site.emulator.clear()
        ground.remove(f"lane#{site.region}")


def _tells_refused_key(ground: Ground, comparison_id: str) -> bool:
    """Tell whether the provider's refusal stands: the secret was read, and holds the same key still."""
    return bool(ground.site.read_item(f"comparison#{comparison_id}").get("last_code") == REFUSED_KEY)


# Diagnose


def the_key_is_diagnosed(ground: Ground) -> bool:
    """The function that the doctor invokes reads the key, and the provider accepts it."""
    diagnosis = ground.invoke("Diagnose", {})
    return diagnosis["key_fault"] is None and {
        found["access"] for found in diagnosis["regions"].values()
    } == {"accepted"}


# Publish and Sweep


def a_verdict_is_published(ground: Ground) -> bool:
    def publish(comparison_id: str) -> None:
        ground.invoke("Publish", _record("publish_ended", _RECORDED_ENDED, comparison_id, **_NO_ETAGS))

    return _leaves(ground, publish)


def a_verdict_is_swept(ground: Ground) -> bool:
    return _leaves(ground, lambda _: _sweep(ground))


def half_a_pair_ends(ground: Ground) -> bool:
    pair_id, _ = _put_old_pair(ground, Role.SOURCE)
    _sweep(ground)
    ended = [one for one in ground.site.cloud.read_records() if one.get("pair_id") == pair_id]
    return [one["state"] for one in ended] == [State.FAILED]


def half_a_pair_without_its_photo_is_forgotten(ground: Ground) -> bool:
    pair_id, pair = _put_old_pair(ground, Role.SOURCE)
    ground.driver.client("s3").delete_object(
        Bucket=ground.driver.stack.bucket, Key=ground.site.name_key(pair_id, Role.SOURCE)
    )
    _sweep(ground)
    return ground.ledger.find_pair(pair.region, pair.folder) is None


def a_pair_left_behind_is_registered(ground: Ground) -> bool:
    pair_id, pair = _put_old_pair(ground, *Role)
    _sweep(ground)
    registered = ground.ledger.find(identify_pair(pair.region, pair.folder, pair.photos))
    left = ground.driver.list_keys(f"inbox/{ground.site.region}/{pair_id}/")
    return registered is not None and registered.state is State.REGISTERED and not left


def enqueueing_forgotten_in(region: Region) -> Path:
    """Return the path of a comparison in that region that no worker has seen for long."""

    def a_forgotten_comparison_is_enqueued(ground: Ground) -> bool:
        created_at_ms = SystemClock().now_ms() - 1000 * _LONG_S
        forgotten = make_comparison(
            id=uuid.uuid4().hex[:26], region=region.value, created_at_ms=created_at_ms, photos={}
        )
        ground.ledger.register(forgotten)
        key = f"comparison#{forgotten.id}"
        try:
            _sweep(ground)
            return "touched_at_ms" in ground.site.read_item(key)
        finally:
            ground.remove(key)

    return a_forgotten_comparison_is_enqueued


def a_verdict_without_photos_is_published(ground: Ground) -> bool:
    def publish(comparison_id: str) -> None:
        _remove_photos(ground, comparison_id)
        a_publication = _record("publish_ended", _RECORDED_ENDED, comparison_id, **_NO_ETAGS)
        assert ground.works_off("Publish", a_publication)

    return _leaves(ground, publish)


def a_verdict_without_photos_is_swept(ground: Ground) -> bool:
    def sweep(comparison_id: str) -> None:
        _remove_photos(ground, comparison_id)
        _sweep(ground)

    return _leaves(ground, sweep)


_NO_ETAGS = {"source_etag": "-", "target_etag": "-"}


def _leaves(ground: Ground, publish: Callable[[str], None]) -> bool:
    """Put an ended comparison into the outbox; tell whether it left, and its photos were deleted."""
    comparison_id, long_ago_ms = uuid.uuid4().hex[:26], SystemClock().now_ms() - 1000 * _LONG_S
    photos = {role: StoredPhoto(key=make_photo_key(comparison_id, role)) for role in Role}
    for photo in photos.values():
        ground.driver.client("s3").put_object(
            Bucket=ground.driver.stack.bucket, Key=photo.key, Body=make_small_photo()
        )
    ended = make_ended(id=comparison_id, photos=photos, created_at_ms=long_ago_ms)
    assert ended.ending
    ground.ledger.register(replace(ended, ending=replace(ended.ending, ended_at_ms=long_ago_ms)))
    key = f"comparison#{comparison_id}"
    try:
        publish(comparison_id)
        left = "published_at_ms" in ground.site.read_item(key)
    finally:
        ground.remove(key)
    return left and not ground.driver.list_keys(f"comparisons/{comparison_id}/")


def _remove_photos(ground: Ground, comparison_id: str) -> None:
    for key in ground.driver.list_keys(f"comparisons/{comparison_id}/"):
        ground.driver.client("s3").delete_object(Bucket=ground.driver.stack.bucket, Key=key)
