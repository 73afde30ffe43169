"""The photos in S3."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, override

from botocore.exceptions import BotoCoreError, ClientError

from facematch.adapters.aws_errors import is_temporary
from facematch.domain.comparison import StoredPhoto
from facematch.domain.errors import (
    PhotoMissingError,
    PhotoReplacedError,
    PhotoStoreError,
    PhotoStoreUnavailableError,
)
from facematch.domain.ports import PhotoStore, PresignedPost

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING: Final = {"NoSuchKey", "404", "NotFound"}
_REPLACED: Final = {"PreconditionFailed", "412"}


@dataclass(frozen=True, slots=True)
class S3PhotoStore(PhotoStore):
    """The objects of `bucket`."""

    client: "S3Client"
    bucket: str

    @override
    def read(self, photo: StoredPhoto, *, size_limit_bytes: int) -> bytes:
        with _translated():
            if photo.etag is None:
                response = self.client.get_object(Bucket=self.bucket, Key=photo.key)
            else:
                response = self.client.get_object(Bucket=self.bucket, Key=photo.key, IfMatch=photo.etag)
            with contextlib.closing(response["Body"]) as body:
                # The SDK notices an answer that broke off only when it reads to the end.
                is_large = response["ContentLength"] > size_limit_bytes
                return body.read(size_limit_bytes + 1 if is_large else None)

    @override
    def find(self, key: str) -> StoredPhoto | None:
        try:
            with _translated():
                response = self.client.head_object(Bucket=self.bucket, Key=key)
        except PhotoMissingError:
            return None
        return StoredPhoto(key=key, etag=response["ETag"].strip('"'))

    @override
    def write(self, key: str, content: bytes) -> None:
        with _translated():
            self.client.put_object(Bucket=self.bucket, Key=key, Body=content)

    @override
    def copy(self, photo: StoredPhoto, key: str) -> None:
        with _translated():
            self.client.copy_object(
                Bucket=self.bucket,
                Key=key,
                CopySource={"Bucket": self.bucket, "Key": photo.key},
                CopySourceIfMatch=photo.etag or "*",
                MetadataDirective="REPLACE",
                TaggingDirective="REPLACE",
            )

    @override
    def delete(self, photo: StoredPhoto) -> None:
        with contextlib.suppress(PhotoMissingError, PhotoReplacedError), _translated():
            if photo.etag is None:
                self.client.delete_object(Bucket=self.bucket, Key=photo.key)
            else:
                self.client.delete_object(Bucket=self.bucket, Key=photo.key, IfMatch=photo.etag)

    @override
    def delete_all(self, prefix: str) -> None:
        # One page of at most 1,000 keys: a comparison owns two photos, and one more per crash or race.
        with _translated():
            listed = self.client.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])
            if not listed:
                return
            deleted = self.client.delete_objects(
                Bucket=self.bucket,
                Delete={"Objects": [{"Key": found["Key"]} for found in listed], "Quiet": True},
            )
        if deleted.get("Errors"):
            raise PhotoStoreError(deleted["Errors"][0].get("Code", "unknown"))

    @override
    def presign_upload(
        self, key: str, *, content_type: str, size_limit_bytes: int, valid_s: int
    ) -> PresignedPost:
        form = self.client.generate_presigned_post(
            Bucket=self.bucket,
            Key=key,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", 1, size_limit_bytes]],
            ExpiresIn=valid_s,
        )
        return PresignedPost(form["url"], form["fields"])


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Raise S3's errors as ours, except those that need a change of code, template or account.

    Raises
    ------
    PhotoMissingError, PhotoReplacedError
        The object is not there, or another one is.
    PhotoStoreUnavailableError
        S3 did not answer, or it failed or throttled.
    """
    try:
        yield
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in _MISSING:
            raise PhotoMissingError from None
        if code in _REPLACED:
            raise PhotoReplacedError from None
        if is_temporary(error):
            raise PhotoStoreUnavailableError from None
        raise
    except BotoCoreError:
        raise PhotoStoreUnavailableError from None
