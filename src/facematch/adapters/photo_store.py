"""The photos in S3."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, override

from botocore.exceptions import ClientError

from facematch.domain.comparison import StoredPhoto
from facematch.domain.errors import PhotoMissingError, PhotoReplacedError, PhotoStoreError
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
        try:
            if photo.etag is None:
                response = self.client.get_object(Bucket=self.bucket, Key=photo.key)
            else:
                response = self.client.get_object(Bucket=self.bucket, Key=photo.key, IfMatch=photo.etag)
        except ClientError as error:
            raise _translate(error) from None
        with response["Body"] as body:
            return body.read(size_limit_bytes + 1)

    @override
    def find(self, key: str) -> StoredPhoto | None:
        try:
            response = self.client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise
        return StoredPhoto(key=key, etag=response["ETag"].strip('"'))

    @override
    def write(self, key: str, content: bytes) -> None:
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content)

    @override
    def copy(self, photo: StoredPhoto, key: str) -> None:
        try:
            self.client.copy_object(
                Bucket=self.bucket,
                Key=key,
                CopySource={"Bucket": self.bucket, "Key": photo.key},
                CopySourceIfMatch=photo.etag or "*",
                MetadataDirective="REPLACE",
                TaggingDirective="REPLACE",
            )
        except ClientError as error:
            raise _translate(error) from None

    @override
    def delete(self, photo: StoredPhoto) -> None:
        if photo.etag is None:
            self.client.delete_object(Bucket=self.bucket, Key=photo.key)
            return
        try:
            self.client.delete_object(Bucket=self.bucket, Key=photo.key, IfMatch=photo.etag)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING | _REPLACED:
                raise

    @override
    def delete_all(self, prefix: str) -> None:
        # One page of at most 1,000 keys: a comparison owns two photos, and one more per crash or race.
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


def _translate(error: ClientError) -> Exception:
    code = error.response["Error"]["Code"]
    if code in _MISSING:
        return PhotoMissingError()
    if code in _REPLACED:
        return PhotoReplacedError()
    return error
