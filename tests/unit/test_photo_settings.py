"""Each setting of photos reaches whoever prepares photos: the worker, the command and the console."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from PIL import Image
from pillow_heif import register_heif_opener

from console.photos import examine
from facematch import bootstrap
from facematch.domain.errors import RejectedPhotoError
from facematch.domain.verdict import Role
from facematch.settings import PhotoSettings, Settings
from facematch.use_cases.prepare_photos import photo_limits
from facematch_cli.main import run
from facematch_cli.options import Environment
from facematch_client.photo_summary import PhotoHeader, describe_changes
from harness.template import ROOT, read_template
from imaging import Limits
from tests.factories import make_environment
from tests.factories.command import make_settings, make_stack
from tests.factories.photos import encode, make_portrait, make_scene

register_heif_opener()  # so that Pillow writes HEIC

TEMPLATE = read_template()

type Report = Mapping[str, Any]
type Prepare = Callable[[bytes, Mapping[str, str], Path], Report]


@dataclass(frozen=True, slots=True)
class Example:
    """A photo that becomes something else where the variable has another value than by default."""

    variable: str
    value: str
    photo: Callable[[], bytes]
    read: Callable[[Report], Any]


def read_code(report: Report) -> str | None:
    return report.get("code")


EXAMPLES = {
    "max_source_size_bytes": Example("PHOTO_SIZE_LIMIT_BYTES", "100", make_portrait, read_code),
    "max_source_pixels": Example(
        "PIXEL_LIMIT", "1000000", lambda: encode(Image.new("RGB", (1200, 1600)), "PNG"), read_code
    ),
    "enlarge_up_to": Example("ENLARGE_UP_TO", "1", lambda: make_portrait(1, 400, 300), read_code),
    "read_heic": Example(
        "HEIC_PHOTOS", "true", lambda: encode(Image.new("RGB", (720, 960)), "HEIF"), read_code
    ),
    "frame_faces": Example(
        "FACE_FRAMING",
        "true",
        lambda: encode(make_scene()),
        lambda report: (report["face"] or {}).get("crop"),
    ),
}


def prepare_as_worker(photo: bytes, changes: Mapping[str, str], _: Path) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in make_environment(**changes).items():
            patch.setenv(name, value)
        loader = bootstrap._photo_loader()
    try:
        return loader.prepare({Role.SOURCE: photo})[Role.SOURCE].report
    except RejectedPhotoError as refusal:
        return {"code": refusal.code}


def prepare_as_command(photo: bytes, changes: Mapping[str, str], folder: Path) -> Report:
    file = folder / "photo"
    file.write_bytes(photo)
    surroundings = Environment(find_stack=lambda _: make_stack(make_settings(**changes)))
    run(["prepare", str(file), "-o", str(folder), "--stack", "test"], surroundings)
    reports = list(folder.glob("*.json"))
    return json.loads(reports[0].read_text()) if reports else {"code": "refused"}


def prepare_in_console(photo: bytes, changes: Mapping[str, str], _: Path) -> Report:
    examined = examine(photo, make_settings(**changes))
    return examined.report or examined.refusal or {}


PLACES = {
    "the worker (facematch.bootstrap)": prepare_as_worker,
    "the command (facematch_client.stack.choose_limits)": prepare_as_command,
    "the console (console.photos.examine)": prepare_in_console,
}


def forget_wiring() -> None:
    for made in vars(bootstrap).values():
        if hasattr(made, "cache_clear"):
            made.cache_clear()


@pytest.fixture(autouse=True)
def _fresh_wiring() -> Iterator[None]:
    forget_wiring()
    yield
    forget_wiring()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("setting", [field.name for field in fields(PhotoSettings)])
def test_a_changed_setting_reaches_whoever_prepares_photos(place: str, setting: str, tmp_path: Path) -> None:
    assert setting in EXAMPLES, (
        f"Add an example for {setting} to EXAMPLES in tests/unit/{Path(__file__).name}."
    )
    example, prepare = EXAMPLES[setting], PLACES[place]
    reported = []
    for name, changes in {"by default": {}, "changed": {example.variable: example.value}}.items():
        (tmp_path / name).mkdir()
        forget_wiring()
        reported.append(example.read(prepare(example.photo(), changes, tmp_path / name)))

    by_default, changed = reported
    message = f"{example.variable} does not reach {place}: prepare photos there by photo_limits(settings)."
    assert by_default != changed, message


@pytest.mark.parametrize("setting", [field.name for field in fields(PhotoSettings)])
def test_every_setting_of_photos_is_a_limit(setting: str) -> None:
    limits = {field.name for field in fields(Limits)}

    assert setting in limits, f"Add {setting} to Limits in layers/imaging/imaging/limits.py, or rename it."


@pytest.mark.parametrize("setting", [field.name for field in fields(Settings)])
def test_every_setting_is_used(setting: str) -> None:
    folders = [ROOT / folder for folder in ("src", "cli", "console")]
    sources = [file for folder in folders for file in folder.rglob("*.py") if file.name != "settings.py"]

    assert any(f".{setting}" in file.read_text() for file in sources), (
        f"Nothing uses {setting} of Settings; what photos depend on is a field of PhotoSettings beside it."
    )


def test_without_a_stack_photos_are_prepared_as_by_default() -> None:
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    defaults = {
        example.variable: str(TEMPLATE["Parameters"][variables[example.variable]["Ref"]]["Default"])
        for example in EXAMPLES.values()
    }
    limits = photo_limits(make_settings(**defaults))

    # Without a stack HEIC is read too, where the decoder is installed.
    assert replace(limits, read_heic=True) == Limits()


def test_an_enlarged_photo_matches_the_schema_of_the_result_and_is_shown_as_enlarged(tmp_path: Path) -> None:
    schema = json.loads((ROOT / "schemas/result-event.schema.json").read_text())["$defs"]["photo"]

    for name, prepare in PLACES.items():
        (tmp_path / name).mkdir()
        report = prepare(make_portrait(1, 400, 533), {}, tmp_path / name)
        assert report["scale"] > 1, name
        Draft202012Validator(schema).validate(json.loads(json.dumps({**report, "face": None})))
        reported = "".join(describe_changes(report, PhotoHeader()))
        assert "Enlarged from 400 x 533 px" in reported, name
        assert "Not scaled" not in reported, name
