"""A bill of materials for each bundle, in CycloneDX: `python -m audit.sbom`.

Each layer has one, from its hash-pinned requirements, and each function, of all the layers that it runs with.
"""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final

from packaging.utils import canonicalize_name

from audit.bundles import FUNCTION_LAYERS, LAYERS, ROOT, Package, list_packages, list_pins
from audit.tools import TOOLS, run_tool
from facematch import __version__
from local.processes import LOCAL

FOLDER: Final = LOCAL / "sbom"
_SUFFIX: Final = ".cdx.json"


class SbomError(Exception):
    """A bill could not be made, or is not of what its bundle holds."""


def list_bundles() -> dict[str, tuple[str, ...]]:
    """Return the layers whose packages each bundle holds or runs with, by the bundle's name."""
    layers = {f"layer-{layer}": (layer,) for layer in LAYERS}
    return layers | {f"function-{name}": held for name, held in FUNCTION_LAYERS.items()}


def make_sbom(name: str, layers: Iterable[str]) -> dict[str, Any]:
    """Return the bill of a bundle.

    Raises
    ------
    SbomError
        The tool failed, or what it made does not list exactly the bundle's packages.
    """
    held = tuple(layers)
    pins = "\n".join(list_pins(held))
    said = run_tool(
        [TOOLS / "cyclonedx-py", "requirements", "-", "--output-reproducible", "--output-format", "JSON"],
        text=pins,
    )
    if said.code:
        raise SbomError(f"{name}: {said.errors}")
    bill: dict[str, Any] = json.loads(said.output)
    _check_complete(name, bill, held)
    bill.setdefault("metadata", {})["component"] = {
        "type": "application",
        "bom-ref": f"facematch-{name}",
        "name": f"facematch-{name}",
        "version": __version__,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    return bill


def _check_complete(name: str, bill: Mapping[str, Any], layers: Iterable[str]) -> None:
    listed = sorted(Package(canonicalize_name(part["name"]), part["version"]) for part in bill["components"])
    if listed != list_packages(layers):
        raise SbomError(f"{name} does not list exactly what its layers hold.")


def main() -> int:
    """Write the bill of every bundle; return 1 where one can't be made."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, layers in list_bundles().items():
        try:
            bill = make_sbom(name, layers)
        except SbomError as error:
            print(error, file=sys.stderr)
            return 1
        path = FOLDER / f"{name}{_SUFFIX}"
        path.write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
        print(
            f"{path.relative_to(ROOT)}: {len(bill['components'])} packages, CycloneDX {bill['specVersion']}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
