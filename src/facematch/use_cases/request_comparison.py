"""Intake from the API: check a request, register it, compare it now or have a worker do it."""

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Final

from facematch.domain.clock import Clock
from facematch.domain.comparison import (
    Comparison,
    Options,
    Origin,
    State,
    StoredPhoto,
    identify_request,
    identify_upload,
)
from facematch.domain.errors import (
    AlreadyEndedError,
    ConflictError,
    InvalidInputError,
    LeaseHeldError,
    NotFoundError,
    OperatorFaultError,
    PostponedError,
)
from facematch.domain.inbox import InboxKey, check_pair_id
from facematch.domain.ports import ComparisonQueue, Ledger, PhotoStore
from facematch.domain.regions import Region, RegionPolicy
from facematch.domain.stopwatch import Stopwatch
from facematch.domain.verdict import Role
from facematch.use_cases.collect_photos import (
    CollectedPhotos,
    InlinePhoto,
    LinkedPhoto,
    PhotoCollector,
    PhotoInput,
    UploadedPhoto,
    parse_upload_key,
)
from facematch.use_cases.compare_pair import Effort, PairComparer, PreparedPhoto
from facematch.use_cases.discard_photos import PhotoDisposal
from facematch.use_cases.register_upload import register_upload

RESCUE_DELAY_S: Final = 60
"""When a worker looks at a comparison that the API function took on itself, in case that function died."""
_POLL_INTERVAL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed a request; an administrator may see and erase what others asked for, or nobody did."""

    arn: str
    is_administrator: bool = False

    def may_see(self, owner: str | None) -> bool:
        """Whether what belongs to `owner` is for this caller; what came through the bucket has no owner."""
        return self.is_administrator or owner == self.arn


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRequest:
    """What a caller asks for."""

    caller: Caller
    photos: Mapping[Role, PhotoInput]
    options: Options
    region: str | None = None
    pair_id: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class ComparisonDesk:
    """Takes requests for comparisons from the API, and answers for them."""

    ledger: Ledger
    photos: PhotoStore
    collector: PhotoCollector
    comparisons: ComparisonQueue
    comparer: PairComparer
    disposal: PhotoDisposal
    clock: Clock
    regions: RegionPolicy

    def submit(self, request: ComparisonRequest, effort: Effort | None) -> Comparison:
        """Register a comparison and, given an `effort`, make it now; return it as it then stands.

        The effort's time counts from here, so that what is left of it after slow photos is shorter.
        It is on the queue either way: what has not ended on return ends later.

        Raises
        ------
        InvalidInputError
            The request or a photo can't be worked with, or was uploaded by another; nothing was registered.
        ConflictError
            The `Idempotency-Key` came before, with another body.
        CircuitOpenError
            It was to be made now, and the provider is failing; nothing was registered.
        """
        stopwatch = Stopwatch(self.clock)
        asked_at_ms = self.clock.now_ms()
        region, upload = self._choose_place(request)
        request_id = identify_request(request.caller.arn, request.idempotency_key)
        fingerprint = _fingerprint(request, region)
        known = self._find_known(request, request_id, fingerprint, upload)
        if known is not None and known.ended:
            _check_same_asked(known, request, fingerprint, upload)
            return known
        if effort:
            self.comparer.provider.check(region)
        with stopwatch.measure("prepare"):
            collected = self.collector.collect(request.photos, request_id)
        if request.idempotency_key is not None:
            standing = self.ledger.put_request(request_id, fingerprint, now_ms=self.clock.now_ms())
            _check_same_body(standing, fingerprint)
        asked = self._make(
            request,
            request_id,
            region,
            upload,
            collected.stored,
            fingerprint=fingerprint,
            asked_at_ms=asked_at_ms,
        )
        comparison = register_upload(self.ledger, asked) if upload else self.ledger.register(asked)
        _check_same_asked(comparison, request, fingerprint, upload)
        if not comparison.ended:
            self._enqueue(comparison.id, collected, delay_s=RESCUE_DELAY_S if effort else 0)
            if effort:
                # What was registered under this id is compared, not what stands in the inbox by now.
                is_same = comparison.photos == collected.stored
                give_up_at_ms = asked_at_ms + round(effort.time_s * 1000)
                prepared = collected.prepared if is_same else None
                self._compare_now(comparison.id, effort.horizon_s, give_up_at_ms, prepared, stopwatch)
            comparison = self._find(comparison.id)
        self._take_back(asked, comparison)
        return comparison

    def find(self, comparison_id: str, caller: Caller) -> Comparison:
        """Return a comparison that `caller` may see, or what is left of an erased one: that says nothing.

        Raises
        ------
        NotFoundError
            There is none.
        """
        comparison = self._find(comparison_id)
        if comparison.state is not State.ERASED and not caller.may_see(comparison.caller):
            raise NotFoundError(comparison_id)
        return comparison

    def erase(self, comparison_id: str, caller: Caller) -> None:
        """Erase the photos and the record of a comparison that `caller` may see; a tombstone stays.

        Raises
        ------
        NotFoundError
            There is none.
        """
        comparison = self.find(comparison_id, caller)
        self.disposal.erase(comparison)
        self.ledger.erase(comparison.id, now_ms=self.clock.now_ms())
        # Until now a repeated request may have stored them again; from now on it takes them back itself.
        self.disposal.discard(comparison, uploads_too=False)

    def _find(self, comparison_id: str) -> Comparison:
        comparison = self.ledger.find(comparison_id)
        if comparison is None:
            raise NotFoundError(comparison_id)
        return comparison

    def _choose_place(self, request: ComparisonRequest) -> tuple[Region, InboxKey | None]:
        """Return a request's region and, if both photos are those of one pair in the inbox, that pair."""
        if request.pair_id is not None:
            check_pair_id(request.pair_id)
        uploads = {
            role: parse_upload_key(role, photo)
            for role, photo in request.photos.items()
            if isinstance(photo, UploadedPhoto)
        }
        named = {upload.region for upload in uploads.values()}
        if request.region is not None:
            named.add(request.region)
        if len(named) > 1:
            raise InvalidInputError(
                "region_mismatch", "The upload keys and region name different regions.", field="region"
            )
        region = self.regions.choose(next(iter(named), None))
        for role, upload in uploads.items():
            check_pair_id(upload.pair_id)
            if not request.caller.may_see(upload.caller):
                raise InvalidInputError(
                    "foreign_upload_key",
                    f"{role}.upload_key is not one that POST /v1/uploads gave to you.",
                    field=f"{role}.upload_key",
                )
        same_pair = uploads.keys() == set(Role) and len({upload.folder for upload in uploads.values()}) == 1
        in_order = all(upload.role is role for role, upload in uploads.items())
        return region, uploads[Role.SOURCE] if same_pair and in_order else None

    def _find_known(
        self, request: ComparisonRequest, request_id: str, fingerprint: str, upload: InboxKey | None
    ) -> Comparison | None:
        """Return what a request asked for before, without a look at its photos: those may be gone by now."""
        if request.idempotency_key is not None:
            _check_same_body(self.ledger.find_request(request_id) or fingerprint, fingerprint)
        if upload is None:
            return self.ledger.find(request_id) if request.idempotency_key is not None else None
        pair = self.ledger.find_pair(upload.region, upload.folder)
        if pair is None or not pair.over or pair.arrived.keys() != set(Role):
            return None
        return self.ledger.find(pair.comparison_id)

    def _make(
        self,
        request: ComparisonRequest,
        request_id: str,
        region: Region,
        upload: InboxKey | None,
        stored: Mapping[Role, StoredPhoto],
        *,
        fingerprint: str,
        asked_at_ms: int,
    ) -> Comparison:
        # The bucket's own event compares an uploaded pair as well: under one identity it is paid for once.
        etags = {role: photo.etag or "" for role, photo in stored.items()}
        return Comparison(
            id=identify_upload(region, upload.folder, etags) if upload else request_id,
            region=region,
            pair_id=upload.pair_id if upload else request.pair_id,
            origin=Origin.API if upload is None else Origin.UPLOAD,
            caller=upload.caller if upload else request.caller.arn,
            fingerprint=fingerprint,
            created_at_ms=asked_at_ms,
            photos=stored,
            options=request.options,
        )

    def _enqueue(self, comparison_id: str, collected: CollectedPhotos, *, delay_s: float) -> None:
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(self.photos.write, collected.to_store, collected.to_store.values()))
        self.comparisons.send(comparison_id, delay_s=delay_s)

    def _take_back(self, asked: Comparison, standing: Comparison) -> None:
        """Leave nothing of a request that came too late: its photos had been let go, or all of it erased."""
        if standing.state is State.ERASED:
            self.ledger.erase(standing.id, now_ms=self.clock.now_ms())
        if standing.state is State.ERASED or standing.published_at_ms is not None:
            self.disposal.discard(asked, uploads_too=False)

    def _compare_now(
        self,
        comparison_id: str,
        horizon_s: float,
        give_up_at_ms: int,
        prepared: Mapping[Role, PreparedPhoto] | None,
        stopwatch: Stopwatch,
    ) -> None:
        while (remaining_ms := give_up_at_ms - self.clock.now_ms()) > 0:
            try:
                effort = Effort(horizon_s, remaining_ms / 1000)
                self.comparer.compare(comparison_id, effort, prepared, stopwatch)
            except LeaseHeldError:
                # Another request with the same key, or a worker, is at it: its verdict is ours.
                self.clock.sleep(_POLL_INTERVAL_S)
                continue
            except PostponedError as error:
                self.comparisons.send(comparison_id, delay_s=error.retry_after_s)
            except (AlreadyEndedError, OperatorFaultError):
                # The one needs nothing more; the other waits on the queue.
                pass
            return


