import json
from pathlib import Path

import pytest

from facematch_cli.errors import ExitCode
from facematch_cli.main import run
from facematch_cli.sheet import SheetEntry, render_sheet
from imaging import normalise
from tests.factories import make_noise, make_portrait


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "good.png").write_bytes(make_noise())
    (folder / "text.jpg").write_bytes(b"Dear Sir or Madam")
    (folder / "small.jpg").write_bytes(make_portrait(1, 100, 100))
    return folder


def test_a_photo_becomes_what_the_stack_would_send(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"

    assert run(["prepare", str(photos / "good.png"), "-o", str(out)]) == ExitCode.DONE

    assert (out / "001-good.jpg").read_bytes() == normalise(make_noise()).jpeg
    assert json.loads((out / "001-good.json").read_text())["source_format"] == "PNG"
    sheet = (out / "sheet.html").read_text()
    assert sheet.count("data:image/jpeg") == 2
    assert "→ baseline JPEG" in sheet


def test_refused_photos_are_named_with_the_reason(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["good.png", "text.jpg", "small.jpg", "nowhere.jpg"]

    exit_code = run(["prepare", *(str(photos / name) for name in names), "-o", str(tmp_path), "--json"])

    assert exit_code == ExitCode.PARTIAL
    told = json.loads(capsys.readouterr().out)["photos"]
    codes = [photo["refusal"] and photo["refusal"]["code"] for photo in told]
    assert codes == [None, "not_an_image", "too_small", "unreadable_file"]


def test_with_every_photo_refused_the_input_is(photos: Path, tmp_path: Path) -> None:
    assert run(["prepare", str(photos / "text.jpg"), "-o", str(tmp_path)]) == ExitCode.REFUSED


def test_a_sheet_takes_nothing_for_markup() -> None:
    sheet = render_sheet([SheetEntry(name="<script>.jpg", before=b"", refusal="<b>bad</b>")])

    assert "<script>" not in sheet
    assert "&lt;b&gt;bad&lt;/b&gt;" in sheet
    assert "default-src 'none'" in sheet
