import re
import sys
from collections.abc import Iterable
from urllib.parse import quote_plus, unquote_plus

import pytest

from facematch.domain.errors import InvalidInputError
from facematch.domain.inbox import (
    KEY_LIMIT_BYTES,
    PAIR_ID_PATTERN,
    UPLOAD_PAIR_ID_PATTERN,
    InboxKey,
    check_pair_id,
    check_upload_pair_id,
    is_pair_id,
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
    "می\u200cخواهم",  # noqa: RUF001 - Persian
    "क्\u200dष",
    "山田\u3000太郎",
    "👩\u200d👧",
    "Anne\u00a0Marie",
    "\U0001fadf",
    "\u202eb",
    "line\u2028separator",
]
"""Names of people among them: joiners of Persian and Hindi, spaces of Japanese and French, a family emoji."""


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


def test_region_and_pair_id_are_read_unchanged() -> None:
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


@pytest.mark.parametrize("pair_id", [*PAIR_IDS, "a", "x" * 128, "é" * 128, "😀" * 128, "${filename}", " "])
def test_a_pair_id_of_up_to_128_characters_is_accepted(pair_id: str) -> None:
    check_pair_id(pair_id)


@pytest.mark.parametrize("pair_id", ["", "x" * 129, "x" * 500])
def test_a_pair_id_of_another_length_is_refused_with_its_length(pair_id: str) -> None:
    with pytest.raises(
        InvalidInputError, match=rf"1 to 128 characters; this one has {len(pair_id)}\."
    ) as refusal:
        check_pair_id(pair_id)

    assert (refusal.value.code, refusal.value.field) == ("invalid_pair_id", "pair_id")


@pytest.mark.parametrize(
    ("character", "kind"),
    [
        ("/", "slash"),
        *((character, "control character") for character in "\0\t\n\r\x1f\x7f\x80\x85\x9f"),
        *((character, "surrogate") for character in "\ud800\udbff\udc00\udfff"),
        *((character, "noncharacter") for character in "\ufdd0\ufdef\ufffe\uffff\U0001fffe\U0010ffff"),
    ],
)
def test_a_pair_id_with_a_forbidden_character_is_refused_with_its_place(character: str, kind: str) -> None:
    with pytest.raises(InvalidInputError, match=kind) as refusal:
        check_pair_id(f"ab{character}c")

    assert (refusal.value.code, refusal.value.field) == ("invalid_pair_id", "pair_id")
    assert f"character 3 of this one is U+{ord(character):04X}." in refusal.value.message


NOTABLE_CODES = [
    *range(0x1000),
    *range(0xD700, 0x10100),
    *(plane * 0x10000 + low for plane in range(1, 17) for low in range(0xFF00, 0x10000)),
]
"""Control characters, surrogates, private ones, and the noncharacters at the end of each plane."""


@pytest.mark.parametrize(
    "codes",
    [
        NOTABLE_CODES,
        pytest.param(range(sys.maxunicode + 1), marks=pytest.mark.verify),
    ],
    ids=["some", "all"],
)
def test_the_pattern_refuses_what_the_code_refuses(codes: Iterable[int]) -> None:
    pattern = re.compile(PAIR_ID_PATTERN)

    assert [one for one in map(chr, codes) if bool(pattern.search(f"a{one}")) != is_pair_id(f"a{one}")] == []


@pytest.mark.parametrize("pair_id", [*PAIR_IDS, "${filename}", "a ${filename}", "a/b", "a\n"])
def test_the_pattern_for_uploads_refuses_what_the_code_refuses(pair_id: str) -> None:
    matches = re.search(UPLOAD_PAIR_ID_PATTERN, pair_id) is not None

    assert matches == (is_pair_id(pair_id) and "${filename}" not in pair_id)


@pytest.mark.parametrize("pair_id", ["${filename}", "pair ${filename} 1"])
def test_a_pair_id_that_s3_would_replace_in_a_form_is_refused_for_uploads(pair_id: str) -> None:
    with pytest.raises(InvalidInputError, match="replaces it with the file's name") as refusal:
        check_upload_pair_id(pair_id)

    assert (refusal.value.code, refusal.value.field) == ("invalid_pair_id", "pair_id")


@pytest.mark.parametrize("pair_id", [*PAIR_IDS, "$filename", "${file}"])
def test_any_other_pair_id_is_accepted_for_uploads(pair_id: str) -> None:
    check_upload_pair_id(pair_id)


def test_a_key_that_is_longer_than_s3_allows_is_refused_for_its_pair_id() -> None:
    caller = f"arn:aws:iam::123456789012:user/{'p' * 500}/ann"
    longest_fitting = max(
        length for length in range(1, 129) if len(make_folder("😀" * length, caller)) + 3 * length <= 995
    )

    key = make_inbox_key("singapore", "😀" * longest_fitting, Role.SOURCE, "jpg", caller)
    with pytest.raises(InvalidInputError, match=f"S3 allows {KEY_LIMIT_BYTES}") as refusal:
        make_inbox_key("singapore", "😀" * 128, Role.SOURCE, "jpg", caller)

    assert len(key.encode()) <= KEY_LIMIT_BYTES
    assert (refusal.value.code, refusal.value.field) == ("invalid_pair_id", "pair_id")
