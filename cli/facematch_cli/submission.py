"""A submission: many pairs, each checked and then uploaded, a bounded number of them at a time."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore
from typing import Final

from facematch.domain.errors import InvalidInputError
from facematch.domain.inbox import check_pair_id, make_inbox_key
from facematch.domain.regions import Region, RegionPolicy
from facematch.domain.verdict import Role
from facematch.use_cases.prepare_photos import PhotoPreparer
from facematch_cli.files import read_photo
from facematch_cli.pairs import PairFiles

_WINDOW_PER_WORKER: Final = 2

type Upload = Callable[[str, bytes], None]
"""Puts a photo's bytes under a key of the inbox."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A pair that can't be submitted: the photo at fault with its file, where it is one, and why."""

    pair_id: str
    region: str | None
    photo: str | None
    file: Path | None
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class PlacedPair:
    """A pair whose place is known."""

    pair: PairFiles
    region: Region

    @property
    def key(self) -> str:
        """What makes this pair one and the same."""
        return f"{self.region}/{self.pair.pair_id}"


@dataclass(frozen=True, slots=True)
class Submitter:
    """Submits pairs, in whatever threads.

    Photos are decoded for as many pairs at once as there are processors: more would be no faster, and each
    takes the memory of its pixels.
    """

    upload: Upload
    preparer: PhotoPreparer
    _decoders: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(os.process_cpu_count() or 1))

    def submit(self, placed: PlacedPair) -> Refusal | None:
        """Check a pair as the stack would, and upload it; return why it was refused, or None."""
        try:
            photos = self._read(placed.pair)
            with self._decoders:
                self.preparer.prepare(photos)
        except InvalidInputError as error:
            return make_refusal(placed.pair, placed.region, error)
        for role, photo in photos.items():
            extension = placed.pair.files[role].suffix.lstrip(".") or "jpg"
            self.upload(make_inbox_key(placed.region, placed.pair.pair_id, role, extension), photo)
        return None

    def _read(self, pair: PairFiles) -> dict[Role, bytes]:
        photos: dict[Role, bytes] = {}
        for role in Role:
            if role not in pair.files:
                raise InvalidInputError("photo_missing", f"There is no {role} photo.", field=role)
            try:
                photos[role] = read_photo(pair.files[role], self.preparer.size_limit_bytes)
            except InvalidInputError as error:
                raise InvalidInputError(error.code, error.message, field=role) from None
        return photos


def make_refusal(pair: PairFiles, region: str | None, error: InvalidInputError) -> Refusal:
    """Return an error as the refusal of its pair."""
    role = Role(error.field) if error.field in set(Role) else None
    return Refusal(
        pair_id=pair.pair_id,
        region=region,
        photo=role,
        file=pair.files.get(role) if role else None,
        reason=error.code,
        message=error.message,
    )


@dataclass(slots=True)
class Sieve:
    """Lets through the pairs that are still to be submitted, each once."""

    regions: RegionPolicy
    region: str | None
    done: frozenset[str]
    skipped: int = 0
    _seen: set[str] = field(default_factory=set)

    def sift(self, pairs: Iterable[PairFiles]) -> Iterator[PlacedPair | Refusal]:
        """Yield each pair with its place, or why it has none; pairs that are done are skipped."""
        for pair in pairs:
            sifted = self._sift_one(pair)
            if isinstance(sifted, PlacedPair) and sifted.key in self.done:
                self.skipped += 1
            else:
                yield sifted

    def _sift_one(self, pair: PairFiles) -> PlacedPair | Refusal:
        try:
            check_pair_id(pair.pair_id)
            placed = PlacedPair(pair, self.regions.choose(pair.region or self.region))
            self._check(placed)
        except InvalidInputError as error:
            return make_refusal(pair, pair.region or self.region, error)
        self._seen.add(placed.key)
        return placed

    def _check(self, placed: PlacedPair) -> None:
        if placed.pair.flaw is not None:
            raise InvalidInputError("ambiguous_photo", placed.pair.flaw, field="pair_id")
        if placed.key in self._seen:
            raise InvalidInputError("repeated_pair_id", "The pair was named before.", field="pair_id")


def submit_all(
    pairs: Iterable[PlacedPair | Refusal],
    submit: Callable[[PlacedPair], Refusal | None],
    settle: Callable[[PlacedPair | Refusal], None],
    *,
    workers: int,
) -> None:
    """Submit pairs, some `workers` at a time; `settle` is told of each, in this thread, once it is through.

    Whatever ends this early, a keyboard's interrupt included, pairs that are under way are waited for and
    settled, and no further one is begun.
    """
    running: dict[Future[Refusal | None], PlacedPair] = {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            for pair in pairs:
                if isinstance(pair, Refusal):
                    settle(pair)
                    continue
                running[pool.submit(submit, pair)] = pair
                if len(running) >= workers * _WINDOW_PER_WORKER:
                    _settle_done(running, settle)
            while running:
                _settle_done(running, settle)
        except BaseException:
            for future in running:
                future.cancel()
            wait(running)
            for future, pair in running.items():
                with suppress(Exception):
                    if not future.cancelled():
                        settle(future.result() or pair)
            raise


def _settle_done(
    running: dict[Future[Refusal | None], PlacedPair], settle: Callable[[PlacedPair | Refusal], None]
) -> None:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        refusal = future.result()
        settle(refusal or running.pop(future))
        running.pop(future, None)


def estimate_verdicts_s(pairs: Mapping[Region | None, int], calls_per_s: Mapping[Region, float]) -> float:
    """Return how long the quota takes for so many pairs; the regions are compared side by side."""
    return max((count / calls_per_s[region] for region, count in pairs.items() if region), default=0.0)


def estimate_rest(*, quota_s: float, elapsed_s: float, done: int, left: int) -> tuple[float, str]:
    """Return in how many seconds the last verdict can be there, and what decides that: quota or upload.

    `quota_s` is what the quota takes for all; `done` pairs are through after `elapsed_s`, `left` are not.
    """
    by_quota_s = max(quota_s - elapsed_s, 0.0)
    by_upload_s = left * elapsed_s / done if done else 0.0
    return (by_upload_s, "upload") if by_upload_s > by_quota_s else (by_quota_s, "quota")
