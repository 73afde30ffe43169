import pytest

from local.machine import Machine, find_machine
from local.processes import LocalError


@pytest.mark.parametrize(
    ("system", "processor", "machine"),
    [
        ("Linux", "x86_64", Machine(architecture="x86_64", layer_system="linux")),
        ("Linux", "aarch64", Machine(architecture="arm64", layer_system="linux")),
        ("Darwin", "arm64", Machine(architecture="arm64", layer_system="macos")),
    ],
)
def test_layers_are_built_for_the_machine_that_runs_them(
    system: str, processor: str, machine: Machine
) -> None:
    libc = "glibc" if system == "Linux" else ""
    assert find_machine(system, processor, libc, "/usr/bin/make") == machine


@pytest.mark.parametrize(
    ("system", "processor", "libc"),
    [
        ("Windows", "AMD64", ""),
        ("Darwin", "x86_64", ""),
        ("Linux", "riscv64", "glibc"),
        ("Linux", "x86_64", ""),
    ],
)
def test_a_machine_without_layers_is_refused_in_one_sentence(system: str, processor: str, libc: str) -> None:
    with pytest.raises(LocalError, match=f"does not run on {system} {processor}. Use Linux with glibc"):
        find_machine(system, processor, libc, "/usr/bin/make")


def test_missing_make_is_named() -> None:
    with pytest.raises(LocalError, match=r"needs make to build its layers\. Install make"):
        find_machine("Linux", "x86_64", "glibc", None)
