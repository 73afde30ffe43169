"""Runs all checks of a security review: `python -m audit`. Each step prints its findings."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from audit.dependencies import NOT_AUDITED
from audit.tools import TOOLS
from local.processes import CLOUD_BIN, ROOT, make_environment

_PYTHON: Final = sys.executable
_TEMPLATE: Final = "template.yaml"

STEPS: Final[dict[str, list[str | Path]]] = {
    "cfn-lint: the template against CloudFormation's rules": [
        CLOUD_BIN / "cfn-lint", "--format", "pretty", _TEMPLATE,
    ],
    "sam validate --lint: the template after the SAM transform": [CLOUD_BIN / "sam", "validate", "--lint"],
    "checkov: the template against security rules": [
        TOOLS / "checkov", "--file", _TEMPLATE, "--framework", "cloudformation", "--compact",
        "--skip-download",
    ],
    "permissions and leaks, on a separate stack": [_PYTHON, "-m", "pytest", "--quiet", "tests/audit"],
    "pip-audit: known vulnerabilities of the packages": [_PYTHON, "-m", "audit.dependencies"],
    "CycloneDX: the bill of materials of each bundle": [_PYTHON, "-m", "audit.sbom"],
    "licences": [_PYTHON, "-m", "pytest", "--quiet", "tests/unit/audit/test_licences.py"],
}  # fmt: skip


def main() -> int:
    """Run every step, also after a failure; return 1 if a step failed."""
    ended = {title: _run(title, command) for title, command in STEPS.items()}
    print(f"\n{sum(code == 0 for code in ended.values())} of {len(STEPS)} steps passed.")
    for title, code in ended.items():
        if code:
            print(f"{_describe(code)}: {title}")
    return int(any(code not in {0, NOT_AUDITED} for code in ended.values()))


def _run(title: str, command: list[str | Path]) -> int:
    print(f"\n== {title}\n", flush=True)
    started_at_s = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env=make_environment(), check=False).returncode
    print(f"\n{_describe(code)} ({time.monotonic() - started_at_s:.0f} s)", flush=True)
    return code


def _describe(code: int) -> str:
    return {0: "passed", NOT_AUDITED: "not audited"}.get(code, "failed")


if __name__ == "__main__":
    sys.exit(main())
