from pathlib import Path

import pytest

from facematch_cli.manifest import Row, read_rows
from facematch_client.errors import CommandError, ExitCode

ROW = Row(line=2, pair_id="Nguyễn", source="s.jpg", target="t.jpg", region="")


def write(folder: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    manifest = folder / "pairs.csv"
    manifest.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return manifest


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_manifest_may_come_from_any_spreadsheet(
    tmp_path: Path, encoding: str, delimiter: str, line_end: str
) -> None:
    lines = (["pair_id", "source", "target"], ["Nguyễn", "s.jpg", "t.jpg"])
    text = "".join(delimiter.join(line) + line_end for line in lines)

    assert list(read_rows(write(tmp_path, text, encoding))) == [ROW]


@pytest.mark.parametrize(
    "header",
    ["Pair_ID,Source,TARGET", "pair id, source ,target", "Pair-Id,source,target", "pairId,source,target"],
)
def test_columns_are_known_whatever_their_case_and_punctuation(tmp_path: Path, header: str) -> None:
    assert list(read_rows(write(tmp_path, f"{header}\nNguyễn,s.jpg,t.jpg\n"))) == [ROW]


def test_columns_may_come_in_any_order_with_others_between_them(tmp_path: Path) -> None:
    text = "note;x,target,source,REGION,pair_id\n,t.jpg,s.jpg,indonesia,c-1\n"

    (row,) = read_rows(write(tmp_path, text))

    assert (row.pair_id, row.source, row.target, row.region) == ("c-1", "s.jpg", "t.jpg", "indonesia")


def test_a_row_is_where_its_text_begins(tmp_path: Path) -> None:
    text = 'pair_id,source,target,note\n\nc-1,s,t,"two\nlines"\nc-2,s,t,\n'

    assert [(row.pair_id, row.line) for row in read_rows(write(tmp_path, text))] == [("c-1", 3), ("c-2", 5)]


def test_the_line_that_states_the_delimiter_is_no_header(tmp_path: Path) -> None:
    (row,) = read_rows(write(tmp_path, "sep=;\npair_id;source;target\nc-1;s;t\n"))

    assert (row.pair_id, row.line) == ("c-1", 3)


def test_a_short_row_lacks_its_photos(tmp_path: Path) -> None:
    first, second = read_rows(write(tmp_path, "pair_id,source,target\nc-1,s.jpg\n,,\n"))

    assert (first.source, first.target) == ("s.jpg", "")
    assert (second.pair_id, second.source) == ("", "")


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        ("pair_id,source\nc-1,s.jpg\n", "lacks the column target: its first line has pair_id, source"),
        ("c-1;s.jpg;t.jpg\n", "lacks the column pair_id and source and target"),
        ("", "it is empty"),
        ('pair_id,source,target\n"c-1,s,t\n', "not valid CSV"),
        ("pair_id,source,target,Pair ID\n", "has the column pair_id twice"),
    ],
    ids=["a column missing", "no header", "empty", "an open quote", "a column twice"],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: str, reported: str) -> None:
    with pytest.raises(CommandError, match=reported) as refusal:
        list(read_rows(write(tmp_path, content)))

    assert refusal.value.exit_code is ExitCode.REFUSED


def test_another_encoding_is_named_with_how_a_line_would_read(tmp_path: Path) -> None:
    manifest = write(tmp_path, "pair_id,source,target\nc-0,s,t\n客户一,s,t\n", "gbk")

    with pytest.raises(CommandError) as refusal:
        list(read_rows(manifest))

    assert "is not UTF-8 (line 3)" in refusal.value.message
    assert "--encoding gbk (line 3 reads '客户一,s,t')" in refusal.value.message
    assert [row.pair_id for row in read_rows(manifest, "gbk")] == ["c-0", "客户一"]


def test_the_wrong_encoding_is_said_to_be_wrong(tmp_path: Path) -> None:
    manifest = write(tmp_path, b"pair_id,source,target\n\xff\xff,s,t\n")

    with pytest.raises(CommandError, match=r"Cannot read the manifest .* as gbk"):
        list(read_rows(manifest, "gbk"))


@pytest.mark.parametrize("head", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0"])
def test_a_workbook_is_named_for_what_it_is(tmp_path: Path, head: bytes) -> None:
    with pytest.raises(CommandError, match="workbook"):
        list(read_rows(write(tmp_path, head + bytes(100))))
