from pathlib import Path

import pytest

from facematch.handlers.build import check_build


def make_layers(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / "PIL" / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return folder


@pytest.mark.parametrize(("machine", "built_for"), [("x86_64", "aarch64"), ("aarch64", "x86_64")])
def test_layers_for_another_processor_are_refused_with_the_command_to_run(
    tmp_path: Path, machine: str, built_for: str
) -> None:
    layers = make_layers(tmp_path, f"_imaging.cpython-313-{built_for}-linux-gnu.so")
    architecture = {"x86_64": "x86_64", "aarch64": "arm64"}[machine]
    with pytest.raises(RuntimeError, match=f"`sam build --parameter-overrides Architecture={architecture}`"):
        check_build(layers, machine)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_layers_for_this_processor_start(tmp_path: Path, machine: str) -> None:
    names = (f"_imaging.cpython-313-{machine}-linux-gnu.so", "_stable.abi3.so", "__init__.py")
    check_build(make_layers(tmp_path, *names), machine)


def test_a_laptop_without_layers_starts(tmp_path: Path) -> None:
    check_build(tmp_path / "missing", "x86_64")
