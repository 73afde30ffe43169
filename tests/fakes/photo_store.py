"""The bucket in memory."""

import hashlib
from dataclasses import dataclass, field

from facematch.domain.comparison import StoredPhoto
from facematch.domain.errors import PhotoGoneError
from facematch.domain.ports import PresignedPost
from tests.fakes.interludes import Interludes


@dataclass(slots=True)
class InMemoryPhotoStore:
    """Objects by key; an ETag is a digest of the bytes, as S3's is."""

    objects: dict[str, bytes] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    interludes: Interludes = field(default_factory=Interludes)

    def read(self, photo: StoredPhoto, *, size_limit_bytes: int) -> bytes:
        self.interludes.play("read")
        self.reads.append(photo.key)
        content = self.objects.get(photo.key)
        if content is None:
            raise PhotoGoneError("photo_missing", "A photo was removed before it was compared.")
        if photo.etag not in {None, make_etag(content)}:
            raise PhotoGoneError("photo_replaced", "A photo was replaced before it was compared.")
        return content[: size_limit_bytes + 1]

    def find(self, key: str) -> StoredPhoto | None:
        content = self.objects.get(key)
        return None if content is None else StoredPhoto(key=key, etag=make_etag(content))

    def write(self, key: str, content: bytes) -> None:
        self.interludes.play("write")
        self.writes.append(key)
        self.objects[key] = content

    def delete(self, photo: StoredPhoto) -> None:
        self.interludes.play("delete")
        if photo.etag is None or self.find(photo.key) == photo:
            self.objects.pop(photo.key, None)

    def presign_upload(
        self, key: str, *, content_type: str, size_limit_bytes: int, valid_s: int
    ) -> PresignedPost:
        fields = {
            "key": key,
            "Content-Type": content_type,
            "size_limit_bytes": str(size_limit_bytes),
            "valid_s": str(valid_s),
        }
        return PresignedPost("https://bucket.invalid/", fields)


def make_etag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
