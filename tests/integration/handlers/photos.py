"""Each kind of bad photo."""

from functools import cache

from facematch.domain.verdict import Role
from harness.photos import make_png_bomb
from tests.factories.photos import PERSON, draw_portrait, encode

BAD_PHOTOS = [
    (Role.SOURCE, "not an image", "not_an_image"),
    (Role.TARGET, "not an image", "not_an_image"),
    (Role.SOURCE, "cut off", "unreadable"),
    (Role.TARGET, "0 bytes", "empty"),
    (Role.SOURCE, "a bomb", "too_many_pixels"),
    (Role.TARGET, "640 x 239", "too_small"),
    (Role.SOURCE, "25 MB", "file_too_large"),
]
"""Each kind of bad photo, in one place of the pair or the other, with the stable code that it gets."""


@cache
def make_bad_photo(kind: str) -> bytes:
    match kind:
        case "not an image":
            return b"Dear Sir or Madam, " * 100
        case "cut off":
            return PERSON[: len(PERSON) // 2]
        case "0 bytes":
            return b""
        case "a bomb":
            return make_png_bomb(30_000, 30_000)
        case "640 x 239":
            return encode(draw_portrait(640, 239))
        case "25 MB":
            return PERSON + bytes(25_000_000)
    raise ValueError(kind)
