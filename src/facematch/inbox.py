"""The inbox of the bucket: what an object's key says about its photo.

A key is `inbox/{region}/{pair_id}/{source|target}.{ext}`, decoded. Keys of any other shape are foreign.
"""

import re
from dataclasses import dataclass
from typing import Final

from facematch.errors import InvalidInputError
from facematch.verdict import Role

INBOX_PREFIX: Final = "inbox/"
PAIR_ID_LIMIT: Final = 128
_KEY: Final = re.compile(
    r"inbox/(?P<region>[^/]+)/(?P<pair_id>[^/]+)/(?P<role>source|target)\.[^/.]+", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class InboxKey:
    """Where a photo belongs, by its key; `region` and `pair_id` are not checked yet."""

    region: str
    pair_id: str
    role: Role


def parse_inbox_key(key: str) -> InboxKey | None:
    """Return what a decoded `key` says, or None for a foreign one."""
    match = _KEY.fullmatch(key)
    return match and InboxKey(match["region"], match["pair_id"], Role(match["role"]))


def make_inbox_key(region: str, pair_id: str, role: Role, extension: str) -> str:
    """Return the key for a photo of a pair."""
    return f"{INBOX_PREFIX}{region}/{pair_id}/{role}.{extension}"


def check_pair_id(pair_id: str) -> None:
    """Accept a pair id of 1 to 128 characters, none of them a slash or a control character.

    Raises
    ------
    InvalidInputError
        `invalid_pair_id`.
    """
    if not 0 < len(pair_id) <= PAIR_ID_LIMIT or "/" in pair_id or not pair_id.isprintable():
        raise InvalidInputError(
            "invalid_pair_id",
            f"A pair id has 1 to {PAIR_ID_LIMIT} printable characters and no slash; "
            f"this one has {len(pair_id)} characters.",
            field="pair_id",
        )
