"""Everything that facematch raises, as one small tree.

```
FacematchError              code, message
├── ConfigurationError      the stack is set up wrongly; names the setting
├── InvalidInputError       the caller's fault; names the field or the photo
│   └── RejectedPhotoError  a photo that can't be made acceptable
├── NotFoundError           no such comparison, or it was erased
├── ConflictError           an Idempotency-Key that came with another body
├── ProviderError           no usable answer to a call
│   ├── ProviderFaultError      worth another attempt
│   │   └── UnreachableError        no call was made, so none was billed
│   ├── ProviderThrottledError  worth another attempt, later
│   └── OperatorFaultError      the account's fault: waits until someone repairs it
├── PhotoGoneError          a stored photo is no longer the one that was registered
├── PostponedError          not now; says when to go on
│   ├── NoSlotError             the quota has no slot in time
│   ├── CircuitOpenError        the provider has failed too often to be asked at the moment
│   ├── LedgerUnavailableError  the ledger did not take or give a record
│   ├── LeaseHeldError          another worker has the comparison
│   └── LeaseLostError          this worker had it too long
└── AlreadyEndedError       the comparison has its verdict
```
"""

from typing import Final

_LEASE_LOST_PAUSE_S: Final = 10.0
_LEDGER_PAUSE_S: Final = 2.0


class FacematchError(Exception):
    """The root: `code` is stable, `message` is one sentence for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ConfigurationError(FacematchError):
    """A setting is missing or contradicts another; the message names it."""

    def __init__(self, message: str) -> None:
        super().__init__("configuration", message)


class InvalidInputError(FacematchError):
    """What a caller handed in can't be worked with; `field` says which part of it, in dots."""

    def __init__(self, code: str, message: str, *, field: str) -> None:
        super().__init__(code, message)
        self.field = field


class RejectedPhotoError(InvalidInputError):
    """A photo can't be made acceptable; `field` is `source` or `target`."""


class NotFoundError(FacematchError):
    """There is no such comparison here."""

    def __init__(self, comparison_id: str, *, code: str = "comparison_not_found") -> None:
        super().__init__(code, f"There is no comparison {comparison_id[:40]!r} here.")


class ConflictError(FacematchError):
    """An `Idempotency-Key` came a second time, with another body."""


class ProviderError(FacematchError):
    """A call to the provider brought no verdict.

    `answered` tells whether the provider gave an answer: a call without one was perhaps billed.
    """

    def __init__(
        self, code: str, message: str, *, request_id: str | None = None, answered: bool = True
    ) -> None:
        super().__init__(code, message)
        self.request_id = request_id
        self.answered = answered


class ProviderFaultError(ProviderError):
    """The provider or the way to it failed; another attempt may succeed."""


class UnreachableError(ProviderFaultError):
    """The provider could not be reached: it never had the call."""

    def __init__(self) -> None:
        super().__init__("no_connection", "The provider could not be reached.")


class ProviderThrottledError(ProviderError):
    """The provider counts more calls than the quota; `retry_after_s` is its own word, where it gave one."""

    def __init__(
        self, code: str, message: str, *, request_id: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(code, message, request_id=request_id)
        self.retry_after_s = retry_after_s


class OperatorFaultError(ProviderError):
    """The provider's account or key is not in order; only an operator can repair that."""


class PhotoGoneError(FacematchError):
    """A stored photo was removed (`photo_missing`) or replaced (`photo_replaced`) before it was read.

    `field` is `source` or `target`, once that is known.
    """

    def __init__(self, code: str, message: str, *, field: str | None = None) -> None:
        super().__init__(code, message)
        self.field = field


class PostponedError(FacematchError):
    """The comparison can't go on now and stays open; go on after `retry_after_s`."""

    def __init__(self, code: str, message: str, *, retry_after_s: float) -> None:
        super().__init__(code, message)
        self.retry_after_s = retry_after_s


class NoSlotError(PostponedError):
    """The quota has no slot in the time that the caller can wait."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("no_slot", "The quota has no slot in time.", retry_after_s=retry_after_s)


class CircuitOpenError(PostponedError):
    """The provider has failed so often in a region that it is left alone there for a while."""

    def __init__(self, retry_after_s: float) -> None:
        message = "The provider is failing in this region; it is asked again after a pause."
        super().__init__("provider_unavailable", message, retry_after_s=retry_after_s)


class LedgerUnavailableError(PostponedError):
    """The ledger could not be read or written; what was to be recorded may be there all the same."""

    def __init__(self) -> None:
        super().__init__("ledger_unavailable", "The ledger does not answer.", retry_after_s=_LEDGER_PAUSE_S)


class LeaseHeldError(PostponedError):
    """Another worker owns the comparison, for `retry_after_s` at the most."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("lease_held", "Another worker has this comparison.", retry_after_s=retry_after_s)


class LeaseLostError(PostponedError):
    """The worker no longer owns the comparison; whoever does ends it, or leaves it to be taken up again."""

    def __init__(self) -> None:
        super().__init__("lease_lost", "The lease has run out.", retry_after_s=_LEASE_LOST_PAUSE_S)


class AlreadyEndedError(FacematchError):
    """The comparison has ended; its verdict stands."""

    def __init__(self) -> None:
        super().__init__("already_ended", "This comparison has ended.")
