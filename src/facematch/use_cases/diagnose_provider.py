"""Whether the provider can be called from here: the key, the way to each region, the clocks. All is free."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from facematch.domain.errors import (
    OperatorFaultError,
    ProviderError,
    ProviderThrottledError,
    UnreachableError,
)
from facematch.domain.provider import CredentialSource, Examination, raise_fault
from facematch.domain.regions import Region, RegionPolicy


class Access(StrEnum):
    """What a region's answer says: `unclear` if it refuses the free operation itself."""

    ACCEPTED = "accepted"
    UNCLEAR = "unclear"
    REFUSED = "refused"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class RegionDiagnosis:
    """One region: `code` is the provider's, or says why no answer came.

    `clock_ahead_s` is the provider's clock minus ours, to about a second.
    """

    access: Access
    code: str
    latency_ms: int | None = None
    clock_ahead_s: float | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What keeps a key from being had (`key_fault`, a code, or None), and what each region answered to it."""

    key_fault: str | None
    regions: Mapping[Region, RegionDiagnosis]


class Examiner(Protocol):
    """Makes free calls to the provider."""

    def examine(self, region: Region) -> Examination:
        """Make one free call; raise what kept it from an answer."""
        ...


@dataclass(frozen=True, slots=True)
class ProviderDiagnoser:
    """Tries the key in each allowed region."""

    credentials: CredentialSource
    provider: Examiner
    regions: RegionPolicy

    def diagnose(self) -> Diagnosis:
        """Get the key anew, and make one free call to each region."""
        # What was read before may have been replaced since.
        self.credentials.distrust()
        try:
            self.credentials.read()
        except OperatorFaultError as error:
            return Diagnosis(error.code, {})
        allowed = [region for region in Region if region in self.regions.allowed]
        return Diagnosis(None, {region: self._examine(region) for region in allowed})

    def _examine(self, region: Region) -> RegionDiagnosis:
        try:
            found = self.provider.examine(region)
        except ProviderError as error:
            return RegionDiagnosis(_judge_fault(error), error.code)
        return RegionDiagnosis(
            access=_judge(found),
            code=found.answer.code or str(found.answer.http_status),
            latency_ms=round(found.latency_s * 1000),
            clock_ahead_s=None if found.clock_ahead_s is None else round(found.clock_ahead_s, 1),
        )


def _judge(found: Examination) -> Access:
    if found.refuses_call_alone:
        return Access.UNCLEAR
    try:
        raise_fault(found.answer)
    except ProviderError as error:
        return _judge_fault(error)
    return Access.ACCEPTED


def _judge_fault(error: ProviderError) -> Access:
    for kind, access in _FAULTS.items():
        if isinstance(error, kind):
            return access
    return Access.FAILED


_FAULTS: Final[Mapping[type[ProviderError], Access]] = {
    UnreachableError: Access.UNREACHABLE,
    OperatorFaultError: Access.REFUSED,
    ProviderThrottledError: Access.FAILED,
}