def _check_same_body(standing: str, fingerprint: str) -> None:
    if standing != fingerprint:
        raise ConflictError(
            "idempotency_key_reused", "This Idempotency-Key came before with another body; use a new one."
        )


def _check_same_asked(
    standing: Comparison, request: ComparisonRequest, fingerprint: str, upload: InboxKey | None
) -> None:
    """Accept what stands under a request's id, unless something else was asked for then.

    Raises
    ------
    ConflictError
        `idempotency_key_reused`, or `options_differ`: an uploaded pair was registered with other options.
    """
    if standing.state is State.ERASED:
        return
    if upload is None:
        _check_same_body(standing.fingerprint or "", fingerprint)
    elif standing.options != request.options:
        raise ConflictError(
            "options_differ", "This uploaded pair was registered with other bounds or checks than these."
        )


def _digest(photo: PhotoInput) -> str:
    match photo:
        case InlinePhoto(content):
            kind, told = "photo", content
        case LinkedPhoto(url):
            # As yet it may be no text that can be sent, such as half a surrogate pair.
            kind, told = "url", url.encode(errors="surrogatepass")
        case UploadedPhoto(key):
            kind, told = "upload", key.encode()
    return f"{kind} {hashlib.sha256(told).hexdigest()}"


def _fingerprint(request: ComparisonRequest, region: Region) -> str:
    asked = {
        "region": region,
        "pair_id": request.pair_id,
        "photos": {role: _digest(photo) for role, photo in request.photos.items()},
        "options": asdict(request.options),
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
