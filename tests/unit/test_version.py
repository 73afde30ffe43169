import tomllib

from facematch import __version__
from harness.template import ROOT


def test_the_functions_have_the_version_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert __version__ == project["version"]
