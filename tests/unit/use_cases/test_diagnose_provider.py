from dataclasses import dataclass, field

import pytest

from facematch.domain.errors import OperatorError, ProviderError, ProviderFaultError, UnreachableError
from facematch.domain.provider import Answer, Credentials, Examination
from facematch.domain.regions import Region
from facematch.use_cases.diagnose_provider import Access, Diagnosis, ProviderDiagnoser, RegionDiagnosis
from tests.factories import make_policy


@dataclass
class CountingCredentials:
    """A key, or the fault that keeps it away; what was read before `invalidate` may be old."""

    fault: str | None = None
    invalidated: int = 0

    def read(self) -> Credentials:
        if self.fault:
            raise OperatorError(self.fault, "There is no key.")
        return Credentials("id", "secret")

    def invalidate(self) -> None:
        self.invalidated += 1


@dataclass
class FixedExaminer:
    """Gives the same answer, or raises the same error, in every region."""

    outcome: Examination | ProviderError
    asked: list[Region] = field(default_factory=list)

    def examine(self, region: Region) -> Examination:
        self.asked.append(region)
        if isinstance(self.outcome, ProviderError):
            raise self.outcome
        return self.outcome


def make_examination(code: str = "Success", http_status: int = 200, *, alone: bool = False) -> Examination:
    return Examination(
        answer=Answer(code=code, http_status=http_status),
        latency_s=0.1234,
        clock_ahead_s=-1.25,
        refuses_operation_only=alone,
    )


def diagnose(outcome: Examination | ProviderError) -> RegionDiagnosis:
    diagnoser = ProviderDiagnoser(CountingCredentials(), FixedExaminer(outcome), make_policy(Region.MALAYSIA))
    return diagnoser.diagnose().regions[Region.MALAYSIA]


def test_each_allowed_region_is_examined_once() -> None:
    examiner = FixedExaminer(make_examination())
    policy = make_policy(Region.HONG_KONG, Region.SINGAPORE)

    diagnosis = ProviderDiagnoser(CountingCredentials(), examiner, policy).diagnose()

    assert diagnosis.key_fault is None
    assert list(diagnosis.regions) == examiner.asked == [Region.SINGAPORE, Region.HONG_KONG]


def test_the_key_is_read_again() -> None:
    credentials = CountingCredentials()

    ProviderDiagnoser(credentials, FixedExaminer(make_examination()), make_policy()).diagnose()

    assert credentials.invalidated == 1


def test_without_a_key_no_region_is_examined() -> None:
    credentials, examiner = CountingCredentials("secret_unreadable"), FixedExaminer(make_examination())

    diagnosis = ProviderDiagnoser(credentials, examiner, make_policy()).diagnose()

    assert (diagnosis, examiner.asked) == (Diagnosis("secret_unreadable", {}), [])


@pytest.mark.parametrize(
    ("outcome", "access"),
    [
        (make_examination(), Access.ACCEPTED),
        (make_examination("MissingParameter", 400), Access.ACCEPTED),
        (make_examination("InvalidAction.NotFound", 404, alone=True), Access.UNCLEAR),
        (make_examination("InvalidAccessKeyId.NotFound", 404), Access.REFUSED),
        (make_examination("IllegalTimestamp", 400), Access.REFUSED),
        (make_examination("Throttling.Api", 403), Access.FAILED),
        (make_examination("InternalError", 500), Access.FAILED),
        (UnreachableError(), Access.UNREACHABLE),
        (ProviderFaultError("timeout", "The provider did not answer in time."), Access.FAILED),
        (OperatorError("secret_unreadable", "There is no key."), Access.REFUSED),
    ],
    ids=lambda value: getattr(value, "code", None) or getattr(getattr(value, "answer", value), "code", None),
)
def test_an_answer_or_its_absence_says_how_the_region_can_be_called(
    outcome: Examination | ProviderError, access: Access
) -> None:
    assert diagnose(outcome).access is access


def test_an_answer_comes_with_its_time_and_the_difference_of_the_clocks() -> None:
    assert diagnose(make_examination()) == RegionDiagnosis(Access.ACCEPTED, "Success", 123, -1.2)


def test_an_answer_without_a_code_is_reported_by_its_status() -> None:
    assert diagnose(make_examination("")).code == "200"
