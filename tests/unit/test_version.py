import re
import tomllib

import pytest

from facematch import __version__
from harness.template import ROOT


@pytest.mark.parametrize("folder", [".", "cli", "emulator"])
def test_the_version_is_defined_in_the_code_alone(folder: str) -> None:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    assert ("version" in project, project["dynamic"]) == (False, ["version"])


def test_the_changelog_has_the_version_as_its_newest_release() -> None:
    releases = re.findall(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert releases[0] == __version__
