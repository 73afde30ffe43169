from typing import Any

import pytest

from console.orders import Order, Way, read_order, send
from console.photos import ExaminedPhoto, PhotoShelf
from facematch.domain.comparison import identify_upload
from facematch.domain.errors import InvalidInputError
from facematch.domain.regions import Region
from facematch.domain.verdict import Bounds, Role
from facematch_client.ask import INLINE_LIMIT_BYTES
from tests.factories.command import make_settings, make_stack


class FakeBucket:
    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, **request: Any) -> dict[str, str]:
        self.objects[request["Key"]] = request["Body"]
        return {"ETag": f'"etag-{len(self.objects)}"'}


def make_shelf() -> tuple[PhotoShelf, dict[str, str]]:
    shelf = PhotoShelf()
    return shelf, {role.value: shelf.put(ExaminedPhoto(role.encode())) for role in Role}


def make_order(way: Way, size_bytes: int = 5) -> Order:
    return Order(
        pair_id="console-1",
        photos={role: ExaminedPhoto(bytes(size_bytes)) for role in Role},
        region=Region.INDONESIA,
        way=way,
        bounds=Bounds(),
    )


def test_an_order_is_what_the_page_asks_for() -> None:
    shelf, photos = make_shelf()
    asked = {**photos, "way": "async", "region": "indonesia", "match_from": 80, "no_match_up_to": 40.5}

    order = read_order(asked, shelf, make_settings())

    assert (order.way, order.region, order.bounds) == (Way.ASYNC, Region.INDONESIA, Bounds(80, 40.5))
    assert {role: photo.content for role, photo in order.photos.items()} == {
        role: role.encode() for role in Role
    }


def test_bounds_that_are_left_out_are_the_stacks_own() -> None:
    shelf, photos = make_shelf()
    settings = make_settings(MATCH_FROM_SCORE="75")

    assert read_order({**photos, "way": "api"}, shelf, settings).bounds == Bounds(75, 100)


def test_no_two_orders_share_a_pair_id() -> None:
    shelf, photos = make_shelf()
    ids = {read_order({**photos, "way": "api"}, shelf, make_settings()).pair_id for _ in range(10)}

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
    shelf, photos = make_shelf()

    with pytest.raises(InvalidInputError) as refusal:
        read_order({**photos, "way": "api", **changes}, shelf, make_settings())

    assert refusal.value.code == code


def test_an_order_is_an_object() -> None:
    with pytest.raises(InvalidInputError, match="JSON object"):
        read_order([], PhotoShelf(), make_settings())


def test_by_the_bucket_both_photos_land_and_their_tags_make_the_id() -> None:
    bucket: Any = FakeBucket()

    comparison_id = send(make_stack(), bucket, make_order(Way.BUCKET))

    assert list(bucket.objects) == [f"inbox/indonesia/console-1/{role}.dat" for role in Role]
    tags = {Role.SOURCE: "etag-1", Role.TARGET: "etag-2"}
    assert comparison_id == identify_upload("indonesia", "console-1", tags)


@pytest.mark.parametrize("way", [Way.API, Way.ASYNC])
def test_photos_too_large_for_a_request_are_sent_to_the_bucket(way: Way) -> None:
    bucket: Any = FakeBucket()

    with pytest.raises(InvalidInputError, match="by the bucket"):
        send(make_stack(), bucket, make_order(way, INLINE_LIMIT_BYTES // 2 + 1))
