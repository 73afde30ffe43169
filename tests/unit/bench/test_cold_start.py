from bench.cold_start import make_stock_template
from harness.bundles import WIRINGS
from local.cloudformation import parse_template
from local.processes import ROOT

STOCK = parse_template(make_stock_template((ROOT / "template.yaml").read_text()))["Resources"]


def test_the_stock_build_uses_sams_own_builder_for_all_that_is_measured() -> None:
    layers = {
        layer["Ref"] for name in WIRINGS for layer in STOCK[name]["Properties"]["Layers"] if "Ref" in layer
    }

    assert layers
    assert {STOCK[layer]["Metadata"]["BuildMethod"] for layer in layers} == {"python3.13"}
    assert not any("Metadata" in STOCK[name] for name in WIRINGS)


def test_the_stock_build_leaves_out_the_layer_that_its_builder_cannot_build() -> None:
    assert "Metadata" not in STOCK["HeicLayer"]
    assert "Metadata" not in STOCK["FramingLayer"]
    assert STOCK["HeicLayer"]["Properties"]["ContentUri"] == "../layers/heic/"
