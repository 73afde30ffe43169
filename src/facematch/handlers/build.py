"""Checks the build of a function."""

import platform
from pathlib import Path
from typing import Final

LAYERS: Final = Path("/opt/python")
"""Where Lambda puts the layers. Source: AWS Lambda Developer Guide, "Adding layers to functions"."""

_ARCHITECTURES: Final = {"x86_64": "x86_64", "aarch64": "arm64"}


def check_build(layers: Path = LAYERS, machine: str | None = None) -> None:
    """Check that the layers were built for this processor.

    Without this check, the function fails with the name of a library that cannot be loaded.

    Raises
    ------
    RuntimeError
        The layers contain compiled modules for another processor.
    """
    machine = machine or platform.machine()
    # A compiled module names its platform (PEP 3149), such as `_imaging.cpython-313-x86_64-linux-gnu.so`.
    compiled = [path.name for path in layers.glob("*/*-linux-gnu.so")]
    if any(f"-{machine}-linux-gnu.so" not in name for name in compiled):
        architecture = _ARCHITECTURES.get(machine, machine)
        message = (
            f"The layers were built for another processor. This function runs on {architecture}. "
            f"Run `sam build --parameter-overrides Architecture={architecture}`, then deploy again."
        )
        raise RuntimeError(message)
