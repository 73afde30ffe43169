"""The emulated operations, except those of STS."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

VERSION: Final = "2022-08-09"
FACE_COMPARE: Final = "FaceCompare"
FACE_COMPARE_V2: Final = "FaceCompareV2"
KEEPALIVE: Final = "KeepaliveIntl"
DELETE_VERIFY_RESULT: Final = "DeleteVerifyResult"

FACE_COMPARES: Final = (FACE_COMPARE, FACE_COMPARE_V2)
"""The same operation with two names: same fields, same answer."""

METHODS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        FACE_COMPARE: ("POST",),
        FACE_COMPARE_V2: ("POST",),
        KEEPALIVE: ("GET", "POST"),
        DELETE_VERIFY_RESULT: ("POST",),
    }
)
OPERATIONS: Final = tuple(METHODS)
