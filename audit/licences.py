"""The licences of all that is deployed, as `docs/licences.md`: `python -m audit.licences` writes it anew."""

from collections.abc import Iterable
from importlib import metadata
from typing import Final

from audit.bundles import LAYERS, ROOT, Package, list_packages

PAGE: Final = ROOT / "docs" / "licences.md"
_CLASSIFIER: Final = "License :: "
_LONGEST: Final = 60
_HEAD: Final = """# Licences

What the layers hold, as their `requirements.txt` pin it, and the licence that each package states in its
metadata. facematch itself is under the [Apache License 2.0](../LICENSE). A test compares this page with the
packages.

| package | version | licence | layers |
| --- | --- | --- | --- |
"""


def make_page() -> str:
    """Return the page for the packages that are installed here.

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
    """Return the licence that an installed package states, in the most exact of the ways there are."""
    told = metadata.metadata(name)
    if expression := told.get("License-Expression"):
        return str(expression)
    classifiers = [str(one) for one in told.get_all("Classifier") or []]
    found = [one.rpartition(" :: ")[2] for one in classifiers if one.startswith(_CLASSIFIER)]
    text = (told.get("License") or "").strip()
    if len(found) <= 1 and text and "\n" not in text and len(text) <= _LONGEST:
        return text
    return ", ".join(found) or "not stated"


def _format(package: Package, layers: Iterable[str]) -> str:
    return f"| {package.name} | {package.version} | {read_licence(package.name)} | {', '.join(layers)} |\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(make_page(), encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {len(list_packages())} packages in {len(LAYERS)} layers")


if __name__ == "__main__":
    main()
