"""The licences of the deployed packages: `python -m audit.licences` writes `docs/licences.md`."""

from collections.abc import Iterable
from importlib import metadata
from typing import Final

from audit.bundles import LAYERS, ROOT, Package, list_packages

PAGE: Final = ROOT / "docs" / "licences.md"
_CLASSIFIER: Final = "License :: "
_LONGEST: Final = 60
_HEAD: Final = """# Licences

The packages in the layers, as `requirements.txt` of each layer pins them, and the licence in the metadata of
each package. facematch itself is licensed under the [Apache License 2.0](../LICENSE). A test compares this
page with the packages.

| package | version | licence | layers |
| --- | --- | --- | --- |
"""


def make_page() -> str:
    """Return the page for the installed packages.

    Raises
    ------
    PackageNotFoundError
        A pinned package is not installed.
    """
    packages = {layer: list_packages([layer]) for layer in LAYERS}
    return _HEAD + "".join(
        _format(package, [layer for layer in LAYERS if package in packages[layer]])
        for package in list_packages()
    )


def read_licence(name: str) -> str:
    """Return the licence of an installed package, from the most exact field of its metadata."""
    fields = metadata.metadata(name)
    if expression := fields.get("License-Expression"):
        return str(expression)
    classifiers = [str(classifier) for classifier in fields.get_all("Classifier") or []]
    names = [text.rpartition(" :: ")[2] for text in classifiers if text.startswith(_CLASSIFIER)]
    licence = (fields.get("License") or "").strip()
    if len(names) <= 1 and licence and "\n" not in licence and len(licence) <= _LONGEST:
        return licence
    return ", ".join(names) or "not stated"


def _format(package: Package, layers: Iterable[str]) -> str:
    return f"| {package.name} | {package.version} | {read_licence(package.name)} | {', '.join(layers)} |\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(make_page(), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(list_packages())} packages in {len(LAYERS)} layers")


if __name__ == "__main__":
    main()
