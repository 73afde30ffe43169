import io
import json

import pytest
from botocore.response import StreamingBody

from facematch.domain.regions import Region
from facematch.use_cases.diagnose_provider import Access, Diagnosis, RegionDiagnosis
from facematch_cli.doctor.function import FunctionFailedError, diagnose_from_functions
from tests.unit.cli.doctor.stubs import make_client


def diagnose(document: object, **answer: str) -> Diagnosis:
    content = json.dumps(document).encode()
    payload = StreamingBody(io.BytesIO(content), len(content))
    client = make_client(
        "lambda",
        ("invoke", {"FunctionName": "diagnose-1", "Payload": b"{}"}, {"Payload": payload, **answer}),
    )
    return diagnose_from_functions(client, "diagnose-1")


def test_the_answer_of_the_function_is_read() -> None:
    region = {"access": "accepted", "code": "Success", "latency_ms": 12, "clock_ahead_s": -0.4}

    assert diagnose({"key_fault": None, "regions": {"hong-kong": region}}) == Diagnosis(
        None, {Region.HONG_KONG: RegionDiagnosis(Access.ACCEPTED, "Success", 12, -0.4)}
    )


def test_a_function_that_fails_says_why() -> None:
    with pytest.raises(FunctionFailedError, match="SECRET_ARN is missing"):
        diagnose(
            {"errorMessage": "The environment variable SECRET_ARN is missing"}, FunctionError="Unhandled"
        )


@pytest.mark.parametrize(
    "document", [None, {}, {"key_fault": None}, {"key_fault": None, "regions": {"mars": {}}}], ids=str
)
def test_an_answer_of_another_release_is_refused(document: object) -> None:
    with pytest.raises(FunctionFailedError, match="its release differs"):
        diagnose(document)
