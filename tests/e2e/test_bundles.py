"""Each function as it is built: complete, compiled, and without what it does not use."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from bench.bundles import WIRINGS, Bundle, find_bundles
from local.processes import LOCAL
from local.stack import build
from tests.e2e.driver import make_photo
from tests.template import ROOT

HEAVY = {"PIL", "alibabacloud_tea_openapi", "aiohttp", "cryptography", "pydantic"}
NEEDED = {
    "Uploads": set[str](),
    "Publish": set[str](),
    "Compare": {"PIL", "alibabacloud_tea_openapi", "aiohttp", "cryptography"},
    "Api": HEAVY,
    "Sweep": set[str](),
}
SIZE_LIMITS_MB = {"Uploads": 40, "Publish": 40, "Sweep": 40, "Compare": 95, "Api": 95}
ELF_MACHINES = {"x86_64": 62, "arm64": 183}


@pytest.fixture(scope="module")
def bundles() -> dict[str, Bundle]:
    build(say=lambda _: None)
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
    """Tell whether Python takes what the source was compiled to without a look at the source (PEP 552)."""
    compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-313.pyc"
    (flags,) = struct.unpack("<I", compiled.read_bytes()[4:8])
    return bool(flags == 0b01)


@pytest.mark.parametrize("function", WIRINGS)
def test_a_bundle_stays_small(function: str, bundles: dict[str, Bundle]) -> None:
    assert bundles[function].size_bytes / 1e6 < SIZE_LIMITS_MB[function]


@pytest.mark.parametrize("architecture", ELF_MACHINES)
def test_a_layer_is_built_for_the_architecture_that_the_makefile_stands_for(
    architecture: str, tmp_path: Path
) -> None:
    command = ["make", "--silent", f"--makefile={ROOT}/layers/{architecture}/Makefile", "build-ImagingLayer"]
    subprocess.run([*command, f"ARTIFACTS_DIR={tmp_path}"], check=True, cwd=ROOT / "layers" / "imaging")

    libraries = list((tmp_path / "python" / "PIL").glob("*.so"))
    assert libraries
    assert {read_machine(library) for library in libraries} == {ELF_MACHINES[architecture]}


def test_the_layer_for_heic_reads_it_with_nothing_but_pillows_layer_beside_it(tmp_path: Path) -> None:
    command = ["make", "--silent", f"--makefile={ROOT}/layers/x86_64/Makefile", "build-HeicLayer"]
    subprocess.run([*command, f"ARTIFACTS_DIR={tmp_path}"], check=True, cwd=ROOT / "layers" / "heic")
    photo = tmp_path / "photo.heic"
    photo.write_bytes(make_photo(form="HEIF"))
    folders = [str(LOCAL / "build" / "ImagingLayer" / "python"), str(tmp_path / "python")]
    program = (
        f"import sys; sys.path[:0] = {folders!r}; from imaging import normalise; "
        f"print(normalise(open({str(photo)!r}, 'rb').read()).report.source_format)"
    )

    told = subprocess.run(
        [sys.executable, "-I", "-S", "-B", "-c", program], check=True, capture_output=True, text=True
    )
    assert told.stdout == "HEIC\n"


def read_machine(library: Path) -> int:
    """Return the processor that an ELF file is for, by the number that the format gives it."""
    (machine,) = struct.unpack("<H", library.read_bytes()[18:20])
    return int(machine)
