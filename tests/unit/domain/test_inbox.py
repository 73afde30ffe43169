from urllib.parse import quote_plus, unquote_plus

import pytest

from facematch.domain.errors import InvalidInputError
from facematch.domain.inbox import (
    InboxKey,
    check_pair_id,
    make_folder,
    make_inbox_key,
    parse_inbox_key,
    split_folder,
)
from facematch.domain.verdict import Role

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


CALLERS = [
    "arn:aws:sts::123456789012:assumed-role/kyc",
    "arn:aws:iam::123456789012:user/a/path/to/ann@example.com",
    "arn:aws:iam::123456789012:root",
    "?",
]


@pytest.mark.parametrize("pair_id", PAIR_IDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_a_key_of_a_callers_own_says_so_and_survives_an_s3_event(pair_id: str, caller: str) -> None:
    key = make_inbox_key("singapore", pair_id, Role.TARGET, "jpg", caller)

    assert parse_inbox_key(unquote_plus(quote_plus(key, safe="/"))) == InboxKey(
        "singapore", pair_id, Role.TARGET, caller
    )


def test_the_folders_of_pairs_differ_by_caller_and_lead_back_to_both() -> None:
    owners = [None, *CALLERS]

    folders = [make_folder(pair_id, owner) for pair_id in PAIR_IDS for owner in owners]

    assert len(set(folders)) == len(PAIR_IDS) * len(owners)
    assert [split_folder(folder) for folder in folders] == [
        (pair_id, owner) for pair_id in PAIR_IDS for owner in owners
    ]


def test_a_pair_whose_name_looks_like_a_caller_is_the_buckets() -> None:
    assert parse_inbox_key("inbox/singapore/caller=a2V5/source.jpg") == InboxKey(
        "singapore", "caller=a2V5", Role.SOURCE
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
        "inbox/singapore/caller=/p/source.jpg",
        "inbox/singapore/caller=a/p/source.jpg",
        "inbox/singapore/caller=gICA/p/source.jpg",
        "inbox/singapore/caller=a+b/p/source.jpg",
        "inbox/singapore/caller=a2V5/a/b/source.jpg",
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
