from typing import Any

import pytest

from console.photos import ExaminedPhoto, PhotoCache
from console.submissions import Submission, Way, read_submission, send
from facematch.domain.comparison import identify_upload
from facematch.domain.errors import InvalidInputError
from facematch.domain.regions import Region
from facematch.domain.verdict import Bounds, Role
from facematch_client.pair_request import INLINE_LIMIT_BYTES
from tests.factories.command import make_settings, make_stack


class FakeBucket:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, **request: Any) -> dict[str, str]:
        self.objects[request["Key"]] = request["Body"]
        return {"ETag": f'"etag-{len(self.objects)}"'}


def make_cache() -> tuple[PhotoCache, dict[str, str]]:
    cache = PhotoCache()
    return cache, {role.value: cache.add(ExaminedPhoto(role.encode())) for role in Role}


def make_submission(way: Way, size_bytes: int = 5) -> Submission:
    return Submission(
        pair_id="console-1",
        photos={role: ExaminedPhoto(bytes(size_bytes)) for role in Role},
        region=Region.INDONESIA,
        way=way,
        bounds=Bounds(),
    )


def test_an_order_is_what_the_page_asks_for() -> None:
    cache, photos = make_cache()
    asked = {**photos, "way": "async", "region": "indonesia", "match_from": 80, "no_match_up_to": 40.5}

    submission = read_submission(asked, cache, make_settings())

    assert (submission.way, submission.region, submission.bounds) == (
        Way.ASYNC,
        Region.INDONESIA,
        Bounds(80, 40.5),
    )
    assert {role: photo.content for role, photo in submission.photos.items()} == {
        role: role.encode() for role in Role
    }


def test_bounds_that_are_left_out_are_the_stacks_own() -> None:
    cache, photos = make_cache()
    settings = make_settings(MATCH_FROM_SCORE="75")

    assert read_submission({**photos, "way": "api"}, cache, settings).bounds == Bounds(75, 100)


def test_no_two_orders_share_a_pair_id() -> None:
    cache, photos = make_cache()
    ids = {read_submission({**photos, "way": "api"}, cache, make_settings()).pair_id for _ in range(10)}

    assert len(ids) == 10


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"way": "post"}, "unknown_way"),
        ({"region": "malaysia"}, "region_not_allowed"),
        ({"source": "gone"}, "photo_gone"),
        ({"match_from": 101}, "invalid_bounds"),
        ({"match_from": "80"}, "invalid_bounds"),
        ({"match_from": True}, "invalid_bounds"),
        ({"match_from": None}, "invalid_bounds"),
    ],
    ids=["way", "region", "photo", "bound too high", "text", "truth", "nothing"],
)
def test_what_cannot_be_worked_with_is_refused(changes: dict[str, object], code: str) -> None:
    cache, photos = make_cache()

    with pytest.raises(InvalidInputError) as refusal:
        read_submission({**photos, "way": "api", **changes}, cache, make_settings())

    assert refusal.value.code == code


def test_an_order_is_an_object() -> None:
    with pytest.raises(InvalidInputError, match="JSON object"):
        read_submission([], PhotoCache(), make_settings())


def test_by_the_bucket_both_photos_land_and_their_tags_make_the_id() -> None:
    bucket: Any = FakeBucket()

    comparison_id = send(make_stack(), bucket, make_submission(Way.BUCKET))

    assert list(bucket.objects) == [f"inbox/indonesia/console-1/{role}.dat" for role in Role]
    tags = {Role.SOURCE: "etag-1", Role.TARGET: "etag-2"}
    assert comparison_id == identify_upload("indonesia", "console-1", tags)


@pytest.mark.parametrize("way", [Way.API, Way.ASYNC])
def test_photos_too_large_for_a_request_are_sent_to_the_bucket(way: Way) -> None:
    bucket: Any = FakeBucket()

    with pytest.raises(InvalidInputError, match="by the bucket"):
        send(make_stack(), bucket, make_submission(way, INLINE_LIMIT_BYTES // 2 + 1))
