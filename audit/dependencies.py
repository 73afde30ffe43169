"""What is known against the packages that are deployed: `python -m audit.dependencies`.

Needs a database of vulnerabilities. Where none can be reached it says so: neither a pass nor a failure.
"""

import json
import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from audit.bundles import LAYERS, find_requirements
from audit.tools import TOOLS, Said, run_tool

_UNREACHED: Final = ("connect", "connection", "timed out", "name resolution", "ssl", "proxy", "max retries")


class Outcome(StrEnum):
    """How an audit of one layer ended."""

    CLEAN = "nothing is known against them"
    VULNERABLE = "vulnerable"
    UNREACHED = "no database reached, not audited"
    BROKEN = "the tool failed, not audited"


@dataclass(frozen=True, slots=True)
class Audited:
    """What came of the audit of one layer's packages; `found` has a line for each vulnerability."""

    outcome: Outcome
    packages: int = 0
    found: tuple[str, ...] = ()


def judge(said: Said) -> Audited:
    """Return what the tool's words come to: only a report counts as an audit, whatever the exit code."""
    try:
        report: Any = json.loads(said.output)
        packages = [one for one in report["dependencies"] if "version" in one]
    except (ValueError, KeyError, TypeError):
        told = said.errors.lower()
        unreached = any(word in told for word in _UNREACHED)
        last = tuple(said.errors.splitlines()[-1:])
        return Audited(Outcome.UNREACHED if unreached else Outcome.BROKEN, found=last)
    found = tuple(
        f"{one['name']} {one['version']}: {known['id']}, "
        f"mended in {', '.join(known['fix_versions']) or 'nothing yet'}"
        for one in packages
        for known in one["vulns"]
    )
    return Audited(Outcome.VULNERABLE if found else Outcome.CLEAN, len(packages), found)


def audit_layer(layer: str) -> Audited:
    """Ask what is known against the packages that a layer pins, without installing any of them."""
    options = [
        "--require-hashes",
        "--disable-pip",
        "--no-deps",
        "--progress-spinner",
        "off",
        "--format",
        "json",
    ]
    return judge(run_tool([TOOLS / "pip-audit", "--requirement", find_requirements(layer), *options]))


def main() -> int:
    """Audit every layer; return 1 where something is known, or where the tool failed."""
    failed = False
    for layer in LAYERS:
        audited = audit_layer(layer)
        print(f"layer {layer}: {audited.packages} packages looked at; {audited.outcome}")
        for line in audited.found:
            print(f"  {line}")
        failed |= audited.outcome in {Outcome.VULNERABLE, Outcome.BROKEN}
        if audited.outcome is Outcome.UNREACHED:
            break
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
