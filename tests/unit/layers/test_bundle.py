import gzip
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.template import ROOT

BUNDLE: dict[str, Any] = runpy.run_path(str(ROOT / "layers" / "bundle.py"))


def make_files(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def list_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_no_function_loads_is_pruned(tmp_path: Path) -> None:
    make_files(
        tmp_path,
        "package/__init__.py",
        "package/__init__.pyi",
        "package/py.typed",
        "package/core.pyx",
        "package/tests/test_core.py",
        "package/__pycache__/core.cpython-312.pyc",
        "package-1.0.dist-info/RECORD",
        "bin/command",
        "botocore/data/ec2/2016-11-15/service-2.json",
        "botocore/data/sqs/2012-11-05/service-2.json",
        "botocore/data/sqs/2012-11-05/examples-1.json",
        "botocore/data/partitions.json",
    )
    BUNDLE["prune"](tmp_path)

    assert list_files(tmp_path) == {
        "package/__init__.py",
        "botocore/data/sqs/2012-11-05/service-2.json",
        "botocore/data/partitions.json",
    }


def test_what_code_reads_of_a_distribution_stays(tmp_path: Path) -> None:
    make_files(tmp_path, "apscheduler-3.11.3.dist-info/METADATA", "attrs-26.1.0.dist-info/METADATA")
    BUNDLE["prune"](tmp_path)

    assert list_files(tmp_path) == {"apscheduler-3.11.3.dist-info/METADATA"}


def test_the_root_certificates_stay_for_the_functions_that_have_no_certifi(tmp_path: Path) -> None:
    make_files(tmp_path, "botocore/cacert.pem")
    BUNDLE["prune"](tmp_path)

    assert list_files(tmp_path) == {"botocore/cacert.pem"}


def test_a_service_model_keeps_everything_but_its_prose(tmp_path: Path) -> None:
    model = {
        "documentation": "<p>All about it.</p>",
        "shapes": {"Book": {"members": {"documentation": {"shape": "Text", "documentation": "Its text."}}}},
    }
    folder = tmp_path / "sqs" / "2012-11-05"
    folder.mkdir(parents=True)
    (folder / "service-2.json.gz").write_bytes(gzip.compress(json.dumps(model).encode()))
    BUNDLE["trim_service_models"](tmp_path)

    assert list_files(tmp_path) == {"sqs/2012-11-05/service-2.json"}
    assert json.loads((folder / "service-2.json").read_text()) == {
        # Emptied, since the SDK reads the text of some operations when a client is made.
        "documentation": "",
        "shapes": {"Book": {"members": {"documentation": {"shape": "Text", "documentation": ""}}}},
    }


def test_the_endpoints_of_other_services_are_dropped(tmp_path: Path) -> None:
    services: dict[str, Any] = {"sqs": {"endpoints": {}}, "ec2": {"endpoints": {}}}
    partition = {"partition": "aws", "services": services}
    (tmp_path / "endpoints.json").write_text(json.dumps({"partitions": [partition]}))
    BUNDLE["trim_service_models"](tmp_path)

    (kept,) = json.loads((tmp_path / "endpoints.json").read_text())["partitions"]
    assert kept == {"partition": "aws", "services": {"sqs": {"endpoints": {}}}}


def test_compiled_files_name_the_place_in_the_function_and_not_this_machines(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("def tell(): return tell.__code__.co_filename\n")
    BUNDLE["compile_all"](tmp_path)

    (compiled,) = (tmp_path / "__pycache__").iterdir()
    assert compiled.name == f"module.{sys.implementation.cache_tag}.pyc"
    assert b"/opt/python/module.py" in compiled.read_bytes()
    assert str(tmp_path).encode() not in compiled.read_bytes()


def test_what_can_not_be_compiled_fails_the_build(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "module.py").write_text("def (:\n")

    with pytest.raises(SystemExit, match="can't be compiled"):
        BUNDLE["compile_all"](tmp_path)
    assert "module.py" in capsys.readouterr().out
