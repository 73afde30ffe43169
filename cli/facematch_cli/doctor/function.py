"""The diagnostic function of a stack, which calls the provider by the functions' own network and identity."""

import json
from typing import TYPE_CHECKING, Any

from facematch.domain.regions import Region
from facematch.use_cases.diagnose_provider import Access, Diagnosis, RegionDiagnosis

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class FunctionFailedError(Exception):
    """The diagnostic function gave no diagnosis; the message is Lambda's."""


def diagnose_from_functions(client: "LambdaClient", function: str) -> Diagnosis:
    """Have the function try the key.

    Raises
    ------
    FunctionFailedError
        It failed, or its release differs from this command's.
    """
    answer = client.invoke(FunctionName=function, Payload=b"{}")
    document: Any = json.loads(answer["Payload"].read())
    if "FunctionError" in answer:
        raise FunctionFailedError(str(document.get("errorMessage", "it says nothing")))
    try:
        return Diagnosis(
            document["key_fault"],
            {
                Region(region): RegionDiagnosis(
                    Access(found["access"]), found["code"], found["latency_ms"], found["clock_ahead_s"]
                )
                for region, found in document["regions"].items()
            },
        )
    except (KeyError, TypeError, ValueError):
        raise FunctionFailedError("its answer is of another release") from None
