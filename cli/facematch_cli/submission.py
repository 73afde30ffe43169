"""Checks and uploads many pairs, a limited number at a time."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore
from typing import Final

from facematch.domain.errors import InvalidInputError
from facematch.domain.inbox import check_pair_id, make_inbox_key
from facematch.domain.reasons import Reason
from facematch.domain.regions import Region, RegionPolicy
from facematch.domain.verdict import Role
from facematch.use_cases.prepare_photos import PhotoPreparer
from facematch_cli.journal import Fingerprint, digest_photos, stamp_files
from facematch_cli.pairs import PairFiles
from facematch_cli.regions import choose_region
from facematch_client.files import read_photo
from facematch_client.labels import WARNINGS
from imaging import NormalisedPhoto, find_warnings

_WINDOW_PER_WORKER: Final = 2

type Upload = Callable[[str, bytes], str]
"""Puts the bytes of a photo under a key in the inbox, and returns the ETag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An error or a warning about a pair: its line, the photo with its file, and the reason."""

    line: int | None
    pair_id: str
    region: str | None
    photo: str | None
    file: Path | None
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class RefusedPair:
    """A pair that cannot be submitted, with all reasons."""

    pair: PairFiles
    refusals: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class RoutedPair:
    """A pair with its region. `submitted` identifies the photos that an earlier run submitted."""

    pair: PairFiles
    region: Region
    submitted: Fingerprint | None = None

    @property
    def key(self) -> str:
        """The identity of the pair in a stack's inbox."""
        return f"{self.region}/{self.pair.pair_id}"


@dataclass(frozen=True, slots=True)
class SubmittedPair:
    """A pair whose photos are in the inbox. Without `etags` an earlier run uploaded them."""

    routed: RoutedPair
    fingerprint: Fingerprint
    etags: Mapping[Role, str] | None
    warnings: tuple[Finding, ...] = ()

    @property
    def is_unchanged(self) -> bool:
        """Whether an earlier run submitted the same photos."""
        return self.etags is None

    @property
    def is_changed(self) -> bool:
        """Whether an earlier run submitted other photos of the pair."""
        return self.etags is not None and self.routed.submitted is not None


type PairOutcome = SubmittedPair | RefusedPair


@dataclass(frozen=True, slots=True)
class Submitter:
    """Submits pairs, in any number of threads.

    It decodes the photos of one pair per processor at a time. More would not be faster, and would use more
    memory.
    """

    upload: Upload
    preparer: PhotoPreparer
    _decoders: BoundedSemaphore = field(default_factory=lambda: BoundedSemaphore(os.process_cpu_count() or 1))

    def submit(self, routed: RoutedPair) -> PairOutcome:
        """Check a pair with the stack's limits. Upload it unless an earlier run submitted the same photos."""
        pair = routed.pair
        # Before the photos are read: if a photo changes meanwhile, the next run reads it again.
        stamp = stamp_files(pair.files) or ""
        photos, errors = self._read(pair)
        fingerprint = Fingerprint("" if errors else digest_photos(photos), stamp)
        if routed.submitted and routed.submitted.digest == fingerprint.digest:
            return SubmittedPair(routed, fingerprint, None)
        prepared, refusals = self._check(photos, is_complete=not errors)
        errors += refusals
        if errors:
            errors.sort(key=lambda error: error.field or "")
            return RefusedPair(pair, tuple(make_finding(pair, routed.region, error) for error in errors))
        etags = {role: self._upload(routed, role, photo) for role, photo in photos.items()}
        return SubmittedPair(routed, fingerprint, etags, tuple(list_warnings(routed, prepared)))

    def _read(self, pair: PairFiles) -> tuple[dict[Role, bytes], list[InvalidInputError]]:
        photos: dict[Role, bytes] = {}
        errors: list[InvalidInputError] = []
        for role in Role:
            if role not in pair.files:
                message = f"There is no {role} photo. {pair.missing_hint}".rstrip()
                errors.append(InvalidInputError(Reason.PHOTO_MISSING, message, field=role))
                continue
            try:
                photos[role] = read_photo(pair.files[role], self.preparer.size_limit_bytes)
            except InvalidInputError as error:
                errors.append(InvalidInputError(error.code, error.message, field=role))
        return photos, errors

    def _check(
        self, photos: Mapping[Role, bytes], *, is_complete: bool
    ) -> tuple[Mapping[Role, NormalisedPhoto], list[InvalidInputError]]:
        """Return the prepared photos, or the errors of each photo. The preparer stops at the first error."""
        with self._decoders:
            prepared, error = self._prepare(photos) if is_complete else ({}, None)
            if prepared:
                return prepared, []
            errors = [self._prepare({role: photo})[1] for role, photo in photos.items()]
        # Both photos together may be too large for one call although each one is not.
        return {}, [found for found in errors if found is not None] or ([error] if error else [])

    def _prepare(
        self, photos: Mapping[Role, bytes]
    ) -> tuple[Mapping[Role, NormalisedPhoto], InvalidInputError | None]:
        try:
            return self.preparer.prepare(photos), None
        except InvalidInputError as error:
            return {}, error

    def _upload(self, routed: RoutedPair, role: Role, photo: bytes) -> str:
        extension = routed.pair.files[role].suffix.lstrip(".") or "jpg"
        return self.upload(make_inbox_key(routed.region, routed.pair.pair_id, role, extension), photo)


