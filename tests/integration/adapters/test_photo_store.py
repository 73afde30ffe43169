import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from facematch.adapters.photo_store import S3PhotoStore
from facematch.domain.comparison import PhotoKind, StoredPhoto
from facematch.domain.errors import PhotoGoneError
from tests.integration.adapters.factories import AWS_REGION

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEYS = [
    "inbox/singapore/p1/source.jpg",
    "inbox/singapore/a b/source.jpg",
    "inbox/singapore/a+b/source.jpg",
    "inbox/singapore/a%20b%2Fc/source.jpg",
    "inbox/singapore/Jürgen 王/source.jpg",
]
KEY = KEYS[0]
LIMIT_BYTES = 1000


@pytest.fixture(scope="module")
def s3(session: boto3.Session) -> "S3Client":
    return session.client("s3")


@pytest.fixture
def store(s3: "S3Client") -> S3PhotoStore:
    bucket = f"photos-{uuid4().hex}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": AWS_REGION})
    return S3PhotoStore(s3, bucket)


def put(store: S3PhotoStore, content: bytes = b"photo", key: str = KEY) -> StoredPhoto:
    store.write(key, content)
    photo = store.find(key)
    assert photo is not None
    return photo


def read(store: S3PhotoStore, photo: StoredPhoto) -> bytes:
    return store.read(photo, size_limit_bytes=LIMIT_BYTES)


class TestReading:
    @pytest.mark.parametrize("key", KEYS)
    def test_photo_of_any_key_comes_back_as_it_was(self, store: S3PhotoStore, key: str) -> None:
        photo = put(store, b"\xff\xd8\x00photo", key)
        assert photo == StoredPhoto(key=key, etag=photo.etag)
        assert read(store, photo) == b"\xff\xd8\x00photo"

    @pytest.mark.parametrize(
        ("size_bytes", "read_bytes"),
        [(0, 0), (1, 1), (LIMIT_BYTES, LIMIT_BYTES), (LIMIT_BYTES + 1, LIMIT_BYTES + 1), (5000, 1001)],
    )
    def test_at_the_most_one_byte_beyond_the_limit_is_read(
        self, store: S3PhotoStore, size_bytes: int, read_bytes: int
    ) -> None:
        content = bytes(range(256)) * 20
        assert read(store, put(store, content[:size_bytes])) == content[:read_bytes]

    def test_etag_bears_no_quotes_as_in_the_events_of_s3(self, store: S3PhotoStore) -> None:
        etag = put(store).etag
        assert etag is not None
        assert '"' not in etag

    @pytest.mark.parametrize("etag", [None, "0" * 32])
    def test_missing_photo_is_gone(self, store: S3PhotoStore, etag: str | None) -> None:
        with pytest.raises(PhotoGoneError) as failure:
            read(store, StoredPhoto(key=KEY, etag=etag))
        assert failure.value.code == "photo_missing"

    def test_replaced_photo_is_gone(self, store: S3PhotoStore) -> None:
        photo = put(store, b"first")
        put(store, b"second")
        with pytest.raises(PhotoGoneError) as failure:
            read(store, photo)
        assert failure.value.code == "photo_replaced"

    def test_photo_without_etag_is_what_stands_under_its_key(self, store: S3PhotoStore) -> None:
        put(store, b"first")
        assert read(store, StoredPhoto(key=KEY)) == b"first"

    def test_same_bytes_written_again_are_the_same_photo(self, store: S3PhotoStore) -> None:
        photo = put(store)
        assert put(store) == photo
        assert read(store, photo) == b"photo"

    @pytest.mark.parametrize("code", ["SlowDown", "AccessDenied", "403"])
    def test_any_other_error_of_s3_passes_untouched(self, session: boto3.Session, code: str) -> None:
        client = session.client("s3")
        store = S3PhotoStore(client, "bucket")
        photo = StoredPhoto(key=KEY, etag="e")
        with Stubber(client) as stubber:
            stubber.add_client_error("get_object", code)
            with pytest.raises(ClientError, match=code):
                read(store, photo)
            stubber.add_client_error("head_object", code)
            with pytest.raises(ClientError, match=code):
                store.find(KEY)
            stubber.add_client_error("delete_object", code)
            with pytest.raises(ClientError, match=code):
                store.delete(photo)


