"""What facematch guarantees, as a model that observes ledger, provider and bucket, and records violations."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from facematch.domain.comparison import (
    Attempt,
    Comparison,
    Ending,
    Outcome,
    ProviderErasure,
    State,
    StoredPhoto,
)
from facematch.domain.inbox import INBOX_PREFIX
from facematch.domain.pair import Pair
from facematch.domain.ports import IdempotentRequest, Ledger
from facematch.domain.provider import Call
from facematch.domain.verdict import Decision, Verdict
from tests.integration.schedules.environment import Reply, Results
from tests.integration.schedules.stepping import Process, Time

_OUTCOMES: Final = {
    Reply.THROTTLED: Outcome.THROTTLED,
    Reply.FAULTED: Outcome.FAULTED,
    Reply.REFUSED: Outcome.REFUSED,
    Reply.UNREACHABLE: Outcome.UNSENT,
}
"""What the ledger may count a call as that the provider answered so."""
_POSSIBLY: Final = {Outcome.NOT_SETTLED, Outcome.POSSIBLY_BILLED}


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease by the clock of the process that took it."""

    taken_at_ms: int
    until_ms: int


@dataclass(slots=True)
class Model:
    """What has happened so far, and which guarantees were violated."""

    time: Time
    registered: dict[str, Comparison] = field(default_factory=dict)
    endings: dict[str, Ending] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    """Comparisons whose erasure was asked for."""
    uploads: dict[tuple[str, str], StoredPhoto] = field(default_factory=dict)
    """The latest photo of each pair and role."""
    copied: dict[str, StoredPhoto] = field(default_factory=dict)
    """What was copied from the inbox, by the key of the copy."""
    taken: set[StoredPhoto] = field(default_factory=set)
    """Photos of the inbox whose pair was registered, as failed if one of them is gone."""
    begun: dict[str, str] = field(default_factory=dict)
    """The comparison of each attempt that the ledger knows, by its `MerchantBizId`."""
    called: list[str] = field(default_factory=list)
    results: Results = field(init=False)
    violations: list[str] = field(default_factory=list)
    _leases: dict[tuple[str, Process], Lease] = field(default_factory=dict)
    _at_work: defaultdict[str, list[Process]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        self.results = Results(self.time)

    def report_if(self, broken: bool, violation: str) -> None:  # noqa: FBT001 - a condition, as in `if`
        if broken:
            self.violations.append(violation)

    def observe_uploaded(self, place: tuple[str, str], photo: StoredPhoto) -> None:
        self.uploads[place] = photo

    def observe_copied(self, photo: StoredPhoto, key: str) -> None:
        self.copied[key] = photo

    def observe_registered(self, comparison: Comparison, pair: Pair | None = None) -> None:
        self.taken.update(pair.photos.values() if pair else ())
        self.registered.setdefault(comparison.id, comparison)
        if comparison.ending and comparison.state is not State.ERASED:
            self.endings.setdefault(comparison.id, comparison.ending)

    def observe_claim(self, process: Process, comparison_id: str, lease: Lease) -> None:
        self._leases[comparison_id, process] = lease

    def observe_begun(self, process: Process, comparison_id: str, attempt: Attempt) -> None:
        self.begun[attempt.merchant_biz_id] = comparison_id
        mine = self._leases.get((comparison_id, process))
        others = [other for other in self._at_work[comparison_id] if not other.dead and other is not process]
        for other in others:
            theirs = self._leases[comparison_id, other]
            self.report_if(
                mine is None or mine.taken_at_ms < theirs.until_ms,
                f"{process.name} began an attempt while {other.name} had the lease.",
            )
        self._at_work[comparison_id] = [*others, process]

    def observe_over(self, process: Process, comparison_id: str) -> None:
        if process in self._at_work[comparison_id]:
            self._at_work[comparison_id].remove(process)

    def observe_ended(self, comparison_id: str, ending: Ending) -> None:
        self.report_if(comparison_id in self.endings, f"{comparison_id} ended twice.")
        self.endings[comparison_id] = ending

    def observe_call(self, process: Process, call: Call, called_at_ms: int) -> None:
        self.report_if(
            call.merchant_biz_id not in self.begun, "A call left that the ledger knows nothing of."
        )
        self.report_if(call.merchant_biz_id in self.called, "Two calls left under one MerchantBizId.")
        self.called.append(call.merchant_biz_id)
        lease = self._leases.get((self.begun.get(call.merchant_biz_id, ""), process))
        self.report_if(
            lease is not None and called_at_ms >= lease.until_ms,
            f"{process.name} called though its lease had run out.",
        )

    def observe_deleted(self, photo: StoredPhoto) -> None:
        """Report a photo that is deleted before its event, or in the inbox before a comparison has it."""
        if photo.key.startswith(INBOX_PREFIX):
            is_taken = photo in self.taken or self._find_owners(photo)
            self.report_if(not is_taken, f"{photo.key} was deleted before a comparison had it.")
            return
        owners = [owner for owner in self.registered.values() if self._owns(owner, photo.key)]
        self.report_if(
            any(owner.id not in self.erased | self.results.events.keys() for owner in owners),
            f"{photo.key} was deleted before its event was sent.",
        )

    def _find_owners(self, photo: StoredPhoto) -> list[Comparison]:
        """Return the comparisons that have a photo of the inbox, or a copy of it."""
        copies = [key for key, copied in self.copied.items() if copied == photo]
        return [
            owner
            for owner in self.registered.values()
            if photo in owner.photos.values() or any(self._owns(owner, key) for key in copies)
        ]

    @staticmethod
    def _owns(owner: Comparison, key: str) -> bool:
        return any(photo.key == key for photo in owner.photos.values())

    def check(self, ledger: Ledger, replies: Mapping[str, Reply]) -> None:
        """Report every violated guarantee once there is nothing left to do."""
        for comparison_id in self.registered:
            comparison = ledger.find(comparison_id)
            if comparison is None or comparison.ending is None:
                self.report_if(broken=True, violation=f"{comparison_id} is lost: it never ended.")
                continue
            self._check_verdict(comparison, comparison.ending)
            self._check_events(comparison)
            self._check_attempts(comparison, replies)
        self.report_if(
            not self.results.events.keys() <= self.registered.keys(), "An event has no comparison."
        )
        event_ids = [events[0]["id"] for events in self.results.events.values()]
        self.report_if(len(event_ids) != len(set(event_ids)), "Two comparisons share an event id.")
        for place, photo in self.uploads.items():
            is_taken = photo in self.taken or self._find_owners(photo)
            self.report_if(not is_taken, f"The latest photo of {place} is lost: it is in no comparison.")

    def _check_verdict(self, comparison: Comparison, ending: Ending) -> None:
        if comparison.state is State.ERASED:
            self.report_if(comparison.id not in self.erased, f"{comparison.id} was erased by nobody.")
            return
        first = self.endings.get(comparison.id)
        self.report_if(first != ending, f"The verdict of {comparison.id} changed.")
        if ending.verdict.decision in {Decision.MATCH, Decision.NO_MATCH, Decision.REVIEW}:
            self.report_if(
                all(attempt.outcome is not Outcome.ANSWERED for attempt in comparison.attempts),
                f"The verdict of {comparison.id} has no answered attempt.",
            )

    def _check_events(self, comparison: Comparison) -> None:
        events = self.results.events.get(comparison.id, [])
        self.report_if(not events, f"{comparison.id} is lost: it has no event.")
        self.report_if(
            len({event["id"] for event in events}) > 1, f"{comparison.id} left under several event ids."
        )
        of_verdict = [event for event in events if event["data"]["reason"] != "comparison_erased"]
        of_erasure = [event for event in events if event not in of_verdict]
        self.report_if(
            bool(of_erasure) and comparison.id not in self.erased, f"{comparison.id} was erased by nobody."
        )
        for alike in (of_verdict, of_erasure):
            self.report_if(
                any(event != alike[0] for event in alike), f"{comparison.id} left with several contents."
            )

    def _check_attempts(self, comparison: Comparison, replies: Mapping[str, Reply]) -> None:
        """Report a call that the ledger reports wrongly, or that was billed and is not recorded.

        Each attempt is recorded, or counted as unbilled. Of the billed calls of a comparison at most one
        was answered; each other one is recorded as possibly billed.
        """
        begun = {one for one, comparison_id in self.begun.items() if comparison_id == comparison.id}
        outcomes = {attempt.merchant_biz_id: attempt.outcome for attempt in comparison.attempts}
        self.report_if(
            comparison.call_count != len(begun) or not outcomes.keys() <= begun,
            f"The ledger counts {comparison.call_count} of {len(begun)} attempts of {comparison.id}.",
        )
        for one in begun & set(self.called):
            if replies[one].is_billed:
                self.report_if(one not in outcomes, f"A billed call of {comparison.id} is not recorded.")
            else:
                self.report_if(
                    outcomes.get(one, Outcome.POSSIBLY_BILLED) not in _POSSIBLY,
                    f"The ledger says {outcomes.get(one)} of a call of {comparison.id}: {replies[one]}.",
                )
        counted = Counter(_OUTCOMES[replies[one]] for one in begun - outcomes.keys() if one in replies)
        for outcome, count in counted.items():
            self.report_if(
                comparison.unbilled_calls.get(outcome, 0) < count,
                f"The ledger counts too few {outcome} calls of {comparison.id}.",
            )
        answered = [outcome for outcome in outcomes.values() if outcome is Outcome.ANSWERED]
        self.report_if(len(answered) > 1, f"{comparison.id} was paid for twice, and the ledger hides it.")

    def count_surplus(self, ledger: Ledger, replies: Mapping[str, Reply]) -> dict[str, tuple[int, int]]:
        """Return of each comparison how many calls were billed, and how many are possibly billed."""
        counts = {}
        for comparison_id in self.registered:
            comparison = ledger.find(comparison_id)
            attempts = comparison.attempts if comparison else ()
            billed = sum(
                replies[one].is_billed for one in self.called if self.begun.get(one) == comparison_id
            )
            possibly = sum(attempt.outcome in _POSSIBLY for attempt in attempts)
            counts[comparison_id] = billed, possibly
        return counts


@dataclass(frozen=True, slots=True)
class WatchedLedger:
    """Shows the model what one process does to the ledger, and `on_write` what may be in the outbox."""

    ledger: Ledger
    process: Process
    model: Model
    on_write: Callable[[str], None]

    def __getattr__(self, method: str) -> Any:
        return getattr(self.ledger, method)

    def register(
        self,
        comparison: Comparison,
        *,
        pair: Pair | None = None,
        takes_photos: bool = True,
        request: IdempotentRequest | None = None,
    ) -> bool:
        is_new = self.ledger.register(comparison, pair=pair, takes_photos=takes_photos, request=request)
        if is_new:
            self.model.observe_registered(comparison, pair if takes_photos else None)
            self.on_write(comparison.id)
        return is_new

    def claim(self, comparison_id: str, owner: str, *, now_ms: int, until_ms: int) -> Comparison:
        comparison = self.ledger.claim(comparison_id, owner, now_ms=now_ms, until_ms=until_ms)
        self.model.observe_claim(self.process, comparison_id, Lease(now_ms, until_ms))
        return comparison

    def begin_attempt(self, comparison_id: str, owner: str, attempt: Attempt) -> None:
        self.ledger.begin_attempt(comparison_id, owner, attempt)
        self.model.observe_begun(self.process, comparison_id, attempt)

    def settle_attempt(self, comparison_id: str, attempt: Attempt) -> None:
        self.ledger.settle_attempt(comparison_id, attempt)
        self.model.observe_over(self.process, comparison_id)
        self.on_write(comparison_id)

    def end(self, comparison_id: str, ending: Ending, attempt: Attempt | None) -> None:
        self.ledger.end(comparison_id, ending, attempt)
        self.model.observe_over(self.process, comparison_id)
        self.model.observe_ended(comparison_id, ending)
        self.on_write(comparison_id)

    def erase(
        self, comparison: Comparison, verdict: Verdict, erasure: ProviderErasure | None, *, now_ms: int
    ) -> None:
        self.ledger.erase(comparison, verdict, erasure, now_ms=now_ms)
        self.on_write(comparison.id)
