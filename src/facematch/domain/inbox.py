"""The inbox of the bucket: what an object's key says about its photo.

A key is `inbox/{region}/{pair_id}/{source|target}.{ext}`, decoded. Those that the API gives out hold the
caller as well, `inbox/{region}/caller=…/{pair_id}/…`: each caller's pairs are its own, and apart from those
of the bucket, whatever their names. Keys of any other shape are foreign.
"""

import base64
import re
from dataclasses import dataclass
from typing import Final

from facematch.domain.errors import InvalidInputError
from facematch.domain.verdict import Role

INBOX_PREFIX: Final = "inbox/"
PAIR_ID_LIMIT: Final = 128
_CALLER: Final = "caller="
_KEY: Final = re.compile(
    rf"inbox/(?P<region>[^/]+)/(?P<folder>(?:{_CALLER}[\w-]+/)?[^/]+)/(?P<role>source|target)\.[^/.]+",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class InboxKey:
    """Where a photo belongs, by its key; `region` and `pair_id` are not checked yet.

    `caller` is who may upload by that key, None where it is whoever may write to the bucket.
    """

    region: str
    pair_id: str
    role: Role
    caller: str | None = None

    @property
    def folder(self) -> str:
        """The pair's name among all pairs of its region; `split_folder` is the way back."""
        return make_folder(self.pair_id, self.caller)


def parse_inbox_key(key: str) -> InboxKey | None:
    """Return what a decoded `key` says, or None for a foreign one."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    try:
        pair_id, caller = split_folder(match["folder"])
    except ValueError:
        return None
    return InboxKey(match["region"], pair_id, Role(match["role"]), caller)


def make_inbox_key(region: str, pair_id: str, role: Role, extension: str, caller: str | None = None) -> str:
    """Return the key for a photo of a pair, one of the `caller`'s own where there is one."""
    return f"{INBOX_PREFIX}{region}/{make_folder(pair_id, caller)}/{role}.{extension}"


def make_folder(pair_id: str, caller: str | None) -> str:
    """Return the name of a pair among all pairs of its region."""
    if caller is None:
        return pair_id
    # An ARN holds slashes; of what Base64 makes of it S3 and URLs take every character as it is.
    return f"{_CALLER}{base64.urlsafe_b64encode(caller.encode()).decode().rstrip('=')}/{pair_id}"


def split_folder(folder: str) -> tuple[str, str | None]:
    """Return the pair id and the caller that a pair's name holds.

    Raises
    ------
    ValueError
        What should be the caller can't be read.
    """
    owner, separator, pair_id = folder.rpartition("/")
    if not separator:
        return pair_id, None
    encoded = owner.removeprefix(_CALLER)
    return pair_id, base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()


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
