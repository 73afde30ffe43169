"""The layers of each function, and the packages that each layer pins."""

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
"""The layers of each function, including the optional layers `heic` and `framing`."""


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """One pinned package with its canonical name."""

    name: str
    version: str


def find_requirements(layer: str) -> Path:
    """Return the file that pins the packages of a layer, with hashes."""
    return ROOT / "layers" / layer / "requirements.txt"


def list_pins(layers: Iterable[str] = LAYERS) -> list[str]:
    """Return the pins of the layers' packages for the functions' platform, with hashes, each once."""
    texts = (find_requirements(layer).read_text(encoding="utf-8") for layer in layers)
    lines = {line.strip() for text in texts for line in text.replace("\\\n", " ").splitlines()}
    return sorted(line for line in lines if line and _is_for_this_platform(line))


def list_packages(layers: Iterable[str] = LAYERS) -> list[Package]:
    """Return the layers' packages for the functions' platform, without duplicates."""
    requirements = (_parse(pin) for pin in list_pins(layers))
    return sorted(
        {
            Package(canonicalize_name(requirement.name), str(requirement.specifier).removeprefix("=="))
            for requirement in requirements
        }
    )


def _is_for_this_platform(pin: str) -> bool:
    marker = _parse(pin).marker
    return marker is None or marker.evaluate()


def _parse(pin: str) -> Requirement:
    return Requirement(pin.partition(" --hash")[0])
