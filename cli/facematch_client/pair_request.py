"""Sends one pair to the stack's API and waits for the verdict."""

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
from facematch_client.api import ApiResponse, call_api, post_form
from facematch_client.errors import CommandError, ExitCode
from facematch_client.holds import describe_hold, find_hold
from facematch_client.stack import Stack

INLINE_LIMIT_BYTES: Final = 4_000_000
"""The limit for both photos together. Base64 makes them larger, and a Lambda request may have 6 MB."""
_POLL_INTERVAL_S: Final = 1.0
_REGISTERED: Final = "registered"


@dataclass(frozen=True, slots=True)
class PairRequest:
    """A pair and its options, such as `region` and `match_from`, with the names that the API uses.

    `key` is the idempotency key: two requests with the same key are one comparison.
    """

    photos: Mapping[Role, bytes]
    options: Mapping[str, Any]
    key: str


def make_idempotency_key(photos: Mapping[Role, bytes], options: Mapping[str, Any], *, is_random: bool) -> str:
    """Return an idempotency key: a digest of photos and options, or with `is_random` a random key."""
    if is_random:
        return secrets.token_hex(16)
    digests = {role.value: hashlib.sha256(photo).hexdigest() for role, photo in photos.items()}
    content = json.dumps({**digests, **options}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def request_verdict(stack: Stack, request: PairRequest, *, wait_s: float, clock: Clock) -> dict[str, Any]:
    """Send a pair, wait until the comparison has ended, and return it as the API's document.

    Raises
    ------
    CommandError
        The API refused the pair, or there is no verdict after `wait_s`.
    """
    is_small = sum(map(len, request.photos.values())) <= INLINE_LIMIT_BYTES
    photos = _encode_photos(request) if is_small else _upload(stack, request)
    body = {**request.options, **photos}
    response = call_api(stack, "POST", "/v1/comparisons", body, {"Idempotency-Key": request.key})
    return _wait_for_verdict(stack, response, wait_s, clock)


def _encode_photos(request: PairRequest) -> dict[str, Any]:
    return {role.value: {"photo": base64.b64encode(photo).decode()} for role, photo in request.photos.items()}


def _upload(stack: Stack, request: PairRequest) -> dict[str, Any]:
    target = {
        "region": request.options.get("region"),
        "pair_id": request.options.get("pair_id") or request.key,
    }
    forms = call_api(stack, "POST", "/v1/uploads", target).body
    for role, photo in request.photos.items():
        post_form(forms[role.value]["url"], forms[role.value]["fields"], photo)
    return {role.value: {"upload_key": forms[role.value]["key"]} for role in request.photos}


def _wait_for_verdict(stack: Stack, response: ApiResponse, wait_s: float, clock: Clock) -> dict[str, Any]:
    deadline_ms = clock.now_ms() + round(wait_s * 1000)
    comparison: dict[str, Any] = response.body
    while comparison["state"] == _REGISTERED:
        if clock.now_ms() >= deadline_ms:
            raise CommandError(
                f"No verdict yet.{_explain_hold(stack, comparison['region'], clock.now_ms())} The comparison "
                f"continues: `facematch show {comparison['id']}` shows its state.",
                ExitCode.NO_VERDICT,
            )
        clock.sleep(_POLL_INTERVAL_S)
        comparison = call_api(stack, "GET", f"/v1/comparisons/{comparison['id']}").body
    return comparison


def _explain_hold(stack: Stack, region: str, now_ms: int) -> str:
    """Return a sentence about the hold on a region, empty if there is none."""
    try:
        hold = find_hold(stack, region, now_ms)
    except ClientError:
        # A profile that may only call the API cannot read the ledger.
        return " `facematch status` shows whether calls are on hold."
    return f" Calls to {region} are on hold: {describe_hold(hold, now_ms)}." if hold else ""
