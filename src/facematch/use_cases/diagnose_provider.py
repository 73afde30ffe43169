"""Checks whether this function can call the provider: key, connections and clocks. All calls are free."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from facematch.domain.errors import OperatorError, ProviderError, UnreachableError
from facematch.domain.provider import CredentialSource, Examination, raise_for_answer
from facematch.domain.regions import Region, RegionPolicy


class Access(StrEnum):
    """Whether a region accepts the key. `unclear` means that it refuses only the free operation."""

    ACCEPTED = "accepted"
    UNCLEAR = "unclear"
    REFUSED = "refused"
    FAILED = "failed"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class RegionDiagnosis:
    """The result for one region. `code` is the provider's, or the reason why no answer came.

    `clock_ahead_s` is the provider's clock minus ours, to about a second.
    """

    access: Access
    code: str
    latency_ms: int | None = None
    clock_ahead_s: float | None = None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result for the key (`key_fault` is a code, or None) and for each region."""

    key_fault: str | None
    regions: Mapping[Region, RegionDiagnosis]


class Examiner(Protocol):
    """Makes free calls to the provider."""

    def examine(self, region: Region) -> Examination:
        """Make one free call; raise a `ProviderError` if no answer comes."""
        ...


@dataclass(frozen=True, slots=True)
class ProviderDiagnoser:
    """Tests the key in each allowed region."""

    credentials: CredentialSource
    provider: Examiner
    regions: RegionPolicy

    def diagnose(self) -> Diagnosis:
        """Fetch the key again, and make one free call to each allowed region."""
        self.credentials.invalidate()
        try:
            self.credentials.read()
        except OperatorError as error:
            return Diagnosis(error.code, {})
        allowed = [region for region in Region if region in self.regions.allowed]
        return Diagnosis(None, {region: self._examine(region) for region in allowed})

    def _examine(self, region: Region) -> RegionDiagnosis:
        try:
            examination = self.provider.examine(region)
        except ProviderError as error:
            return RegionDiagnosis(_judge_error(error), error.code)
        ahead_s = examination.clock_ahead_s
        return RegionDiagnosis(
            access=_judge(examination),
            code=examination.answer.code or str(examination.answer.http_status),
            latency_ms=round(examination.latency_s * 1000),
            clock_ahead_s=None if ahead_s is None else round(ahead_s, 1),
        )


def _judge(examination: Examination) -> Access:
    if examination.refuses_operation_only:
        return Access.UNCLEAR
    try:
        raise_for_answer(examination.answer)
    except ProviderError as error:
        return _judge_error(error)
    return Access.ACCEPTED


def _judge_error(error: ProviderError) -> Access:
    match error:
        case UnreachableError():
            return Access.UNREACHABLE
        case OperatorError():
            return Access.REFUSED
    return Access.FAILED