class TestFinding:
    def test_nothing_is_found_where_nothing_is(self, store: S3PhotoStore) -> None:
        assert store.find(KEY) is None

    def test_what_stands_now_is_found(self, store: S3PhotoStore) -> None:
        first = put(store, b"first")
        assert put(store, b"second") != first


class TestDeleting:
    @pytest.mark.parametrize("key", KEYS)
    def test_photo_of_any_key_is_deleted_and_no_other(self, store: S3PhotoStore, key: str) -> None:
        photos = {one: put(store, one.encode(), one) for one in KEYS}
        store.delete(photos[key])
        assert [one for one in KEYS if store.find(one) is None] == [key]

    def test_replaced_photo_stays(self, store: S3PhotoStore) -> None:
        photo = put(store, b"first")
        second = put(store, b"second")
        store.delete(photo)
        assert store.find(KEY) == second

    def test_photo_without_etag_is_deleted_by_its_key(self, store: S3PhotoStore) -> None:
        put(store)
        store.delete(StoredPhoto(key=KEY, kind=PhotoKind.URL))
        assert store.find(KEY) is None

    def test_deleting_what_is_gone_does_no_harm(self, store: S3PhotoStore) -> None:
        photo = put(store)
        store.delete(photo)
        store.delete(photo)
        store.delete(StoredPhoto(key="never/there"))


def read_policy(fields: dict[str, str]) -> dict[str, Any]:
    return dict(json.loads(base64.b64decode(fields["policy"])))


class TestPresigning:
    @pytest.mark.parametrize("key", KEYS)
    def test_form_is_for_this_key_type_and_size_alone(self, store: S3PhotoStore, key: str) -> None:
        post = store.presign_upload(key, content_type="image/jpeg", size_limit_bytes=12_345, valid_s=600)
        conditions = read_policy(dict(post.fields))["conditions"]
        assert {"key": key} in conditions
        assert {"bucket": store.bucket} in conditions
        assert {"Content-Type": "image/jpeg"} in conditions
        assert ["content-length-range", 1, 12_345] in conditions
        assert not [one for one in conditions if isinstance(one, list) and one[0] == "starts-with"]

    def test_fields_meet_the_conditions(self, store: S3PhotoStore) -> None:
        post = store.presign_upload(KEY, content_type="image/png", size_limit_bytes=10, valid_s=600)
        assert (post.fields["key"], post.fields["Content-Type"]) == (KEY, "image/png")
        assert store.bucket in post.url
        demanded = {
            name: value
            for one in read_policy(dict(post.fields))["conditions"]
            if isinstance(one, dict)
            for name, value in one.items()
        }
        assert {name: post.fields[name] for name in demanded if name != "bucket"} == {
            name: value for name, value in demanded.items() if name != "bucket"
        }

    def test_it_is_valid_for_the_time_asked(self, store: S3PhotoStore) -> None:
        before = datetime.now(UTC).replace(microsecond=0)
        post = store.presign_upload(KEY, content_type="image/png", size_limit_bytes=10, valid_s=90)
        expires = datetime.fromisoformat(read_policy(dict(post.fields))["expiration"])
        assert before + timedelta(seconds=90) <= expires <= datetime.now(UTC) + timedelta(seconds=91)

    def test_secret_key_is_not_in_the_form(self, store: S3PhotoStore) -> None:
        post = store.presign_upload(KEY, content_type="image/png", size_limit_bytes=10, valid_s=90)
        assert "test-key-secret" not in str((post, read_policy(dict(post.fields))))
