import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from facematch_cli.main import run
from facematch_cli.sheet import SheetEntry, render_sheet
from facematch_client.errors import ExitCode
from imaging import faces, normalise
from tests.factories.photos import encode, make_noise, make_portrait, make_scene


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
    reported = json.loads(capsys.readouterr().out)["photos"]
    codes = [photo["refusal"] and photo["refusal"]["code"] for photo in reported]
    assert codes == [None, "not_an_image", "too_small", "unreadable_file"]


def test_with_every_photo_refused_the_input_is(photos: Path, tmp_path: Path) -> None:
    assert run(["prepare", str(photos / "text.jpg"), "-o", str(tmp_path)]) == ExitCode.REFUSED


def test_a_sheet_takes_nothing_for_markup() -> None:
    sheet = render_sheet([SheetEntry(name="<script>.jpg", before=b"", refusal="<b>bad</b>")])

    assert "<script>" not in sheet
    assert "&lt;b&gt;bad&lt;/b&gt;" in sheet
    assert "default-src 'none'" in sheet


def test_a_file_over_the_limit_is_refused_by_its_real_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(28_821_707)

    exit_code = run(["prepare", str(tmp_path / "huge.png"), "-o", str(tmp_path / "out"), "--json"])

    (reported,) = json.loads(capsys.readouterr().out)["photos"]
    assert exit_code == ExitCode.REFUSED
    assert reported["refusal"] == {
        "code": "file_too_large",
        "message": f"The file {tmp_path / 'huge.png'} has 28,821,707 bytes. The limit is 20,000,000 bytes.",
    }


def test_a_photo_is_warned_of_and_its_face_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small-face.jpg").write_bytes(encode(make_scene()))

    assert run(["prepare", str(tmp_path / "small-face.jpg"), "-o", str(tmp_path), "--json"]) == ExitCode.DONE

    printed = capsys.readouterr()
    (reported,) = json.loads(printed.out)["photos"]
    assert (reported["warnings"], reported["report"]["face"]["faces"]) == (["face_too_small"], 1)
    sheet = (tmp_path / "sheet.html").read_text()
    assert "The face is small" in sheet
    assert sheet.count('<svg class="face"') == 1
    assert printed.err == ""


def test_with_framing_the_part_that_is_kept_is_drawn_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "small-face.jpg").write_bytes(encode(make_scene()))

    run(["prepare", str(tmp_path / "small-face.jpg"), "-o", str(tmp_path), "--frame-faces", "--json"])

    (reported,) = json.loads(capsys.readouterr().out)["photos"]
    assert reported["warnings"] == []
    assert reported["report"]["face"]["crop"]["width"] == reported["report"]["width"]
    sheet = (tmp_path / "sheet.html").read_text()
    assert sheet.count('<svg class="face"') == 2
    assert "Cropped around the face" in sheet


@pytest.fixture
def _no_detector(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the import of dlib fail."""
    monkeypatch.setitem(sys.modules, "dlib", None)
    faces._load_detector.cache_clear()
    yield
    faces._load_detector.cache_clear()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ([], "Photos are not checked for faces"),
        (["--frame-faces"], "Photos are not cropped around faces"),
    ],
)
@pytest.mark.usefixtures("_no_detector")
def test_without_the_detector_one_sentence_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], sentence: str
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(make_portrait())

    assert run(["prepare", str(photo), "-o", str(tmp_path), "--json", *options]) == ExitCode.DONE

    printed = capsys.readouterr()
    (reported,) = json.loads(printed.out)["photos"]
    assert (reported["warnings"], reported["report"]["face"], reported["refusal"]) == ([], None, None)
    assert " ".join(printed.err.split()) == (
        f"{sentence}, because the face detector is not installed. In the clone of facematch, run "
        "`pip install './cli[faces]'`."
    )
