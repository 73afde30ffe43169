import base64
import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from facematch.adapters.photo_store import S3PhotoStore
from facematch.domain.comparison import PhotoKind, StoredPhoto
from facematch.domain.errors import (
    PhotoMissingError,
    PhotoReplacedError,
    PhotoStoreError,
    PhotoStoreUnavailableError,
)
from tests.fakes.moto_stack import AWS_REGION
from tests.integration.aws_rules import honour_copy_conditions

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
    client = session.client("s3")
    honour_copy_conditions(client)
    return client


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


def put_etag(store: S3PhotoStore) -> str | None:
    photo = store.find(KEY)
    return photo.etag if photo else None


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
    def test_at_most_one_byte_beyond_the_limit_is_read(
        self, store: S3PhotoStore, size_bytes: int, read_bytes: int
    ) -> None:
        content = bytes(range(256)) * 20
        assert read(store, put(store, content[:size_bytes])) == content[:read_bytes]

    def test_etag_has_no_quotes_as_in_the_events_of_s3(self, store: S3PhotoStore) -> None:
        etag = put(store).etag
        assert etag is not None
        assert '"' not in etag

    @pytest.mark.parametrize("etag", [None, "0" * 32])
    def test_missing_photo_is_reported(self, store: S3PhotoStore, etag: str | None) -> None:
        with pytest.raises(PhotoMissingError):
            read(store, StoredPhoto(key=KEY, etag=etag))

    def test_replaced_photo_is_reported(self, store: S3PhotoStore) -> None:
        photo = put(store, b"first")
        put(store, b"second")
        with pytest.raises(PhotoReplacedError):
            read(store, photo)

    def test_photo_without_etag_is_whatever_its_key_holds(self, store: S3PhotoStore) -> None:
        put(store, b"first")
        assert read(store, StoredPhoto(key=KEY)) == b"first"

    def test_same_bytes_written_again_are_the_same_photo(self, store: S3PhotoStore) -> None:
        photo = put(store)
        assert put(store) == photo
        assert read(store, photo) == b"photo"


class TestErrors:
    @pytest.mark.parametrize(
        ("code", "status", "raised"),
        [
            ("SlowDown", 503, PhotoStoreUnavailableError),
            ("InternalError", 500, PhotoStoreUnavailableError),
            ("RequestTimeout", 400, PhotoStoreUnavailableError),
            ("AccessDenied", 403, ClientError),
        ],
    )
    def test_only_what_needs_a_change_of_the_stack_is_raised_as_s3_has_it(
        self, session: boto3.Session, code: str, status: int, raised: type[Exception]
    ) -> None:
        client = session.client("s3")
        store, photo = S3PhotoStore(client, "bucket"), StoredPhoto(key=KEY, etag="e")
        calls: dict[str, Callable[[], object]] = {
            "get_object": partial(read, store, photo),
            "head_object": partial(store.find, KEY),
            "put_object": partial(store.write, KEY, b"photo"),
            "copy_object": partial(store.copy, photo, "comparisons/c1/source"),
            "delete_object": partial(store.delete, photo),
            "list_objects_v2": partial(store.delete_all, "comparisons/c1/"),
        }
        with Stubber(client) as stubber:
            for operation, call in calls.items():
                stubber.add_client_error(operation, code, http_status_code=status)
                with pytest.raises(raised):
                    call()

    def test_a_photo_that_breaks_off_is_read_again_later(self, session: boto3.Session) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
            answering = pool.submit(answer_half_a_photo, server)
            client = session.client(
                "s3", endpoint_url=f"http://127.0.0.1:{server.getsockname()[1]}", config=Config(proxies={})
            )
            with pytest.raises(PhotoStoreUnavailableError):
                read(S3PhotoStore(client, "bucket"), StoredPhoto(key=KEY))
            answering.result()


