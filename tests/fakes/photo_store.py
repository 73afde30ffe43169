"""The bucket in memory."""

import hashlib
from dataclasses import dataclass, field

from facematch.domain.comparison import StoredPhoto
from facematch.domain.errors import PhotoMissingError, PhotoReplacedError
from facematch.domain.ports import PresignedPost
from tests.fakes.hooks import StepHooks


@dataclass(slots=True)
class InMemoryPhotoStore:
    """Objects by key; an ETag is a digest of the bytes, as S3's is."""

    objects: dict[str, bytes] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    hooks: StepHooks = field(default_factory=StepHooks)

    def read(self, photo: StoredPhoto, *, size_limit_bytes: int) -> bytes:
        self.hooks.run("read")
        self.reads.append(photo.key)
        return self._get(photo)[: size_limit_bytes + 1]

    def find(self, key: str) -> StoredPhoto | None:
        content = self.objects.get(key)
        return None if content is None else StoredPhoto(key=key, etag=make_etag(content))

    def write(self, key: str, content: bytes) -> None:
        self.hooks.run("write")
        self.writes.append(key)
        self.objects[key] = content

    def copy(self, photo: StoredPhoto, key: str) -> None:
        self.hooks.run("copy")
        self.objects[key] = self._get(photo)

    def delete_all(self, prefix: str) -> None:
        self.hooks.run("delete_all")
        for key in [key for key in self.objects if key.startswith(prefix)]:
            del self.objects[key]

    def delete(self, photo: StoredPhoto) -> None:
        self.hooks.run("delete")
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

    def _get(self, photo: StoredPhoto) -> bytes:
        content = self.objects.get(photo.key)
        if content is None:
            raise PhotoMissingError
        if photo.etag not in {None, make_etag(content)}:
            raise PhotoReplacedError
        return content


def make_etag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
