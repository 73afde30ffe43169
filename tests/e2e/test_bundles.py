"""Each built function is complete, compiled, and without unused packages."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from harness.bundles import WIRINGS, Bundle, find_bundles
from harness.driver import make_photo
from harness.template import ROOT
from local.portraits import make_portraits
from local.processes import LOCAL
from local.stack import build

HEAVY = {"PIL", "alibabacloud_tea_openapi", "aiohttp", "cryptography", "pydantic"}
NEEDED = {
    "Uploads": set[str](),
    "Publish": set[str](),
    "Compare": {"PIL", "alibabacloud_tea_openapi", "aiohttp", "cryptography"},
    "Api": HEAVY,
    "Sweep": set[str](),
    "Diagnose": {"alibabacloud_tea_openapi", "aiohttp", "cryptography"},
}
SIZE_LIMITS_MB = {"Uploads": 40, "Publish": 40, "Sweep": 40, "Diagnose": 75, "Compare": 95, "Api": 95}
ELF_MACHINES = {"x86_64": 62, "arm64": 183}
"""The machine numbers of ELF files."""
MACH_O_ARM64 = (0xFEEDFACF, 0x0100000C)
"""The first two numbers of a 64-bit Mach-O file for arm64."""


@pytest.fixture(scope="module")
def bundles() -> dict[str, Bundle]:
    build(show_progress=lambda _: None)
    return find_bundles(LOCAL / "build")


@pytest.mark.parametrize("function", WIRINGS)
def test_a_function_starts_from_nothing_but_its_own_bundle(function: str, bundles: dict[str, Bundle]) -> None:
    bundle = bundles[function]
    modules = bundle.start().modules
    loaded = {name.partition(".")[0] for name in modules}
    ours = {name: Path(file) for name, file in modules.items() if file.startswith(str(LOCAL))}

    assert loaded & HEAVY == NEEDED[function]
    assert "boto3" in ours
    assert all(any(file.is_relative_to(folder) for folder in bundle.folders) for file in ours.values())


@pytest.mark.parametrize("function", WIRINGS)
def test_nothing_of_a_bundle_is_compiled_at_its_start(function: str, bundles: dict[str, Bundle]) -> None:
    sources = [
        Path(file)
        for file in bundles[function].start().modules.values()
        if file.startswith(str(LOCAL)) and file.endswith(".py")
    ]

    assert sources
    assert all(is_trusted(source) for source in sources)


def is_trusted(source: Path) -> bool:
    """Return whether Python uses the compiled file without checking the source (PEP 552)."""
    compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
    (flags,) = struct.unpack("<I", compiled.read_bytes()[4:8])
    return bool(flags == 0b01)


@pytest.mark.parametrize("function", WIRINGS)
def test_a_bundle_stays_small(function: str, bundles: dict[str, Bundle]) -> None:
    assert bundles[function].size_bytes / 1e6 < SIZE_LIMITS_MB[function]


@pytest.mark.parametrize("architecture", ELF_MACHINES)
def test_a_layer_is_built_for_the_architecture_of_the_makefile(architecture: str, tmp_path: Path) -> None:
    libraries = build_imaging_layer(architecture, tmp_path)
    assert {read_machine(library) for library in libraries} == {ELF_MACHINES[architecture]}


def test_a_layer_for_the_local_stack_of_a_mac_has_libraries_of_macos(tmp_path: Path) -> None:
    libraries = build_imaging_layer("arm64", tmp_path, "LAYER_SYSTEM=macos")
    assert {struct.unpack("<II", library.read_bytes()[:8]) for library in libraries} == {MACH_O_ARM64}


def build_imaging_layer(architecture: str, into: Path, *settings: str) -> list[Path]:
    command = ["make", "--silent", f"--makefile={ROOT}/layers/{architecture}/Makefile", "build-ImagingLayer"]
    folder = ROOT / "layers" / "imaging"
    subprocess.run([*command, f"ARTIFACTS_DIR={into}", *settings], check=True, cwd=folder)
    libraries = list((into / "python" / "PIL").glob("*.so"))
    assert libraries
    return libraries


def test_the_layer_for_heic_reads_it_with_nothing_but_pillows_layer_beside_it(tmp_path: Path) -> None:
    photo = tmp_path / "photo.heic"
    photo.write_bytes(make_photo(form="HEIF"))
    program = (
        f"from imaging import normalise; "
        f"print(normalise(open({str(photo)!r}, 'rb').read()).report.source_format)"
    )
    assert run_with_layer("heic", "HeicLayer", program, tmp_path) == "HEIC\n"


def test_the_layer_for_framing_finds_a_face_with_nothing_but_pillows_layer_beside_it(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(next(iter(make_portraits())))
    program = (
        f"from imaging import Limits, normalise; "
        f"print(normalise(open({str(photo)!r}, 'rb').read(), Limits(frame_faces=True)).report.face.faces)"
    )
    assert run_with_layer("framing", "FramingLayer", program, tmp_path) == "1\n"


def run_with_layer(folder: str, name: str, program: str, into: Path) -> str:
    """Build an optional layer; run a program with only this layer and Pillow's; return its output."""
    command = ["make", "--silent", f"--makefile={ROOT}/layers/x86_64/Makefile", f"build-{name}"]
    subprocess.run([*command, f"ARTIFACTS_DIR={into}"], check=True, cwd=ROOT / "layers" / folder)
    folders = [str(LOCAL / "build" / "ImagingLayer" / "python"), str(into / "python")]
    isolated = f"import sys; sys.path[:0] = {folders!r}; {program}"
    command = [sys.executable, "-I", "-S", "-B", "-c", isolated]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def read_machine(library: Path) -> int:
    """Return the machine number of an ELF file."""
    (machine,) = struct.unpack("<H", library.read_bytes()[18:20])
    return int(machine)
