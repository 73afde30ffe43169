"""Runs the diagnostic function of a stack, with the functions' network and identity."""

import json
from typing import TYPE_CHECKING, Any

from facematch.domain.regions import Region
from facematch.use_cases.diagnose_provider import Access, Diagnosis, RegionDiagnosis

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class FunctionFailedError(Exception):
    """The diagnostic function returned no diagnosis. The message is Lambda's."""


def diagnose_from_functions(client: "LambdaClient", function: str) -> Diagnosis:
    """Let the diagnostic function test the key.

    Raises
    ------
    FunctionFailedError
        The function failed, or its release differs from this command's.
    """
    response = client.invoke(FunctionName=function, Payload=b"{}")
    document: Any = json.loads(response["Payload"].read())
    if "FunctionError" in response:
        raise FunctionFailedError(str(document.get("errorMessage", "no message")))
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
        raise FunctionFailedError("its release differs from this command's") from None
