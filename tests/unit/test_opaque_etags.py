"""What docs/encryption.md says of ETags that are no digests: under SSE-KMS each upload has a new one."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count

import pytest

from facematch.domain.comparison import Options, StoredPhoto
from facematch.domain.deadline import ANSWER_TIME_S, Deadline
from facematch.domain.errors import PhotoMissingError, PhotoReplacedError
from facematch.domain.verdict import Role
from facematch.use_cases.photo_inputs import InlinePhoto, PhotoInput, UploadedPhoto
from facematch.use_cases.request_comparison import Caller, ComparisonRequest
from tests.factories import CALLER, make_answer
from tests.factories.photos import make_portrait
from tests.fakes.photo_store import InMemoryPhotoStore
from tests.fakes.stack import InMemoryStack, make_stack

SUCCESS = make_answer()
KEYS = {role: f"inbox/singapore/pair-1/{role}.jpg" for role in Role}
INLINE: dict[Role, PhotoInput] = {role: InlinePhoto(make_portrait(role)) for role in Role}
UPLOADS: dict[Role, PhotoInput] = {role: UploadedPhoto(key) for role, key in KEYS.items()}


@dataclass(slots=True)
class OpaquePhotoStore(InMemoryPhotoStore):
    """The bucket in memory, with ETags as S3 makes them under a KMS key: another one for each upload."""

    etags: dict[str, str] = field(default_factory=dict)
    _uploads: Iterator[int] = field(default_factory=count)

    def write(self, key: str, content: bytes) -> None:
        InMemoryPhotoStore.write(self, key, content)
        self.etags[key] = f"{next(self._uploads):032x}"

    def find(self, key: str) -> StoredPhoto | None:
        return StoredPhoto(key=key, etag=self.etags[key]) if key in self.objects else None

    def copy(self, photo: StoredPhoto, key: str) -> None:
        found = self.find(photo.key)
        if found is None:
            raise PhotoMissingError
        if found != photo:
            raise PhotoReplacedError
        self.write(key, self.objects[photo.key])

    def read(self, photo: StoredPhoto, *, size_limit_bytes: int) -> bytes:
        if photo.etag not in {None, self.etags.get(photo.key)}:
            raise PhotoReplacedError
        return InMemoryPhotoStore.read(self, replace(photo, etag=None), size_limit_bytes=size_limit_bytes)


def make_opaque_stack() -> InMemoryStack:
    stack = make_stack(SUCCESS, SUCCESS)
    stack.photos = OpaquePhotoStore()
    return stack


def test_one_upload_is_one_comparison_however_often_it_is_reported() -> None:
    stack = make_opaque_stack()
    for key, role in zip(KEYS.values(), Role, strict=True):
        stack.photos.write(key, make_portrait(role))
    photos = [photo for key in KEYS.values() if (photo := stack.photos.find(key))]

    for photo in photos * 3:
        stack.receive(photo, sequencer=1)
    stack.work()

    assert len(stack.ledger.comparisons) == len(stack.provider.calls) == 1


def test_the_same_pair_uploaded_again_after_its_verdict_is_compared_and_paid_for_again() -> None:
    stack = make_opaque_stack()
    ids = set()
    for _ in range(2):
        ids.add(stack.upload_pair())
        stack.work()
        stack.publish()

    assert len(ids) == len(stack.provider.calls) == 2
    assert stack.photos.objects == {}


@pytest.mark.parametrize("photos", [INLINE, UPLOADS], ids=["inline", "uploaded"])
def test_an_idempotency_key_holds_whatever_the_etags_are(photos: dict[Role, PhotoInput]) -> None:
    stack = make_opaque_stack()
    request = ComparisonRequest(
        caller=Caller(CALLER, is_administrator=True),
        photos=photos,
        options=Options(),
        idempotency_key="key-1",
    )
    ids = set()
    for _ in range(2):
        for role, key in KEYS.items():
            stack.photos.write(key, make_portrait(role))
        ids.add(stack.requester.submit(request, Deadline.after(ANSWER_TIME_S, stack.clock)).id)

    assert len(ids) == len(stack.provider.calls) == 1
