"""Everything that a reviewer would have run: `python -m audit`; each step tells what it found."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from audit.tools import TOOLS
from local.processes import CLOUD_BIN, ROOT, make_environment

_PYTHON: Final = sys.executable
_TEMPLATE: Final = "template.yaml"

STEPS: Final[dict[str, list[str | Path]]] = {
    "cfn-lint: the template by CloudFormation's rules": [CLOUD_BIN / "cfn-lint", _TEMPLATE],
    "sam validate --lint: the template after the SAM transform": [CLOUD_BIN / "sam", "validate", "--lint"],
    "checkov: the template by the rules of security reviews": [
        TOOLS / "checkov", "--file", _TEMPLATE, "--framework", "cloudformation", "--compact", "--quiet",
        "--skip-download",
    ],
    "permissions and leaks, on a stack of its own": [_PYTHON, "-m", "pytest", "--quiet", "tests/audit"],
    "pip-audit: what is known against the packages": [_PYTHON, "-m", "audit.dependencies"],
    "CycloneDX: what each bundle is made of": [_PYTHON, "-m", "audit.sbom"],
    "licences": [_PYTHON, "-m", "pytest", "--quiet", "tests/unit/audit/test_licences.py"],
}  # fmt: skip


def main() -> int:
    """Run every step, whatever the others find; return 1 where one failed."""
    failed = []
    for title, command in STEPS.items():
        print(f"\n== {title}\n", flush=True)
        started_at_s = time.monotonic()
        environment = make_environment() | {"PYTHONPATH": "src:layers/imaging:cli"}
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        print(f"\n{'failed' if code else 'passed'} in {time.monotonic() - started_at_s:.0f} s", flush=True)
        if code:
            failed.append(title)
    print(f"\n{len(STEPS) - len(failed)} of {len(STEPS)} steps passed.", *failed, sep="\n")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
