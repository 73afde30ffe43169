"""Holds the command's package: what it needs is what its code needs."""

import re
import tomllib
from pathlib import Path

import pytest

from facematch import __version__

ROOT = Path(__file__).parents[3]
PACKAGE = tomllib.loads((ROOT / "cli" / "pyproject.toml").read_text())
PROJECT = PACKAGE["project"]


def name_requirements(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~ ]", line)[0].lower() for line in requirements if line and line[0].isalnum()}


def test_it_brings_the_code_that_it_shares_with_the_functions() -> None:
    included = PACKAGE["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    assert set(included.values()) == {"facematch", "imaging"}
    assert all((ROOT / "cli" / source / "__init__.py").is_file() for source in included)


def test_it_needs_what_imaging_needs() -> None:
    imaging = (ROOT / "layers" / "imaging" / "requirements.in").read_text().splitlines()

    assert name_requirements(PROJECT["dependencies"]) >= name_requirements(imaging)


def test_its_extra_is_the_providers_sdk_as_the_functions_have_it() -> None:
    layers = [file.read_text().splitlines() for file in ROOT.glob("layers/*/requirements.in")]
    bundled = {line for lines in layers for line in name_requirements(lines)}

    assert name_requirements(PROJECT["optional-dependencies"]["direct"]) == {
        name for name in bundled if name.startswith("alibabacloud")
    }


@pytest.mark.parametrize(("extra", "layer"), [("heic", "heic"), ("faces", "framing")])
def test_an_extra_is_what_an_optional_layer_holds(extra: str, layer: str) -> None:
    requirements = (ROOT / "layers" / layer / "requirements.in").read_text().splitlines()

    assert name_requirements(PROJECT["optional-dependencies"][extra]) == name_requirements(requirements)


def test_its_version_is_the_projects() -> None:
    version = PACKAGE["tool"]["hatch"]["version"]
    found = re.search(version["pattern"], (ROOT / "cli" / version["path"]).read_text(), re.MULTILINE)

    assert found
    assert found["version"] == __version__
