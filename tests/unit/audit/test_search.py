import base64
import random
from urllib.parse import quote_from_bytes

import pytest

from audit.search import ENCODINGS, Finding, Marker, Search, make_photo_marker, make_text_marker

PHOTO = random.Random(5).randbytes(3000)  # noqa: S311 - pixels, not a secret
SECRET = "LTAIa8sJq0Zk3fWm7yXv2Qe9"
NOISE = random.Random(6).randbytes(400)  # noqa: S311 - the surrounding bytes


def scan(marker: Marker, content: bytes, kind: str = "log") -> list[Finding]:
    return Search([marker]).scan(kind, "somewhere", content)


@pytest.fixture(scope="module")
def photo_search() -> Search:
    return Search([make_photo_marker("photo", PHOTO)])


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_any_piece_of_a_photo_is_found_in_any_writing(photo_search: Search, encoding: str) -> None:
    written = ENCODINGS[encoding](PHOTO)
    # JSON writes a byte as up to six characters. Blocks with few different characters are not looked up.
    length = 48 if encoding.startswith("json") else 24
    # This stride has no common factor with that of the blocks: fragments begin at every position of a block.
    for start in range(0, len(written) - length + 1, 31):
        content = NOISE[: start % 50] + written[start : start + length] + NOISE[50:]
        (finding,) = photo_search.scan("log", "somewhere", content)
        assert (finding.marker, finding.length_bytes >= 24) == ("photo", True), start


@pytest.mark.parametrize("start", range(len(SECRET) - 11))
def test_any_twelve_characters_of_a_secret_are_found(start: int) -> None:
    piece = SECRET[start : start + 12].encode()
    assert scan(make_text_marker("secret", SECRET), NOISE[:start] + piece + NOISE[-30:])


@pytest.mark.parametrize("before", range(3))
def test_a_secret_is_found_in_base64_at_any_position(before: int) -> None:
    encoded = base64.b64encode(b"Authorization: "[:before] + SECRET.encode() + b" and more")
    assert scan(make_text_marker("secret", SECRET), b'{"body": "' + encoded + b'"}')


def test_a_photo_is_found_in_the_query_of_a_form() -> None:
    form = "SourceFacePicture=" + quote_from_bytes(base64.b64encode(PHOTO), safe="")
    (finding,) = scan(make_photo_marker("photo", PHOTO), form.encode())
    assert finding.length_bytes > len(PHOTO)


def test_less_than_a_fragment_is_no_finding() -> None:
    assert scan(make_photo_marker("photo", PHOTO), NOISE + PHOTO[100:123] + NOISE) == []
    assert scan(make_text_marker("secret", SECRET), SECRET[:11].encode()) == []


def test_a_marker_in_an_allowed_location_is_no_finding() -> None:
    marker = make_text_marker("pair", SECRET, allowed=["ledger"])
    assert scan(marker, SECRET.encode(), "ledger") == []
    assert scan(marker, SECRET.encode(), "log")


def test_a_marker_that_is_part_of_another_is_found_for_itself() -> None:
    allowed = make_text_marker("allowed", f"prefix-{SECRET}", allowed=["log"])
    forbidden = make_text_marker("forbidden", SECRET)
    findings = Search([allowed, forbidden]).scan("log", "somewhere", SECRET.encode())
    assert [finding.marker for finding in findings] == ["forbidden"]


@pytest.mark.parametrize("shift", range(0, 36, 9))
def test_a_fragment_is_found_across_two_chunks(photo_search: Search, shift: int) -> None:
    at = (1 << 18) - shift
    content = bytes(at) + PHOTO[:24] + bytes(100)
    assert photo_search.scan("log", "somewhere", content)


def test_the_longest_fragment_is_reported() -> None:
    content = PHOTO[:30] + NOISE + PHOTO[500:600] + NOISE + PHOTO[40:70]
    (finding,) = scan(make_photo_marker("photo", PHOTO), content)
    assert (finding.encoding, finding.length_bytes) == ("raw", 100)


def test_runs_of_one_byte_are_no_finding() -> None:
    assert scan(make_photo_marker("photo", PHOTO[:100] + bytes(200)), bytes(1000)) == []


def test_searched_bytes_and_locations_are_counted() -> None:
    search = Search([make_text_marker("secret", SECRET)])
    search.scan("log", "a", b"12345")
    search.scan("log", "b", b"123")
    search.scan("ledger", "c", b"1")
    assert search.bytes_by_kind == {"log": 8, "ledger": 1}
    assert search.locations_by_kind == {"log": 2, "ledger": 1}


def test_a_marker_does_not_show_what_it_marks() -> None:
    assert SECRET not in repr(make_text_marker("secret", SECRET))
