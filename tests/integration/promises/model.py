"""What facematch promises, as a model that watches the ledger, the provider and the bucket, and objects."""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from facematch.domain.comparison import Attempt, Comparison, Ending, Outcome, State, StoredPhoto
from facematch.domain.ports import Ledger, Pair
from facematch.domain.provider import Call
from facematch.domain.verdict import Decision
from tests.integration.promises.stepping import Process, Time
from tests.integration.promises.surroundings import Reply, Results

_OUTCOMES: Final = {
    Reply.SUCCESS: {Outcome.ANSWERED, Outcome.UNKNOWN},
    Reply.LOST: {Outcome.UNKNOWN},
    Reply.REJECTED: {Outcome.ANSWERED, Outcome.UNKNOWN},
    Reply.THROTTLED: {Outcome.THROTTLED, Outcome.UNKNOWN},
    Reply.FAULTED: {Outcome.FAULTED, Outcome.UNKNOWN},
    Reply.REFUSED: {Outcome.REFUSED, Outcome.UNKNOWN},
    Reply.UNREACHABLE: {Outcome.UNSENT, Outcome.UNKNOWN},
    Reply.CUT_OFF: {Outcome.UNSENT, Outcome.UNKNOWN},
}
"""What the ledger may say of a call that the provider made this of: the truth, or that it does not know."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease by the clock of the process that took it."""

    taken_at_ms: int
    until_ms: int


