"""The keys of the photos in the inbox.

A decoded key is `inbox/{region}/{pair_id}/{source|target}.{ext}`. Keys of upload forms also contain the
caller, `inbox/{region}/caller=…/{pair_id}/…`. So pairs of different callers, and pairs put straight into the
bucket, never mix, even if their pair ids are equal. All other keys are ignored.
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

A slash would end the folder of the pair. The others are not allowed in the `subject` of an event. Source:
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
    """The parts of a photo's key. `region` and `pair_id` are not checked yet.

    `caller` is the owner of the upload form, or None for a photo put straight into the bucket.
    """

    region: str
    pair_id: str
    role: Role
    caller: str | None = None

    @property
    def folder(self) -> str:
        """The folder of the pair, unique in its region. `split_folder` is the inverse."""
        return make_folder(self.pair_id, self.caller)


def parse_inbox_key(key: str) -> InboxKey | None:
    """Return the parts of a decoded `key`, or None if it is not a photo's."""
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
        `invalid_upload_key`: the key has another form, or is longer than S3 allows.
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
    """Return the key of a photo, in the `caller`'s own folder if there is a caller.

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
    """Return the folder of a pair, unique in its region."""
    if caller is None:
        return pair_id
    # An ARN contains slashes. URL-safe Base64 needs no escaping in S3 keys and URLs.
    return f"{_CALLER}{base64.urlsafe_b64encode(caller.encode()).decode().rstrip('=')}/{pair_id}"


def split_folder(folder: str) -> tuple[str, str | None]:
    """Return the pair id and the caller of a pair's folder.

    Raises
    ------
    ValueError
        The caller can't be decoded.
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
