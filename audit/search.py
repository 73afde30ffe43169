"""Searches for fragments of data that must not leak, in many encodings."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import quote_from_bytes

BLOCK_BYTES: Final = 12
"""The search looks up blocks of this size. Each fragment of a marker that is long enough contains a block."""
_CHUNK_BYTES: Final = 1 << 18
_MIN_DISTINCT_BYTES: Final = 5
"""Blocks with fewer different bytes, such as a run of zeros, prove nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Known data to search for. At least `fragment_bytes` of it, in any encoding, are a finding.

    `allowed` are the kinds of location that may contain it.
    """

    name: str
    content: bytes = field(repr=False)
    fragment_bytes: int
    allowed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A fragment of a marker: its location, its encoding and its length."""

    kind: str
    location: str
    marker: str
    encoding: str
    length_bytes: int


def make_photo_marker(name: str, photo: bytes, allowed: Iterable[str] = ()) -> Marker:
    """Return the marker of a photo: any 24 consecutive bytes of it."""
    return Marker(name=name, content=photo, fragment_bytes=24, allowed=frozenset(allowed))


def make_text_marker(name: str, text: str, allowed: Iterable[str] = ()) -> Marker:
    """Return the marker of a secret, a name or a URL: any 12 consecutive characters of it."""
    return Marker(name=name, content=text.encode(), fragment_bytes=BLOCK_BYTES, allowed=frozenset(allowed))


def _encode_base64(alignment: int, content: bytes) -> bytes:
    """Return the Base64 of the content after `alignment` other bytes, without the shared characters."""
    text = base64.b64encode(bytes(alignment) + content)
    return text[4 if alignment else 0 : -4]


def _encode_url_base64(alignment: int, content: bytes) -> bytes:
    return _encode_base64(alignment, content).translate(bytes.maketrans(b"+/", b"-_"))


def _encode_quoted_base64(alignment: int, content: bytes) -> bytes:
    return quote_from_bytes(_encode_base64(alignment, content), safe="").encode()


def _encode_json(content: bytes, *, ensure_ascii: bool) -> bytes:
    """Return the JSON string of a text whose characters are the bytes of the content."""
    return json.dumps(content.decode("latin-1"), ensure_ascii=ensure_ascii)[1:-1].encode()


ENCODINGS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "raw": bytes,
    "utf-8": lambda content: content.decode("latin-1").encode(),
    "hex": lambda content: content.hex().encode(),
    "HEX": lambda content: content.hex().upper().encode(),
    "url": lambda content: quote_from_bytes(content, safe="").encode(),
    "url, slashes kept": lambda content: quote_from_bytes(content).encode(),
    "repr": lambda content: repr(content)[2:-1].encode(),
    "json": partial(_encode_json, ensure_ascii=True),
    "json, in UTF-8": partial(_encode_json, ensure_ascii=False),
    **{f"base64+{shift}": partial(_encode_base64, shift) for shift in range(3)},
    **{f"base64url+{shift}": partial(_encode_url_base64, shift) for shift in range(3)},
    **{f"quoted base64+{shift}": partial(_encode_quoted_base64, shift) for shift in range(3)},
}


@dataclass(slots=True)
class Search:
    """Searches for markers, and counts the searched bytes and locations by kind."""

    markers: Iterable[Marker]
    bytes_by_kind: dict[str, int] = field(default_factory=dict)
    locations_by_kind: dict[str, int] = field(default_factory=dict)
    _texts: list[tuple[Marker, str, bytes]] = field(default_factory=list)
    _blocks: dict[bytes, list[tuple[int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Encode every marker in every encoding. Of encodings with the same result, the first is kept."""
        for marker in self.markers:
            encodings: dict[bytes, str] = {}
            for encoding, encode in ENCODINGS.items():
                encodings.setdefault(encode(marker.content), encoding)
            for text, encoding in encodings.items():
                self._add(marker, encoding, text)

    def scan(self, kind: str, location: str, content: bytes) -> list[Finding]:
        """Return the longest fragment of each marker in a location that must not contain it."""
        self.bytes_by_kind[kind] = self.bytes_by_kind.get(kind, 0) + len(content)
        self.locations_by_kind[kind] = self.locations_by_kind.get(kind, 0) + 1
        longest: dict[str, Finding] = {}
        for marker, encoding, length in self._find(content):
            known = longest.get(marker.name)
            if kind not in marker.allowed and (known is None or known.length_bytes < length):
                longest[marker.name] = Finding(kind, location, marker.name, encoding, length)
        return sorted(longest.values())

    def _add(self, marker: Marker, encoding: str, text: bytes) -> None:
        number = len(self._texts)
        self._texts.append((marker, encoding, text))
        stride = max(marker.fragment_bytes - BLOCK_BYTES, 0) + 1
        for start in range(0, len(text) - BLOCK_BYTES + 1, stride):
            block = text[start : start + BLOCK_BYTES]
            if len(set(block)) >= _MIN_DISTINCT_BYTES:
                self._blocks.setdefault(block, []).append((number, start))

    def _find(self, content: bytes) -> Iterator[tuple[Marker, str, int]]:
        for start in range(0, len(content), _CHUNK_BYTES):
            chunk = content[start : start + _CHUNK_BYTES + BLOCK_BYTES - 1]
            windows = {chunk[at : at + BLOCK_BYTES] for at in range(len(chunk) - BLOCK_BYTES + 1)}
            for block in windows & self._blocks.keys():
                for number, block_at in self._blocks[block]:
                    marker, encoding, text = self._texts[number]
                    for at in _find_all(chunk, block):
                        length = _measure(text, block_at, content, start + at)
                        if length >= marker.fragment_bytes:
                            yield marker, encoding, length


def _find_all(content: bytes, block: bytes) -> Iterator[int]:
    at = content.find(block)
    while at >= 0:
        yield at
        at = content.find(block, at + 1)


def _measure(text: bytes, text_at: int, content: bytes, content_at: int) -> int:
    """Return the length of the common fragment around the given positions."""
    before = 0
    while (
        before < min(text_at, content_at) and text[text_at - before - 1] == content[content_at - before - 1]
    ):
        before += 1
    after = 0
    limit = min(len(text) - text_at, len(content) - content_at)
    while after < limit and text[text_at + after] == content[content_at + after]:
        after += 1
    return before + after
