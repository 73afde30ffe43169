"""Intake from the bucket: a photo has arrived; a complete pair is registered and enqueued."""

from dataclasses import dataclass, replace

from facematch.domain.clock import Clock
from facematch.domain.comparison import Comparison, Options, Origin, identify_upload
from facematch.domain.errors import InvalidInputError, PhotoMissingError
from facematch.domain.inbox import InboxKey, check_pair_id, split_folder
from facematch.domain.pair import ArrivedPhoto, Pair, identify_pair
from facematch.domain.ports import ComparisonQueues, Ledger, PhotoStore
from facematch.domain.priority import Priority
from facematch.domain.reasons import Reason
from facematch.domain.regions import RegionPolicy
from facematch.domain.verdict import Role, Verdict, fail
from facematch.use_cases.register_comparison import ComparisonRegistrar, fail_comparison


@dataclass(frozen=True, slots=True)
class UploadReceiver:
    """Registers pairs from the inbox, whatever the order and number of their notifications.

    `pair_deadline_s` is how long one photo waits for the other.
    """

    ledger: Ledger
    photos: PhotoStore
    queues: ComparisonQueues
    registrar: ComparisonRegistrar
    clock: Clock
    regions: RegionPolicy
    options: Options
    pair_deadline_s: int

    def receive(self, key: InboxKey, arrived: ArrivedPhoto) -> str | None:
        """Record one photo; return the id of its comparison once the pair is complete, else None."""
        pair = self.ledger.put_photo(key.region, key.folder, key.role, arrived)
        if pair.is_complete:
            return self._register(pair)
        if pair.is_taken and pair.comparison_id is not None:
            return self._resume(pair, pair.comparison_id)
        return None

    def expire(self, region: str, folder: str) -> str | None:
        """End half a pair as `pair_incomplete` if its time is up; return the comparison's id then.

        A complete pair that was left behind is registered.
        """
        pair = self.ledger.find_pair(region, folder)
        if pair is None or pair.is_taken or self._is_early(pair):
            return None
        if pair.is_complete:
            comparison_id = self._register(pair)
            if comparison_id is None and any(
                self.photos.find(photo.key) is None for photo in pair.photos.values()
            ):
                # Late notifications of photos that were compared before.
                self.ledger.forget_pair(pair)
            return comparison_id
        ((present, photo),) = pair.photos.items()
        if self.photos.find(photo.key) != photo:
            # An API request took it before its notification came, or its owner deleted it.
            self.ledger.forget_pair(pair)
            return None
        now_ms = self.clock.now_ms()
        ended = fail_comparison(self._make(pair, now_ms), _fail_incomplete(present), now_ms)
        # By the upload, not by the bytes: a second sweep finds this ending, a second upload gets its own.
        upload = f"{photo.key} {pair.arrived[present].sequencer}"
        ended = replace(ended, id=identify_upload(region, folder, {present: upload}))
        # The photo stays in the inbox: the other one may still come.
        is_new = self.ledger.register(ended, pair=pair, takes_photos=False)
        return ended.id if is_new else None

    def _is_early(self, pair: Pair) -> bool:
        return pair.arrived_at_ms + self.pair_deadline_s * 1000 > self.clock.now_ms()

    def _register(self, pair: Pair) -> str | None:
        now_ms = self.clock.now_ms()
        comparison = self._make(pair, now_ms)
        try:
            check_pair_id(comparison.pair_id or "")
            self.regions.choose(pair.region)
        except InvalidInputError as error:
            comparison = fail_comparison(comparison, fail(error.code, error.message), now_ms)
        try:
            registered = self.registrar.register_pair(comparison, pair)
        except PhotoMissingError as error:
            failed = fail_comparison(comparison, fail(error.code, error.message), now_ms)
            registered = self.registrar.register_pair(failed, pair)
        if registered is None:
            return None
        self._enqueue(registered)
        return registered.id

    def _resume(self, pair: Pair, comparison_id: str) -> str | None:
        """Finish what the first notification may have left undone when its function died."""
        comparison = self.ledger.find(comparison_id)
        if comparison is None:
            return None
        if not comparison.may_be_repeated:
            # After a failure these may be the same bytes sent again, for a successor.
            for arrived in pair.arrived.values():
                self.photos.delete(arrived.photo)
        self._enqueue(comparison)
        return comparison.id

    def _enqueue(self, comparison: Comparison) -> None:
        if not comparison.has_ended:
            self.queues.send(comparison.region, Priority.BULK, comparison.id)

    def _make(self, pair: Pair, now_ms: int) -> Comparison:
        pair_id, caller = split_folder(pair.folder)
        return Comparison(
            id=identify_pair(pair.region, pair.folder, pair.photos),
            region=pair.region,
            pair_id=pair_id,
            caller=caller,
            origin=Origin.UPLOAD,
            created_at_ms=now_ms,
            photos=pair.photos,
            options=self.options,
        )


def _fail_incomplete(present: Role) -> Verdict:
    missing = Role.TARGET if present is Role.SOURCE else Role.SOURCE
    return fail(
        Reason.PAIR_INCOMPLETE,
        f"The {missing} photo did not arrive in time; only the {present} photo did.",
        photo=missing,
    )
