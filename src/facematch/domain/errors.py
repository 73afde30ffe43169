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
├── PhotoMissingError       a stored photo is no longer there
├── PhotoReplacedError      another photo is stored under its key
├── PhotoStoreError         a photo could not be deleted
├── PostponedError          not now; says when to go on
│   ├── NoSlotError             the rate limiter has no slot in time
│   ├── LaneHeldError           calls to the region are on hold
│   ├── LedgerUnavailableError  the ledger did not take or give a record
│   ├── PhotoStoreUnavailableError  the bucket did not take or give a photo
│   ├── LeaseHeldError          another worker has the comparison
│   └── LeaseLostError          this worker had it too long
└── AlreadyEndedError       the comparison has its verdict
```
"""

from typing import Final

from facematch.domain.reasons import Reason

_LEASE_LOST_PAUSE_S: Final = 10.0
_LEDGER_PAUSE_S: Final = 2.0
_PHOTO_STORE_PAUSE_S: Final = 30.0


class FacematchError(Exception):
    """The root: `code` is stable, `message` is one sentence for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ConfigurationError(FacematchError):
    """A setting is missing or contradicts another; the message names it."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.CONFIGURATION, message)


class InvalidInputError(FacematchError):
    """What a caller handed in can't be worked with; `field` says which part of it, in dots."""

    def __init__(self, code: str, message: str, *, field: str) -> None:
        super().__init__(code, message)
        self.field = field


class RejectedPhotoError(InvalidInputError):
    """A photo can't be made acceptable; `field` is `source` or `target`."""


class NotFoundError(FacematchError):
    """There is no such comparison here."""

    def __init__(self, comparison_id: str, *, code: str = Reason.COMPARISON_NOT_FOUND) -> None:
        super().__init__(code, f"There is no comparison {comparison_id[:40]!r} here.")


class ConflictError(FacematchError):
    """An `Idempotency-Key` came a second time, with another body."""


class ProviderError(FacematchError):
    """A call to the provider brought no verdict.

    `possibly_billed` is True only if the provider may have processed the call without a readable answer.
    """

    def __init__(
        self, code: str, message: str, *, request_id: str | None = None, possibly_billed: bool = False
    ) -> None:
        super().__init__(code, message)
        self.request_id = request_id
        self.possibly_billed = possibly_billed


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


class PhotoMissingError(FacematchError):
    """A stored photo is no longer there; `field` is `source` or `target`, once that is known."""

    def __init__(self, *, field: str | None = None) -> None:
        photo = f"The {field} photo" if field else "A photo"
        super().__init__(Reason.PHOTO_REMOVED, f"{photo} was removed before it was compared.")
        self.field = field


class PhotoReplacedError(FacematchError):
    """Another photo is now stored under the key of a photo."""

    def __init__(self) -> None:
        super().__init__(Reason.PHOTO_REPLACED, "A photo was replaced before it was compared.")


class PhotoStoreError(FacematchError):
    """The bucket refused to delete a photo; `code` is the store's."""

    def __init__(self, code: str) -> None:
        super().__init__(code, "A photo could not be deleted.")


class PostponedError(FacematchError):
    """The comparison cannot continue now and stays open; try again after `retry_after_s`."""

    def __init__(self, code: str, message: str, *, retry_after_s: float) -> None:
        super().__init__(code, message)
        self.retry_after_s = retry_after_s


class NoSlotError(PostponedError):
    """The rate limiter has no slot in the time that the caller can wait."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("no_slot", "The rate limiter has no slot in time.", retry_after_s=retry_after_s)


class LaneHeldError(PostponedError):
    """The region's lane is on hold; `code` is what the hold was set for."""

    def __init__(self, code: str, retry_after_s: float) -> None:
        message = f"Calls to this region are on hold: {code}."
        super().__init__(code, message, retry_after_s=retry_after_s)


class LedgerUnavailableError(PostponedError):
    """The ledger could not be read or written; a write may have succeeded all the same."""

    def __init__(self) -> None:
        super().__init__(
            Reason.LEDGER_UNAVAILABLE, "The ledger does not answer.", retry_after_s=_LEDGER_PAUSE_S
        )


class PhotoStoreUnavailableError(PostponedError):
    """The bucket could not be read or written; a write may have succeeded all the same."""

    def __init__(self) -> None:
        super().__init__(
            Reason.PHOTO_STORE_UNAVAILABLE,
            "The photos' bucket does not answer.",
            retry_after_s=_PHOTO_STORE_PAUSE_S,
        )


class LeaseHeldError(PostponedError):
    """Another worker owns the comparison, for `retry_after_s` at the most."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("lease_held", "Another worker has this comparison.", retry_after_s=retry_after_s)


class LeaseLostError(PostponedError):
    """The worker no longer owns the comparison; another worker may own it by now."""

    def __init__(self) -> None:
        super().__init__("lease_lost", "The lease has run out.", retry_after_s=_LEASE_LOST_PAUSE_S)


class AlreadyEndedError(FacematchError):
    """The comparison has ended; its verdict stands."""

    def __init__(self) -> None:
        super().__init__("already_ended", "This comparison has ended.")
