"""Everything that a reviewer would have run: `python -m audit`; each step tells what it found."""

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
    "cfn-lint: the template by CloudFormation's rules": [
        CLOUD_BIN / "cfn-lint", "--format", "pretty", _TEMPLATE,
    ],
    "sam validate --lint: the template after the SAM transform": [CLOUD_BIN / "sam", "validate", "--lint"],
    "checkov: the template by the rules of security reviews": [
        TOOLS / "checkov", "--file", _TEMPLATE, "--framework", "cloudformation", "--compact",
        "--skip-download",
    ],
    "permissions and leaks, on a stack of its own": [_PYTHON, "-m", "pytest", "--quiet", "tests/audit"],
    "pip-audit: what is known against the packages": [_PYTHON, "-m", "audit.dependencies"],
    "CycloneDX: what each bundle is made of": [_PYTHON, "-m", "audit.sbom"],
    "licences": [_PYTHON, "-m", "pytest", "--quiet", "tests/unit/audit/test_licences.py"],
}  # fmt: skip


def main() -> int:
    """Run every step, whatever the others find; return 1 where one failed."""
    ended = {title: _run(title, command) for title, command in STEPS.items()}
    print(f"\n{sum(code == 0 for code in ended.values())} of {len(STEPS)} steps passed.")
    for title, code in ended.items():
        if code:
            print(f"{_tell(code)}: {title}")
    return int(any(code not in {0, NOT_AUDITED} for code in ended.values()))


def _run(title: str, command: list[str | Path]) -> int:
    print(f"\n== {title}\n", flush=True)
    started_at_s = time.monotonic()
    code = subprocess.run(command, cwd=ROOT, env=make_environment(), check=False).returncode
    print(f"\n{_tell(code)} ({time.monotonic() - started_at_s:.0f} s)", flush=True)
    return code


def _tell(code: int) -> str:
    return {0: "passed", NOT_AUDITED: "not audited"}.get(code, "failed")


if __name__ == "__main__":
    sys.exit(main())
