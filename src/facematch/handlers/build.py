"""The build that a function runs from."""

import platform
from pathlib import Path
from typing import Final

LAYERS: Final = Path("/opt/python")
"""Where Lambda puts the layers. Source: AWS Lambda Developer Guide, "Adding layers to functions"."""

_ARCHITECTURES: Final = {"x86_64": "x86_64", "aarch64": "arm64"}


def check_build(layers: Path = LAYERS, machine: str | None = None) -> None:
    """Refuse to start from layers that were built for another processor.

    Without this, the function ends with the name of the first library that cannot be loaded.

    Raises
    ------
    RuntimeError
        The layers have compiled modules for another processor than this one.
    """
    machine = machine or platform.machine()
    # A compiled module names its platform (PEP 3149), such as `_imaging.cpython-313-x86_64-linux-gnu.so`.
    compiled = [path.name for path in layers.glob("*/*-linux-gnu.so")]
    if any(f"-{machine}-linux-gnu.so" not in name for name in compiled):
        architecture = _ARCHITECTURES.get(machine, machine)
        message = (
            f"The layers were built for another processor than {architecture}, which this function runs on. "
            f"Run `sam build --parameter-overrides Architecture={architecture}`, then deploy again."
        )
        raise RuntimeError(message)
