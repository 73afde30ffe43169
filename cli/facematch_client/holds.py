"""Holds on regions, and their description in words."""

from collections.abc import Mapping
from typing import Final

from facematch.adapters.rate_limiter import DynamoDbRateLimiter
from facematch.domain.lane import Hold, HoldReason
from facematch.domain.regions import Region
from facematch_client.stack import Stack
from facematch_client.text import clean, format_moment

_REASONS: Final[Mapping[HoldReason, str]] = {
    HoldReason.OUTAGE: "the provider fails or does not respond",
    HoldReason.THROTTLING: "the provider limits the account's calls",
    HoldReason.OPERATOR: "the provider refuses the account or its key",
}


def find_hold(stack: Stack, region: str, now_ms: int) -> Hold | None:
    """Return the hold on a region, active or before its trial, or None. `region` may be unknown."""
    if region not in set(Region):
        return None
    limiter = DynamoDbRateLimiter(stack.dynamodb(), stack.settings.table, stack.settings.calls_per_s)
    hold = limiter.find_lane(Region(region)).hold
    if hold is None or (hold.reason is HoldReason.THROTTLING and hold.has_expired(now_ms)):
        # A hold for throttling ends without a trial.
        return None
    return hold


def describe_hold(hold: Hold, now_ms: int) -> str:
    """Return the reason, the provider's code, the start, and the time of the next call, in one line."""
    reason = f"{_REASONS[hold.reason]} ({clean(hold.code)}), since {format_moment(hold.since_ms)}"
    until = format_moment(hold.until_ms)
    if hold.is_trial:
        return f"{reason}; a trial call is running"
    if hold.has_expired(now_ms):
        return f"{reason}; the next call is the trial, due since {until}"
    return f"{reason}; next call at {until}"
