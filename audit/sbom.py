"""Writes a software bill of materials (SBOM) for each bundle, in CycloneDX: `python -m audit.sbom`.

Each layer has an SBOM from its hash-pinned requirements. Each function has an SBOM of all its layers.
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
    """An SBOM could not be created, or it does not match its bundle."""


def list_bundles() -> dict[str, tuple[str, ...]]:
    """Return the layers of each bundle, by the bundle's name."""
    layers = {f"layer-{layer}": (layer,) for layer in LAYERS}
    return layers | {f"function-{name}": used for name, used in FUNCTION_LAYERS.items()}


def make_sbom(name: str, layers: Iterable[str]) -> dict[str, Any]:
    """Return the SBOM of a bundle.

    Raises
    ------
    SbomError
        The tool failed, or its SBOM does not list exactly the bundle's packages.
    """
    used = tuple(layers)
    pins = "\n".join(list_pins(used))
    result = run_tool(
        [TOOLS / "cyclonedx-py", "requirements", "-", "--output-reproducible", "--output-format", "JSON"],
        text=pins,
    )
    if result.code:
        raise SbomError(f"{name}: {result.errors}")
    sbom: dict[str, Any] = json.loads(result.output)
    _check_complete(name, sbom, used)
    sbom.setdefault("metadata", {})["component"] = {
        "type": "application",
        "bom-ref": f"facematch-{name}",
        "name": f"facematch-{name}",
        "version": __version__,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    return sbom


def _check_complete(name: str, sbom: Mapping[str, Any], layers: Iterable[str]) -> None:
    listed = sorted(Package(canonicalize_name(part["name"]), part["version"]) for part in sbom["components"])
    if listed != list_packages(layers):
        raise SbomError(f"The SBOM of {name} does not list exactly the packages of its layers.")


def main() -> int:
    """Write the SBOM of every bundle; return 1 if one cannot be created."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, layers in list_bundles().items():
        try:
            sbom = make_sbom(name, layers)
        except SbomError as error:
            print(error, file=sys.stderr)
            return 1
        path = FOLDER / f"{name}{_SUFFIX}"
        path.write_text(json.dumps(sbom, indent=2) + "\n", encoding="utf-8")
        print(
            f"{path.relative_to(ROOT)}: {len(sbom['components'])} packages, CycloneDX {sbom['specVersion']}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
