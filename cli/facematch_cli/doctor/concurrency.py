"""Checks that the account's concurrency is enough for the stack."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from facematch.domain.priority import Priority
from facematch_cli.doctor.check import Check, failed, passed, warned
from facematch_cli.doctor.sources import STREAM, Source

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

_CALL_S: Final = 1.0
"""The approximate duration of a call with its request, without the wait for a slot."""
_SWEEP: Final = 1
_UPLOADS: Final = "uploads"


def sum_needs(sources: Sequence[Source], calls_per_s: float) -> dict[str, int]:
    """Return the maximum concurrency of each part of a stack.

    Event sources have their own limits. The API has no limit: the estimate is the number of requests that get
    a slot, each for its longest wait and its call. `calls_per_s` is the sum over all regions.
    """
    workers = [source for source in sources if source.name not in {_UPLOADS, STREAM}]
    return {
        "workers": sum(source.concurrency for source in workers),
        "uploads": sum(source.concurrency for source in sources if source.name == _UPLOADS),
        "publish": sum(source.concurrency for source in sources if source.name == STREAM),
        "api": math.ceil(calls_per_s * (Priority.URGENT.horizon_s + _CALL_S)),
        "sweep": _SWEEP,
    }


def check_concurrency(client: "LambdaClient", needs: Mapping[str, int]) -> Check:
    """Check that the account's unreserved concurrency is enough for the stack at full load."""
    limit = client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    name, total = "concurrency.account", sum(needs.values())
    parts = ", ".join(f"{part} {count}" for part, count in needs.items())
    finding = (
        f"The account can run {limit} functions at the same time. The stack uses up to {total} ({parts})."
    )
    fix = (
        f"Request {total} or more for Lambda's quota `Concurrent executions` in Service Quotas, or lower "
        "WorkerConcurrency."
    )
    if limit >= total:
        return passed(name, finding)
    if limit > needs["workers"]:
        return warned(name, f"{finding} At full load, work waits and requests get 503.", fix)
    return failed(name, f"{finding} The workers alone use all of them.", fix)
