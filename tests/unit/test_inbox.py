from urllib.parse import quote_plus, unquote_plus

import pytest

from facematch.errors import InvalidInputError
from facematch.inbox import InboxKey, check_pair_id, make_inbox_key, parse_inbox_key
from facematch.verdict import Role

PAIR_IDS = [
    "pair-1",
    "two words",
    "1+1",
    "100%",
    "100%25",
    "Ümläut",
    "顔写真",
    "a.b.c",
    "😀",
    "inbox",
    "source.jpg",
]


@pytest.mark.parametrize("pair_id", PAIR_IDS)
@pytest.mark.parametrize("role", Role)
def test_a_key_says_where_its_photo_belongs(pair_id: str, role: Role) -> None:
    key = make_inbox_key("hong-kong", pair_id, role, "jpg")

    assert parse_inbox_key(key) == InboxKey("hong-kong", pair_id, role)


@pytest.mark.parametrize("pair_id", PAIR_IDS)
def test_a_key_survives_the_encoding_of_an_s3_event(pair_id: str) -> None:
    key = make_inbox_key("singapore", pair_id, Role.SOURCE, "jpg")

    assert parse_inbox_key(unquote_plus(quote_plus(key, safe="/"))) == InboxKey(
        "singapore", pair_id, Role.SOURCE
    )


@pytest.mark.parametrize("extension", ["jpg", "JPEG", "png", "webp", "anything at all"])
def test_the_extension_says_nothing(extension: str) -> None:
    assert parse_inbox_key(f"inbox/singapore/p/source.{extension}") == InboxKey("singapore", "p", Role.SOURCE)


def test_region_and_pair_id_are_taken_as_they_stand() -> None:
    long = "x" * 500

    assert parse_inbox_key(f"inbox/Mars/{long}/target.png") == InboxKey("Mars", long, Role.TARGET)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "inbox/",
        "inbox/singapore/p/",
        "inbox/singapore/p/source",
        "inbox/singapore/p/source.",
        "inbox/singapore/p/source.tar.gz",
        "inbox/singapore/p/SOURCE.jpg",
        "inbox/singapore/p/selfie.jpg",
        "inbox/singapore/p/sources.jpg",
        "inbox/singapore/source.jpg",
        "inbox/singapore//source.jpg",
        "inbox//p/source.jpg",
        "inbox/singapore/a/b/source.jpg",
        "inbox/singapore/p/source.jpg/",
        "/inbox/singapore/p/source.jpg",
        "INBOX/singapore/p/source.jpg",
        "outbox/singapore/p/source.jpg",
        "requests/abc/source-0123",
        "my/inbox/singapore/p/source.jpg",
    ],
)
def test_a_key_of_any_other_shape_is_foreign(key: str) -> None:
    assert parse_inbox_key(key) is None


@pytest.mark.parametrize("pair_id", [*PAIR_IDS, "a", "x" * 128, "é" * 128])
def test_a_pair_id_of_up_to_128_printable_characters_is_accepted(pair_id: str) -> None:
    check_pair_id(pair_id)


@pytest.mark.parametrize(
    "pair_id", ["", "x" * 129, "x" * 500, "a/b", "/", "a\nb", "a\0b", "a\tb", "a\x7fb", "\u202eb", "a\ud800"]
)
def test_any_other_pair_id_is_refused_by_name(pair_id: str) -> None:
    with pytest.raises(InvalidInputError) as refusal:
        check_pair_id(pair_id)

    assert (refusal.value.code, refusal.value.field) == ("invalid_pair_id", "pair_id")
    assert str(len(pair_id)) in refusal.value.message
