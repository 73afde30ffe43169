"""The smallest paths through the deployed functions: each says whether it went as it should.

But for the API they are taken by invoking a function with a recorded event while nothing reaches it from its
queue or stream, so that each ends when the function does, and is only about that function's role.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from facematch.adapters.ledger import PENDING, PUBLISHED, DynamoDbLedger
from facematch.domain.comparison import Origin, State, StoredPhoto, identify_upload
from facematch.domain.ports import ArrivedPhoto
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from facematch.use_cases.sweep_outbox import SWEPT_AFTER_S
from tests.e2e.driver import Driver
from tests.e2e.faults import Cloud, Emulator, Site, make_small_photo
from tests.e2e.workers import register_pair
from tests.events import load_event
from tests.factories import make_comparison, make_ended

REFUSED_KEY = "InvalidAccessKeyId.NotFound"
_LONG_AGO_S = 1_700_000_000
"""When a circuit was opened: always the same, as a worker goes by what it read a moment ago."""
_RECORDED_PAIR = "pair-1"
_RECORDED_COMPARISON = "a" * 26
_RECORDED_ENDED = "b53gxigz5i3jbguhj552zwoxv7"


@dataclass(frozen=True, slots=True)
class Ground:
    """A deployed stack to take paths through; circuits are opened in regions that no other path uses."""

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


def _tell_of_photo(pair_id: str, role: Role) -> dict[str, Any]:
    return _record(f"uploads_{role}", _RECORDED_PAIR, pair_id, **{f"{role}_etag": uuid.uuid4().hex})


# Uploads


def half_a_pair_arrives(ground: Ground) -> bool:
    return ground.works_off("Uploads", _tell_of_photo(_name_pair(), Role.SOURCE))


def a_pair_arrives(ground: Ground) -> bool:
    pair_id = _name_pair()
    records = [record for role in Role for record in _tell_of_photo(pair_id, role)["Records"]]
    return ground.works_off("Uploads", {"Records": records})


def half_a_pair_ends(ground: Ground) -> bool:
    pair_id = _name_pair()
    # The recorded photo came long ago.
    arrived = ground.works_off("Uploads", _tell_of_photo(pair_id, Role.SOURCE))
    return arrived and ground.works_off("Uploads", _record("uploads_deadline", _RECORDED_PAIR, pair_id))


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


def a_posted_pair_is_erased(ground: Ground) -> bool:
    posted, _ = ground.site.post(_name_pair(), {"Prefer": "respond-async"})
    erased = ground.driver.request("DELETE", f"/v1/comparisons/{posted.body['id']}")
    gone = not ground.driver.list_keys(f"requests/{posted.body['id']}/")
    return erased.status is HTTPStatus.NO_CONTENT and gone


def an_uploaded_pair_is_erased(ground: Ground) -> bool:
    pair_id = _name_pair()
    comparison = make_comparison(**_put_known_pair(ground, pair_id), caller=ground.caller)
    ground.ledger.register(comparison)
    erased = ground.driver.request("DELETE", f"/v1/comparisons/{comparison.id}")
    known = ground.site.read_item(f"pair#{ground.site.region}#{pair_id}")
    return erased.status is HTTPStatus.NO_CONTENT and not known


def a_request_reads_a_refused_key_anew(ground: Ground) -> bool:
    with _refusing_the_key(ground.site):
        posted, _ = ground.site.post(_name_pair())
    return _tells_refused_key(ground, posted.body.get("id", ""))


def _post_uploaded(ground: Ground, pair_id: str) -> Any:
    keys = {role.value: {"upload_key": ground.site.name_key(pair_id, role)} for role in Role}
    return ground.driver.request("POST", "/v1/comparisons", keys)


# Compare


def a_pair_is_compared(ground: Ground) -> bool:
    return _stands_as(_compare(ground, ground.site), State.COMPLETED)


def an_open_circuit_postpones_a_pair(ground: Ground) -> bool:
    site = ground.at(Region.MALAYSIA)
    with _circuit_opened(ground, site, at_s=int(time.time())):
        comparison = _compare(ground, site)
    return _stands_as(comparison, State.REGISTERED) and not comparison["attempts"]


def a_pair_probes_a_circuit(ground: Ground) -> bool:
    site = ground.at(Region.HONG_KONG)
    with _circuit_opened(ground, site, at_s=_LONG_AGO_S):
        comparison = _compare(ground, site)
        closed = site.read_item(f"circuit#{site.region}")["state"] == "CLOSED"
    return closed and _stands_as(comparison, State.COMPLETED)


def a_pair_without_photos_fails(ground: Ground) -> bool:
    comparison_id = register_pair(ground.site, _name_pair())
    for key in ground.driver.list_keys(f"requests/{comparison_id}/"):
        ground.driver.client("s3").delete_object(Bucket=ground.driver.stack.bucket, Key=key)
    return _stands_as(_work(ground, ground.site, comparison_id), State.FAILED)


def a_worker_reads_a_refused_key_anew(ground: Ground) -> bool:
    comparison_id = register_pair(ground.site, _name_pair())
    with _refusing_the_key(ground.site):
        _work(ground, ground.site, comparison_id)
    return _tells_refused_key(ground, comparison_id)


def _stands_as(comparison: Mapping[str, Any], state: State) -> bool:
    return str(comparison["state"]) == state


def _compare(ground: Ground, site: Site) -> dict[str, Any]:
    return _work(ground, site, register_pair(site, _name_pair()))


def _work(ground: Ground, site: Site, comparison_id: str) -> dict[str, Any]:
    """Have a worker take a comparison; return what stands of it, as if untouched where the worker failed."""
    event = _record("compare_comparison", _RECORDED_COMPARISON, comparison_id)
    worked = ground.works_off("Compare", event, "live")
    comparison = dict(site.read_item(f"comparison#{comparison_id}"))
    return comparison if worked else {**comparison, "state": "not worked off"}


@contextmanager
def _circuit_opened(ground: Ground, site: Site, *, at_s: int) -> Iterator[None]:
    key = f"circuit#{site.region}"
    item = {
        "pk": {"S": key},
        "state": {"S": "OPEN"},
        "failure_count": {"N": "3"},
        "opened_at": {"N": str(at_s)},
    }
    site.cloud.client("dynamodb").put_item(TableName=ground.driver.stack.table, Item=item)
    try:
        yield
    finally:
        ground.remove(key)


@contextmanager
def _refusing_the_key(site: Site) -> Iterator[None]:
    """Have the provider refuse the key once: whoever meets that reads the secret again at once."""
    site.emulator.play(site.region, "refuse", code=REFUSED_KEY, times=1)
    try:
        yield
    finally:
        site.emulator.clear()


def _tells_refused_key(ground: Ground, comparison_id: str) -> bool:
    """Tell whether the provider's refusal stands: the secret was read, and holds the same key still."""
    attempts = ground.site.read_item(f"comparison#{comparison_id}").get("attempts", {})
    return [attempt["code"] for attempt in attempts.values()] == [REFUSED_KEY]


