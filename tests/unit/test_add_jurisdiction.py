"""The steps of "Add a jurisdiction" in CONTRIBUTING.md, performed on a copy for a made-up one."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from facematch.domain.regions import Region
from harness.template import ROOT

TIME_LIMIT_S = 300
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "node_modules")
REPEATING = [
    "template.yaml",
    "docs/provider.md",
    "docs/parameters.md",
    "schemas/openapi.json",
    "schemas/result-event.schema.json",
    "emulator/facecompare_emulator/endpoints.py",
]
CHECKS = [
    "tests/unit/test_generated.py",
    "tests/unit/test_jurisdictions.py",
    "tests/unit/domain/test_regions.py",
]
MORE_CHECKS = ["tests/unit/test_template.py", "tests/unit/test_docs.py", "tests/unit/test_interfaces.py"]


@dataclass(frozen=True, slots=True)
class Step:
    """A text that is added behind another in a file; `complaint` is what follows where that is forgotten."""

    path: str
    behind: str
    added: str
    complaint: str


NAME = next(name for name in ("thailand", "new-zealand") if name not in set(Region))
"""A jurisdiction that there is not."""
MEMBER = NAME.upper().replace("-", "_")
TITLE = NAME.title().replace("-", " ")
STEPS = {
    "member": Step(
        "src/facematch/domain/regions.py",
        behind='    HONG_KONG = "hong-kong"\n',
        added=f'    {MEMBER} = "{NAME}"\n',
        complaint=f"'Region' has no attribute '{MEMBER}'",
    ),
    "profile": Step(
        "src/facematch/domain/regions.py",
        behind="PROFILES: Final = {\n",
        added=(
            f'    Region.{MEMBER}: _profile("made-up-1", aws_region="made-up-2", default_qps=3, '
            "stated_price_usd=0.003),\n"
        ),
        complaint=f"src/facematch/domain/regions.py: PROFILES has no entry for {NAME}.",
    ),
    "table": Step(
        "tests/unit/domain/test_regions.py",
        behind="TABLE = [\n",
        added=(
            f'    ("{NAME}", "made-up-1", "made-up-2", "cloudauth-intl.made-up-1.aliyuncs.com",\n'
            '     "cloudauth-intl-vpc.made-up-1.aliyuncs.com", 3, 0.003),\n'
        ),
        complaint=f"tests/unit/domain/test_regions.py: add {NAME} to TABLE",
    ),
    "changelog": Step(
        "CHANGELOG.md",
        behind="## [Unreleased]\n\n",
        added=f"### Added\n\n- FaceCompare in {TITLE}.\n\n",
        complaint=f"CHANGELOG.md: add a line that names {TITLE}.",
    ),
}


def run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program in the copy."""
    environment = os.environ | {"PYTHONPATH": "src:layers/imaging:cli"}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(
        command, cwd=tree, env=environment, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of the repository."""
    return shutil.copytree(ROOT, tmp_path / "facematch", ignore=LEFT_OUT)


def perform(tree: Path, *, without: str = "") -> None:
    """Perform the steps by hand, but for one."""
    for name, step in STEPS.items():
        path = tree / step.path
        text = path.read_text()
        assert text.count(step.behind) >= 1, f"{step.path} has no {step.behind!r} any more."
        if name != without:
            path.write_text(text.replace(step.behind, step.behind + step.added, 1))


def check(tree: Path, *files: str) -> subprocess.CompletedProcess[str]:
    return run(tree, "pytest", "-q", "-m", "not verify", *files)


def test_the_steps_by_hand_are_few_and_written_down() -> None:
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    (section,) = re.findall(r"## Add a jurisdiction\n(.*?)\n## ", contributing, re.DOTALL)

    assert len(STEPS) <= 12
    assert len({step.path for step in STEPS.values()}) <= 4
    assert [step.path for step in STEPS.values() if f"`{step.path}`" not in section] == []
    assert "`make interfaces`" in section


def test_what_repeats_the_jurisdictions_is_generated(tree: Path) -> None:
    perform(tree)

    generated = run(tree, "generate")

    assert generated.returncode == 0, generated.stderr
    assert [path for path in REPEATING if NAME not in (tree / path).read_text()] == []


@pytest.mark.verify
def test_all_steps_make_a_jurisdiction_that_passes_the_checks(tree: Path) -> None:
    perform(tree)
    generated = run(tree, "generate")
    assert generated.returncode == 0, generated.stderr

    checked = check(tree, *CHECKS, *MORE_CHECKS)

    assert checked.returncode == 0, checked.stdout


@pytest.mark.verify
@pytest.mark.parametrize("forgotten", STEPS)
def test_a_forgotten_step_fails_with_a_sentence_that_names_the_place(tree: Path, forgotten: str) -> None:
    perform(tree, without=forgotten)

    generated = run(tree, "generate")
    checked = check(tree, *CHECKS)

    assert checked.returncode != 0
    assert STEPS[forgotten].complaint in generated.stderr + checked.stdout


@pytest.mark.verify
def test_a_forgotten_generation_fails_with_the_files_that_are_out_of_date(tree: Path) -> None:
    perform(tree)

    checked = check(tree, *CHECKS)

    assert checked.returncode != 0
    for path in REPEATING:
        assert f"{path} is out of date: run `make interfaces`." in checked.stdout
