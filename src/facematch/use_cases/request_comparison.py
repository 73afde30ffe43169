"""Intake from the API: check a request, register it, and compare it now or leave it to a worker."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

from facematch.domain.clock import Clock
from facematch.domain.comparison import (
    Comparison,
    Options,
    Origin,
    PhotoKind,
    State,
    StoredPhoto,
    identify_request,
    make_photo_key,
)
from facematch.domain.deadline import Deadline
from facematch.domain.errors import (
    AlreadyEndedError,
    ConflictError,
    InvalidInputError,
    LeaseHeldError,
    LedgerUnavailableError,
    NotFoundError,
    PhotoMissingError,
    PhotoReplacedError,
    PostponedError,
)
from facematch.domain.inbox import InboxKey, check_pair_id
from facematch.domain.lane import Hold, HoldReason
from facematch.domain.pair import ArrivedPhoto, Pair, identify_pair
from facematch.domain.photo_url import check_photo_url
from facematch.domain.ports import ComparisonQueues, IdempotentRequest, Ledger, PhotoStore, RateLimiter
from facematch.domain.priority import Priority
from facematch.domain.reasons import Reason
from facematch.domain.regions import Region, RegionPolicy
from facematch.domain.stopwatch import Stopwatch
from facematch.domain.verdict import Role
from facematch.use_cases.compare_pair import PairComparer
from facematch.use_cases.load_photos import PhotoLoader, PreparedPhoto, prepare_url
from facematch.use_cases.photo_inputs import (
    InlinePhoto,
    LinkedPhoto,
    PhotoInput,
    UploadedPhoto,
    digest_photo,
    parse_upload_key,
)
from facematch.use_cases.register_comparison import ComparisonRegistrar, check_same_request

RESCUE_DELAY_S: Final = 60
"""When a worker looks at a comparison that the API function makes itself, in case that function dies."""
_POLL_INTERVAL_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Caller:
    """Who signed a request; an administrator may see and erase the comparisons of all callers."""

    arn: str
    is_administrator: bool = False

    def may_see(self, owner: str | None) -> bool:
        """Whether this caller may see what belongs to `owner`; uploads to the bucket have no owner."""
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
class _Collected:
    """The photos of a request: ready for a call, where they are (or go), and the bytes still to store."""

    prepared: Mapping[Role, PreparedPhoto]
    stored: Mapping[Role, StoredPhoto]
    to_store: Mapping[Role, bytes]


@dataclass(frozen=True, slots=True)
class ComparisonRequester:
    """Takes requests for comparisons; `options` are the stack's own."""

    ledger: Ledger
    limiter: RateLimiter
    photos: PhotoStore
    loader: PhotoLoader
    registrar: ComparisonRegistrar
    queues: ComparisonQueues
    comparer: PairComparer
    clock: Clock
    regions: RegionPolicy
    options: Options

    def submit(self, request: ComparisonRequest, deadline: Deadline | None) -> Comparison:
        """Register a comparison and, with a `deadline`, make it now; return it as it is after that.

        It is on the queue in any case: what has not ended on return ends later.

        Raises
        ------
        InvalidInputError
            The request or a photo cannot be used, or belongs to another caller; nothing was registered.
        ConflictError
            The `Idempotency-Key` came before with another body, or an uploaded pair has other options.
        """
        stopwatch = Stopwatch(self.clock)
        region, pair_key = self._locate(request)
        link = _link(request, region)
        comparison, prepared = self._find_or_register(request, region, pair_key, link, stopwatch=stopwatch)
        if comparison.has_ended:
            return comparison
        # A known comparison, too: the request before may have died before this line.
        delay_s = RESCUE_DELAY_S if deadline else 0
        self.queues.send(region, Priority.URGENT, comparison.id, delay_s=delay_s)
        if deadline is None:
            return comparison
        self._compare_now(comparison, deadline, prepared, stopwatch)
        return self._find(comparison.id)

    def find(self, comparison_id: str, caller: Caller) -> Comparison:
        """Return a comparison that `caller` may see, or the tombstone of an erased one.

        Raises
        ------
        NotFoundError
            There is none.
        """
        comparison = self._find(comparison_id)
        if comparison.state is not State.ERASED and not caller.may_see(comparison.caller):
            raise NotFoundError(comparison_id)
        return comparison

    def find_hold(self, comparison: Comparison) -> Hold | None:
        """Return the hold that keeps an open comparison waiting, or None, also if that is not known now."""
        if comparison.has_ended:
            return None
        try:
            hold = self.limiter.find_lane(Region(comparison.region)).hold
        except LedgerUnavailableError:
            # The comparison is accepted: a caller that repeats it without a key would pay twice.
            return None
        if hold is None or (hold.reason is HoldReason.THROTTLING and hold.has_expired(self.clock.now_ms())):
            return None
        return hold

    def _find(self, comparison_id: str) -> Comparison:
        comparison = self.ledger.find(comparison_id)
        if comparison is None:
            raise NotFoundError(comparison_id)
        return comparison

    def _locate(self, request: ComparisonRequest) -> tuple[Region, InboxKey | None]:
        """Return a request's region and, if its photos are one uploaded pair, the key of its source."""
        if request.pair_id is not None:
            check_pair_id(request.pair_id)
        uploads = {
            role: parse_upload_key(role, photo)
            for role, photo in request.photos.items()
            if isinstance(photo, UploadedPhoto)
        }
        region = self._choose_region(request, uploads)
        for role, upload in uploads.items():
            check_pair_id(upload.pair_id)
            if not request.caller.may_see(upload.caller):
                raise InvalidInputError(
                    Reason.FOREIGN_UPLOAD_KEY,
                    f"{role}.upload_key is not one that POST /v1/uploads gave to you.",
                    field=f"{role}.upload_key",
                )
        is_pair = uploads.keys() == set(Role) and len({upload.folder for upload in uploads.values()}) == 1
        if not is_pair or any(upload.role is not role for role, upload in uploads.items()):
            return region, None
        if request.options != self.options:
            raise ConflictError(
                Reason.OPTIONS_DIFFER,
                "An uploaded pair is compared with the options of the stack: leave them out, or send "
                "the photos in the request.",
            )
        return region, uploads[Role.SOURCE]

    def _choose_region(self, request: ComparisonRequest, uploads: Mapping[Role, InboxKey]) -> Region:
        named = {upload.region for upload in uploads.values()}
        if request.region is not None:
            named.add(request.region)
        if len(named) > 1:
            raise InvalidInputError(
                Reason.REGION_MISMATCH, "The upload keys and region name different regions.", field="region"
            )
        return self.regions.choose(next(iter(named), None))

    def _find_or_register(
        self,
        request: ComparisonRequest,
        region: Region,
        pair_key: InboxKey | None,
        link: IdempotentRequest | None,
        *,
        stopwatch: Stopwatch,
        tries: int = 2,
    ) -> tuple[Comparison, Mapping[Role, PreparedPhoto] | None]:
        known = self._find_known(request, link, pair_key)
        if known is not None:
            return known, None
        try:
            return self._register(request, region, pair_key, link, stopwatch=stopwatch)
        except _PhotoNotFoundError:
            if tries == 1:
                raise
        # A notification of the bucket, or the same request, came in between: look at the pair again.
        return self._find_or_register(request, region, pair_key, link, stopwatch=stopwatch, tries=tries - 1)

    def _find_known(
        self, request: ComparisonRequest, link: IdempotentRequest | None, pair_key: InboxKey | None
    ) -> Comparison | None:
        """Return what a request already led to, without its photos: those may be gone by now."""
        if link is not None:
            known = self.ledger.find_request(link.id)
            if known is not None:
                check_same_request(known, link)
                comparison = self.ledger.find(known.comparison_id)
                if comparison is None:
                    # DynamoDB deletes expired items in any order, within days.
                    raise ConflictError(
                        Reason.IDEMPOTENCY_KEY_REUSED,
                        "The comparison of this Idempotency-Key has expired; use a new one.",
                    )
                return comparison
        if pair_key is None:
            return self.ledger.find(link.comparison_id) if link else None
        pair = self.ledger.find_pair(pair_key.region, pair_key.folder)
        if pair is None or pair.comparison_id is None:
            return None
        comparison = self.ledger.find(pair.comparison_id)
        if comparison is None or self._is_sent_again(request, pair, comparison):
            return None
        if link is not None:
            self.ledger.add_request(replace(link, comparison_id=comparison.id))
        return comparison

    def _is_sent_again(self, request: ComparisonRequest, pair: Pair, comparison: Comparison) -> bool:
        """Return whether the inbox holds photos that the comparison did not take, reported or not."""
        keys = [photo.key for photo in request.photos.values() if isinstance(photo, UploadedPhoto)]
        waiting = {photo for key in keys if (photo := self.photos.find(key))}
        if comparison.may_be_repeated:
            return bool(waiting)
        # The same bytes wait for a moment, until the registration has deleted them.
        return not waiting <= {arrived.photo for arrived in pair.arrived.values() if arrived.taken}

    def _register(
        self,
        request: ComparisonRequest,
        region: Region,
        pair_key: InboxKey | None,
        link: IdempotentRequest | None,
        *,
        stopwatch: Stopwatch,
    ) -> tuple[Comparison, Mapping[Role, PreparedPhoto] | None]:
        """Return the registered comparison, and its photos if they are at hand."""
        asked_at_ms = self.clock.now_ms()
        request_id = link.id if link else identify_request(request.caller.arn, None)
        with stopwatch.measure("prepare"):
            collected = self._collect(request.photos, request_id)
        comparison = Comparison(
            id=identify_pair(region, pair_key.folder, collected.stored) if pair_key else request_id,
            region=region,
            pair_id=pair_key.pair_id if pair_key else request.pair_id,
            origin=Origin.UPLOAD if pair_key else Origin.API,
            caller=pair_key.caller if pair_key else request.caller.arn,
            created_at_ms=asked_at_ms,
            photos=collected.stored,
            options=request.options,
        )
        if pair_key:
            pair = self._find_or_put_pair(region, pair_key.folder, collected.stored)
            try:
                registered = self.registrar.register_pair(comparison, pair, link)
            except PhotoMissingError:
                registered = None
        else:
            registered = self.registrar.register_request(comparison, collected.to_store, link)
        if registered is None:
            raise _PhotoNotFoundError(
                next(role for role in Role if isinstance(request.photos[role], UploadedPhoto))
            )
        # Under one key at the same moment, the other request's photos count; they may be newer.
        is_others = link is not None and link.id in registered.request_ids
        return registered, None if is_others else collected.prepared

    def _find_or_put_pair(
        self, region: Region, folder: str, photos: Mapping[Role, StoredPhoto]
    ) -> Pair | None:
        """Return a pair, with photos that no notification has reported yet; those count as newer."""
        pair = self.ledger.find_pair(region, folder)
        for role, photo in photos.items():
            if pair is None or role not in pair.arrived:
                arrived = ArrivedPhoto(photo=photo, sequencer="", arrived_at_ms=self.clock.now_ms())
                pair = self.ledger.put_photo(region, folder, role, arrived)
        return pair

    def _collect(self, inputs: Mapping[Role, PhotoInput], request_id: str) -> _Collected:
        """Return the photos of a request, checked and ready.

        Raises
        ------
        InvalidInputError
            A URL cannot be used, or an uploaded photo is not there.
        RejectedPhotoError
            A photo cannot be made acceptable.
        """
        stored: dict[Role, StoredPhoto] = {}
        contents: dict[Role, bytes] = {}
        to_store: dict[Role, bytes] = {}
        links: dict[Role, PreparedPhoto] = {}
        for role, photo in inputs.items():
            match photo:
                case InlinePhoto(content):
                    contents[role] = to_store[role] = content
                    stored[role] = StoredPhoto(key=make_photo_key(request_id, role))
                case LinkedPhoto(url):
                    check_photo_url(url, field=f"{role}.url")
                    links[role] = prepare_url(url)
                    to_store[role] = url.encode()
                    stored[role] = StoredPhoto(key=make_photo_key(request_id, role), kind=PhotoKind.URL)
                case UploadedPhoto(key):
                    stored[role], contents[role] = self._read_upload(role, key)
        return _Collected({**self.loader.prepare(contents), **links}, stored, to_store)

    def _read_upload(self, role: Role, key: str) -> tuple[StoredPhoto, bytes]:
        photo = self.photos.find(key)
        if photo is None:
            raise _PhotoNotFoundError(role)
        try:
            return photo, self.loader.read(photo)
        except (PhotoMissingError, PhotoReplacedError):
            raise _PhotoNotFoundError(role) from None

    def _compare_now(
        self,
        comparison: Comparison,
        deadline: Deadline,
        prepared: Mapping[Role, PreparedPhoto] | None,
        stopwatch: Stopwatch,
    ) -> None:
        while deadline.allows(0, self.clock):
            try:
                self.comparer.compare(comparison.id, Priority.URGENT, deadline, prepared, stopwatch)
            except LeaseHeldError:
                # A worker, or another request with the same key, is at work: its verdict is ours.
                self.clock.sleep(_POLL_INTERVAL_S)
                continue
            except PostponedError as error:
                self.queues.send(
                    comparison.region, Priority.URGENT, comparison.id, delay_s=error.retry_after_s
                )
            except AlreadyEndedError:
                pass
            return


def _link(request: ComparisonRequest, region: Region) -> IdempotentRequest | None:
    """Return what an `Idempotency-Key` stands for: the caller's request, by a digest of its parts."""
    if request.idempotency_key is None:
        return None
    parts = {
        "region": region,
        "pair_id": request.pair_id,
        "photos": {role: digest_photo(photo) for role, photo in request.photos.items()},
        "options": asdict(request.options),
    }
    request_id = identify_request(request.caller.arn, request.idempotency_key)
    fingerprint = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    return IdempotentRequest(request_id, fingerprint, comparison_id=request_id)


class _PhotoNotFoundError(InvalidInputError):
    def __init__(self, role: Role) -> None:
        field = f"{role}.upload_key"
        super().__init__(Reason.PHOTO_NOT_FOUND, f"There is no photo under {field}.", field=field)
