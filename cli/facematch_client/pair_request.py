"""One pair compared by way of the stack's API."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from facematch.domain.clock import Clock
from facematch.domain.verdict import Role
from facematch_client.api import Answer, call_api, post_form
from facematch_client.errors import CommandError, ExitCode
from facematch_client.holds import describe_hold, find_hold
from facematch_client.stack import Stack

INLINE_LIMIT_BYTES: Final = 4_000_000
"""Both photos together: more does not fit a Lambda function's request once it is Base64."""
_POLL_INTERVAL_S: Final = 1.0
_REGISTERED: Final = "registered"


@dataclass(frozen=True, slots=True)
class PairRequest:
    """A pair, and what is asked of it in the API's own words, `region` and `match_from` among them.

    `key` makes the same pair asked for twice one comparison.
    """

    photos: Mapping[Role, bytes]
    wishes: Mapping[str, Any]
    key: str


def make_idempotency_key(photos: Mapping[Role, bytes], wishes: Mapping[str, Any], *, anew: bool) -> str:
    """Return an `Idempotency-Key` made of what is asked, or with `anew` by chance."""
    if anew:
        return secrets.token_hex(16)
    digests = {role.value: hashlib.sha256(photo).hexdigest() for role, photo in photos.items()}
    asked = json.dumps({**digests, **wishes}, sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:32]


def request_verdict(stack: Stack, request: PairRequest, *, wait_s: float, clock: Clock) -> dict[str, Any]:
    """Return the comparison as the API shows it, once it has ended.

    Raises
    ------
    CommandError
        The API refused the pair, or there is no verdict after `wait_s`.
    """
    is_small = sum(map(len, request.photos.values())) <= INLINE_LIMIT_BYTES
    photos = _put_inline(request) if is_small else _upload(stack, request)
    body = {**request.wishes, **photos}
    answer = call_api(stack, "POST", "/v1/comparisons", body, {"Idempotency-Key": request.key})
    return _wait_for_verdict(stack, answer, wait_s, clock)


def _put_inline(request: PairRequest) -> dict[str, Any]:
    return {role.value: {"photo": base64.b64encode(photo).decode()} for role, photo in request.photos.items()}


def _upload(stack: Stack, request: PairRequest) -> dict[str, Any]:
    wanted = {"region": request.wishes.get("region"), "pair_id": request.wishes.get("pair_id") or request.key}
    tickets = call_api(stack, "POST", "/v1/uploads", wanted).body
    for role, photo in request.photos.items():
        post_form(tickets[role.value]["url"], tickets[role.value]["fields"], photo)
    return {role.value: {"upload_key": tickets[role.value]["key"]} for role in request.photos}


def _wait_for_verdict(stack: Stack, answer: Answer, wait_s: float, clock: Clock) -> dict[str, Any]:
    give_up_at_ms = clock.now_ms() + round(wait_s * 1000)
    comparison: dict[str, Any] = answer.body
    while comparison["state"] == _REGISTERED:
        if clock.now_ms() >= give_up_at_ms:
            raise CommandError(
                f"No verdict yet.{_explain_hold(stack, comparison['region'], clock.now_ms())} The comparison "
                f"continues: `facematch show {comparison['id']}` shows its state. Repeating this command is "
                "not billed again.",
                ExitCode.NO_VERDICT,
            )
        clock.sleep(_POLL_INTERVAL_S)
        comparison = call_api(stack, "GET", f"/v1/comparisons/{comparison['id']}").body
    return comparison


def _explain_hold(stack: Stack, region: str, now_ms: int) -> str:
    """Return a sentence about what keeps a region's calls from being made, if it is known."""
    try:
        hold = find_hold(stack, region, now_ms)
    except ClientError:
        # Whoever may only compare can't read the ledger.
        return " `facematch status` shows whether calls are on hold."
    return f" Calls to {region} are on hold: {describe_hold(hold, now_ms)}." if hold else ""
