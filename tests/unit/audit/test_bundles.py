import pytest

from audit.bundles import FUNCTION_LAYERS, LAYERS, Package, find_requirements, list_packages, list_pins
from audit.sbom import list_bundles
from harness.template import ROOT, read_template

NAMES = {
    "RuntimeLayer": "runtime",
    "SdkLayer": "sdk",
    "ImagingLayer": "imaging",
    "HeicLayer": "heic",
    "FramingLayer": "framing",
}


def read_layer(reference: dict[str, object]) -> str:
    """Return the layer that a reference or a conditional reference names."""
    found = [name for name in NAMES if f"'{name}'" in str(reference)]
    assert len(found) == 1
    return NAMES[found[0]]


def test_the_layers_of_each_function_are_those_of_the_template() -> None:
    deployed = {
        name.lower(): tuple(read_layer(layer) for layer in resource["Properties"]["Layers"])
        for name, resource in read_template()["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
    }
    assert deployed == FUNCTION_LAYERS


def test_every_layer_with_requirements_is_known() -> None:
    found = {path.parent.name for path in (ROOT / "layers").glob("*/requirements.txt")}
    assert found == set(LAYERS)


@pytest.mark.parametrize("layer", LAYERS)
def test_every_pin_of_a_layer_has_a_hash(layer: str) -> None:
    text = find_requirements(layer).read_text().replace("\\\n", " ")
    pins = [line for line in text.splitlines() if line.strip()]
    assert pins
    assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def test_packages_are_listed_by_canonical_names() -> None:
    packages = list_packages(["heic"])
    assert [package.name for package in packages] == ["pillow-heif"]
    assert all(package.version[0].isdigit() for package in list_packages())


def test_packages_for_other_platforms_are_not_listed() -> None:
    assert "tzdata" not in {package.name for package in list_packages()}


def test_a_package_in_two_layers_is_listed_once() -> None:
    packages = list_packages()
    assert len(packages) == len(set(packages))
    assert {"urllib3"} <= {package.name for package in packages}
    assert Package("pillow", "0") not in packages


def test_the_pins_of_layers_are_whole_and_each_is_there_once() -> None:
    pins = list_pins()
    assert len(pins) == len(list_packages())
    assert all("--hash=sha256:" in pin for pin in pins)


def test_every_layer_and_every_function_has_an_sbom() -> None:
    bundles = list_bundles()
    assert {name for name in bundles if name.startswith("layer-")} == {f"layer-{name}" for name in LAYERS}
    assert {name for name in bundles if name.startswith("function-")} == {
        f"function-{name}" for name in FUNCTION_LAYERS
    }
