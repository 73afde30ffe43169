"""One sample pair, sent end to end. It is the only check that costs something."""

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
    """Return two photos of one drawn person; they show no one."""
    folder = resources.files(__package__) / "samples"
    return {role: (folder / f"{role}.jpg").read_bytes() for role in Role}


def check_sample(stack: Stack, region: Region, ledger: DynamoDbLedger, clock: Clock) -> Iterator[Check]:
    """Have the sample compared through the API, and wait until its event is published."""
    photos, wishes = read_samples(), {"region": region.value, "pair_id": PAIR_ID}
    request = PairRequest(photos, wishes, make_idempotency_key(photos, wishes, anew=True))
    try:
        comparison = request_verdict(stack, request, wait_s=_WAIT_S, clock=clock)
    except CommandError as error:
        yield failed(
            _NAME, f"The sample got no verdict. {error.message}", "Repair what the other lines name."
        )
        return
    yield _judge(comparison, region)
    yield _check_published(ledger, comparison["id"], clock)


def _judge(comparison: Mapping[str, Any], region: Region) -> Check:
    result = comparison["result"]
    verdict, reason = clean(result["verdict"]), clean(result.get("reason") or "")
    told = f"{verdict}{f' ({reason})' if reason else ''}"
    if verdict == "failed":
        return failed(
            _NAME,
            f"The sample failed in {region}: {told}.",
            f"`facematch show {comparison['id']}` tells its story; docs/reasons.md explains the reason.",
        )
    if verdict == "photo_rejected":
        return warned(
            _NAME,
            f"The provider answered in {region}, but sees no face in the drawn sample: {told}.",
            "Key, network and quota work; compare two photos of faces with `facematch compare`.",
        )
    score = "" if result.get("score") is None else f", score {result['score']:g} of 100"
    return passed(_NAME, f"The sample was compared in {region}: {told}{score}.")


def _check_published(ledger: DynamoDbLedger, comparison_id: str, clock: Clock) -> Check:
    give_up_at_ms = clock.now_ms() + round(_PUBLISH_S * 1000)
    while clock.now_ms() < give_up_at_ms:
        comparison = ledger.find(comparison_id)
        if comparison is not None and comparison.published_at_ms is not None:
            return passed("sample.event", "Its event is on the results queue.")
        clock.sleep(_PAUSE_S)
    return failed(
        "sample.event",
        f"Its event was not published within {_PUBLISH_S:.0f} s.",
        "Read the log of publish, and check the event source of the ledger's stream.",
    )
