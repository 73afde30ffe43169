"""Finds pieces of what must not be there, in whatever way they were written down."""

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from urllib.parse import quote_from_bytes

BLOCK_BYTES: Final = 12
"""What is looked up at every location; a marker's blocks lie so that each piece of it holds a whole one."""
_CHUNK_BYTES: Final = 1 << 18
_DISTINCT_AT_LEAST: Final = 5
"""Blocks of fewer different bytes (a run of zeros, say) belong to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A known text that the search looks for, as it is or encoded.

    A location that holds `fragment_bytes` of it or more is a finding. `allowed` are the kinds of location
    that may hold it.
    """

    name: str
    content: bytes = field(repr=False)
    fragment_bytes: int
    allowed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A piece of a marker: its location, its encoding and its length."""

    kind: str
    location: str
    marker: str
    encoding: str
    length_bytes: int


def make_photo_marker(name: str, photo: bytes, allowed: Iterable[str] = ()) -> Marker:
    """Return the marker of a photo: any 24 of its bytes."""
    return Marker(name=name, content=photo, fragment_bytes=24, allowed=frozenset(allowed))


def make_text_marker(name: str, text: str, allowed: Iterable[str] = ()) -> Marker:
    """Return the marker of a secret, a name or a URL: any 12 of its characters."""
    return Marker(name=name, content=text.encode(), fragment_bytes=BLOCK_BYTES, allowed=frozenset(allowed))


def _encode_base64(alignment: int, content: bytes) -> bytes:
    """Return the content's Base64 as it stands behind so many other bytes, less what it shares with them."""
    text = base64.b64encode(bytes(alignment) + content)
    return text[4 if alignment else 0 : -4]


def _encode_url_base64(alignment: int, content: bytes) -> bytes:
    return _encode_base64(alignment, content).translate(bytes.maketrans(b"+/", b"-_"))


def _encode_quoted_base64(alignment: int, content: bytes) -> bytes:
    return quote_from_bytes(_encode_base64(alignment, content), safe="").encode()


def _encode_json(content: bytes, *, ensure_ascii: bool) -> bytes:
    """Return the content as JSON writes text whose characters are those bytes."""
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
    """Looks for markers, and counts what it looked at, by kind of location."""

    markers: Iterable[Marker]
    bytes_by_kind: dict[str, int] = field(default_factory=dict)
    locations_by_kind: dict[str, int] = field(default_factory=dict)
    _texts: list[tuple[Marker, str, bytes]] = field(default_factory=list)
    _blocks: dict[bytes, list[tuple[int, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Write every marker down in every way; of ways that scan alike the first."""
        for marker in self.markers:
            encodings: dict[bytes, str] = {}
            for encoding, write in ENCODINGS.items():
                encodings.setdefault(write(marker.content), encoding)
            for text, encoding in encodings.items():
                self._learn(marker, encoding, text)

    def scan(self, kind: str, location: str, content: bytes) -> list[Finding]:
        """Return the longest piece of each marker in a location, those that may stand there aside."""
        self.bytes_by_kind[kind] = self.bytes_by_kind.get(kind, 0) + len(content)
        self.locations_by_kind[kind] = self.locations_by_kind.get(kind, 0) + 1
        longest: dict[str, Finding] = {}
        for marker, encoding, length in self._find(content):
            known = longest.get(marker.name)
            if kind not in marker.allowed and (known is None or known.length_bytes < length):
                longest[marker.name] = Finding(kind, location, marker.name, encoding, length)
        return sorted(longest.values())

    def _learn(self, marker: Marker, encoding: str, text: bytes) -> None:
        number = len(self._texts)
        self._texts.append((marker, encoding, text))
        stride = max(marker.fragment_bytes - BLOCK_BYTES, 0) + 1
        for start in range(0, len(text) - BLOCK_BYTES + 1, stride):
            block = text[start : start + BLOCK_BYTES]
            if len(set(block)) >= _DISTINCT_AT_LEAST:
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
    """Return how long the piece is that both hold around the given places."""
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