def answer_half_a_photo(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nphoto")


class TestFinding:
    def test_nothing_is_found_under_an_unused_key(self, store: S3PhotoStore) -> None:
        assert store.find(KEY) is None

    def test_newest_photo_is_found(self, store: S3PhotoStore) -> None:
        first = put(store, b"first")
        assert put(store, b"second") != first


class TestCopying:
    @pytest.mark.parametrize("key", KEYS)
    def test_photo_of_any_key_is_copied(self, store: S3PhotoStore, key: str) -> None:
        store.copy(put(store, b"photo", key), "comparisons/c1/source")
        assert read(store, StoredPhoto(key="comparisons/c1/source")) == b"photo"
        assert store.find(key) is not None

    def test_copy_has_no_metadata_and_no_tags(self, store: S3PhotoStore) -> None:
        store.client.put_object(
            Bucket=store.bucket,
            Key=KEY,
            Body=b"photo",
            ContentType="image/jpeg",
            Metadata={"customer": "ann"},
            Tagging="customer=ann",
        )
        store.copy(StoredPhoto(key=KEY, etag=put_etag(store)), "copy")
        copied = store.client.head_object(Bucket=store.bucket, Key="copy")
        tags = store.client.get_object_tagging(Bucket=store.bucket, Key="copy")
        assert (copied["Metadata"], tags["TagSet"]) == ({}, [])

    def test_missing_photo_is_not_copied(self, store: S3PhotoStore) -> None:
        with pytest.raises(PhotoMissingError):
            store.copy(StoredPhoto(key=KEY, etag="0" * 32), "copy")

    def test_replaced_photo_is_not_copied(self, store: S3PhotoStore) -> None:
        photo = put(store, b"first")
        put(store, b"second")
        with pytest.raises(PhotoReplacedError):
            store.copy(photo, "copy")
        assert store.find("copy") is None


class TestDeletingAll:
    def test_only_what_is_under_the_prefix_is_deleted(self, store: S3PhotoStore) -> None:
        kept = ["comparisons/c1", "comparisons/c10/source", "inbox/comparisons/c1/source"]
        for key in (*kept, "comparisons/c1/source-a", "comparisons/c1/source-b", "comparisons/c1/ü +%"):
            store.write(key, b"photo")
        for _ in range(2):
            store.delete_all("comparisons/c1/")
        listed = store.client.list_objects_v2(Bucket=store.bucket)["Contents"]
        assert [found["Key"] for found in listed] == kept

    def test_photo_that_s3_does_not_delete_is_reported(self, session: boto3.Session) -> None:
        client = session.client("s3")
        listed = {"Contents": [{"Key": "comparisons/c1/source"}, {"Key": "comparisons/c1/target"}]}
        errors = {"Errors": [{"Key": "comparisons/c1/target", "Code": "InternalError"}]}
        with Stubber(client) as stubber:
            stubber.add_response("list_objects_v2", listed)
            stubber.add_response("delete_objects", errors)
            with pytest.raises(PhotoStoreError) as failure:
                S3PhotoStore(client, "bucket").delete_all("comparisons/c1/")
        assert failure.value.code == "InternalError"

    def test_nothing_is_deleted_where_nothing_is_listed(self, session: boto3.Session) -> None:
        client = session.client("s3")
        with Stubber(client) as stubber:
            stubber.add_response("list_objects_v2", {})
            S3PhotoStore(client, "bucket").delete_all("comparisons/c1/")
            stubber.assert_no_pending_responses()


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

    def test_deleting_a_missing_photo_does_nothing(self, store: S3PhotoStore) -> None:
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

    def test_form_is_valid_for_the_requested_time(self, store: S3PhotoStore) -> None:
        before = datetime.now(UTC).replace(microsecond=0)
        post = store.presign_upload(KEY, content_type="image/png", size_limit_bytes=10, valid_s=90)
        expires = datetime.fromisoformat(read_policy(dict(post.fields))["expiration"])
        assert before + timedelta(seconds=90) <= expires <= datetime.now(UTC) + timedelta(seconds=91)

    def test_secret_key_is_not_in_the_form(self, store: S3PhotoStore) -> None:
        post = store.presign_upload(KEY, content_type="image/png", size_limit_bytes=10, valid_s=90)
        assert "test-key-secret" not in str((post, read_policy(dict(post.fields))))