@dataclass(slots=True)
class Model:
    """What has happened so far; `objections` are the promises that were broken on the way."""

    time: Time
    registered: dict[str, Comparison] = field(default_factory=dict)
    endings: dict[str, Ending] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    """Comparisons whose erasure was asked for."""
    uploads: dict[tuple[str, str], StoredPhoto] = field(default_factory=dict)
    """The latest photo of each pair and role."""
    replaced: set[StoredPhoto] = field(default_factory=set)
    begun: dict[str, str] = field(default_factory=dict)
    """The comparison of each attempt that the ledger knows, by its `MerchantBizId`."""
    called: list[str] = field(default_factory=list)
    outlived: set[str] = field(default_factory=set)
    """Comparisons that were taken over from a process that still had an attempt under way."""
    results: Results = field(init=False)
    objections: list[str] = field(default_factory=list)
    _uploaded_at_ms: dict[StoredPhoto, float] = field(default_factory=dict)
    _leases: dict[tuple[str, Process], Lease] = field(default_factory=dict)
    _at_work: defaultdict[str, list[Process]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.results = Results(self.time)

    def object_if(self, broken: bool, promise: str) -> None:  # noqa: FBT001 - a condition, as in `if`
        if broken:
            self.objections.append(promise)

    def see_uploaded(self, place: tuple[str, str], photo: StoredPhoto) -> None:
        standing = self.uploads.get(place, photo)
        if standing != photo:
            self.replaced.add(standing)
        self.uploads[place] = photo
        self._uploaded_at_ms[photo] = self.time.at_ms

    def see_registered(self, comparison: Comparison) -> None:
        self.registered.setdefault(comparison.id, comparison)
        if comparison.ending and comparison.state is not State.ERASED:
            self.endings.setdefault(comparison.id, comparison.ending)

    def see_claim(self, process: Process, comparison_id: str, lease: Lease) -> None:
        self._leases[comparison_id, process] = lease

    def see_begun(self, process: Process, comparison_id: str, attempt: Attempt) -> None:
        self.begun[attempt.merchant_biz_id] = comparison_id
        mine = self._leases.get((comparison_id, process))
        others = [other for other in self._at_work[comparison_id] if not other.dead and other is not process]
        for other in others:
            self.outlived.add(comparison_id)
            theirs = self._leases[comparison_id, other]
            self.object_if(
                mine is None or mine.taken_at_ms < theirs.until_ms,
                f"{process.name} began an attempt while {other.name} had the lease.",
            )
        self._at_work[comparison_id] = [*others, process]

    def see_over(self, process: Process, comparison_id: str) -> None:
        if process in self._at_work[comparison_id]:
            self._at_work[comparison_id].remove(process)

    def see_ended(self, comparison_id: str, ending: Ending) -> None:
        self.object_if(comparison_id in self.endings, f"{comparison_id} ended twice.")
        self.endings[comparison_id] = ending

    def see_call(self, process: Process, call: Call, called_at_ms: int) -> None:
        self.object_if(
            call.merchant_biz_id not in self.begun, "A call left that the ledger knows nothing of."
        )
        self.object_if(call.merchant_biz_id in self.called, "Two calls left under one MerchantBizId.")
        self.called.append(call.merchant_biz_id)
        lease = self._leases.get((self.begun.get(call.merchant_biz_id, ""), process))
        self.object_if(
            lease is not None and called_at_ms >= lease.until_ms,
            f"{process.name} called though its lease had run out.",
        )

    def see_deleted(self, photo: StoredPhoto) -> None:
        """Object to a photo that goes before the event of its comparison is out, or while one still needs it.

        A photo that comes once the event is out has to bring the other one again: that one may go just then.
        """
        owners = [owner for owner in self.registered.values() if photo in owner.photos.values()]
        if any(owner.id in self.erased for owner in owners):
            return
        self.object_if(
            not any(owner.id in self.results.events for owner in owners),
            f"{photo.key} was deleted before its event was out.",
        )
        out_at_ms = min(
            (self.results.first_at_ms[owner.id] for owner in owners if owner.id in self.results.first_at_ms),
            default=math.inf,
        )
        for owner in owners:
            is_late = any(self._uploaded_at_ms.get(one, 0) >= out_at_ms for one in owner.photos.values())
            self.object_if(
                owner.id not in self.endings and not is_late and not self._is_superseded(owner),
                f"{photo.key} was deleted while {owner.id} still needed it.",
            )

    def check(self, ledger: Ledger, replies: Mapping[str, Reply]) -> None:
        """Object to what does not stand as promised once everything has come to rest."""
        for comparison_id, registered in self.registered.items():
            comparison = ledger.find(comparison_id)
            if comparison is None or comparison.ending is None:
                self.object_if(
                    not self._is_superseded(registered), f"{comparison_id} is lost: it never ended."
                )
                continue
            self._check_verdict(comparison, comparison.ending)
            self._check_events(comparison)
            self._check_attempts(comparison, replies)
        self.object_if(
            not self.results.events.keys() <= self.registered.keys(), "An event has no comparison."
        )
        event_ids = [events[0]["id"] for events in self.results.events.values()]
        self.object_if(len(event_ids) != len(set(event_ids)), "Two comparisons share an event id.")
        for place, photo in self.uploads.items():
            self.object_if(
                not any(photo in comparison.photos.values() for comparison in self.registered.values()),
                f"The latest photo of {place} is lost: it is in no comparison.",
            )

    def _check_verdict(self, comparison: Comparison, ending: Ending) -> None:
        if comparison.state is State.ERASED:
            self.object_if(comparison.id not in self.erased, f"{comparison.id} was erased by nobody.")
            return
        first = self.endings.get(comparison.id)
        self.object_if(first != ending, f"The verdict of {comparison.id} changed.")
        if ending.verdict.decision in {Decision.MATCH, Decision.NO_MATCH, Decision.REVIEW}:
            self.object_if(
                all(attempt.outcome is not Outcome.ANSWERED for attempt in comparison.attempts),
                f"The verdict of {comparison.id} has no answered attempt.",
            )

    def _check_events(self, comparison: Comparison) -> None:
        events = self.results.events.get(comparison.id, [])
        self.object_if(not events, f"{comparison.id} is lost: it has no event.")
        self.object_if(
            len({event["id"] for event in events}) > 1, f"{comparison.id} left under several event ids."
        )
        of_verdict = [event for event in events if event["data"]["reason"] != "erased"]
        of_erasure = [event for event in events if event not in of_verdict]
        self.object_if(
            bool(of_erasure) and comparison.id not in self.erased, f"{comparison.id} was erased by nobody."
        )
        for alike in (of_verdict, of_erasure):
            self.object_if(
                any(event != alike[0] for event in alike), f"{comparison.id} left with several contents."
            )

    def _check_attempts(self, comparison: Comparison, replies: Mapping[str, Reply]) -> None:
        """Object to a call that the ledger does not tell the truth of, or that was billed unnoticed.

        Of what was billed for a comparison, one call at the most was answered; each other one is an attempt
        that the ledger calls `unknown`.
        """
        outcomes = {attempt.merchant_biz_id: attempt.outcome for attempt in comparison.attempts}
        called = {one for one in self.called if self.begun.get(one) == comparison.id}
        self.object_if(not called <= outcomes.keys(), f"The ledger forgot a call of {comparison.id}.")
        for one in called & outcomes.keys():
            self.object_if(
                outcomes[one] not in _OUTCOMES[replies[one]],
                f"The ledger says {outcomes[one]} of a call of {comparison.id} that was {replies[one]}.",
            )
        answered = [outcome for outcome in outcomes.values() if outcome is Outcome.ANSWERED]
        self.object_if(len(answered) > 1, f"{comparison.id} was paid for twice, and the ledger hides it.")

    def _is_superseded(self, comparison: Comparison) -> bool:
        return any(photo in self.replaced for photo in comparison.photos.values())

    def count_surplus(self, ledger: Ledger, replies: Mapping[str, Reply]) -> dict[str, tuple[int, int]]:
        """Return of each comparison how many calls were billed, and how many attempts are `unknown`."""
        counts = {}
        for comparison_id in self.registered:
            comparison = ledger.find(comparison_id)
            attempts = comparison.attempts if comparison else ()
            billed = sum(
                replies[one].is_billed for one in self.called if self.begun.get(one) == comparison_id
            )
            unknown = sum(attempt.outcome is Outcome.UNKNOWN for attempt in attempts)
            counts[comparison_id] = billed, unknown
        return counts


@dataclass(frozen=True, slots=True)
class WatchedLedger:
    """Has the model see what one process does to the ledger, and `on_pending` what enters the outbox."""

    ledger: Ledger
    process: Process
    model: Model
    on_write: Callable[[str], None]

    def __getattr__(self, method: str) -> Any:
        return getattr(self.ledger, method)

    def register(self, comparison: Comparison) -> Comparison:
        standing = self.ledger.register(comparison)
        self.model.see_registered(standing)
        self.on_write(standing.id)
        return standing

    def register_lone_photo(self, comparison: Comparison, pair: Pair) -> bool:
        is_new = self.ledger.register_lone_photo(comparison, pair)
        if is_new:
            self.model.see_registered(comparison)
            self.on_write(comparison.id)
        return is_new

    def claim(self, comparison_id: str, owner: str, *, now_ms: int, until_ms: int) -> Comparison:
        comparison = self.ledger.claim(comparison_id, owner, now_ms=now_ms, until_ms=until_ms)
        self.model.see_claim(self.process, comparison_id, Lease(now_ms, until_ms))
        return comparison

    def begin_attempt(self, comparison_id: str, owner: str, attempt: Attempt) -> None:
        self.ledger.begin_attempt(comparison_id, owner, attempt)
        self.model.see_begun(self.process, comparison_id, attempt)

    def settle_attempt(self, comparison_id: str, attempt: Attempt) -> None:
        self.ledger.settle_attempt(comparison_id, attempt)
        self.model.see_over(self.process, comparison_id)
        self.on_write(comparison_id)

    def end(self, comparison_id: str, ending: Ending, attempt: Attempt | None) -> None:
        self.ledger.end(comparison_id, ending, attempt)
        self.model.see_over(self.process, comparison_id)
        self.model.see_ended(comparison_id, ending)
        self.on_write(comparison_id)

    def erase(self, comparison_id: str, *, now_ms: int) -> None:
        self.ledger.erase(comparison_id, now_ms=now_ms)
        self.on_write(comparison_id)
