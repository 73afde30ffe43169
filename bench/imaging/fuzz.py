"""Fuzzing with thousands of damaged files: each must give a valid photo or a `PhotoError`."""

import time
import warnings
import zlib
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from io import BytesIO
from random import Random
from typing import Final

from PIL import Image, ImageOps

from harness.photos import SMALL_LIMITS, make_file, make_fuzz_seeds
from imaging import PhotoError, normalise
from imaging.jpeg import is_plain
from local.portraits import make_portraits

LIMITS: Final = replace(SMALL_LIMITS, frame_faces=True)
_HEADER_BYTES: Final = 700
_CUT_SHARE: Final = 0.15
_PNG_START: Final = b"\x89PNG\r\n\x1a\n"
_EDGE_VALUES: Final = (0x00, 0x01, 0x7F, 0x80, 0xC2, 0xD9, 0xDA, 0xFE, 0xFF)


@dataclass(frozen=True, slots=True)
class FuzzOutcome:
    """The outcomes of the damaged files of one kind. The slowest file took `slowest_s` seconds."""

    kind: str
    outcomes: Counter[str]
    slowest_s: float


@cache
def make_seeds() -> dict[str, bytes]:
    """Make a valid file of every kind. Two of them show a face that is framed."""
    portrait = ImageOps.exif_transpose(Image.open(BytesIO(next(iter(make_portraits())))))
    scene = Image.new("RGB", (480, 360), "grey")
    scene.paste(portrait.resize((225, 300)), (200, 20))
    faces = {"JPEG of a face": make_file(scene), "JP2 of a face": make_file(scene, "JPEG2000")}
    return make_fuzz_seeds() | faces


def fuzz_every_kind(cases: int) -> list[FuzzOutcome]:
    """
    Normalise damaged files in two processes, an equal number of each kind.

    Raises
    ------
    Exception
        An error that `normalise` did not handle, or a broken pool if a decoder crashed its process.
    """
    kinds = list(make_seeds())
    with ProcessPoolExecutor(2) as pool:
        return list(pool.map(partial(fuzz, cases=-(-cases // len(kinds))), kinds))


def fuzz(kind: str, cases: int) -> FuzzOutcome:
    """Damage one valid file in many ways, and normalise the results."""
    seed = make_seeds()[kind]
    outcomes: Counter[str] = Counter()
    slowest_s = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # decoders warn before they refuse a file
        for case in range(cases):
            data = damage(seed, Random(f"{kind} {case}"))  # noqa: S311 - not a secret
            started = time.perf_counter()
            outcomes[_try(data)] += 1
            slowest_s = max(slowest_s, time.perf_counter() - started)
    return FuzzOutcome(kind, outcomes, slowest_s)


def damage(valid: bytes, random: Random) -> bytes:
    """Change, remove and repeat bytes, mostly in the header; truncate the file; fix a PNG's checksums."""
    data = bytearray(valid)
    for _ in range(random.randint(1, 6)):
        reach = min(random.choice((64, _HEADER_BYTES, len(data))), len(data))
        start = random.randrange(reach) if reach else 0
        end = start + random.randint(1, 8)
        data[start:end] = random.choice(
            (
                random.randbytes(end - start),
                bytes([random.choice(_EDGE_VALUES)]) * (end - start),
                data[start:end] * 2,
                b"",
            )
        )
    cut = bytes(data[: random.randrange(len(data) + 1)] if random.random() < _CUT_SHARE else data)
    return fix_checksums(cut) if cut.startswith(_PNG_START) else cut


def fix_checksums(png: bytes) -> bytes:
    """Correct the checksums of the chunks. Otherwise they would reveal all damage."""
    data, start = bytearray(png), len(_PNG_START)
    while start + 12 <= len(data):
        end = start + 8 + int.from_bytes(data[start : start + 4])
        data[end : end + 4] = zlib.crc32(data[start + 4 : end]).to_bytes(4)
        start = end + 4
    return bytes(data)


def count_cases(outcomes: Iterable[FuzzOutcome]) -> int:
    """Count the damaged files."""
    return sum(outcome.outcomes.total() for outcome in outcomes)


def _try(data: bytes) -> str:
    try:
        photo = normalise(data, LIMITS)
    except PhotoError as error:
        return error.code
    is_valid = (
        is_plain(photo.jpeg)
        and LIMITS.min_width <= photo.width <= LIMITS.max_width
        and LIMITS.min_height <= photo.height <= LIMITS.max_height
    )
    if not is_valid:
        raise AssertionError(f"The result with {photo.width} x {photo.height} px is not a valid photo.")
    return "photo"
