from pathlib import Path
from typing import Any

import pytest

from facematch.domain.verdict import Role
from facematch_cli.pairs import PairFiles, PairSource
from facematch_client.errors import CommandError, ExitCode
from tests.factories.command import write_pair


def read(path: Path, **options: Any) -> list[PairFiles]:
    return list(PairSource(path, **options).read())


def test_a_folder_holds_one_folder_a_pair(tmp_path: Path) -> None:
    write_pair(tmp_path / "customer-1", {"source.jpg": b"s", "target.png": b"t", "notes.txt": b"n"})
    write_pair(tmp_path / "customer-2", {"source.jpeg": b"s"})
    write_pair(tmp_path / ".hidden", {"source.jpg": b"s"})

    pairs = {pair.pair_id: pair for pair in read(tmp_path)}

    assert pairs.keys() == {"customer-1", "customer-2"}
    assert {role: file.name for role, file in pairs["customer-1"].files.items()} == {
        Role.SOURCE: "source.jpg",
        Role.TARGET: "target.png",
    }
    assert pairs["customer-2"].files.keys() == {Role.SOURCE}


def test_two_files_for_one_role_are_a_flaw(tmp_path: Path) -> None:
    write_pair(tmp_path / "customer-1", {"source.jpg": b"s", "source.png": b"s", "target.jpg": b"t"})

    (pair,) = read(tmp_path)

    assert pair.problem == "The folder has more than one photo with the same name: source.jpg, source.png."


def test_folders_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("c", "a", "b"):
        write_pair(tmp_path / name, {"source.jpg": b"s"})

    assert [pair.pair_id for pair in read(tmp_path)] == ["a", "b", "c"]


def test_photos_may_have_other_names_in_any_case(tmp_path: Path) -> None:
    write_pair(tmp_path / "customer-1", {"Selfie.JPG": b"s", "id.png": b"t"})

    (pair,) = read(tmp_path, names={Role.SOURCE: "selfie", Role.TARGET: "ID"})

    assert {role: file.name for role, file in pair.files.items()} == {
        Role.SOURCE: "Selfie.JPG",
        Role.TARGET: "id.png",
    }


def test_what_a_folder_has_instead_of_a_photo_is_said(tmp_path: Path) -> None:
    write_pair(tmp_path / "customer-1", {"selfie.jpg": b"s", "id.jpg": b"t"})

    (pair,) = read(tmp_path)

    assert "needs source.* and target.*; it has id.jpg, selfie.jpg" in pair.missing_hint
    assert "--source-name and --target-name" in pair.missing_hint


def test_photos_outside_a_pairs_folder_are_named(tmp_path: Path) -> None:
    write_pair(tmp_path / "customer-1", {"source.jpg": b"s"})
    assert PairSource(tmp_path).describe_ignored_photos() == ""

    write_pair(tmp_path, {"a.JPG": b"", "b.heic": b"", "notes.txt": b"", ".hidden.jpg": b""})

    loose = PairSource(tmp_path).describe_ignored_photos()
    assert loose.startswith("2 photos outside the pairs' folders ignored: a.JPG, b.heic.")


def test_a_manifest_names_files_relative_to_its_folder(tmp_path: Path) -> None:
    manifest = tmp_path / "pairs.csv"
    manifest.write_text("pair_id,source,target,region\nc-1,a/s.jpg,/photos/t.jpg,indonesia\nc-2,s.jpg,,\n")

    first, second = read(manifest)

    assert (first.pair_id, first.region, first.line) == ("c-1", "indonesia", 2)
    assert first.files == {Role.SOURCE: tmp_path / "a/s.jpg", Role.TARGET: Path("/photos/t.jpg")}
    assert (second.region, second.line, set(second.files)) == (None, 3, {Role.SOURCE})


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no folder or manifest") as refusal:
        read(tmp_path / "nothing")

    assert refusal.value.exit_code is ExitCode.REFUSED
