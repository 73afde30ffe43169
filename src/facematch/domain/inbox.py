"""The inbox of the bucket: what an object's key says about its photo.

A key is `inbox/{region}/{pair_id}/{source|target}.{ext}`, decoded. Those that the API gives out hold the
caller as well, `inbox/{region}/caller=…/{pair_id}/…`: each caller's pairs are its own, and apart from those
of the bucket, whatever their names. Keys of any other shape are foreign.
"""

import base64
import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from facematch.domain.errors import InvalidInputError
from facematch.domain.reasons import Reason
from facematch.domain.verdict import Role

INBOX_PREFIX: Final = "inbox/"
KEY_LIMIT_BYTES: Final = 1024
"""The longest key of an S3 object, in UTF-8. Source: Amazon S3 user guide, Naming Amazon S3 objects."""
PAIR_ID_LIMIT: Final = 128
_LAST_PLANE: Final = 16
_FORBIDDEN: Final = r"/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff" + "".join(
    # Above U+FFFF the regular expressions of Python and of JSON Schema share no escape.
    chr(plane << 16 | last)
    for plane in range(1, _LAST_PLANE + 1)
    for last in (0xFFFE, 0xFFFF)
)
PAIR_ID_PATTERN: Final = rf"^(?![\s\S]*[{_FORBIDDEN}])"
"""A pair id, as a JSON Schema pattern: no slash, control character, lone surrogate or noncharacter.

A slash would end the folder of the pair. The others can't be in the `subject` of an event. Source:
CloudEvents 1.0, type system, String. It is a lookahead because Python's `$` also matches before a last line
break.
"""
UPLOAD_PAIR_ID_PATTERN: Final = rf"{PAIR_ID_PATTERN}(?![\s\S]*\$\{{filename\}})"
"""A pair id that a POST form can carry in its key, where S3 replaces `${filename}`.

Source: Amazon S3 API reference, POST Object.
"""
_FORBIDDEN_CHARACTER: Final = re.compile(f"[{_FORBIDDEN}]")
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


def check_upload_key(key: str) -> None:
    """Accept the key of a photo in the inbox.

    Raises
    ------
    InvalidInputError
        `invalid_upload_key`: it has another form, or more bytes than a key of S3.
    """
    try:
        size_bytes = len(key.encode())
    except UnicodeEncodeError:
        raise _invalid_key("An upload key can't contain half of a surrogate pair.") from None
    if size_bytes > KEY_LIMIT_BYTES:
        raise _invalid_key(f"An upload key has at most {KEY_LIMIT_BYTES} bytes; this one has {size_bytes}.")
    if parse_inbox_key(key) is None:
        raise _invalid_key("An upload key is inbox/{region}/{pair_id}/source or target, with an extension.")


def _invalid_key(message: str) -> InvalidInputError:
    return InvalidInputError(Reason.INVALID_UPLOAD_KEY, message, field="upload_key")


def make_inbox_key(region: str, pair_id: str, role: Role, extension: str, caller: str | None = None) -> str:
    """Return the key for a photo of a pair, one of the `caller`'s own where there is one.

    Raises
    ------
    InvalidInputError
        `invalid_pair_id`: the key is longer than S3 allows.
    """
    key = f"{INBOX_PREFIX}{region}/{make_folder(pair_id, caller)}/{role}.{extension}"
    size_bytes = len(key.encode())
    if size_bytes > KEY_LIMIT_BYTES:
        raise _invalid(
            f"With this pair id the object's key has {size_bytes} bytes; S3 allows {KEY_LIMIT_BYTES}."
        )
    return key


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
    """Accept a pair id of 1 to 128 characters that `PAIR_ID_PATTERN` matches.

    Raises
    ------
    InvalidInputError
        `invalid_pair_id`.
    """
    if not 0 < len(pair_id) <= PAIR_ID_LIMIT:
        raise _invalid(f"A pair id has 1 to {PAIR_ID_LIMIT} characters; this one has {len(pair_id)}.")
    found = _FORBIDDEN_CHARACTER.search(pair_id)
    if found is not None:
        raise _invalid(
            f"A pair id can't contain {_name(found[0])}; character {found.start() + 1} of this one is "
            f"U+{ord(found[0]):04X}."
        )


def is_pair_id(text: str) -> bool:
    """Return whether `check_pair_id` accepts the text."""
    try:
        check_pair_id(text)
    except InvalidInputError:
        return False
    return True


def check_upload_pair_id(pair_id: str) -> None:
    """Accept a pair id that a POST form can carry in its key.

    Raises
    ------
    InvalidInputError
        `invalid_pair_id`.
    """
    check_pair_id(pair_id)
    if "${filename}" in pair_id:
        raise _invalid(
            "The pair id of an upload can't contain ${filename}: S3 replaces it with the file's name."
        )


def _name(character: str) -> str:
    match unicodedata.category(character):
        case "Cc":
            return "control characters"
        case "Cs":
            return "half of a surrogate pair"
        case "Cn":
            return "noncharacters of Unicode"
    return "a slash"


def _invalid(message: str) -> InvalidInputError:
    return InvalidInputError(Reason.INVALID_PAIR_ID, message, field="pair_id")
