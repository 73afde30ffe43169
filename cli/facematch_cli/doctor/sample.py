"""Sends one sample pair end to end. It is the only check that is billed."""

from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Any, Final

from facematch.adapters.ledger import DynamoDbLedger
from facematch.domain.clock import Clock
from facematch.domain.regions import Region
from facematch.domain.verdict import Role
from facematch_cli.doctor.check import Check, failed, passed, warned
from facematch_client.errors import CommandError
from facematch_client.pair_request import PairRequest, make_idempotency_key, request_verdict
from facematch_client.stack import Stack
from facematch_client.text import clean

PAIR_ID: Final = "facematch-doctor"
_NAME: Final = "sample.verdict"
_WAIT_S: Final = 60.0
_PUBLISH_S: Final = 30.0
_PAUSE_S: Final = 0.5


def read_samples() -> dict[Role, bytes]:
    """Return two photos of a drawn person. They show no real person."""
    folder = resources.files(__package__) / "samples"
    return {role: (folder / f"{role}.jpg").read_bytes() for role in Role}


def check_sample(stack: Stack, region: Region, ledger: DynamoDbLedger, clock: Clock) -> Iterator[Check]:
    """Send the sample through the API, and wait until its event is published."""
    photos, options = read_samples(), {"region": region.value, "pair_id": PAIR_ID}
    request = PairRequest(photos, options, make_idempotency_key(photos, options, is_random=True))
    try:
        comparison = request_verdict(stack, request, wait_s=_WAIT_S, clock=clock)
    except CommandError as error:
        yield failed(
            _NAME, f"The sample has no verdict. {error.message}", "Repair the errors in the other lines."
        )
        return
    yield _check_verdict(comparison, region)
    yield _check_published(ledger, comparison["id"], clock)


def _check_verdict(comparison: Mapping[str, Any], region: Region) -> Check:
    result = comparison["result"]
    verdict, reason = clean(result["verdict"]), clean(result.get("reason") or "")
    outcome = f"{verdict}{f' ({reason})' if reason else ''}"
    if verdict == "failed":
        return failed(
            _NAME,
            f"The sample failed in {region}: {outcome}.",
            f"See `facematch show {comparison['id']}`, and docs/reasons.md for the reason.",
        )
    if verdict == "photo_rejected":
        return warned(
            _NAME,
            f"The provider responded in {region}, but rejected the drawn sample: {outcome}.",
            "Key, network and quota work. Compare two real photos with `facematch compare`.",
        )
    score = "" if result.get("score") is None else f", score {result['score']:g} of 100"
    return passed(_NAME, f"The sample was compared in {region}: {outcome}{score}.")


def _check_published(ledger: DynamoDbLedger, comparison_id: str, clock: Clock) -> Check:
    deadline_ms = clock.now_ms() + round(_PUBLISH_S * 1000)
    while clock.now_ms() < deadline_ms:
        comparison = ledger.find(comparison_id)
        if comparison is not None and comparison.published_at_ms is not None:
            return passed("sample.event", "The event of the sample is on the results queue.")
        clock.sleep(_PAUSE_S)
    return failed(
        "sample.event",
        f"The event of the sample was not published within {_PUBLISH_S:.0f} s.",
        "Read the log of publish, and check the event source of the ledger's stream.",
    )
