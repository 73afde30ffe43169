"""The photos in S3."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from facematch.domain.comparison import StoredPhoto
from facematch.domain.errors import PhotoGoneError
from facematch.domain.ports import PresignedPost

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_MISSING: Final = {"NoSuchKey", "404", "NotFound"}
_REPLACED: Final = {"PreconditionFailed", "412"}


@dataclass(frozen=True, slots=True)
class S3PhotoStore:
    """The objects of `bucket`."""

    client: "S3Client"
    bucket: str

    def read(self, photo: StoredPhoto, *, size_limit_bytes: int) -> bytes:
        """Return the bytes of exactly this photo, at the most one more than `size_limit_bytes` of them.

        Raises
        ------
        PhotoGoneError
            See the port.
        """
        try:
            if photo.etag is None:
                response = self.client.get_object(Bucket=self.bucket, Key=photo.key)
            else:
                response = self.client.get_object(Bucket=self.bucket, Key=photo.key, IfMatch=photo.etag)
        except ClientError as error:
            raise _translate(error) from None
        with response["Body"] as body:
            return body.read(size_limit_bytes + 1)

    def find(self, key: str) -> StoredPhoto | None:
        """Return what stands under `key` now, or None."""
        try:
            response = self.client.head_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                return None
            raise
        return StoredPhoto(key=key, etag=response["ETag"].strip('"'))

    def write(self, key: str, content: bytes) -> None:
        """Store an object."""
        self.client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def delete(self, photo: StoredPhoto) -> None:
        """Delete exactly this photo; one that was replaced or is gone stays as it is."""
        if photo.etag is None:
            self.client.delete_object(Bucket=self.bucket, Key=photo.key)
            return
        try:
            self.client.delete_object(Bucket=self.bucket, Key=photo.key, IfMatch=photo.etag)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING | _REPLACED:
                raise

    def presign_upload(
        self, key: str, *, content_type: str, size_limit_bytes: int, valid_s: int
    ) -> PresignedPost:
        """Return a form with which a browser may put one photo of that type and size under `key`."""
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
        return PhotoGoneError("photo_missing", "A photo was removed before it was compared.")
    if code in _REPLACED:
        return PhotoGoneError("photo_replaced", "A photo was replaced before it was compared.")
    return error
