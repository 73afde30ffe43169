"""What is deployed: each function with its layers, and the packages that every layer pins."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parents[1]
LAYERS: Final = ("runtime", "sdk", "imaging", "heic", "framing")
FUNCTION_LAYERS: Final[Mapping[str, tuple[str, ...]]] = {
    "uploads": ("runtime",),
    "api": LAYERS,
    "compare": LAYERS,
    "publish": ("runtime",),
    "sweep": ("runtime",),
    "diagnose": ("runtime", "sdk"),
}
"""The layers of each function, with those that depend on a parameter: `heic` and `framing`."""


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One pinned package, by its canonical name."""

    name: str
    version: str


def find_requirements(layer: str) -> Path:
    """Return the file that pins what a layer holds, with hashes."""
    return ROOT / "layers" / layer / "requirements.txt"


def list_pins(layers: Iterable[str] = LAYERS) -> list[str]:
    """Return the pins of what layers hold on the functions' platform, hashes and all, each once."""
    texts = (find_requirements(layer).read_text(encoding="utf-8") for layer in layers)
    lines = {line.strip() for text in texts for line in text.replace("\\\n", " ").splitlines()}
    return sorted(line for line in lines if line and _is_for_us(line))


def list_packages(layers: Iterable[str] = LAYERS) -> list[Package]:
    """Return what layers hold on the functions' platform, each package once."""
    requirements = (_parse(pin) for pin in list_pins(layers))
    return sorted(
        {Package(canonicalize_name(one.name), str(one.specifier).removeprefix("==")) for one in requirements}
    )


def _is_for_us(pin: str) -> bool:
    marker = _parse(pin).marker
    return marker is None or marker.evaluate()


def _parse(pin: str) -> Requirement:
    return Requirement(pin.partition(" --hash")[0])
