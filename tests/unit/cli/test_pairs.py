from pathlib import Path

import pytest

from facematch.domain.verdict import Role
from facematch_cli.errors import CommandError, ExitCode
from facematch_cli.pairs import read_pairs
from tests.unit.cli.factories import write_pair


def test_a_folder_holds_one_folder_a_pair(tmp_path: Path) -> None:
    write_pair(tmp_path / "customer-1", {"source.jpg": b"s", "target.png": b"t", "notes.txt": b"n"})
    write_pair(tmp_path / "customer-2", {"source.jpeg": b"s"})
    write_pair(tmp_path / ".hidden", {"source.jpg": b"s"})

    pairs = {pair.pair_id: pair for pair in read_pairs(tmp_path)}

    assert pairs.keys() == {"customer-1", "customer-2"}
    assert {role: file.name for role, file in pairs["customer-1"].files.items()} == {
        Role.SOURCE: "source.jpg",
        Role.TARGET: "target.png",
    }
    assert pairs["customer-2"].files.keys() == {Role.SOURCE}


def test_two_files_for_one_role_are_a_flaw(tmp_path: Path) -> None:
    write_pair(tmp_path / "customer-1", {"source.jpg": b"s", "source.png": b"s", "target.jpg": b"t"})

    (pair,) = read_pairs(tmp_path)

    assert pair.flaw == "There is more than one source photo."


def test_a_manifest_names_files_from_where_it_stands(tmp_path: Path) -> None:
    manifest = tmp_path / "pairs.csv"
    manifest.write_text("pair_id,source,target,region\nc-1,a/s.jpg,/photos/t.jpg,indonesia\n")

    (pair,) = read_pairs(manifest)

    assert (pair.pair_id, pair.region) == ("c-1", "indonesia")
    assert pair.files == {Role.SOURCE: tmp_path / "a/s.jpg", Role.TARGET: Path("/photos/t.jpg")}


def test_a_manifest_may_come_from_a_spreadsheet(tmp_path: Path) -> None:
    manifest = tmp_path / "pairs.csv"
    manifest.write_bytes("\ufeffnote;x,target,source,pair_id\r\n,t.jpg,s.jpg,Nguyễn\r\n".encode())

    (pair,) = read_pairs(manifest)

    assert (pair.pair_id, pair.region) == ("Nguyễn", None)


def test_a_short_row_lacks_its_photos(tmp_path: Path) -> None:
    manifest = tmp_path / "pairs.csv"
    manifest.write_text("pair_id,source,target\nc-1,s.jpg\n,,\n")

    first, second = read_pairs(manifest)

    assert first.files.keys() == {Role.SOURCE}
    assert (second.pair_id, dict(second.files)) == ("", {})


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"pair_id,source\nc-1,s.jpg\n", "lacks the column target"),
        (b"", "lacks the column pair_id"),
        (b"pair_id,source,target\n\xff\xfe,s,t\n", "not CSV in UTF-8"),
        (b'pair_id,source,target\n"c-1,s,t\n', "not CSV in UTF-8"),
    ],
    ids=["a column missing", "empty", "not UTF-8", "an open quote"],
)
def test_a_manifest_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    manifest = tmp_path / "pairs.csv"
    manifest.write_bytes(content)

    with pytest.raises(CommandError, match=told) as refusal:
        list(read_pairs(manifest))

    assert refusal.value.exit_code is ExitCode.REFUSED


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no folder and no manifest"):
        read_pairs(tmp_path / "nothing")
