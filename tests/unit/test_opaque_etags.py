"""Holds what docs/encryption.md says of ETags that are no digests: under SSE-KMS each put has a new one."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

from facematch.domain.comparison import Options, State, StoredPhoto
from facematch.domain.errors import PhotoGoneError
from facematch.domain.verdict import Role
from facematch.use_cases.collect_photos import InlinePhoto
from facematch.use_cases.compare_pair import Effort
from facematch.use_cases.request_comparison import Caller, ComparisonRequest
from tests.factories import CALLER, make_answer, make_portrait
from tests.fakes.photo_store import InMemoryPhotoStore
from tests.fakes.world import World, make_world

SUCCESS = make_answer()
KEYS = {role: f"inbox/singapore/pair-1/{role}.jpg" for role in Role}


@dataclass(slots=True)
class OpaquePhotoStore(InMemoryPhotoStore):
    """The bucket in memory, with ETags as S3 makes them under a KMS key: another one for each put."""

    etags: dict[str, str] = field(default_factory=dict)
    _puts: Iterator[int] = field(default_factory=count)

    def write(self, key: str, content: bytes) -> None:
        InMemoryPhotoStore.write(self, key, content)
        self.etags[key] = f"{next(self._puts):032x}"

    def find(self, key: str) -> StoredPhoto | None:
        return StoredPhoto(key=key, etag=self.etags[key]) if key in self.objects else None

    def read(self, photo: StoredPhoto, *, size_limit_bytes: int) -> bytes:
        if photo.etag not in {None, self.etags.get(photo.key)}:
            raise PhotoGoneError("photo_replaced", "A photo was replaced before it was compared.")
        return InMemoryPhotoStore.read(self, replace(photo, etag=None), size_limit_bytes=size_limit_bytes)


def make_opaque_world(*, deletes_uploads: bool = False) -> World:
    world = make_world(SUCCESS, SUCCESS, deletes_uploads=deletes_uploads)
    world.photos = OpaquePhotoStore()
    return world


def test_one_put_is_one_comparison_however_often_it_is_told_of() -> None:
    world = make_opaque_world()
    comparison_id = world.upload_pair()

    told = {world.tell(key) for key in (*KEYS.values(), *KEYS.values())}
    world.compare(comparison_id)

    assert told == {comparison_id}
    assert len(world.ledger.comparisons) == len(world.provider.calls) == 1


def test_the_same_photo_put_again_before_its_comparison_is_a_replaced_one_and_paid_for_once() -> None:
    world = make_opaque_world()
    first = world.upload_pair()
    second = world.upload(Role.SOURCE)
    assert second is not None

    for comparison_id in (first, second):
        world.compare(comparison_id)

    assert world.verdict(first).reason == "photo_replaced"
    assert world.comparison(second).state is State.COMPLETED
    assert len(world.provider.calls) == 1


def test_the_same_pair_put_again_after_its_verdict_is_compared_and_paid_for_again() -> None:
    world = make_opaque_world(deletes_uploads=True)
    ids = []
    for _ in range(2):
        ids.append(world.upload_pair())
        world.compare(ids[-1])
        world.publisher.publish(ids[-1])

    assert len(set(ids)) == len(world.provider.calls) == 2


def test_an_idempotency_key_holds_whatever_the_etags_are() -> None:
    world = make_opaque_world()
    request = ComparisonRequest(
        caller=Caller(CALLER),
        photos={role: InlinePhoto(make_portrait(role)) for role in Role},
        options=Options(),
        idempotency_key="key-1",
    )

    first, again = (world.desk.submit(request, Effort(2.5, 10.0)) for _ in range(2))

    assert first == again
    assert len(world.provider.calls) == 1