def make_finding(pair: PairFiles, region: str | None, error: InvalidInputError) -> Finding:
    """Return an error of a pair with the pair's line and files."""
    role = Role(error.field) if error.field in set(Role) else None
    return Finding(
        line=pair.line,
        pair_id=pair.pair_id,
        region=region,
        photo=role,
        file=pair.files.get(role) if role else None,
        reason=error.code,
        message=error.message,
    )


def list_warnings(routed: RoutedPair, photos: Mapping[Role, NormalisedPhoto]) -> Iterator[Finding]:
    """Yield the warnings about a pair's prepared photos."""
    for role, photo in photos.items():
        for warning in find_warnings(photo.report.face):
            yield make_finding(
                routed.pair, routed.region, InvalidInputError(warning, WARNINGS[warning], field=role)
            )


@dataclass(slots=True)
class PairFilter:
    """Selects the pairs to submit, each once."""

    regions: RegionPolicy
    region: str | None
    done: Mapping[str, Fingerprint]
    skipped: int = 0
    _seen: dict[str, int | None] = field(default_factory=dict)

    def select(self, pairs: Iterable[PairFiles]) -> Iterator[RoutedPair | RefusedPair]:
        """Yield each pair with its region, or refused. Skip pairs whose files have not changed."""
        for pair in pairs:
            selected = self._select_one(pair)
            if isinstance(selected, RoutedPair) and _is_unchanged(selected):
                self.skipped += 1
            else:
                yield selected

    def _select_one(self, pair: PairFiles) -> RoutedPair | RefusedPair:
        requested = pair.region or self.region
        try:
            check_pair_id(pair.pair_id)
            routed = RoutedPair(pair, choose_region(self.regions, requested))
            self._check(routed)
        except InvalidInputError as error:
            return RefusedPair(pair, (make_finding(pair, requested, error),))
        self._seen[routed.key] = pair.line
        return RoutedPair(pair, routed.region, self.done.get(routed.key))

    def _check(self, routed: RoutedPair) -> None:
        if routed.pair.problem is not None:
            raise InvalidInputError("ambiguous_photo", routed.pair.problem, field="pair_id")
        if routed.key in self._seen:
            first = self._seen[routed.key]
            where = f" in line {first}" if first else ""
            raise InvalidInputError(
                "repeated_pair_id",
                f"The pair id was used before{where}. Only the first pair is submitted.",
                field="pair_id",
            )


def _is_unchanged(routed: RoutedPair) -> bool:
    return routed.submitted is not None and stamp_files(routed.pair.files) == routed.submitted.stamp


def submit_all(
    pairs: Iterable[RoutedPair | RefusedPair],
    submit: Callable[[RoutedPair], PairOutcome],
    record: Callable[[PairOutcome], None],
    *,
    workers: int,
) -> None:
    """Submit pairs with `workers` threads. Call `record` for each in this thread, in the pairs' order.

    If an exception stops this early, such as a keyboard interrupt, it waits for running uploads and records
    them, and starts no others.
    """
    running: deque[Future[PairOutcome]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for pair in pairs:
                running.append(
                    _make_finished(pair) if isinstance(pair, RefusedPair) else pool.submit(submit, pair)
                )
                if len(running) >= workers * _WINDOW_PER_WORKER:
                    record(running[0].result())
                    running.popleft()
            while running:
                record(running[0].result())
                running.popleft()
        except BaseException:
            for future in running:
                future.cancel()
            wait(running)
            for future in running:
                with suppress(Exception):
                    if not future.cancelled():
                        record(future.result())
            raise


def _make_finished(refused: RefusedPair) -> Future[PairOutcome]:
    future: Future[PairOutcome] = Future()
    future.set_result(refused)
    return future


def estimate_verdicts_s(pairs: Mapping[Region | None, int], calls_per_s: Mapping[Region, float]) -> float:
    """Return the time that the quota takes for these pairs. The regions work in parallel."""
    return max((count / calls_per_s[region] for region, count in pairs.items() if region), default=0.0)


def estimate_remaining(*, quota_s: float, elapsed_s: float, done: int, left: int) -> tuple[float, str]:
    """Return the seconds until the last verdict, at the earliest, and the slower of `quota` and `upload`.

    `quota_s` is the time that the quota takes for all pairs. After `elapsed_s`, `done` pairs are finished and
    `left` are not.
    """
    remaining_quota_s = max(quota_s - elapsed_s, 0.0)
    remaining_upload_s = left * elapsed_s / done if done else 0.0
    return (
        (remaining_upload_s, "upload")
        if remaining_upload_s > remaining_quota_s
        else (remaining_quota_s, "quota")
    )
