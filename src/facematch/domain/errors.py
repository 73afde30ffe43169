"""All errors of facematch, as one tree.

```
FacematchError              code, message
├── ConfigurationError      a setting of the stack is wrong
├── InvalidInputError       a field or a photo of the request is wrong
│   └── RejectedPhotoError  a photo can't be made acceptable
├── NotFoundError           the comparison does not exist, or was erased
├── ConflictError           an Idempotency-Key was used with another body
├── ProviderError           a call has no usable answer
│   ├── ProviderFaultError      retry
│   │   ├── PhotoDownloadError     a URL of the pair does not answer the provider
│   │   └── UnreachableError        no call was made, so none was billed
│   ├── ProviderThrottledError  retry later
│   └── OperatorError           the operator must repair the account or the key
├── PhotoMissingError       a stored photo does not exist any more
├── PhotoReplacedError      another photo is stored under the key
├── PhotoStoreError         a photo could not be deleted
├── PostponedError          retry after a pause
│   ├── NoSlotError             the rate limiter has no slot in time
│   ├── LaneHeldError           the region's lane is on hold
│   ├── LedgerUnavailableError  the ledger can't be read or written
│   ├── PhotoStoreUnavailableError  the bucket can't be read or written
│   ├── LeaseHeldError          another worker has the comparison
│   └── LeaseLostError          the lease of this worker has expired
└── AlreadyEndedError       the comparison has ended
```
"""

from typing import Final

from facematch.domain.reasons import Reason

_LEASE_LOST_PAUSE_S: Final = 10.0
_LEDGER_PAUSE_S: Final = 2.0
_PHOTO_STORE_PAUSE_S: Final = 30.0


class FacematchError(Exception):
    """The base class. `code` is stable, `message` is one sentence for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ConfigurationError(FacematchError):
    """A setting is missing or wrong. The message names it."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.CONFIGURATION, message)


class InvalidInputError(FacematchError):
    """A part of a request is invalid. `field` is its path, with dots."""

    def __init__(self, code: str, message: str, *, field: str) -> None:
        super().__init__(code, message)
        self.field = field


class RejectedPhotoError(InvalidInputError):
    """A photo can't be made acceptable. `field` is `source` or `target`."""


class NotFoundError(FacematchError):
    """The comparison does not exist, or it was erased."""

    def __init__(self, comparison_id: str, *, code: str = Reason.COMPARISON_NOT_FOUND) -> None:
        super().__init__(code, f"There is no comparison {comparison_id[:40]!r} here.")


class ConflictError(FacematchError):
    """An `Idempotency-Key` was used before with another body, or an uploaded pair has other options."""


class ProviderError(FacematchError):
    """A call to the provider has no usable answer.

    `possibly_billed` is True if the provider may have processed the call although no readable answer came.
    """

    def __init__(
        self, code: str, message: str, *, request_id: str | None = None, possibly_billed: bool = False
    ) -> None:
        super().__init__(code, message)
        self.request_id = request_id
        self.possibly_billed = possibly_billed


class ProviderFaultError(ProviderError):
    """The provider or the connection failed. A retry may succeed."""


class PhotoDownloadError(ProviderFaultError):
    """The provider could not download a photo from its URL. The provider itself works."""


class UnreachableError(ProviderFaultError):
    """The provider could not be reached. The call was not sent."""

    def __init__(self) -> None:
        super().__init__("no_connection", "The provider could not be reached.")


class ProviderThrottledError(ProviderError):
    """The provider throttled a call. `retry_after_s` is the pause that it asked for, or None."""

    def __init__(
        self, code: str, message: str, *, request_id: str | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(code, message, request_id=request_id)
        self.retry_after_s = retry_after_s


class OperatorError(ProviderError):
    """The provider's account or key is not usable. Only the operator can repair that."""


class PhotoMissingError(FacematchError):
    """A stored photo does not exist any more. `field` is `source`, `target`, or None if unknown."""

    def __init__(self, *, field: str | None = None) -> None:
        photo = f"The {field} photo" if field else "A photo"
        super().__init__(Reason.PHOTO_REMOVED, f"{photo} was removed before it was compared.")
        self.field = field


class PhotoReplacedError(FacematchError):
    """Another photo is now stored under the photo's key."""

    def __init__(self) -> None:
        super().__init__(Reason.PHOTO_REPLACED, "A photo was replaced before it was compared.")


class PhotoStoreError(FacematchError):
    """The bucket refused to delete a photo. `code` is S3's."""

    def __init__(self, code: str) -> None:
        super().__init__(code, "A photo could not be deleted.")


class PostponedError(FacematchError):
    """The comparison cannot continue now and stays open. Retry after `retry_after_s`."""

    def __init__(self, code: str, message: str, *, retry_after_s: float) -> None:
        super().__init__(code, message)
        self.retry_after_s = retry_after_s


class NoSlotError(PostponedError):
    """The rate limiter has no slot in the time that the caller can wait."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("no_slot", "The rate limiter has no slot in time.", retry_after_s=retry_after_s)


class LaneHeldError(PostponedError):
    """The region's lane is on hold. `code` is the code that caused the hold."""

    def __init__(self, code: str, retry_after_s: float) -> None:
        message = f"Calls to this region are on hold: {code}."
        super().__init__(code, message, retry_after_s=retry_after_s)


class LedgerUnavailableError(PostponedError):
    """The ledger could not be read or written. A write may have succeeded nevertheless."""

    def __init__(self) -> None:
        super().__init__(
            Reason.LEDGER_UNAVAILABLE, "The ledger does not answer.", retry_after_s=_LEDGER_PAUSE_S
        )


class PhotoStoreUnavailableError(PostponedError):
    """The bucket could not be read or written. A write may have succeeded nevertheless."""

    def __init__(self) -> None:
        super().__init__(
            Reason.PHOTO_STORE_UNAVAILABLE,
            "The photos' bucket does not answer.",
            retry_after_s=_PHOTO_STORE_PAUSE_S,
        )


class LeaseHeldError(PostponedError):
    """Another worker has the lease, for at most `retry_after_s`."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__("lease_held", "Another worker has this comparison.", retry_after_s=retry_after_s)


class LeaseLostError(PostponedError):
    """The worker has lost its lease. Another worker may have the comparison now."""

    def __init__(self) -> None:
        super().__init__("lease_lost", "The lease has expired.", retry_after_s=_LEASE_LOST_PAUSE_S)


class AlreadyEndedError(FacematchError):
    """The comparison has ended. Its verdict does not change any more."""

    def __init__(self) -> None:
        super().__init__("already_ended", "This comparison has ended.")