# Publish and Sweep


def a_verdict_is_published(ground: Ground) -> bool:
    def publish(comparison_id: str) -> None:
        ground.invoke("Publish", _record("publish_ended", _RECORDED_ENDED, comparison_id, **_NO_ETAGS))

    return _leaves(ground, publish)


def a_verdict_is_swept(ground: Ground) -> bool:
    return _leaves(ground, lambda _: ground.invoke("Sweep", load_event("sweep_scheduled")))


def a_verdict_without_photos_is_published(ground: Ground) -> bool:
    def publish(comparison_id: str) -> None:
        _remove_photos(ground, comparison_id)
        a_publication = _record("publish_ended", _RECORDED_ENDED, comparison_id, **_NO_ETAGS)
        assert ground.works_off("Publish", a_publication)

    return _leaves(ground, publish)


def a_verdict_without_photos_is_swept(ground: Ground) -> bool:
    def sweep(comparison_id: str) -> None:
        _remove_photos(ground, comparison_id)
        ground.invoke("Sweep", load_event("sweep_scheduled"))

    return _leaves(ground, sweep)


_NO_ETAGS = {"source_etag": "-", "target_etag": "-"}


def _leaves(ground: Ground, publish: Callable[[str], None]) -> bool:
    """Put an ended comparison into the outbox; tell whether it left, and its photos were deleted."""
    pair_id = _name_pair()
    known = _put_known_pair(ground, pair_id)
    long_ago_ms = round((time.time() - 2 * SWEPT_AFTER_S) * 1000)
    ended = make_ended(**known, created_at_ms=long_ago_ms)
    assert ended.ending
    ground.ledger.register(ended)
    key = f"comparison#{ended.id}"
    ground.site.cloud.client("dynamodb").update_item(
        TableName=ground.driver.stack.table,
        Key={"pk": {"S": key}},
        UpdateExpression="SET outbox = :pending, pending_since_ms = :since",
        ExpressionAttributeValues={":pending": {"S": PENDING}, ":since": {"N": str(long_ago_ms)}},
    )
    try:
        publish(ended.id)
        left = ground.site.read_item(key)["outbox"] == PUBLISHED
    finally:
        ground.remove(key)
    return left and not ground.driver.list_keys(f"inbox/{ground.site.region}/{pair_id}/")


def _remove_photos(ground: Ground, comparison_id: str) -> None:
    comparison = ground.ledger.find(comparison_id)
    assert comparison
    for photo in comparison.photos.values():
        ground.driver.client("s3").delete_object(Bucket=ground.driver.stack.bucket, Key=photo.key)


def _put_known_pair(ground: Ground, pair_id: str) -> dict[str, Any]:
    """Put a pair into the inbox and the ledger; return what a comparison of it is made from."""
    site, photos = ground.site, dict[Role, StoredPhoto]()
    for number, role in enumerate(Role):
        key = site.name_key(pair_id, role)
        stored = ground.driver.client("s3").put_object(
            Bucket=ground.driver.stack.bucket, Key=key, Body=make_small_photo(number)
        )
        photos[role] = StoredPhoto(key=key, etag=stored["ETag"].strip('"'))
        arrived = ArrivedPhoto(
            photo=photos[role], sequencer="0" * 32, arrived_at_ms=round(time.time() * 1000)
        )
        ground.ledger.put_photo(site.region, pair_id, role, arrived)
    etags = {role: photo.etag or "" for role, photo in photos.items()}
    return {
        "id": identify_upload(site.region, pair_id, etags),
        "region": site.region.value,
        "pair_id": pair_id,
        "photos": photos,
        "origin": Origin.UPLOAD,
    }
