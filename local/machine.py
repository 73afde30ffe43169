"""The machine that a local stack runs on, and its layers."""

import platform
import shutil
from dataclasses import dataclass
from typing import Final

from local.processes import LocalError

_ARCHITECTURES: Final = {
    ("Linux", "x86_64"): "x86_64",
    ("Linux", "aarch64"): "arm64",
    ("Darwin", "arm64"): "arm64",
}
_LAYER_SYSTEMS: Final = {"Linux": "linux", "Darwin": "macos"}


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine: `architecture` is a value of the template, `layer_system` one of `layers/bundle.py`."""

    architecture: str
    layer_system: str


def find_machine(
    system: str = platform.system(),
    processor: str = platform.machine(),
    libc: str = platform.libc_ver()[0],
    make: str | None = shutil.which("make"),
) -> Machine:
    """Return this machine.

    Raises
    ------
    LocalError
        Layers for this machine cannot be built, or `make` is missing.
    """
    architecture = _ARCHITECTURES.get((system, processor))
    if architecture is None or (system == "Linux" and libc != "glibc"):
        raise LocalError(
            f"The local stack does not run on {system} {processor}. Use Linux with glibc on x86_64 or arm64, "
            "or macOS on arm64."
        )
    if make is None:
        raise LocalError(
            "The local stack needs make to build its layers. Install make, then run the command again."
        )
    return Machine(architecture=architecture, layer_system=_LAYER_SYSTEMS[system])
